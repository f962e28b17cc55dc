"""TensorFlow's oneDNN is on beside vidzoo, whatever the processor, unless told."""

import os
import platform
import subprocess
import sys

import pytest

FLAG = "TF_ENABLE_ONEDNN_OPTS"
_REPORT = """
import os
{imports}
from vidzoo.training import devices
print(os.environ.get("TF_ENABLE_ONEDNN_OPTS"), devices.onednn())
"""


@pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="TensorFlow can have oneDNN on or off in Linux on x86_64",
)
@pytest.mark.parametrize(
    "imports, told, expected",
    [
        ("import vidzoo, tensorflow", {}, "1 True"),
        ("from vidzoo_data import clips", {}, "1 True"),
        ("import vidzoo, tensorflow", {FLAG: "0"}, "0 False"),
        # Too late: it is not said to be on where it may be off.
        ("import tensorflow, vidzoo", {}, "None"),
    ],
)
def test_onednn_is_on_unless_told(imports, told, expected):
    env = {name: value for name, value in os.environ.items() if name != FLAG}
    done = subprocess.run(
        [sys.executable, "-c", _REPORT.format(imports=imports)],
        env=env | told,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert done.stdout.strip().startswith(expected)
