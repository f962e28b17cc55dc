"""What the tests of indexes share."""

import pytest


@pytest.fixture
def path(tmp_path):
    return tmp_path / "pictures.index"
