"""Twins of Caffe networks, with their layer names, against ours with their weights."""

import math

import numpy as np
import pytest

from tests.vidzoo.weights.origins import (
    assert_same_answers,
    drawn,
    pixels,
    stage_answers,
    written,
)
from vidzoo import models
from vidzoo.errors import WeightsError
from vidzoo.weights import PRESETS, convert, pattern

torch = pytest.importorskip("torch", reason="torch is not installed: no twins")
functional = torch.nn.functional


class Caffe:
    """Layers of a Caffe network, which draw their blobs unless they are given."""

    def __init__(self, arrays=None):
        self.random = np.random.default_rng(0)
        self.given, self.arrays = arrays, {}

    def blob(self, name, *shape):
        if self.given is not None:
            return torch.from_numpy(self.given[name].reshape(shape))
        first = not self.arrays
        self.arrays[name] = drawn(self.random, name, shape, out_axis=0, first=first)
        return torch.from_numpy(self.arrays[name])

    def conv(self, name, x, outputs, size, stride=1, pad=0, groups=1):
        """Convolution in two or three dimensions, without activation."""
        sizes = (size,) * (x.ndim - 2)
        kernel = self.blob(f"{name}/weights", outputs, x.shape[1] // groups, *sizes)
        bias = self.blob(f"{name}/biases", outputs)
        convolve = functional.conv2d if x.ndim == 4 else functional.conv3d
        return convolve(x, kernel, bias, stride, pad, 1, groups)

    def dense(self, name, x, outputs):
        x = x.flatten(1)
        weights = self.blob(f"{name}/weights", outputs, x.shape[1])
        return x @ weights.T + self.blob(f"{name}/biases", outputs)

    def norm(self, name, x):
        """TSN's `BN`: four blobs of (1, channels)."""
        parts = ("weights", "biases", "blob2", "blob3")
        blobs = [self.blob(f"{name}/{part}", 1, x.shape[1])[0] for part in parts]
        scale, shift, mean, variance = (b[:, None, None] for b in blobs)
        return (x - mean) / (variance + 1e-5).sqrt() * scale + shift


def max_pool(x, size=3, stride=2, pad=0):
    pool = functional.max_pool2d if x.ndim == 4 else functional.max_pool3d
    return pool(x, size, stride, pad, ceil_mode=True)


def lrn(x):
    return functional.local_response_norm(x, 5, alpha=1e-4, beta=0.75)


def caffe_input(images, mean):
    """Pixels as Caffe's: blue first, minus the mean, channels first."""
    x = images[..., ::-1].astype(np.float32) - np.float32(mean)
    return torch.from_numpy(np.moveaxis(x, -1, 1).copy())


def channels_last(found):
    return {name: np.moveaxis(x.numpy(), 1, -1) for name, x in found.items()}


def bvlc_alexnet(net, x, num_classes, fc_size):
    found = {}
    x = net.conv("conv1", x, 96, 11, stride=4).relu()
    found["conv1"] = x
    x = found["pool1"] = max_pool(lrn(x))
    x = net.conv("conv2", x, 256, 5, pad=2, groups=2).relu()
    found["conv2"] = x
    x = found["pool2"] = max_pool(lrn(x))
    x = net.conv("conv3", x, 384, 3, pad=1).relu()
    x = net.conv("conv4", x, 384, 3, pad=1, groups=2).relu()
    x = net.conv("conv5", x, 256, 3, pad=1, groups=2).relu()
    x = found["pool5"] = max_pool(x)
    x = net.dense("fc6", x, fc_size).relu()
    x = net.dense("fc7", x, fc_size).relu()
    return found | {"logits": net.dense("fc8", x, num_classes)}


def vgg_16(net, x, num_classes, fc_size):
    found = {}
    for stage, (filters, count) in enumerate(
        ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), start=1
    ):
        for i in range(1, count + 1):
            x = net.conv(f"conv{stage}_{i}", x, filters, 3, pad=1).relu()
        found[f"conv{stage}_{count}"] = x
        x = max_pool(x, 2)
    found["pool5"] = x
    x = net.dense("fc6", x, fc_size).relu()
    x = net.dense("fc7", x, fc_size).relu()
    return found | {"logits": net.dense("fc8", x, num_classes)}


def c3d(net, x, num_classes, fc_size):
    found = {}
    for stage, (names, filters) in enumerate(
        (
            (("conv1a",), 64),
            (("conv2a",), 128),
            (("conv3a", "conv3b"), 256),
            (("conv4a", "conv4b"), 512),
            (("conv5a", "conv5b"), 512),
        ),
        start=1,
    ):
        for name in names:
            x = net.conv(name, x, filters, 3, pad=1).relu()
        size = (1 if stage == 1 else 2, 2, 2)
        x = found[f"pool{stage}"] = max_pool(x, size, size)
    x = net.dense("fc6-1", x, fc_size).relu()
    x = net.dense("fc7-1", x, fc_size).relu()
    return found | {"logits": net.dense("fc8-1", x, num_classes)}


def googlenet(net, x, num_classes):
    def unit(name, x, outputs, size, stride=1):
        return net.conv(name, x, outputs, size, stride, size // 2).relu()

    def module(name, x, one, three, five, projection):
        name = f"inception_{name}/"
        y = unit(f"{name}3x3_reduce", x, three[0], 1)
        z = unit(f"{name}5x5_reduce", x, five[0], 1)
        branches = [
            unit(f"{name}1x1", x, one, 1),
            unit(f"{name}3x3", y, three[1], 3),
            unit(f"{name}5x5", z, five[1], 5),
            unit(f"{name}pool_proj", max_pool(x, 3, 1, 1), projection, 1),
        ]
        return torch.cat(branches, 1)

    found = {}
    x = unit("conv1/7x7_s2", x, 64, 7, 2)
    found["conv1_7x7_s2"] = x
    x = found["pool1"] = max_pool(x)
    x = unit("conv2/3x3_reduce", lrn(x), 64, 1)
    x = found["conv2_3x3"] = unit("conv2/3x3", x, 192, 3)
    x = module("3a", max_pool(lrn(x)), 64, (96, 128), (16, 32), 32)
    x = module("3b", x, 128, (128, 192), (32, 96), 64)
    found["inception_3b_output"] = x
    x = module("4a", max_pool(x), 192, (96, 208), (16, 48), 64)
    x = module("4b", x, 160, (112, 224), (24, 64), 64)
    x = module("4c", x, 128, (128, 256), (24, 64), 64)
    x = module("4d", x, 112, (144, 288), (32, 64), 64)
    x = module("4e", x, 256, (160, 320), (32, 128), 128)
    found["inception_4e_output"] = x
    x = module("5a", max_pool(x), 256, (160, 320), (32, 128), 128)
    x = module("5b", x, 384, (192, 384), (48, 128), 128)
    found["inception_5b_output"] = x
    logits = net.dense("loss3/classifier", x.mean((2, 3)), num_classes)
    return found | {"logits": logits}


def bn_inception(net, x, num_classes):
    def unit(name, x, outputs, size, stride=1):
        x = net.conv(name, x, outputs, size, stride, size // 2)
        return net.norm(f"{name}_bn", x).relu()

    def module(name, x, one, three, double, pool, projection):
        stride = 1 if one else 2
        name = f"inception_{name}/"
        branches = [unit(f"{name}1x1", x, one, 1)] if one else []
        y = unit(f"{name}3x3_reduce", x, three[0], 1)
        branches.append(unit(f"{name}3x3", y, three[1], 3, stride))
        y = unit(f"{name}double_3x3_reduce", x, double[0], 1)
        y = unit(f"{name}double_3x3_1", y, double[1], 3)
        branches.append(unit(f"{name}double_3x3_2", y, double[1], 3, stride))
        y = pool(x)
        branches.append(unit(f"{name}pool_proj", y, projection, 1) if one else y)
        return torch.cat(branches, 1)

    def average(x):
        return functional.avg_pool2d(x, 3, 1, 1, ceil_mode=True, count_include_pad=True)

    def largest(x):
        return max_pool(x, 3, 1, 1)

    found = {}
    x = max_pool(unit("conv1/7x7_s2", x, 64, 7, 2))
    found["pool1"] = x
    x = unit("conv2/3x3_reduce", x, 64, 1)
    x = found["conv2_3x3_relu"] = unit("conv2/3x3", x, 192, 3)
    x = module("3a", max_pool(x), 64, (64, 64), (64, 96), average, 32)
    x = module("3b", x, 64, (64, 96), (64, 96), average, 64)
    found["inception_3b_output"] = x
    x = module("3c", x, None, (128, 160), (64, 96), max_pool, None)
    x = module("4a", x, 224, (64, 96), (96, 128), average, 128)
    x = module("4b", x, 192, (96, 128), (96, 128), average, 128)
    x = module("4c", x, 160, (128, 160), (128, 160), average, 128)
    x = module("4d", x, 96, (128, 192), (160, 192), average, 128)
    found["inception_4d_output"] = x
    x = module("4e", x, None, (128, 192), (192, 256), max_pool, None)
    x = module("5a", x, 352, (192, 320), (160, 224), average, 128)
    x = module("5b", x, 352, (192, 320), (192, 224), largest, 128)
    found["inception_5b_output"] = x
    return found | {"logits": net.dense("fc", x.mean((2, 3)), num_classes)}


def twin_answers(twin, images, mean, *arguments):
    """A twin's answers and the blobs it drew."""
    net = Caffe()
    with torch.no_grad():
        found = twin(net, caffe_input(images, mean), *arguments)
    return channels_last(found), net.arrays


CASES = {
    "alexnet": (bvlc_alexnet, (2, 99, 131, 3), (104, 117, 123), (7, 64)),
    "vgg16": (vgg_16, (2, 64, 96, 3), (103.939, 116.779, 123.68), (7, 64)),
    "c3d": (c3d, (1, 16, 48, 80, 3), (90.25, 97.66, 101.41), (7, 64)),
    "bn_inception": (bn_inception, (2, 64, 96, 3), (104, 117, 123), (7,)),
    "googlenet": (googlenet, (2, 64, 96, 3), (104, 117, 123), (7,)),
}
BUILDERS = {
    "alexnet": models.AlexNet,
    "vgg16": models.VGG16,
    "c3d": models.C3D,
    "bn_inception": models.BNInception,
    "googlenet": models.GoogLeNet,
}
NUM_BLOBS = {"alexnet": 16, "vgg16": 32, "c3d": 22, "bn_inception": 69 * 6 + 2}
NUM_BLOBS |= {"googlenet": 116}


def build(name, weights):
    shape, numbers = CASES[name][1], CASES[name][3]
    arguments = {"frame_shape" if name == "c3d" else "image_shape": shape[-3:]}
    arguments |= {"fc_size": numbers[1]} if len(numbers) > 1 else {}
    return BUILDERS[name](7, weights=weights, **arguments)


@pytest.mark.parametrize("name", CASES)
def test_answers_as_the_origin(name, tmp_path):
    twin, shape, mean, numbers = CASES[name]
    images = pixels(*shape)
    expected, arrays = twin_answers(twin, images, mean, *numbers)
    assert len(arrays) == NUM_BLOBS[name]
    ours = build(name, written(tmp_path / "weights.npz", arrays))
    ends = [end for end in expected if end != "logits"]
    assert_same_answers(stage_answers(ours, ends, images), expected)


@pytest.mark.parametrize("name", CASES)
def test_blobs_of_old_files_fit_too(name, tmp_path):
    """Caffe's first format gives every blob four dimensions or more."""
    twin, shape, mean, numbers = CASES[name]
    _, arrays = twin_answers(twin, pixels(*shape), mean, *numbers)
    expected = build(name, written(tmp_path / "new.npz", arrays))
    old = {}
    for blob_name, blob in arrays.items():
        missing = max(0, 4 - blob.ndim)
        is_norm = blob_name.rpartition("/")[0].endswith("_bn")
        behind = (1, 1) if is_norm else ()  # (1, channels, 1, 1)
        ahead = () if is_norm else (1,) * missing
        old[blob_name] = blob.reshape(*ahead, *blob.shape, *behind)
    found = build(name, written(tmp_path / "old.npz", old))
    for one, other in zip(found.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=one.path)


def test_the_full_size_layer_behind_a_map_is_reordered():
    """fc6 of bvlc_alexnet: 6x6x256 positions, checked one by one."""
    source = np.arange(2 * 256 * 36, dtype=np.float32).reshape(2, 256 * 36)
    found = convert.converter.after_convolution(source, 256)
    assert found.shape == (9216, 2)
    for output, c, y, x in ((0, 0, 0, 0), (1, 255, 5, 5), (0, 7, 2, 4), (1, 100, 0, 3)):
        ours = found[(y * 6 + x) * 256 + c, output]
        assert ours == source[output, (c * 6 + y) * 6 + x]
    odd = np.zeros((2, 100))
    assert convert.converter.after_convolution(odd, 256).shape == (100, 2)


def test_another_image_size_is_refused(tmp_path):
    twin, shape, mean, numbers = CASES["alexnet"]
    _, arrays = twin_answers(twin, pixels(*shape), mean, *numbers)
    file = written(tmp_path / "weights.npz", arrays)
    with pytest.raises(WeightsError, match=r"fc6/kernel \(1536, 64\)"):
        models.AlexNet(7, image_shape=(99, 99, 3), fc_size=64, weights=file)
    with pytest.raises(WeightsError, match="holds alexnet caffe, .* alexnet paper;"):
        models.AlexNet(7, variant="paper", weights=file)
    with pytest.raises(WeightsError, match="holds weights of alexnet, not of vgg16"):
        models.VGG16(7, image_shape=(32, 32, 3), fc_size=8, weights=file)


def test_bn_inception_enters_a_tsn(tmp_path):
    twin, shape, mean, numbers = CASES["bn_inception"]
    _, arrays = twin_answers(twin, pixels(*shape), mean, *numbers)
    file = written(tmp_path / "weights.npz", arrays)
    arguments = {"num_segments": 2, "frame_shape": (64, 64, 3)}
    model = models.TSN(3, backbone="bn_inception", **arguments, weights=file)
    found = model.get_layer("image_inception_4c_3x3_bn").moving_variance
    blob = arrays["inception_4c/3x3_bn/blob3"]
    np.testing.assert_array_equal(found, blob[0])
    assert math.prod(blob.shape) == 160


def test_the_expected_answer_is_the_origins(shared_data):
    """What the preset says of the test pattern, from Caffe's network in PyTorch."""
    preset = PRESETS["googlenet_bvlc"]
    with np.load(shared_data / "weights/bvlc_googlenet_oihw.npz") as data:
        net = Caffe(dict(data))
    image = pattern.draw((224, 224, 3))[None]
    with torch.no_grad():
        found = googlenet(net, caffe_input(image, (104, 117, 123)), 1000)
    logits = found["logits"].numpy()[0]
    assert logits.argmax() == preset.expected.label
    assert logits.max() == pytest.approx(preset.expected.logit, rel=2e-5)
    assert np.linalg.norm(logits) == pytest.approx(preset.expected.norm, rel=2e-5)
