"""Twins of torchvision's networks, with its names, against ours with their weights."""

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
from vidzoo.weights import convert

torch = pytest.importorskip("torch", reason="torch is not installed: no twins")
nn = torch.nn

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
KINETICS = ((0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989))
DEPTHS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}


def randomized(network):
    """Random weights in a twin; returns them by the names of its `state_dict`."""
    random = np.random.default_rng(0)
    arrays = {}
    for name, tensor in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            arrays[name] = np.array(3)
            continue
        arrays[name] = drawn(random, name, tuple(tensor.shape), out_axis=0)
        tensor.copy_(torch.from_numpy(arrays[name]))
    return arrays


def torch_answers(network, ends, images, statistics):
    """Answers at modules' ends, channels last, and `logits`."""
    mean, std = (np.array(values) for values in statistics)
    x = np.moveaxis((images / 255 - mean) / std, -1, 1).astype(np.float32)
    found = {}

    def keep(name):
        def hook(module, inputs, output):
            found[name] = np.moveaxis(output.numpy(), 1, -1).copy()

        return hook

    for name, module in ends.items():
        network.get_submodule(module).register_forward_hook(keep(name))
    with torch.no_grad():
        logits = network.eval()(torch.from_numpy(x)).numpy()
    return {name: found[name] for name in ends} | {"logits": logits}


# Twins


class Block(nn.Module):
    """BasicBlock and Bottleneck: the stride on the first or only 3x3."""

    def __init__(self, inputs, filters, stride, bottleneck):
        super().__init__()
        sizes = (1, 3, 1) if bottleneck else (3, 3)
        outputs = filters * (4 if bottleneck else 1)
        channels = [inputs, *[filters] * (len(sizes) - 1), outputs]
        strided = sizes.index(3)
        for i, size in enumerate(sizes):
            step = stride if i == strided else 1
            convolution = nn.Conv2d(
                channels[i], channels[i + 1], size, step, size // 2, bias=False
            )
            self.add_module(f"conv{i + 1}", convolution)
            self.add_module(f"bn{i + 1}", nn.BatchNorm2d(channels[i + 1]))
        self.num_convolutions = len(sizes)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False),
                nn.BatchNorm2d(outputs),
            )

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        for i in range(1, self.num_convolutions + 1):
            x = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(x))
            if i < self.num_convolutions:
                x = x.relu()
        return (x + shortcut).relu()


class ResNet(nn.Module):
    def __init__(self, depth, num_classes):
        super().__init__()
        bottleneck = depth >= 50
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = 64
        for i, count in enumerate(DEPTHS[depth]):
            filters = 64 * 2**i
            outputs = filters * (4 if bottleneck else 1)
            blocks = [
                Block(
                    channels if j == 0 else outputs,
                    filters,
                    2 if i > 0 and j == 0 else 1,
                    bottleneck,
                )
                for j in range(count)
            ]
            self.add_module(f"layer{i + 1}", nn.Sequential(*blocks))
            channels = outputs
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x):
        x = self.maxpool(self.bn1(self.conv1(x)).relu())
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


class Flat(nn.Module):
    """AlexNet and VGG: `features`, a flattened map, `classifier`."""

    def __init__(self, features, classifier):
        super().__init__()
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(*classifier)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


def vgg16(num_classes, num_inputs, fc_size):
    features, channels = [], 3
    for filters, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            features += [nn.Conv2d(channels, filters, 3, 1, 1), nn.ReLU()]
            channels = filters
        features.append(nn.MaxPool2d(2, 2))
    return Flat(
        features,
        [
            *(nn.Linear(num_inputs, fc_size), nn.ReLU(), nn.Dropout()),
            *(nn.Linear(fc_size, fc_size), nn.ReLU(), nn.Dropout()),
            nn.Linear(fc_size, num_classes),
        ],
    )


def alexnet(num_classes, num_inputs, fc_size):
    return Flat(
        [
            *(nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(64, 192, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(192, 384, 3, 1, 1), nn.ReLU()),
            *(nn.Conv2d(384, 256, 3, 1, 1), nn.ReLU()),
            *(nn.Conv2d(256, 256, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(3, 2)),
        ],
        [
            *(nn.Dropout(), nn.Linear(num_inputs, fc_size), nn.ReLU()),
            *(nn.Dropout(), nn.Linear(fc_size, fc_size), nn.ReLU()),
            nn.Linear(fc_size, num_classes),
        ],
    )


class Block3D(nn.Module):
    def __init__(self, inputs, filters, stride):
        super().__init__()
        self.conv1 = nn.Sequential(
            nn.Conv3d(inputs, filters, 3, stride, 1, bias=False),
            nn.BatchNorm3d(filters),
            nn.ReLU(),
        )
        self.conv2 = nn.Sequential(
            nn.Conv3d(filters, filters, 3, 1, 1, bias=False), nn.BatchNorm3d(filters)
        )
        self.downsample = None
        if stride != 1:
            self.downsample = nn.Sequential(
                nn.Conv3d(inputs, filters, 1, stride, bias=False),
                nn.BatchNorm3d(filters),
            )

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        return (self.conv2(self.conv1(x)) + shortcut).relu()


class R3D18(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv3d(3, 64, (3, 7, 7), (1, 2, 2), (1, 3, 3), bias=False),
            nn.BatchNorm3d(64),
            nn.ReLU(),
        )
        for i, filters in enumerate((64, 128, 256, 512)):
            inputs, stride = (64, 1) if i == 0 else (filters // 2, 2)
            blocks = Block3D(inputs, filters, stride), Block3D(filters, filters, 1)
            self.add_module(f"layer{i + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(512, num_classes)

    def forward(self, x):
        x = self.layer4(self.layer3(self.layer2(self.layer1(self.stem(x)))))
        return self.fc(x.mean((2, 3, 4)))


# Answers


def resnet_ends(depth):
    return {"pool1": "maxpool"} | {
        f"res{i + 2}_block{count}_relu": f"layer{i + 1}"
        for i, count in enumerate(DEPTHS[depth])
    }


@pytest.mark.parametrize(
    "depth",
    [
        18,
        34,
        50,
        pytest.param(101, marks=pytest.mark.slow),
        pytest.param(152, marks=pytest.mark.slow),
    ],
)
def test_resnets_answer_as_the_origin(depth, tmp_path):
    network, ends = ResNet(depth, 7), resnet_ends(depth)
    file = written(tmp_path / "weights.npz", randomized(network))
    images = pixels(2, 64, 64, 3)
    expected = torch_answers(network, ends, images, IMAGENET)
    build = getattr(models, f"ResNet{depth}")
    ours = build(7, image_shape=(64, 64, 3), weights=file)
    assert_same_answers(stage_answers(ours, ends, images), expected)


def test_v15_weights_do_not_enter_v1(tmp_path):
    file = written(tmp_path / "weights.npz", randomized(ResNet(50, 7)))
    with pytest.raises(WeightsError, match=r"holds resnet50 v1\.5, but .* v1;"):
        models.ResNet50(7, variant="v1", image_shape=(64, 64, 3), weights=file)


def test_vgg16_answers_as_the_origin(tmp_path):
    network = vgg16(7, 512 * 2 * 3, 64)
    file = written(tmp_path / "weights.npz", randomized(network))
    ends = {
        "conv1_2": "features.3",
        "conv2_2": "features.8",
        "conv3_3": "features.15",
        "conv4_3": "features.22",
        "pool5": "features.30",
    }
    images = pixels(2, 64, 96, 3)
    expected = torch_answers(network, ends, images, IMAGENET)
    ours = models.VGG16(7, image_shape=(64, 96, 3), fc_size=64, weights=file)
    assert_same_answers(stage_answers(ours, ends, images), expected)


def test_alexnet_answers_as_the_origin(tmp_path):
    network = alexnet(7, 256 * 2 * 3, 64)
    file = written(tmp_path / "weights.npz", randomized(network))
    ends = {"conv1": "features.1", "conv2": "features.4", "pool5": "features.12"}
    images = pixels(2, 96, 128, 3)
    expected = torch_answers(network, ends, images, IMAGENET)
    arguments = {"image_shape": (96, 128, 3), "fc_size": 64, "weights": file}
    ours = models.AlexNet(7, variant="torchvision", **arguments)
    assert_same_answers(stage_answers(ours, ends, images), expected)
    with pytest.raises(WeightsError, match="holds alexnet torchvision, .* caffe;"):
        models.AlexNet(7, variant="caffe", **arguments)


def test_r3d_18_answers_as_the_origin(tmp_path):
    network = R3D18(7)
    file = written(tmp_path / "weights.npz", randomized(network))
    ends = {"conv1_relu": "stem"}
    ends |= {f"res{i + 1}_block2_relu": f"layer{i}" for i in range(1, 5)}
    clips = pixels(1, 9, 40, 32, 3)
    expected = torch_answers(network, ends, clips, KINETICS)
    ours = models.ResNet3D(7, num_frames=9, frame_shape=(40, 32, 3), weights=file)
    assert_same_answers(stage_answers(ours, ends, clips), expected)


def test_what_is_not_the_network_keeps_its_name():
    arrays = {"stem.0.weight": np.zeros((64, 3, 3, 7, 7)), "more.weight": np.zeros(3)}
    arrays["layer1.0.conv1.0.weight"] = np.zeros((64, 64, 3, 3, 3))
    (converter,) = [c for c in convert.CONVERTERS if c.recognises(arrays)]
    assert set(converter.convert(arrays)) == {
        "conv1/kernel",
        "res2_block1_conv1/kernel",
        "more.weight",
    }
