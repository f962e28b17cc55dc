"""Converters from other frameworks' names and layouts, one file per origin."""

from vidzoo.weights.convert import (
    bvlc_alexnet,
    bvlc_googlenet,
    c3d_sports1m,
    keras_applications,
    kinetics_i3d,
    torchvision,
    tsn_bn_inception,
    vgg_ilsvrc,
)

CONVERTERS = (
    bvlc_alexnet,
    bvlc_googlenet,
    c3d_sports1m,
    *keras_applications.CONVERTERS,
    *kinetics_i3d.CONVERTERS,
    *torchvision.CONVERTERS,
    tsn_bn_inception,
    vgg_ilsvrc,
)
