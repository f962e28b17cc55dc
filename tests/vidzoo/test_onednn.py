"""TensorFlow's oneDNN is on beside vidzoo, whatever the processor, unless told."""

import os
import platform
import subprocess
import sys

import pytest

FLAG = "TF_ENABLE_ONEDNN_OPTS"


@pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="TensorFlow says whether oneDNN is on under Linux on x86_64 alone",
)
@pytest.mark.parametrize("told, on", [({}, True), ({FLAG: "0"}, False)])
def test_onednn_is_on_unless_told(told, on):
    env = {name: value for name, value in os.environ.items() if name != FLAG}
    done = subprocess.run(
        [sys.executable, "-c", "import vidzoo, tensorflow"],
        env=env | {"TF_CPP_MIN_LOG_LEVEL": "0"} | told,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ("oneDNN custom operations are on" in done.stderr) == on
