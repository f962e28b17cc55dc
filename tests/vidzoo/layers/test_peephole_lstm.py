import keras
import numpy as np
import pytest
from keras import ops

from tests.conftest import SHARED_DATA
from vidzoo.layers import PeepholeLSTM, PeepholeLSTMCell

GOLDENS = SHARED_DATA.parent / "goldens" / "tfa_goldens.npz"
WEIGHTS = (
    *("kernel", "recurrent_kernel", "bias"),
    *(f"{gate}_gate_peephole_weights" for gate in ("input", "forget", "output")),
)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def reference(x, weights, h, c):
    """Equations 3.3 to 3.7, step by step; `weights` as a cell has them."""
    kernel, recurrent, bias, p_i, p_f, p_o = weights
    outputs = []
    for x_t in np.swapaxes(x, 0, 1):
        gates = x_t @ kernel + h @ recurrent + bias
        i, f, new, o = np.split(gates, 4, axis=-1)
        i, f = sigmoid(i + p_i * c), sigmoid(f + p_f * c)
        c = f * c + i * np.tanh(new)
        h = sigmoid(o + p_o * c) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs, axis=1), h, c


@pytest.fixture
def layer():
    keras.utils.set_random_seed(0)
    layer = PeepholeLSTM(5, return_sequences=True, return_state=True)
    layer.build((None, None, 4))
    random = np.random.default_rng(1)
    layer.set_weights([random.normal(size=w.shape) for w in layer.weights])
    return layer


@pytest.fixture
def x():
    return np.random.default_rng(2).normal(size=(3, 7, 4)).astype(np.float32)


def answers(outputs):
    return [ops.convert_to_numpy(output) for output in outputs]


def test_equals_tensorflow_addons():
    if not GOLDENS.is_file():
        pytest.skip(f"goldens are not at {GOLDENS}")
    golden = np.load(GOLDENS)
    layer = PeepholeLSTM(6, return_sequences=True, return_state=True)
    layer.build((None, None, 11))
    assert tuple(w.name for w in layer.weights) == WEIGHTS
    layer.set_weights([golden[f"peephole/{name}"] for name in WEIGHTS])
    y, h, c = answers(layer(golden["peephole/x"]))
    np.testing.assert_allclose(y, golden["peephole/y"], atol=1e-5)
    np.testing.assert_allclose(h, golden["peephole/h"], atol=1e-5)
    np.testing.assert_allclose(c, golden["peephole/c"], atol=1e-5)


def test_equals_the_equations(layer, x):
    h, c = np.random.default_rng(3).normal(size=(2, 3, 5)).astype(np.float32)
    expected = reference(x, layer.get_weights(), h, c)
    found = answers(layer(x, initial_state=[h, c]))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_cell_steps_as_the_layer(layer, x):
    states = layer.cell.get_initial_state(3)
    stepped = []
    for t in range(7):
        output, states = layer.cell(x[:, t], states)
        stepped.append(ops.convert_to_numpy(output))
    y, h, c = answers(layer(x))
    np.testing.assert_allclose(np.stack(stepped, axis=1), y, atol=1e-5)
    np.testing.assert_allclose(answers(states), [h, c], atol=1e-5)


def test_piece_by_piece_as_the_whole(layer, x):
    y, h, c = answers(layer(x))
    first, *states = layer(x[:, :3])
    second, *states = layer(x[:, 3:], initial_state=states)
    pieces = np.concatenate(answers([first, second]), axis=1)
    np.testing.assert_allclose(pieces, y, atol=1e-5)
    np.testing.assert_allclose(answers(states), [h, c], atol=1e-5)


def test_stateful_layer_goes_on_until_it_is_reset(layer, x):
    stateful = PeepholeLSTM(5, stateful=True)
    stateful.build(x.shape)
    stateful.set_weights(layer.get_weights())
    h = ops.convert_to_numpy(layer(x)[1])
    for _ in range(2):
        stateful(x[:, :3])
        np.testing.assert_allclose(stateful(x[:, 3:]), h, atol=1e-5)
        stateful.reset_state()


def test_masked_tail_changes_nothing(layer, x):
    mask = np.arange(7) < np.array([[7], [4], [1]])
    y, h, c = answers(layer(x, mask=mask))
    for row, length in enumerate((7, 4, 1)):
        alone = answers(layer(x[row : row + 1, :length]))
        np.testing.assert_allclose(y[row, :length], alone[0][0], atol=1e-6)
        np.testing.assert_allclose(
            [h[row], c[row]], [a[0] for a in alone[1:]], atol=1e-6
        )
        assert (y[row, length:] == h[row]).all()  # held
    other = np.where(mask[..., None], x, 1e3).astype(np.float32)
    for one, two in zip(answers(layer(other, mask=mask)), (y, h, c), strict=True):
        np.testing.assert_array_equal(one, two)


def test_reads_from_the_end(layer, x):
    backwards = PeepholeLSTM(5, go_backwards=True, return_sequences=True)
    backwards.build(x.shape)
    backwards.set_weights(layer.get_weights())
    expected, *_ = answers(layer(x[:, ::-1]))
    np.testing.assert_allclose(backwards(x), expected, atol=1e-6)


def test_five_layers_have_the_source_s_number_of_parameters():
    inputs = x = keras.Input((None, 1000))
    for _ in range(5):
        x = PeepholeLSTM(512, return_sequences=True)(x)
    assert x.shape == (None, None, 512)
    assert keras.Model(inputs, x).count_params() == 11_503_104


def test_is_saved_with_its_model(tmp_path, x):
    inputs, mask = keras.Input((None, 4)), keras.Input((None,), dtype="bool")
    outputs = PeepholeLSTM(5, unit_forget_bias=False)(inputs, mask=mask)
    model = keras.Model([inputs, mask], outputs)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    batch = [x, np.ones((3, 7), bool)]
    np.testing.assert_array_equal(loaded(batch), model(batch))
    assert loaded.layers[-1].get_config() == model.layers[-1].get_config()


@pytest.mark.parametrize(("forgets_not", "value"), [(True, 1), (False, 0)])
def test_forget_gate_starts_open(forgets_not, value):
    cell = PeepholeLSTMCell(2, unit_forget_bias=forgets_not)
    cell.build((None, 3))
    bias = ops.convert_to_numpy(cell.bias).tolist()
    assert bias == [0, 0, value, value, 0, 0, 0, 0]


def test_refuses_no_units():
    with pytest.raises(ValueError, match=r"`units` must be >= 1\. Received: 0\."):
        PeepholeLSTM(0)
