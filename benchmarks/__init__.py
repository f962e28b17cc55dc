"""Benchmarks: `python -m benchmarks.run`, and one measured thing per file."""

import vidzoo  # noqa: F401 - before TensorFlow, which it sets up
