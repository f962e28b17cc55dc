"""CNN-M-2048 against its source's table, and two streams against `fuse`."""

import keras
import numpy as np
import pytest

from tests.vidzoo.models.test_backbones import num_trainable
from vidzoo import models
from vidzoo.errors import WeightsError
from vidzoo.evaluation import Scores, fuse, fusion
from vidzoo.models import cnn_m, two_stream
from vidzoo.models.catalogue import NETWORKS
from vidzoo.weights import (
    WeightsFile,
    assign,
    initialize,
    open_weights,
    save_weights,
)

# Chatfield et al. 2014, Table 1, CNN-M with a full7 of 2048: kernel's side, channels
# in and out, and, by the strides and paddings there, the side of the map at 224 pixels.
CONVOLUTIONS = [
    (7, None, 96, 109),  # stride 2, no padding; pooled to 54
    (5, 96, 256, 26),  # stride 2, padding 1; pooled to 13
    (3, 256, 512, 13),
    (3, 512, 512, 13),
    (3, 512, 512, 13),  # pooled to 6
]
DENSE = [(6 * 6 * 512, 4096), (4096, 2048), (2048, 101)]
SMALL = {"fc_sizes": (16, 8), "frame_shape": (64, 64, 3)}
SMALL_FLOW = SMALL | {"modality": "flow", "frame_shape": (64, 64, 4)}
TOY = {"backbone": "toy", "num_segments": 2}
RGB = TOY | {"frame_shape": (32, 32, 3)}
FLOW = TOY | {"modality": "flow", "frame_shape": (32, 32, 4)}
RANDOM = np.random.default_rng(0)


def pixels(*shape):
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


# CNN-M-2048


@pytest.mark.parametrize("modality, channels", [("rgb", 3), ("flow", 20)])
def test_catalogue_has_the_sources_layers(modality, channels):
    parameters = sum(n * m + m for n, m in DENSE)
    multiply_adds = sum(n * m for n, m in DENSE)
    for size, inputs, filters, side in CONVOLUTIONS:
        kernel = size * size * (inputs or channels) * filters
        parameters += kernel + filters
        multiply_adds += side * side * kernel
    network = NETWORKS[f"cnn_m_2048_{modality}"]
    assert network.num_parameters == parameters
    assert network.multiply_adds == multiply_adds


@pytest.mark.slow
def test_size_of_the_public_weights():
    """VGG_CNN_M_2048.caffemodel, 1000 classes of float32, is listed with 370 MB."""
    assert round(4 * num_trainable(models.CNNM2048(1000)) / 1e6) == 370


def test_maps_have_the_sources_sizes():
    model = models.CNNM2048(5, fc_sizes=(2, 2), modality="flow")
    assert model.input.shape == (None, 1, 224, 224, 20)
    names = ("conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5")
    sides = [model.get_layer(name).output.shape[1] for name in names]
    assert sides == [109, 54, 26, 13, 13, 13, 13, 6]
    rates = [model.get_layer(f"{name}_dropout").rate for name in ("fc6", "fc7")]
    assert rates == [0.9, 0.9]


def krizhevsky(x):
    """Local response normalisation with the constants of Krizhevsky et al. 2012."""
    out = np.empty_like(x, dtype=np.float64)
    for c in range(x.shape[-1]):
        window = x[..., max(0, c - 2) : c + 3].astype(np.float64)
        out[..., c] = x[..., c] / (2 + 1e-4 * (window**2).sum(-1)) ** 0.75
    return out


@pytest.mark.parametrize("modality, count", [("rgb", 2), ("flow", 1)])
def test_only_the_spatial_network_normalises_twice(modality, count):
    """Against a max over windows of the map before, normalised or as it is."""
    model = models.CNNM2048(5, **(SMALL if modality == "rgb" else SMALL_FLOW))
    names = ("conv1", "pool1", "conv2", "pool2")
    parts = keras.Model(model.input, [model.get_layer(n).output for n in names])
    maps = [np.asarray(m) for m in parts(pixels(1, *model.input.shape[1:]))]
    for number, (before, after) in enumerate([maps[:2], maps[2:]]):
        expected = krizhevsky(before) if number < count else before
        side = after.shape[1]
        for i in range(side):
            for j in range(side):
                window = expected[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
                np.testing.assert_allclose(
                    after[:, i, j], window.max((1, 2)), rtol=1e-4, atol=1e-5
                )


def test_logits_are_the_mean_of_each_snippets_own():
    model = models.CNNM2048(5, num_segments=3, **SMALL)
    single = models.CNNM2048(5, **SMALL)
    single.set_weights(model.get_weights())
    clip = pixels(2, 3, 64, 64, 3)
    expected = np.mean([single(clip[:, t : t + 1]) for t in range(3)], axis=0)
    np.testing.assert_allclose(model(clip), expected, rtol=1e-4, atol=1e-4)


def test_a_moving_camera_does_not_matter_to_the_temporal_network():
    """The same vector added to a whole field, another to each; RGB does see it."""
    shift = RANDOM.integers(-20, 20, 4)
    clip = RANDOM.integers(40, 200, (2, 1, 64, 64, 4))
    model = models.CNNM2048(5, **SMALL_FLOW)
    found = np.asarray(model(clip))
    scale = np.abs(found).max()
    assert scale > 1e-3
    np.testing.assert_allclose(model(clip + shift), found, atol=1e-4 * scale)
    still = np.asarray(model(np.full((1, 1, 64, 64, 4), 128)))
    panned = np.asarray(model(np.full((1, 1, 64, 64, 4), 150)))
    np.testing.assert_array_equal(still, panned)
    assert np.abs(still - found).max() > 1e-2 * scale


def test_spatial_weights_start_the_temporal_network(tmp_path, caplog):
    spatial = models.CNNM2048(5, **SMALL)
    names = {"network": "cnn_m_2048", "backbone": "cnn_m_2048", "variant": "rgb"}
    save_weights(tmp_path / "spatial.npz", spatial, **names)
    again = models.CNNM2048(5, **SMALL, weights=tmp_path / "spatial.npz")
    clip = pixels(2, 1, 64, 64, 3)
    np.testing.assert_array_equal(again(clip), spatial(clip))
    assert not caplog.text
    temporal = models.CNNM2048(5, **SMALL_FLOW, weights=tmp_path / "spatial.npz")
    assert "weights for RGB start a network for flow" in caplog.text
    expected = initialize.flow_from_rgb(open_weights(tmp_path / "spatial.npz"), 4)
    for name, variable in assign.named_variables(temporal).items():
        np.testing.assert_array_equal(variable, expected.arrays[name], err_msg=name)
    names["variant"] = "flow"
    save_weights(tmp_path / "temporal.npz", temporal, **names)
    models.CNNM2048(5, **SMALL_FLOW, weights=tmp_path / "temporal.npz")
    with pytest.raises(WeightsError, match="for flow, but the network is for rgb"):
        models.CNNM2048(5, **SMALL, weights=tmp_path / "temporal.npz")


def test_weights_of_another_network():
    tsn = models.TSN(5, **RGB)
    arrays = {n: np.array(v) for n, v in assign.named_variables(tsn).items()}
    file = WeightsFile(
        "tsn.npz", "tsn", "toy", "v1", tsn.get_layer("preprocess").settings(), arrays
    )
    with pytest.raises(WeightsError, match="weights of tsn, not of cnn_m_2048"):
        models.CNNM2048(5, **SMALL, weights=file)
    with pytest.raises(WeightsError, match="imagenet: no weights of cnn_m_2048 rgb"):
        models.CNNM2048(5, **SMALL, weights="imagenet")


def test_arguments_that_are_none():
    assert models.CNNM2048(5, fc_sizes=(2, 2), frame_shape=(41, 41, 3))
    with pytest.raises(ValueError, match=r"41 pixels or more .* \(224, 40, 3\)"):
        models.CNNM2048(5, frame_shape=(224, 40, 3))
    with pytest.raises(ValueError, match=r"`num_segments` must be >= 1. Received: 0"):
        models.CNNM2048(5, num_segments=0)
    with pytest.raises(ValueError, match=r"one of \('rgb', 'flow'\). .*: 'flow_image'"):
        models.CNNM2048(5, modality="flow_image")
    with pytest.raises(ValueError, match="even, x and y .* modality 'flow'"):
        models.CNNM2048(5, modality="flow", frame_shape=(64, 64, 3))


def test_mean_vector_is_each_fields_own():
    x = RANDOM.normal(size=(2, 4, 5, 6)).astype(np.float32)
    expected = x - x.mean((1, 2), keepdims=True)
    np.testing.assert_allclose(cnn_m.without_mean(x), expected, atol=1e-6)


# Two streams


def scores(logits, protocol):
    return Scores(
        video_ids=np.array(["a", "b", "c"]),
        labels=np.array([0, 1, 2]),
        logits=np.asarray(logits, np.float32),
        classes=np.array(list("vwxyz")),
        protocol=protocol,
    )


@pytest.fixture(scope="module")
def streams():
    """Three pairs: TSN and TSN, TSN and TDN, the source's spatial and temporal nets."""
    keras.utils.set_random_seed(0)
    tsn = models.TSN(5, **RGB)
    built = {
        "tsn": (tsn, models.TSN(5, **FLOW)),
        "tdn": (models.TDN(5, **RGB), models.TDN(5, **FLOW | {"num_segments": 4})),
        "cnn_m": (models.CNNM2048(5, **SMALL), models.CNNM2048(5, **SMALL_FLOW)),
    }
    for pair in built.values():
        for model in pair:
            for layer in model.layers:
                if layer.name.endswith("head"):
                    layer.bias.assign(RANDOM.normal(0, 0.5, 5))
    return built


@pytest.mark.parametrize("pair", ["tsn", "tdn", "cnn_m"])
@pytest.mark.parametrize("normalize", fusion.NORMALIZATIONS)
def test_logits_are_what_fuse_computes(pair, normalize, streams):
    rgb, flow = streams[pair]
    weights = (0.7, 1.3)
    model = models.TwoStream(rgb, flow, stream_weights=weights, normalize=normalize)
    clips = {
        name: pixels(3, *stream.input.shape[1:])
        for name, stream in (("rgb", rgb), ("flow", flow))
    }
    found = model(clips)
    assert set(found) == {"logits", "rgb", "flow"}
    for name, stream in (("rgb", rgb), ("flow", flow)):
        own = stream(clips[name])
        own = own["logits"] if isinstance(own, dict) else own
        np.testing.assert_array_equal(found[name], own)
    files = [scores(found["rgb"], "rgb"), scores(found["flow"], "flow")]
    expected = fuse(files, weights, normalize).logits
    np.testing.assert_allclose(found["logits"], expected, rtol=1e-5, atol=1e-6)


def test_section_5_3_3_is_the_default(streams):
    """l1, 1 and 1.5, by hand."""
    rgb, flow = streams["tsn"]
    clips = {"rgb": pixels(2, 2, 32, 32, 3), "flow": pixels(2, 2, 32, 32, 4)}
    found = {k: np.asarray(v) for k, v in models.TwoStream(rgb, flow)(clips).items()}
    unit = [x / np.abs(x).sum(1, keepdims=True) for x in (found["rgb"], found["flow"])]
    np.testing.assert_allclose(found["logits"], unit[0] + 1.5 * unit[1], rtol=1e-5)


def test_same_normalizations_as_fuse():
    assert tuple(two_stream.NORMALIZATIONS) == tuple(fusion.NORMALIZATIONS)


def test_zeros_stay_zeros():
    x = np.array([[0, 0, 0], [1, -3, 0]], np.float32)
    found = np.asarray(two_stream.NORMALIZATIONS["l1"](x))
    np.testing.assert_array_equal(found, [[0, 0, 0], [0.25, -0.75, 0]])


def test_shares_its_streams_weights(streams):
    rgb, flow = streams["tdn"]
    model = models.TwoStream(rgb, flow)
    assert num_trainable(model) == num_trainable(rgb) + num_trainable(flow)
    clips = {"rgb": pixels(1, 2, 32, 32, 3), "flow": pixels(1, 4, 32, 32, 4)}
    before = np.asarray(model(clips)["flow"])
    bias = flow.get_layer("image_head").bias
    bias.assign_add(np.ones(5))
    np.testing.assert_allclose(model(clips)["flow"], before + 0.5, rtol=1e-4, atol=1e-5)
    assert [layer.name for layer in flow.layers][:1] == ["clip"]  # not renamed


def test_flow_may_be_flow_images():
    flow = TOY | {"modality": "flow_image", "frame_shape": (32, 32, 2)}
    model = models.TwoStream(models.TSN(5, **RGB), models.TSN(5, **flow))
    assert model.input["flow"].shape == (None, 2, 32, 32, 2)


def test_streams_that_do_not_go_together(streams):
    rgb, flow = streams["tsn"]
    with pytest.raises(ValueError, match="same classes. Received: 5 and 7 classes"):
        models.TwoStream(rgb, models.TSN(7, **FLOW))
    with pytest.raises(ValueError, match="`rgb` must be .* for rgb. .*: tsn for flow"):
        models.TwoStream(flow, rgb)
    message = "`flow` must be a network for flow or flow_image. Received: tsn for rgb"
    with pytest.raises(ValueError, match=message):
        models.TwoStream(rgb, rgb)
    with pytest.raises(TypeError, match="`rgb` must be a classifier .*: two_stream"):
        models.TwoStream(models.TwoStream(rgb, flow), flow)
    parts = keras.Model(flow.input, {"features": flow.output}, name="parts")
    with pytest.raises(TypeError, match="`flow` must be a classifier .*: parts"):
        models.TwoStream(rgb, parts)


@pytest.mark.parametrize("weights", [(1,), (1, 2, 3), (0, 0), (-1, 1), (1, 1e7)])
def test_weights_that_are_none(weights, streams):
    with pytest.raises(ValueError, match="`stream_weights` must be two numbers"):
        models.TwoStream(*streams["tsn"], stream_weights=weights)


def test_unknown_normalization(streams):
    with pytest.raises(ValueError, match=r"one of \('l1', 'softmax', 'none'\).*'l2'"):
        models.TwoStream(*streams["tsn"], normalize="l2")
