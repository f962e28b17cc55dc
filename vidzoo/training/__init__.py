"""Training: recipes, the loop that runs them, and checkpoints."""

from vidzoo.training.recipes import RECIPES, Phase, Recipe
from vidzoo.training.trainer import epoch_length, train

__all__ = ["RECIPES", "Phase", "Recipe", "epoch_length", "train"]
