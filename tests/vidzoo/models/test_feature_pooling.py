"""Feature pooling: the source's sizes, NumPy from the features, and any length."""

import logging

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.vidzoo.models.test_backbones import num_trainable
from tests.vidzoo.models.test_googlenet import WEIGHTS, reference_crop
from tests.vidzoo.weights.networks import randomized, toy, weights_of
from vidzoo import models
from vidzoo.errors import WeightsError
from vidzoo.models.feature_pooling import (
    AGGREGATES,
    NETWORKS,
    fixed_length,
    network_name,
)
from vidzoo.models.frame_network import FEATURES
from vidzoo.weights import assign, initialize, preprocessing, save_weights

MAPS = {"backbone": None, "frame_shape": (2, 3, 4), "fc_size": 6}
FRAMES = {"backbone": "toy", "frame_shape": (32, 32, 3), "fc_size": 6}
EVERY = [(p, a) for p in NETWORKS for a in AGGREGATES]
OPEN = [each for each in EVERY if not fixed_length(*each)]


def build(pooling="conv", aggregate="max", num_frames=15, **options):
    keras.utils.set_random_seed(0)
    arguments = {"pooling": pooling, "aggregate": aggregate, "num_frames": num_frames}
    return models.FeaturePooling(3, **arguments, **MAPS | options)


def maps(num_clips, num_frames, seed=0):
    random = np.random.default_rng(seed)
    return random.uniform(0, 1, (num_clips, num_frames, 2, 3, 4)).astype(np.float32)


def shapes(model):
    return {n: tuple(v.shape) for n, v in assign.named_variables(model).items()}


# Sizes


@pytest.mark.parametrize(
    "pooling, num_frames, backbone, expected",
    [
        ("conv", 120, "alexnet", 62_586_087),
        ("late", 120, "alexnet", 62_586_087),
        ("slow", 120, "alexnet", 62_586_087),
        ("local", 30, "alexnet", 70_565_095),
        ("local", 120, "alexnet", 106_470_631),
        ("time_domain_conv", 120, "alexnet", 58_326_503),
        ("conv", 120, "googlenet", 29_875_199),
    ],
)
def test_full_size_has_the_sources_parameters(
    pooling, num_frames, backbone, expected, undrawn
):
    model = models.FeaturePooling(
        487, pooling=pooling, num_frames=num_frames, backbone=backbone
    )
    assert model.input.shape == (None, num_frames, 220, 220, 3)
    assert model.output.shape == (None, 487)
    assert num_trainable(model) == expected


@pytest.mark.parametrize("num_frames, num_windows", [(30, 5), (120, 23)])
def test_windows_are_the_sources(num_frames, num_windows):
    built = {p: build(p, num_frames=num_frames) for p in NETWORKS}
    outputs = {
        ("conv", "pooled"): (2, 3, 4),
        ("late", "frames"): (num_frames, 6),
        ("slow", "windows"): (num_windows, 6),
        ("local", "towers"): (num_windows * 6,),
        ("time_domain_conv", "windows"): (num_windows, 2, 3, 256),
    }
    for (pooling, layer), shape in outputs.items():
        found = built[pooling].get_layer(layer).output.shape
        assert found == (None, *shape), pooling


@pytest.mark.parametrize("pooling", ["conv", "late"])
def test_any_number_of_frames_has_the_same_weights(pooling):
    one, *others = [shapes(build(pooling, num_frames=t)) for t in (1, 30, 120)]
    assert others == [one, one]


def test_on_googlenet_too(undrawn):
    options = {"backbone": "googlenet", "frame_shape": (64, 64, 3)}
    one, other = [shapes(build(num_frames=t, **options)) for t in (1, 120)]
    assert one == other


# What they compute


def dense(x, model, name):
    layer = model.get_layer(name)
    x = x @ np.asarray(layer.kernel) + np.asarray(layer.bias)
    return x if name == "head" else np.maximum(x, 0)


def flat(x, num_axes):
    return x.reshape(*x.shape[:num_axes], -1)


def pooled(x, aggregate, axis=1):
    if aggregate == "fc":
        return flat(np.moveaxis(x, axis, 1), 1) if axis == 1 else flat(x, 2)
    return {"max": np.max, "average": np.mean}[aggregate](x, axis=axis)


def windows(x):
    """`(N, T, ...)` to `(N, W, 10, ...)`."""
    starts = range(0, x.shape[1] - 9, 5)
    return np.stack([x[:, start : start + 10] for start in starts], axis=1)


def convolved(x, model):
    """`(N, T, h, w, C)` to `(N, W, h, w, 256)`: 10x3x3, zeros around."""
    layer = model.get_layer("time_conv")
    kernel, height, width = np.asarray(layer.kernel), x.shape[2], x.shape[3]
    x = windows(np.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1), (0, 0)]))
    total = sum(
        np.einsum(
            "nwtyxc,tcf->nwyxf",
            x[:, :, :, dy : dy + height, dx : dx + width],
            kernel[:, dy, dx],
        )
        for dy in range(3)
        for dx in range(3)
    )
    return np.maximum(total + np.asarray(layer.bias), 0)


def reference(x, model, pooling, aggregate):
    """Section 3.3.1, from `(N, T, h, w, C)` features to logits."""
    if pooling == "conv":
        x = flat(pooled(x, aggregate), 1)
        x = dense(dense(x, model, "fc6"), model, "fc7")
    elif pooling == "late":
        x = dense(dense(flat(x, 2), model, "fc6"), model, "fc7")
        x = pooled(x, aggregate)
    elif pooling == "slow":
        x = dense(flat(pooled(windows(x), aggregate, axis=2), 2), model, "fc6")
        x = dense(pooled(x, aggregate), model, "fc7")
    elif pooling == "local":
        x = dense(flat(pooled(windows(x), aggregate, axis=2), 2), model, "fc6")
        x = flat(dense(x, model, "fc7"), 1)
    else:
        x = flat(pooled(convolved(x, model), aggregate), 1)
        x = dense(dense(x, model, "fc6"), model, "fc7")
    return dense(x, model, "head")


@pytest.mark.parametrize("pooling, aggregate", EVERY)
def test_equals_numpy(pooling, aggregate):
    model = randomized(build(pooling, aggregate, num_frames=21))
    x = maps(2, 21)
    expected = reference(x, model, pooling, aggregate)
    assert np.abs(expected).max() > 1e-2
    np.testing.assert_allclose(model(x), expected, rtol=1e-4, atol=1e-5)


def test_every_frame_goes_through_the_same_cnn():
    model = randomized(build(num_frames=3, **FRAMES))
    seen = keras.Model(model.input, model.get_layer("frames").output)
    single = build(num_frames=1, **FRAMES)
    single.set_weights(model.get_weights())
    alone = keras.Model(single.input, single.get_layer("frames").output)
    clip = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32, 3))
    expected = np.concatenate([alone(clip[:, t : t + 1]) for t in range(3)], axis=1)
    np.testing.assert_allclose(seen(clip), expected, rtol=1e-4, atol=1e-5)
    by_hand = reference(expected, model, "conv", "max")
    np.testing.assert_allclose(model(clip), by_hand, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pooling", ["conv", "late"])
def test_order_matters_only_side_by_side(pooling):
    x = maps(2, 15)
    other = x[:, np.random.default_rng(1).permutation(15)]
    for aggregate in AGGREGATES:
        model = randomized(build(pooling, aggregate))
        distance = np.abs(np.asarray(model(x)) - np.asarray(model(other))).max()
        assert distance < 1e-5 if aggregate != "fc" else distance > 1e-3, aggregate


def test_vectors_as_features():
    """`(D,)` is a map of one position."""
    for pooling in NETWORKS:
        model = build(pooling, frame_shape=(24,))
        x = maps(2, 15).reshape(2, 15, 24)
        expected = reference(x[:, :, None, None], model, pooling, "max")
        np.testing.assert_allclose(model(x), expected, rtol=1e-4, atol=1e-5)


# Any length


@pytest.mark.parametrize("pooling, aggregate", OPEN)
def test_masked_tail_changes_nothing(pooling, aggregate):
    model = randomized(build(pooling, aggregate, num_frames=None))
    lengths, x = np.array([20, 12]), maps(2, 20)
    mask = np.arange(20) < lengths[:, None]
    found = np.asarray(model({"clip": x, "mask": mask}))
    for row, length in enumerate(lengths):
        alone = build(pooling, aggregate, num_frames=int(length))
        alone.set_weights(model.get_weights())
        expected = alone(x[row : row + 1, :length])[0]
        np.testing.assert_allclose(found[row], expected, rtol=1e-5, atol=1e-6)
    garbage = np.where(mask[..., None, None, None], x, 1e3).astype(np.float32)
    np.testing.assert_array_equal(model({"clip": garbage, "mask": mask}), found)


def test_a_window_counts_where_all_its_frames_are_real():
    """14 frames have one window, 0 to 9; the 15th opens another."""
    model = randomized(build("slow", num_frames=None))
    x = maps(1, 20)

    def answer(length, clip):
        return np.asarray(model({"clip": clip, "mask": np.arange(20)[None] < length}))

    other = x.copy()
    other[:, 10:] += 1
    np.testing.assert_array_equal(answer(14, x), answer(14, other))
    assert np.abs(answer(15, x) - answer(15, other)).max() > 1e-3


@pytest.mark.parametrize("pooling, aggregate", OPEN)
def test_a_clip_without_frames_is_an_error(pooling, aggregate):
    model = build(pooling, aggregate, num_frames=None)
    minimum = 1 if pooling in ("conv", "late") else 10
    mask = np.arange(12) < [[12], [minimum - 1]]
    batch = {"clip": maps(2, 12), "mask": mask}
    words = rf"(?s)`mask` must be true for {minimum} or more .* Clips:.*\[1\]"
    with pytest.raises(ValueError, match=words):
        model(batch)
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        tf.function(model)(batch)


def test_a_clip_without_frames_is_an_error_in_predict():
    model = build(num_frames=None)
    batch = {"clip": maps(2, 3), "mask": np.array([[True] * 3, [False] * 3])}
    with pytest.raises(tf.errors.InvalidArgumentError, match="(?s)`mask` must be true"):
        model.predict(batch, verbose=0)


@pytest.mark.parametrize("pooling", ["slow", "time_domain_conv"])
def test_a_batch_shorter_than_a_window_is_an_error(pooling):
    model = build(pooling, num_frames=None)
    with pytest.raises(ValueError, match="`clip` must have 10 frames .* Received: 9"):
        model({"clip": maps(2, 9), "mask": np.ones((2, 9), bool)})


def test_compiled_and_exported_it_answers_the_same(tmp_path):
    model = randomized(build("slow", num_frames=None))
    mask = np.arange(20) < [[20], [13]]
    batch = {"clip": maps(2, 20), "mask": mask}
    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "exported"))
    for each in (exported.serve, tf.function(model, jit_compile=True)):
        np.testing.assert_allclose(each(batch), model(batch), rtol=1e-5, atol=1e-6)


# What it refuses


@pytest.mark.parametrize(
    "options, message",
    [
        ({"pooling": "max"}, r"`pooling` must be one of \('conv', .*'max'"),
        ({"aggregate": "sum"}, r"`aggregate` must be one of \('max', .*'sum'"),
        ({"num_frames": 0}, r"`num_frames` must be >= 1 .*'conv'.* Received: 0"),
        *(
            (
                {"pooling": pooling, "num_frames": 9},
                rf"`num_frames` must be >= 10 for pooling '{pooling}'; loop shorter "
                r"videos\. Received: 9\.",
            )
            for pooling in ("slow", "local", "time_domain_conv")
        ),
        ({"pooling": "local", "num_frames": None}, "must be a number where `pooling`"),
        ({"aggregate": "fc", "num_frames": None}, "must be a number where `pooling`"),
        ({"frame_shape": None}, r"`frame_shape` must be that of a frame's features"),
        ({"frame_shape": (3, 4)}, r"\(D,\) or \(h, w, C\)\. Received: \(3, 4\)"),
        ({"backbone": "vgg19"}, "`backbone` must be one of .*'vgg16'.*'vgg19'"),
        (
            FRAMES | {"modality": "flow"},
            r"`modality` must be one of \('rgb', 'flow_image'\)\. Received: 'flow'",
        ),
        (FRAMES | {"modality": "flow_image"}, "2, x and y of one flow field"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)


def test_another_number_of_frames_is_refused():
    with pytest.raises(ValueError, match=r"(?s)expected shape=\(None, 15, .*\(2, 12"):
        build("local")(maps(2, 12))


# Weights


def saved(path, model, network, backbone=FEATURES, variant=FEATURES):
    save_weights(path, model, network=network, backbone=backbone, variant=variant)
    return path


@pytest.mark.parametrize("pooling, aggregate", EVERY)
def test_weights_come_back(pooling, aggregate, tmp_path):
    model = randomized(build(pooling, aggregate))
    network = network_name(pooling, aggregate)
    path = saved(tmp_path / "weights.npz", model, network)
    loaded = build(pooling, aggregate, weights=path)
    np.testing.assert_array_equal(loaded(maps(2, 15)), model(maps(2, 15)))


def test_weights_on_a_backbone_come_back_at_any_length(tmp_path):
    model = randomized(build(num_frames=2, **FRAMES))
    path = saved(tmp_path / "weights.npz", model, "conv_pooling", "toy", "v1")
    loaded = build(num_frames=None, weights=path, **FRAMES)
    clip = np.random.default_rng(0).integers(0, 256, (2, 2, 32, 32, 3))
    found = loaded({"clip": clip, "mask": np.ones((2, 2), bool)})
    np.testing.assert_allclose(found, model(clip), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "found, wanted",
    [
        (("late", "max"), ("time_domain_conv", "max")),
        (("late", "max"), ("local", "max")),
        (("conv", "average"), ("conv", "max")),  # these fit by shape
        (("late", "max"), ("conv", "max")),
        (("conv", "max"), ("slow", "max")),
        (("late", "fc"), ("late", "max")),
    ],
)
def test_other_networks_weights_are_refused(found, wanted):
    names = network_name(*found), network_name(*wanted)
    weights_file = weights_of(build(*found), names[0], FEATURES, FEATURES)
    message = f"holds weights of {names[0]}, not of {names[1]}. Build that network"
    with pytest.raises(WeightsError, match=message):
        build(*wanted, weights=weights_file)


def test_single_frames_start_it_on_a_backbone_without_hidden_layers(caplog):
    """The CNN alone: GoogLeNet's and ResNet's classifiers read no fc7."""
    toy = {"backbone": "toy_average", "frame_shape": (32, 32, 3)}
    single = randomized(models.SingleFrame(3, **toy))
    start = weights_of(single, "single_frame")
    model = models.FeaturePooling(3, num_frames=2, fc_size=8, weights=start, **toy)
    kernel = model.get_layer("image_conv1").kernel
    np.testing.assert_array_equal(kernel, single.get_layer("image_conv1").kernel)
    assert "toy for every frame; fresh: fc6, fc7, head." in caplog.text


def test_weights_of_another_backbone_are_refused():
    weights_file = weights_of(build(num_frames=1, **FRAMES), "conv_pooling")
    message = "for the backbone toy, but the model is built on features"
    with pytest.raises(WeightsError, match=message):
        build(weights=weights_file)


def test_another_number_of_classes_starts_afresh(caplog):
    weights_file = weights_of(build("local"), "local_pooling", FEATURES, FEATURES)
    headless = initialize.another_number_of_classes(weights_file)
    model = models.FeaturePooling(
        5, pooling="local", num_frames=15, weights=headless, **MAPS
    )
    kernel = model.get_layer("fc7").kernel
    np.testing.assert_array_equal(kernel, weights_file.arrays["fc7/kernel"])
    assert "of 3 classes is left out; the model's, of 5" in caplog.text


def test_a_backbones_weights_are_for_every_frame(caplog):
    backbone = randomized(toy(9))
    weights_file = weights_of(backbone, "toy")
    model = build(num_frames=2, weights=weights_file, **FRAMES)
    found = assign.named_variables(model)
    for name, array in weights_file.arrays.items():
        if not name.startswith("head/"):
            np.testing.assert_array_equal(found[f"image_{name}"], array)
    assert caplog.messages == ["toy.npz: toy for every frame; fresh: fc6, fc7, head."]


@pytest.fixture(scope="module")
def alexnet_file():
    """A small AlexNet of nine classes."""
    keras.utils.set_random_seed(1)
    options = {"variant": "paper", "image_shape": (99, 99, 3), "fc_size": 6}
    model = randomized(models.AlexNet(9, **options))
    settings = preprocessing.CAFFE
    return weights_of(model, "alexnet", "alexnet", "paper", settings)


@pytest.mark.parametrize(
    "pooling, fc_size, fresh",
    [
        ("conv", 6, "head"),
        ("late", 6, "head"),
        ("slow", 6, "head"),
        ("time_domain_conv", 6, "fc6, fc7, head, time_conv"),  # fc6 reads other maps
        ("conv", 5, "fc6, fc7, head"),
    ],
)
def test_hidden_layers_come_along_where_they_fit(
    pooling, fc_size, fresh, alexnet_file, caplog
):
    shape = {"backbone": "alexnet", "frame_shape": (99, 99, 3), "fc_size": fc_size}
    model = build(pooling, num_frames=10, weights=alexnet_file, **shape)
    found = assign.named_variables(model)
    for name in ("fc6", "fc7"):
        for part in ("kernel", "bias"):
            same = np.array_equal(
                found[f"{name}/{part}"], alexnet_file.arrays[f"{name}/{part}"]
            )
            assert same == (name not in fresh), name
    kernel = alexnet_file.arrays["conv2/kernel"]
    np.testing.assert_array_equal(found["image_conv2/kernel"], kernel)
    said = f"alexnet.npz: alexnet for every frame; fresh: {fresh}."
    assert caplog.messages == [said]


def test_another_variants_weights_are_refused():
    options = {"variant": "torchvision", "image_shape": (99, 99, 3), "fc_size": 6}
    weights_file = weights_of(
        models.AlexNet(9, **options), "alexnet", "alexnet", "torchvision"
    )
    with pytest.raises(WeightsError, match="torchvision, but this network is alexnet"):
        build(backbone="alexnet", frame_shape=(99, 99, 3), weights=weights_file)


def test_real_googlenet_answers_for_every_frame(shared_data, caplog):
    """A frame's features are the answers to ImageNet's question."""
    model = build(
        num_frames=2,
        backbone="googlenet",
        frame_shape=(224, 224, 3),
        weights=shared_data / WEIGHTS,
    )
    with np.load(shared_data / "expected/googlenet_imagenet100.npz") as data:
        names, logits = data["image"][:2], data["logits"][:2]
    photos = [reference_crop(shared_data / "imagenet100" / name) for name in names]
    seen = keras.Model(model.input, model.get_layer("image_output").output)
    found = np.asarray(seen(np.stack(photos)[None]))
    assert found.argmax(1).tolist() == logits.argmax(1).tolist()
    np.testing.assert_allclose(found, logits, atol=1e-3 * np.abs(logits).max())
    assert caplog.messages[0].endswith("every frame; fresh: fc6, fc7, head.")


def test_weights_for_rgb_start_a_network_on_flow_images(caplog):
    caplog.set_level(logging.WARNING)
    weights_file = weights_of(randomized(build(num_frames=1, **FRAMES)), "conv_pooling")
    options = FRAMES | {"modality": "flow_image", "frame_shape": (32, 32, 2)}
    model = build(num_frames=2, weights=weights_file, **options)
    for name, variable in assign.named_variables(model).items():
        np.testing.assert_array_equal(variable, weights_file.arrays[name])
    assert "weights for RGB start a network for flow_image" in caplog.text
    seen = keras.Model(model.input, model.get_layer("preprocess").output)
    flow = np.random.default_rng(0).integers(0, 256, (1, 2, 32, 32, 2))
    found = np.asarray(seen(flow)).reshape(-1, 3)
    assert not found[:, 2].any() and found[:, :2].any(0).all()
    assert not np.any(seen(np.full_like(flow, 128)))
