"""`python -m tests.toy_command` is `python -m vidzoo` with the toy backbones."""

import importlib

from vidzoo.cli import main
from vidzoo.quiet import without_greetings

if __name__ == "__main__":
    with without_greetings():
        importlib.import_module("tests.toy_backbones")
    main()
