"""A twin of kinetics-i3d, fed the checkpoints' own names, against ours."""

import json

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
from vidzoo.weights import assign, convert

CHECKPOINTS = ("rgb_imagenet", "rgb_scratch", "flow_imagenet", "flow_scratch")
SCOPES = {"rgb": "RGB", "flow": "Flow"}
STAGES = (
    "pool_2a",
    "conv2_relu",
    "mixed_3c_output",
    "mixed_4f_output",
    "mixed_5c_output",
)


@pytest.fixture(scope="module")
def tensors(shared_data):
    return json.loads((shared_data / "i3d/checkpoint_tensors.json").read_text())


def random_checkpoint(tensors):
    """Random weights under a checkpoint's names, in its shapes."""
    random = np.random.default_rng(0)
    return {
        name: drawn(random, name, tuple(tensor["shape"]), out_axis=-1)
        for name, tensor in tensors.items()
    }


class Twin:
    """I3D as DeepMind's code has it, in Torch; notes which tensors it used."""

    def __init__(self, torch, scope, arrays):
        self.torch = torch
        self.functional = torch.nn.functional
        self.scope = scope
        self.arrays = arrays
        self.used = []

    def tensor(self, name):
        name = f"{self.scope}/inception_i3d/{name}"
        self.used.append(name)
        return self.torch.from_numpy(self.arrays[name])

    def pad(self, x, size, strides):
        """TensorFlow's `SAME`: the odd one out goes behind."""
        padding = []
        for n, k, s in zip(x.shape[2:], size, strides, strict=True):
            total = max(0, (-(-n // s) - 1) * s + k - n)
            padding = [total // 2, total - total // 2, *padding]
        # Everything pooled here comes from a ReLU: zeros are as good as none.
        return self.functional.pad(x, padding)

    def unit(self, name, x, stride=1):
        kernel = self.tensor(f"{name}/conv_3d/w").permute(4, 3, 0, 1, 2)
        strides = (stride,) * 3
        x = self.pad(x, kernel.shape[2:], strides)
        x = self.functional.conv3d(x, kernel, stride=strides)
        beta, mean, variance = (
            self.tensor(f"{name}/batch_norm/{part}").reshape(-1, 1, 1, 1)
            for part in ("beta", "moving_mean", "moving_variance")
        )
        return ((x - mean) / (variance + 1e-3).sqrt() + beta).relu()

    def pool(self, x, size, strides):
        return self.functional.max_pool3d(self.pad(x, size, strides), size, strides)

    def mixed(self, name, x):
        name = f"Mixed_{name}"
        last = "Conv3d_0a_3x3" if name == "Mixed_5b" else "Conv3d_0b_3x3"
        branches = [self.unit(f"{name}/Branch_0/Conv3d_0a_1x1", x)]
        y = self.unit(f"{name}/Branch_1/Conv3d_0a_1x1", x)
        branches.append(self.unit(f"{name}/Branch_1/Conv3d_0b_3x3", y))
        y = self.unit(f"{name}/Branch_2/Conv3d_0a_1x1", x)
        branches.append(self.unit(f"{name}/Branch_2/{last}", y))
        y = self.pool(x, (3, 3, 3), (1, 1, 1))
        branches.append(self.unit(f"{name}/Branch_3/Conv3d_0b_1x1", y))
        return self.torch.cat(branches, 1)

    def __call__(self, x):
        found = {}
        x = self.unit("Conv3d_1a_7x7", x, 2)
        x = found["pool_2a"] = self.pool(x, (1, 3, 3), (1, 2, 2))
        x = self.unit("Conv3d_2c_3x3", self.unit("Conv3d_2b_1x1", x))
        found["conv2_relu"] = x
        x = self.pool(x, (1, 3, 3), (1, 2, 2))
        x = found["mixed_3c_output"] = self.mixed("3c", self.mixed("3b", x))
        x = self.pool(x, (3, 3, 3), (2, 2, 2))
        for name in ("4b", "4c", "4d", "4e", "4f"):
            x = self.mixed(name, x)
        found["mixed_4f_output"] = x
        x = self.pool(x, (2, 2, 2), (2, 2, 2))
        x = found["mixed_5c_output"] = self.mixed("5c", self.mixed("5b", x))
        found = {n: np.moveaxis(x.numpy(), 1, -1) for n, x in found.items()}
        x = self.functional.avg_pool3d(x, (2, *x.shape[3:]), 1)
        kernel = self.tensor("Logits/Conv3d_0c_1x1/conv_3d/w").permute(4, 3, 0, 1, 2)
        bias = self.tensor("Logits/Conv3d_0c_1x1/conv_3d/b")
        x = self.functional.conv3d(x, kernel, bias).squeeze((3, 4)).mean(2)
        return found | {"logits": x.numpy()}


@pytest.mark.parametrize("modality, channels", [("rgb", 3), ("flow", 2)])
def test_answers_as_the_origin(modality, channels, tensors, tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed: no twin")
    arrays = random_checkpoint(tensors[f"{modality}_imagenet"])
    clips = pixels(1, 22, 48, 40, channels)
    x = np.moveaxis(clips / 255 * 2 - 1, -1, 1).astype(np.float32)
    twin = Twin(torch, SCOPES[modality], arrays)
    with torch.no_grad():
        expected = twin(torch.from_numpy(x))
    assert sorted(twin.used) == sorted(arrays), "each of its tensors, once"
    ours = models.I3D(
        modality=modality,
        num_frames=22,
        frame_size=(48, 40),
        weights=written(tmp_path / "weights.npz", arrays),
    )
    assert_same_answers(stage_answers(ours, STAGES, clips), expected)


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
def test_every_tensor_is_one_of_our_weights(checkpoint, tensors):
    modality = checkpoint.partition("_")[0]
    arrays = {
        name: np.empty(tensor["shape"]) for name, tensor in tensors[checkpoint].items()
    }
    assert len(arrays) == 230
    (converter,) = [c for c in convert.CONVERTERS if c.recognises(arrays)]
    assert converter.PRESET.variant == modality
    model = models.I3D(modality=modality, num_frames=9, frame_size=(32, 32))
    wanted = {n: tuple(v.shape) for n, v in assign.named_variables(model).items()}
    found = {n: array.shape for n, array in converter.convert(arrays).items()}
    assert len(wanted) == 230
    assert found == wanted


def test_batch_norm_may_keep_its_five_dimensions(tensors):
    arrays = {
        "RGB/inception_i3d/Mixed_5b/Branch_2/Conv3d_0a_3x3/batch_norm/beta": np.ones(
            (1, 1, 1, 1, 128)
        ),
        "global_step": np.array(7),
    }
    (converter,) = [
        c for c in convert.CONVERTERS if c.recognises(tensors["rgb_imagenet"])
    ]
    found = {name: array.shape for name, array in converter.convert(arrays).items()}
    assert found == {"mixed_5b_branch2_bn/beta": (128,), "global_step": ()}


def test_one_modality_does_not_enter_the_other(tensors, tmp_path):
    arrays = random_checkpoint(tensors["flow_imagenet"])
    file = written(tmp_path / "weights.npz", arrays)
    with pytest.raises(WeightsError, match="holds i3d flow, but this network is i3d"):
        models.I3D(num_frames=9, frame_size=(32, 32), weights=file)
