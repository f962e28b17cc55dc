"""Scalars for TensorBoard, which need not be installed to write them."""

from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

_PLUGIN = tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
_SCALAR = tf.compat.v1.SummaryMetadata(plugin_data=_PLUGIN)


class EventWriter:
    """Writes an event file into a folder; use as a context manager.

    `tf.summary.scalar` needs the package tensorboard; `tf.summary.write` does not.
    """

    def __init__(self, folder: Path):
        self._writer = tf.summary.create_file_writer(str(folder))

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._writer.close()

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Writes values by name, as of `step`, and sees to it that they are on disk."""
        with self._writer.as_default():
            for name, value in values.items():
                value = tf.constant(value, tf.float32)
                tf.summary.write(name, value, step=step, metadata=_SCALAR)
        self._writer.flush()
