"""vidzoo: a Keras 3 model zoo for video understanding.

`import vidzoo` loads no backend: its parts are imported when first asked for. It turns
TensorFlow's oneDNN kernels on, in the process's environment (docs/training.md).
"""

import os
import platform
import sys

from vidzoo import deferred

# TensorFlow leaves oneDNN off on many processors unless told, and 3-D convolutions
# train far slower without. It looks when it is imported: later nothing would change
# but what this process starts.
if platform.machine() in ("x86_64", "AMD64") and "tensorflow" not in sys.modules:
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
