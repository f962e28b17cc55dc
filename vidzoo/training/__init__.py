"""Training: recipes, the loop that runs them, and checkpoints.

Recipes are plain Python; the loop, which needs TensorFlow, is imported when asked for.
"""

from vidzoo.training.named_recipes import RECIPES
from vidzoo.training.recipes import Phase, Recipe, epoch_length

__all__ = ["RECIPES", "Phase", "Recipe", "Stopped", "epoch_length", "train"]


def __getattr__(name):
    if name in ("Stopped", "train"):
        from vidzoo.training import trainer

        return getattr(trainer, name)
    raise AttributeError(f"module 'vidzoo.training' has no attribute '{name}'")
