"""What every model must do, over the table in `tests/zoo.py`."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.zoo import ZOO, named_outputs
from vidzoo import models
from vidzoo.losses import classification_loss, is_flow, multitask_loss

ROOT = Path(__file__).resolve().parents[3]
_BY_NAME = {entry.name: entry for entry in ZOO}
_OTHER_BACKEND = """
import sys
import numpy as np
from tests.zoo import ZOO, named_outputs
from keras import ops
folder = sys.argv[1]
for entry in ZOO:
    model = entry.build()
    model.load_weights(f"{folder}/{entry.name}.weights.h5")
    outputs = model(entry.pixels(), training=False)
    if not isinstance(outputs, dict):
        outputs = {"logits": outputs}
    outputs = {name: ops.convert_to_numpy(value) for name, value in outputs.items()}
    np.savez(f"{folder}/{entry.name}.npz", **outputs)
"""


@pytest.fixture(scope="module", params=list(_BY_NAME))
def built(request):
    entry = _BY_NAME[request.param]
    keras.utils.set_random_seed(0)
    return entry, entry.build()


@pytest.fixture
def entry(built):
    return built[0]


@pytest.fixture
def model(built):
    """The entry's model; a test may train it, for its weights are set back."""
    before = built[1].get_weights()
    yield built[1]
    built[1].set_weights(before)


def _answers(model, entry):
    return named_outputs(model(entry.pixels(), training=False))


def _assert_equal_answers(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


def test_table_lists_every_model():
    # ResNet-34 is ResNet-18's code with other counts, the deep ones ResNet-50's.
    builders = {name.partition("-")[0] for name in _BY_NAME}
    others = {"ResNet34", "ResNet101", "ResNet152"}
    assert builders | others == set(models.__all__)


def test_outputs_have_their_shape_and_dtype(entry, model):
    for name, logits in _answers(model, entry).items():
        assert logits.shape == entry.shape(name), name
        assert logits.dtype == np.float32, name
        assert np.isfinite(logits).all(), name


def test_symbolic_shape_keeps_the_batch_open(entry, model):
    outputs = model.output
    outputs = outputs if isinstance(outputs, dict) else {"logits": outputs}
    for name, output in outputs.items():
        assert tuple(output.shape) == entry.symbolic_shape(name), name


def test_saved_model_answers_the_same(entry, model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    _assert_equal_answers(_answers(loaded, entry), _answers(model, entry))


def test_uint8_and_float_pixels_answer_the_same(entry, model):
    floats = named_outputs(model(entry.pixels(dtype=np.float32), training=False))
    _assert_equal_answers(_answers(model, entry), floats)


def test_every_trainable_weight_gets_a_gradient(entry, model):
    with tf.GradientTape() as tape:
        outputs = model(entry.pixels(), training=True)
        loss = _loss(entry, outputs)
    variables = model.trainable_variables
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    for variable, gradient in zip(variables, gradients, strict=True):
        assert gradient is not None, variable.path
        assert np.isfinite(gradient).all(), variable.path
        assert np.any(gradient), f"{variable.path} has a gradient of zeros only"


def _loss(entry, outputs):
    """What a network is trained by, in full."""
    if not isinstance(outputs, dict):
        return classification_loss(outputs, entry.labels())
    labels = entry.labels() if "logits" in outputs else None
    flow = entry.flow() if any(map(is_flow, outputs.values())) else None
    return multitask_loss(outputs, labels, flow)


def test_fits_one_step(entry, model):
    before = [np.array(v) for v in model.trainable_variables]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    labels = None if isinstance(model.output, dict) else entry.labels()
    if isinstance(model.output, dict):
        flows = [name for name, x in model.output.items() if is_flow(x)]
        others = {*model.output} - {*flows}
        heads = others - {"logits"} or others
        losses = dict.fromkeys(heads, loss) | dict.fromkeys(flows, "mse")
        loss = {name: losses.get(name) for name in model.output}
        labels = {name: entry.labels(name) for name in heads}
        labels |= {name: np.zeros(entry.shape(name), np.float32) for name in flows}
    # Eager: a step compiled for every row of the table would take minutes.
    model.compile("sgd", loss, run_eagerly=True, jit_compile=False)
    history = model.fit(entry.pixels(), labels, batch_size=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    after = [np.array(v) for v in model.trainable_variables]
    assert any((b != a).any() for b, a in zip(before, after, strict=True))


def test_saved_weights_enter_a_new_model_which_runs_in_mixed_precision(
    entry, model, tmp_path
):
    model.save_weights(tmp_path / "model.weights.h5")
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = entry.build()
    finally:
        keras.config.set_dtype_policy("float32")
    mixed.load_weights(tmp_path / "model.weights.h5")
    for one, other in zip(model.weights, mixed.weights, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=one.path)
    full = _answers(model, entry)
    for name, logits in named_outputs(mixed(entry.pixels(), training=False)).items():
        logits = logits.astype(np.float32)
        assert np.isfinite(logits).all(), name
        scale = np.abs(full[name]).max()
        np.testing.assert_allclose(logits, full[name], atol=0.1 * scale, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_answer_the_same(backend, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    expected = {}
    for entry in ZOO:
        keras.utils.set_random_seed(1)
        model = entry.build()
        model.save_weights(tmp_path / f"{entry.name}.weights.h5")
        expected[entry.name] = _answers(model, entry)
    done = subprocess.run(
        [sys.executable, "-c", _OTHER_BACKEND, str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for name, answers in expected.items():
        with np.load(tmp_path / f"{name}.npz") as there:
            assert sorted(there.files) == sorted(answers), name
            for output, logits in answers.items():
                atol = 1e-4 * np.abs(logits).max()
                np.testing.assert_allclose(there[output], logits, rtol=0, atol=atol)
