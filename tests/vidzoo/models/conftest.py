"""What tests of networks share."""

import keras
import pytest

from vidzoo.weights import memory


@pytest.fixture
def undrawn(monkeypatch):
    """Large weights are zeros drawn from nowhere, so that they cost nothing."""

    def unset(self, shape, dtype=None, **_):
        return memory.unset(shape, dtype)

    for kind in (keras.initializers.VarianceScaling, keras.initializers.Orthogonal):
        monkeypatch.setattr(kind, "__call__", unset)
