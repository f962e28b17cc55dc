"""What several verbs' flags share: their types, and handing them on."""

import argparse


def taken(args, *names):
    """Flags by name."""
    return {name: getattr(args, name) for name in names}


def given(args, *names):
    """Flags by name, without those that were left out."""
    return {k: v for k, v in taken(args, *names).items() if v is not None}


def add_accept_license(verb):
    """Adds `--accept_license`."""
    verb.add_argument(
        *("--accept_license", "--accept-license"),
        action="store_true",
        help="accept a preset's licence that forbids commercial use",
    )


def add_fusion(verb):
    """Adds how the streams of a two-stream network are joined."""
    verb.add_argument(
        "--weights",
        type=list_of(float),
        help="two-stream: of rgb and flow in the fusion (1,1.5)",
    )
    verb.add_argument(
        "--normalize", help="two-stream: l1 (the default), softmax or none, as in fuse"
    )


def names(text):
    """A flag's type: names with commas between them."""
    return tuple(text.split(","))


def list_of(kind):
    """A flag's type: values with commas between them."""

    def parse(text):
        try:
            return [kind(part) for part in text.split(",")]
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"'{text}': give a number, or several with commas between them"
            ) from None

    return parse


def size(text):
    """A flag's type: `160`, or `128x171` (height x width)."""
    try:
        numbers = tuple(int(part) for part in text.split("x"))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, 2):
        raise argparse.ArgumentTypeError(
            f"'{text}': give 160, or 128x171 (height x width)"
        )
    return numbers[0] if len(numbers) == 1 else numbers


def rate(text):
    """A flag's type: frames per second, or `all`."""
    if text == "all":
        return text
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{text}': give frames per second, such as 6, or all"
        ) from None


def seconds(text):
    """A flag's type: a duration, or `all`."""
    if text == "all":
        return text
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{text}': give seconds, such as 300, or all"
        ) from None


def count(text):
    """A flag's type: a number of 1 or more."""
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"'{text}': give a number of 1 or more")
    return number


def count_or_all(text):
    """A flag's type: a number of 1 or more, or `all`."""
    return text if text == "all" else count(text)
