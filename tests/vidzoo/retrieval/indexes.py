"""Small indexes: an encoder in name, and entries whose vectors follow from names."""

import numpy as np

from vidzoo.retrieval import (
    Entry,
    IndexBuilder,
    index_file,
)


class Fitted:
    """An encoder, as an index sees it."""

    def __init__(self, layer="inception_3a", seed=0, **description):
        self._description = {
            "network": {"name": "googlenet", "weights": "sha256:12"},
            "layer": layer,
            "scales": [1, 2],
            **description,
        }
        random = np.random.default_rng(seed)
        self._arrays = {
            "codebook": random.standard_normal((5, 3)).astype(np.float32),
            "mean": random.standard_normal(7),
            "count": np.array(23),
            "half": random.standard_normal(3).astype(np.float16),
            "is_used": np.array([True, False, True]),
        }

    def arrays(self):
        return self._arrays

    def description(self):
        return self._description


def vectors_of(names, dim=6):
    """A vector for each name that depends on the name alone."""
    rows = [
        np.random.default_rng([ord(c) for c in n]).standard_normal(dim) for n in names
    ]
    return np.array(rows, np.float32)


def entries_of(names):
    return [Entry(name, name) for name in names]


def named(start, stop):
    return [f"p{i:03d}.jpg" for i in range(start, stop)]


def save(path, names, encoder=None):
    index_file.save(path, encoder or Fitted(), vectors_of(names), entries_of(names))
    return path


def add(path, names):
    index_file.add(path, Fitted(), vectors_of(names), entries_of(names))


def build(path, names, **options):
    with IndexBuilder(path, Fitted(), dict.fromkeys(names, 9), **options) as builder:
        for name in names:
            if name not in builder.done:
                builder.append(vectors_of([name]), entries_of([name]))
        return builder.finish()
