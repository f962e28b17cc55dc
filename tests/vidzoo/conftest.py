"""What tests of the package share."""

from tests import toy_backbones  # noqa: F401 - puts them beside the others
