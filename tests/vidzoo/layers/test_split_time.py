import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from vidzoo.layers import SplitTime

CLIP = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)


def test_undoes_the_merging_of_time():
    merged = CLIP.reshape(6, 4)
    np.testing.assert_array_equal(SplitTime()(merged, CLIP), CLIP)


def test_takes_time_of_the_one_and_all_else_of_the_other():
    x = np.arange(6 * 2 * 5, dtype=np.float32).reshape(6, 2, 5)
    found = np.asarray(SplitTime()(x, CLIP))
    assert found.shape == (2, 3, 2, 5)
    for n in range(2):
        for t in range(3):
            np.testing.assert_array_equal(found[n, t], x[3 * n + t])


def test_time_may_differ_from_batch_to_batch(tmp_path):
    clip = keras.Input((None, 4))
    frames = ops.reshape(clip, (-1, 4))
    model = keras.Model(clip, SplitTime()(frames, clip))
    assert model.output.shape == (None, None, 4)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    in_graph = tf.function(model, input_signature=[tf.TensorSpec((None, None, 4))])
    for length in (1, 3, 7):
        batch = np.random.default_rng(length).normal(size=(2, length, 4))
        batch = batch.astype(np.float32)
        for each in (model, loaded, in_graph):
            np.testing.assert_array_equal(each(batch), batch)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_keeps_precision_whatever_the_policy(dtype):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        layer = SplitTime()
        x = ops.cast(CLIP.reshape(6, 4), dtype)
        assert keras.backend.standardize_dtype(layer(x, CLIP).dtype) == dtype
        symbolic = layer(keras.Input((4,), dtype=dtype), keras.Input((3, 4)))
        assert symbolic.dtype == dtype
    finally:
        keras.config.set_dtype_policy("float32")
