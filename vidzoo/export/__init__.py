"""Export: a trained model as a SavedModel that TensorFlow alone can serve."""

from vidzoo.export.saved_model import (
    ACTIVATIONS,
    DESCRIPTION,
    ServedStream,
    export_saved_model,
    load_saved_model,
)

__all__ = [
    "ACTIVATIONS",
    "DESCRIPTION",
    "ServedStream",
    "export_saved_model",
    "load_saved_model",
]
