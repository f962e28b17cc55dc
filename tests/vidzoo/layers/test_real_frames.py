import keras
import numpy as np
import pytest
import tensorflow as tf

from vidzoo.layers import RealFrames

CLIP = np.arange(2 * 4 * 3, dtype=np.float32).reshape(2, 4, 3)
TWO = np.array([[True] * 4, [True, True, False, False]])
NOTHING = np.array([[True] * 4, [False] * 4])
GAP = np.array([[True, False, True, True], [True] * 4])
SIGNATURE = [tf.TensorSpec((None, None, 3)), tf.TensorSpec((None, None), tf.bool)]


def in_graph(layer, **options):
    return tf.function(layer, input_signature=SIGNATURE, **options)


@pytest.fixture(params=["eager", "graph", "XLA"])
def run(request):
    """The layer, one way or another."""
    if request.param == "eager":
        return lambda layer: layer
    return lambda layer: in_graph(layer, jit_compile=request.param == "XLA")


def test_passes_clips_and_masks_on(run):
    clip, mask = run(RealFrames(2))(CLIP, TWO)
    np.testing.assert_array_equal(clip, CLIP)
    np.testing.assert_array_equal(mask, TWO)


@pytest.mark.parametrize(
    "mask, minimum, clips",
    [(NOTHING, 1, "[1]"), (TWO, 3, "[1]"), (GAP, 1, "[0]"), (NOTHING[1:], 1, "[0]")],
)
def test_names_clips_whose_masks_do_not_do(mask, minimum, clips):
    layer = RealFrames(minimum)
    clip = CLIP[: len(mask)]
    words = rf"`mask` must be true for {minimum} or more .* Clips:.*\[{clips[1:-1]}\]"
    with pytest.raises(ValueError, match=words):
        layer(clip, mask)
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"(?s){words}"):
        in_graph(layer)(clip, mask)


def test_xla_lets_such_clips_pass():
    _, mask = in_graph(RealFrames(), jit_compile=True)(CLIP, NOTHING)
    np.testing.assert_array_equal(mask, NOTHING)


def test_clip_and_mask_are_of_one_length():
    words = r"`clip` and `mask` must have as many frames\. Received: 4 and 3\."
    with pytest.raises(ValueError, match=words):
        RealFrames()(CLIP, TWO[:, :3])


def test_too_short_a_clip_is_told_the_minimum():
    words = r"`clip` must have 5 frames or more; loop shorter videos\. Received: 4\."
    with pytest.raises(ValueError, match=words):
        RealFrames(5)(CLIP, TWO)


def test_checks_in_a_saved_and_in_an_exported_model(tmp_path):
    clip = keras.Input((None, 3), name="clip")
    mask = keras.Input((None,), dtype="bool", name="mask")
    outputs = RealFrames(2, name="real")(clip, mask)
    model = keras.Model({"clip": clip, "mask": mask}, outputs)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_layer("real").minimum == 2
    model.export(tmp_path / "exported", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "exported")).serve
    for each in (loaded, served):
        clip, mask = each({"clip": CLIP, "mask": TWO})
        np.testing.assert_array_equal(clip, CLIP)
        np.testing.assert_array_equal(mask, TWO)
        errors = (ValueError, tf.errors.InvalidArgumentError)
        with pytest.raises(errors, match="(?s)true for 2 or more.* Clips:"):
            each({"clip": CLIP, "mask": NOTHING})


def test_leaves_pixels_in_their_precision_whatever_the_policy():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        clip, _ = RealFrames()(CLIP + 1 / 64, TWO)
    finally:
        keras.config.set_dtype_policy("float32")
    np.testing.assert_array_equal(clip, CLIP + 1 / 64)
