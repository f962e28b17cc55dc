"""Benchmarks: `python -m benchmarks.run`, and one measured thing per file."""
