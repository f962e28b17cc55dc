"""The command line in this process, which has TensorFlow loaded already."""

from vidzoo import cli


def command(*arguments):
    """Runs a verb: its exit code, as a shell sees it."""
    try:
        return cli._run(cli._parse(["vidzoo", *map(str, arguments)]))
    except SystemExit as stop:  # what argparse itself refuses
        return stop.code
