"""What the benchmarks' flags take."""

import argparse


def count(text: str) -> int:
    """A flag's type: a number of 1 or more."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"'{text}': give a number of 1 or more")
    return number
