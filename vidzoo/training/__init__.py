"""Training: recipes, the loop that runs them, and checkpoints.

Recipes are plain Python; the loop, which needs TensorFlow, is imported when asked for.
"""

from vidzoo import deferred
from vidzoo.training.named_recipes import RECIPES
from vidzoo.training.recipes import Phase, Recipe, epoch_length

__all__ = ["RECIPES", "Phase", "Recipe", "Stopped", "epoch_length", "train"]
_LOOP = {"Stopped": "trainer", "train": "trainer"}
__getattr__, _ = deferred.attributes(__name__, _LOOP)
