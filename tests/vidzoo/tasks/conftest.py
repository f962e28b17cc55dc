"""The command line in this process."""

import pytest

from vidzoo import cli


@pytest.fixture
def vidzoo(capfd):
    """Runs a verb in this process: `(exit code, stdout, stderr)`."""

    def run(*arguments):
        try:
            code = cli._run(cli._parse(["vidzoo", *map(str, arguments)]))
        except SystemExit as stop:  # what argparse itself refuses
            code = stop.code
        return code, *capfd.readouterr()

    return run
