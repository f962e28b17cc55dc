"""vidzoo: a Keras 3 model zoo for video understanding.

`import vidzoo` loads no backend; networks are in `vidzoo.models`.
"""

__version__ = "0.1.0"
