"""`python -m vidzoo` is the command `vidzoo`."""

from vidzoo.cli import main

main()
