"""Benchmarks: `python -m benchmarks.run`, and one measured thing per file."""

import vidzoo  # noqa: F401 - turns oneDNN on, which must precede TensorFlow
