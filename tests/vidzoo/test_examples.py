"""The examples in docstrings run, and public names have docstrings."""

import doctest
import importlib
import pkgutil

import pytest

import vidzoo
import vidzoo_data

MODULES = [
    module.name
    for package in (vidzoo, vidzoo_data)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not module.name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    found = [t for n in MODULES for t in finder.find(importlib.import_module(n))]
    assert any(test.examples for test in found)


@pytest.mark.parametrize(
    "name", ["models", "training", "evaluation", "weights", "retrieval"]
)
def test_parts_are_loaded_when_asked_for(name):
    assert getattr(vidzoo, name) is importlib.import_module(f"vidzoo.{name}")


def test_unknown_part():
    with pytest.raises(AttributeError, match="'vidzoo' has no attribute 'nothing'"):
        vidzoo.nothing  # noqa: B018
