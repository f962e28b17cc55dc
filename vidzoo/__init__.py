"""vidzoo: a Keras 3 model zoo for video understanding.

`import vidzoo` loads no backend: its parts are imported when first asked for.
"""

import importlib

__version__ = "0.1.0"
__all__ = [
    "errors",
    "evaluation",
    "explain",
    "export",
    "layers",
    "losses",
    "metrics",
    "models",
    "retrieval",
    "training",
    "weights",
]


def __getattr__(name):
    if name in __all__:
        return importlib.import_module(f"vidzoo.{name}")
    raise AttributeError(f"module 'vidzoo' has no attribute '{name}'")
