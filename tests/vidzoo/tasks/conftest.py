"""The command line in this process."""

import pytest

from tests.command import command


@pytest.fixture
def vidzoo(capfd):
    """Runs a verb in this process: `(exit code, stdout, stderr)`."""

    def run(*arguments):
        capfd.readouterr()
        return command(*arguments), *capfd.readouterr()

    return run
