"""SavedModels: complete without vidzoo, equal to the model, whole or not there."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.records import jpeg
from vidzoo import models
from vidzoo.errors import VidzooError
from vidzoo.export import DESCRIPTION, export_saved_model, load_saved_model
from vidzoo.losses import prediction

CLASSES = ["brush hair", "clap", "günthern"]
HOW = {"num_segments": 2, "frame_size": 32}
_TENSORFLOW_ONLY = """
import sys
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder

class WithoutUs:
    '''Finds everything but vidzoo and keras, as if they were not installed.'''
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] not in ("vidzoo", "vidzoo_data", "keras"):
            return PathFinder.find_spec(name, path, target)

sys.meta_path[:] = [BuiltinImporter, FrozenImporter, WithoutUs]
import numpy as np
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
clips = np.load(sys.argv[2])
signatures = model.signatures
names = signatures["class_names"]()["class_names"].numpy()
np.savez(
    sys.argv[3],
    scores=signatures["serving_default"](clip=tf.constant(clips))["scores"],
    one=signatures["serving_default"](clip=tf.constant(clips[:1]))["scores"],
    logits=signatures["logits"](clip=tf.constant(clips))["logits"],
    jpegs=signatures["classify_jpegs"](jpegs=np.load(sys.argv[4]))["scores"],
    class_names=[name.decode() for name in names],
    dtype=signatures["serving_default"].structured_input_signature[1]["clip"].dtype.name,
)
"""


def first_two_frames(jpegs):
    """Stands in for the sampler: `(N, F)` frames of 32x32 to `(N, 2, 32, 32, 3)`."""

    def decode(jpeg):
        return tf.ensure_shape(tf.io.decode_jpeg(jpeg, channels=3), (32, 32, 3))

    frames = tf.map_fn(
        decode, tf.reshape(jpegs[:, :2], [-1]), fn_output_signature=tf.uint8
    )
    return tf.reshape(frames, (-1, 2, 32, 32, 3))


def export(model, classes, how, out, **options):
    export_saved_model(
        model,
        classes,
        how,
        out,
        image_names=["jpegs"],
        clips_from_images=first_two_frames,
        **options,
    )


def toy(build):
    keras.utils.set_random_seed(0)
    model = build(3, num_segments=2, backbone="toy", frame_shape=(32, 32, 3))
    random = np.random.default_rng(1)
    for variable in model.weights:
        if variable.dtype == "float32":
            variable.assign(random.uniform(0.05, 0.2, variable.shape))
    return model


@pytest.mark.parametrize("build", [models.TSN, models.TDN])
def test_tensorflow_alone_gives_the_same_scores(build, tmp_path):
    model = toy(build)
    clips = np.random.default_rng(0).integers(0, 256, (20, 2, 32, 32, 3), np.uint8)
    export(model, CLASSES, HOW, tmp_path / "out")
    np.save(tmp_path / "clips.npy", clips)
    jpegs = [[jpeg(frame) for frame in clip] for clip in clips[:3]]
    np.save(tmp_path / "jpegs.npy", np.array(jpegs))
    names = ("out", "clips.npy", "answers.npz", "jpegs.npy")
    arguments = [tmp_path / name for name in names]
    # As where vidzoo never was: it turns oneDNN on.
    env = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    done = subprocess.run(
        [sys.executable, "-c", _TENSORFLOW_ONLY, *map(str, arguments)],
        cwd=tmp_path,
        env=env | {"PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "answers.npz") as data:
        answers = dict(data)
    logits = np.asarray(prediction(model(clips, training=False)), np.float64)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores = exponentials / exponentials.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(answers["logits"], logits, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(answers["scores"], scores, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(answers["one"], scores[:1], rtol=1e-4, atol=1e-5)
    decoded = first_two_frames(tf.constant(jpegs))
    from_jpegs = tf.nn.softmax(prediction(model(decoded, training=False)))
    np.testing.assert_allclose(answers["jpegs"], from_jpegs, rtol=1e-4, atol=1e-5)
    assert answers["class_names"].tolist() == CLASSES
    assert answers["dtype"] == "uint8"


def test_description_travels_with_it(tmp_path):
    export(toy(models.TSN), CLASSES, HOW, tmp_path / "a/out")
    loaded, description = load_saved_model(tmp_path / "a/out")
    assert description == HOW | {"activation": "softmax"}
    assert set(loaded.signatures) == {
        *("serving_default", "classify_jpegs", "logits", "class_names")
    }
    assert json.loads((tmp_path / "a/out" / DESCRIPTION).read_text()) == description
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["out"]


def test_several_labels_have_a_sigmoid_each(tmp_path):
    model = toy(models.TSN)
    export(model, CLASSES, HOW, tmp_path / "out", activation="sigmoid")
    loaded, description = load_saved_model(tmp_path / "out")
    assert description["activation"] == "sigmoid"
    clip = tf.zeros((2, 2, 32, 32, 3), tf.uint8)
    logits = np.asarray(model(clip, training=False), np.float64)
    found = loaded.signatures["serving_default"](clip=clip)["scores"]
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-logits)), rtol=1e-4)
    with pytest.raises(ValueError, match="`activation` must be one of .* relu"):
        export(model, CLASSES, HOW, tmp_path / "other", activation="relu")


@pytest.mark.parametrize("make", [os.mkdir, lambda path: path.touch()])
def test_existing_folder_is_refused(make, tmp_path):
    out = tmp_path / "out"
    make(out)
    with pytest.raises(VidzooError, match="out: exists already. Choose another folder"):
        export(toy(models.TSN), CLASSES, HOW, out)
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


def test_a_failure_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        export(toy(models.TSN), CLASSES, {"x": object()}, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_wrong_number_of_class_names(tmp_path):
    with pytest.raises(ValueError, match="model's 3 classes. Received: 2 names"):
        export(toy(models.TSN), CLASSES[:2], HOW, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_not_an_exported_model(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(
            VidzooError, match="not a model that `vidzoo export RUN OUT`"
        ):
            load_saved_model(path)
