"""vidzoo: a Keras 3 model zoo for video understanding.

`import vidzoo` loads no backend: its parts are imported when first asked for.
"""

from vidzoo import deferred

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
__getattr__, __dir__ = deferred.attributes(__name__, {name: name for name in __all__})
