"""Packages whose parts are imported when first asked for."""

import importlib
from collections.abc import Callable, Mapping


def attributes(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """A package's `__getattr__` and `__dir__`.

    Args:
        package: its name.
        homes: what it offers -> the module in it that has it; of a module its own name.
    """

    def find(name):
        if name not in homes:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        module = importlib.import_module(f"{package}.{homes[name]}")
        return module if homes[name] == name else getattr(module, name)

    return find, lambda: sorted(homes)
