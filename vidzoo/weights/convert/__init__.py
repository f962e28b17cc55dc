"""Converters from other frameworks' names and layouts, one file per origin."""

from vidzoo.weights.convert import bvlc_googlenet

CONVERTERS = (bvlc_googlenet,)
