"""vidzoo: a Keras 3 model zoo for video understanding.

`import vidzoo` loads no backend: its parts are imported when first asked for.
"""

import os

from vidzoo import deferred

# Where the processor has no AVX512-VNNI TensorFlow leaves oneDNN off unless told, and
# then trains a network of 3-D convolutions some 35 times as slowly. TensorFlow looks
# when it is imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

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
