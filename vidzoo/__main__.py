"""`python -m vidzoo` is the command `vidzoo`."""

from vidzoo.cli import main

if __name__ == "__main__":
    main()
