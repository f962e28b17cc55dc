"""What a measurement was made on and with."""

import importlib
import os
import platform
import resource
import subprocess
import sys
from pathlib import Path

import keras

_BACKENDS = ("tensorflow", "jax", "torch")


def describe() -> dict:
    """Versions, devices, processor and commit, JSON-ready; no time and no host name."""
    return {
        "backend": keras.backend.backend(),
        "versions": _versions(),
        "devices": _devices(),
        "processor": _processor(),
        "num_cpus": _num_cpus(),
        "onednn": _onednn(),
        "commit": _commit(),
    }


def peak_memory_bytes() -> int:
    """The most memory that this process has held so far; not that of a GPU."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak  # Linux counts in KiB


def _versions():
    versions = {"python": platform.python_version(), "keras": keras.__version__}
    for name in _BACKENDS:
        if sys.modules.get(name) is not None:
            versions[name] = sys.modules[name].__version__
    for name, module in (("numpy", "numpy"), ("opencv", "cv2")):
        try:
            versions[name] = importlib.import_module(module).__version__
        except ModuleNotFoundError:
            versions[name] = None
    return versions


def _devices():
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return [
            f"{device.device_type}: {_tensorflow_name(tf, device)}"
            for device in tf.config.list_physical_devices()
        ]
    if backend == "jax":
        import jax

        return [f"{device.platform}: {device.device_kind}" for device in jax.devices()]
    if backend == "torch":
        import torch

        count = torch.cuda.device_count()
        names = [f"cuda: {torch.cuda.get_device_name(i)}" for i in range(count)]
        return names or [f"cpu: {_processor()}"]
    return [f"cpu: {_processor()}"]


def _tensorflow_name(tf, device):
    if device.device_type == "CPU":
        return _processor()
    details = tf.config.experimental.get_device_details(device)
    return details.get("device_name", device.name)


def _processor():
    """The processor's name as Linux gives it, or its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _onednn():
    """Whether TensorFlow uses oneDNN; None on another backend."""
    if keras.backend.backend() != "tensorflow":
        return None
    from vidzoo.training import devices

    return devices.onednn()


def _num_cpus():
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _commit():
    """The checkout's commit, `-dirty` behind it if files differ; None outside one."""
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None
    command = ("git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    try:
        answer = subprocess.run(
            command, cwd=root, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()
