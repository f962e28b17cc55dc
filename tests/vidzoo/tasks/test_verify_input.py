"""`vidzoo verify --input`: answers that origins publish, to a clip or photographs."""

import csv
import json
from dataclasses import replace
from functools import partial

import cv2
import keras
import numpy as np
import pytest

from tests.vidzoo.models.test_googlenet import WEIGHTS, reference_crop
from tests.vidzoo.weights.origins import drawn
from vidzoo import metrics, models
from vidzoo.errors import SourceError, VideoError
from vidzoo.layers import Preprocess
from vidzoo.tasks import known_clip, known_network, photographs
from vidzoo.weights import PRESETS, assign, open_weights, preprocessing, save_weights
from vidzoo.weights.preset import Accuracy, ClipAnswer

# The origin's clip

URL = "https://example.org/data/clip.npy"
CHANNELS = {"rgb": 3, "flow": 2}


def published(logits, shape):
    """As an origin would print them: the highest, to six digits."""
    highest = np.argsort(-logits)[: min(20, len(logits) // 2)]
    return ClipAnswer(
        url=URL,
        shape=shape,
        norm=float(f"{np.linalg.norm(logits):.6g}"),
        logits={int(k): float(f"{logits[k]:.6g}") for k in highest},
    )


def answer_of_a_small_network(settings, kernel, path, expected):
    """Colours averaged over the clip, then one dense layer; on pixels 0..255."""
    clip = keras.Input(expected.shape[1:])
    x = Preprocess(**settings)(clip)
    x = keras.layers.GlobalAveragePooling3D()(x)
    head = keras.layers.Dense(kernel.shape[1], use_bias=False)
    model = keras.Model(clip, head(x))
    head.kernel.assign(kernel)
    logits = known_network.logits(model, known_clip.read(path, expected))[0]
    return known_clip.compared(logits, expected)


@pytest.mark.parametrize("modality", ["rgb", "flow"])
def test_a_clip_reaches_the_network_as_at_its_origin(modality, tmp_path):
    """The reference is NumPy's, on the -1..1 that the file holds."""
    random = np.random.default_rng(0)
    shape = (1, 4, 6, 5, CHANNELS[modality])
    clip = random.uniform(-1, 1, shape).astype(np.float32)
    clip[..., 0] += (1 - clip[..., 0]) / 2  # so that channels are not alike
    kernel = random.normal(0, 3, (CHANNELS[modality], 8)).astype(np.float32)
    logits = clip.astype(np.float64).mean(axis=(0, 1, 2, 3)) @ kernel
    expected = published(logits, shape)
    np.save(tmp_path / "clip.npy", clip)
    right = preprocessing.I3D[modality]
    args = kernel, tmp_path / "clip.npy", expected
    found = answer_of_a_small_network(right, *args)
    assert found["passed"] and found["answer"]["label"] == logits.argmax()
    assert found["answer"]["largest_difference"] < 1e-5 * np.abs(logits).max()
    json.dumps(found)
    for wrong in (
        {"scale": 1 / 255},
        {"mean": (0.0,) * len(right["mean"])},
        {"mean": tuple(m + 1 / 127.5 for m in right["mean"])},  # off by one level
        {"channel_order": "bgr"},
    ):
        assert not answer_of_a_small_network(right | wrong, *args)["passed"], wrong


def test_every_published_number_counts():
    logits = np.linspace(0, 10, 40)[np.random.default_rng(0).permutation(40)]
    expected = published(logits, (1,))
    assert len(expected.logits) == 20
    assert known_clip.compared(logits, expected)["passed"]
    for label in range(40):
        changed = logits.copy()
        changed[label] = 5.2 if label not in expected.logits else changed[label] + 0.01
        assert not known_clip.compared(changed, expected)["passed"], label
    norm_only = logits - 0.1 * (logits < 3)
    assert not known_clip.compared(norm_only, expected)["passed"]
    found = known_clip.compared(np.full(40, np.nan), expected)
    assert found["answer"] is None and found["passed"] is False


@pytest.mark.parametrize(
    "write, said",
    [
        (lambda path: path.write_text("no"), "no NumPy file"),
        (lambda path: path.mkdir(), "no NumPy file"),
        (lambda path: None, "no NumPy file"),
        (lambda path: np.save(path, np.array([{}])), "no NumPy file"),  # a pickle
        (lambda path: np.save(path, np.zeros((1, 4, 6, 5, 2), "f4")), r"\(1, 4, 6, 5"),
        (lambda path: np.save(path, np.zeros((1, 4, 6, 5, 3), "u1")), "holds uint8"),
        (lambda path: np.save(path, np.full((1, 4, 6, 5, 3), 255.0)), "255 to 255"),
        (lambda path: np.save(path, np.full((1, 4, 6, 5, 3), np.nan)), "of nan to nan"),
        (lambda path: path.write_bytes(b"PK\3\4" + bytes(99)), "no NumPy file"),
    ],
)
def test_no_such_clip(write, said, tmp_path):
    path = tmp_path / "clip.npy"
    write(path)
    expected = ClipAnswer(URL, (1, 4, 6, 5, 3), 1.0, {0: 1.0})
    with pytest.raises(VideoError, match=f"{path}: .*{said}.* from {URL}"):
        known_clip.read(path, expected)


def small_i3d(path, change=lambda kernel: kernel):
    """Random weights, written as I3D's; and the network behind its preprocessing."""
    random = np.random.default_rng(0)
    model = models.I3D(num_frames=11, frame_size=(32, 24))
    for name, variable in assign.named_variables(model).items():
        variable.assign(drawn(random, name, variable.shape, out_axis=-1))
    behind = keras.Model(model.get_layer("preprocess").output, model.output)
    answer = partial(known_network.logits, behind)
    kernel = model.get_layer("conv1").kernel
    kernel.assign(change(np.array(kernel)))
    names = {"network": "i3d", "backbone": "i3d", "variant": "rgb"}
    save_weights(path, model, **names, preset="i3d_rgb_imagenet")
    return answer


@pytest.mark.slow
def test_i3d_by_its_clip(vidzoo, tmp_path, monkeypatch):
    """The expected answer is to the -1..1 that the file holds."""
    shape = (1, 11, 32, 24, 3)
    clip = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    np.save(tmp_path / "clip.npy", clip)
    file = tmp_path / "weights.npz"
    answers = {"imagenet": published(small_i3d(file)(clip)[0], shape)}
    answers["scratch"] = replace(answers["imagenet"], norm=1.0)

    def verify(file, *more):
        for start, answer in answers.items():
            name = f"i3d_rgb_{start}"
            monkeypatch.setitem(PRESETS, name, replace(PRESETS[name], clip=answer))
        code, out, err = vidzoo("verify", file, "--model=i3d_rgb", *more)
        assert err == ""
        return code, out

    given = f"--input={tmp_path / 'clip.npy'}"
    code, out = verify(file, given)
    assert code == 0 and "as i3d_rgb_imagenet's origin publishes it: class" in out
    assert "20 logits within" in out
    # One preset's names are another's, whose training was another.
    answers["imagenet"], answers["scratch"] = answers["scratch"], answers["imagenet"]
    code, out = verify(file, given)
    assert code == 0 and "as i3d_rgb_scratch's origin publishes it" in out
    small_i3d(tmp_path / "changed.npz", lambda kernel: kernel[::-1])  # back in time
    code, out = verify(tmp_path / "changed.npz", given)
    assert code == 1
    assert "EXPECTED class" in out and "These are not i3d_rgb_imagenet's" in out


# Photographs

COLOURS = {0: (255, 40, 40), 1: (40, 255, 40), 2: (40, 40, 255)}
SCORE = Accuracy(90.0, 99.0, "nobody")


def folder_of(path, labels, colours=None, size=(30, 40)):
    """PNGs of one colour and some noise."""
    random = np.random.default_rng(0)
    path.mkdir()
    with (path / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "label"])
        for i, label in enumerate(labels):
            colour = COLOURS[label if colours is None else colours[i]]
            image = random.integers(0, 60, (*size, 3)) + np.array(colour[::-1]) * 0.7
            cv2.imwrite(str(path / f"{i}.png"), image.astype(np.uint8))
            table.writerow([f"{i}.png", label])
    return path


def colour_network(**settings):
    """Says red, green or blue: the class of the largest mean."""
    image = keras.Input((20, 20, 3))
    x = Preprocess(**settings)(image)
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(x) / 100)


def test_colours_are_told_and_swapped_ones_noticed(tmp_path):
    labels = [0, 1, 2] * 8
    folder = folder_of(tmp_path / "photos", labels)
    found = photographs.compared(colour_network(), folder, SCORE)
    assert found["passed"] and found["unlikely"] == []
    assert found["answer"]["num_photographs"] == found["answer"]["top1"] == 24
    assert found["answer"]["better_if_wrong"]["red and blue swapped"] == 0
    json.dumps(found)
    found = photographs.compared(colour_network(channel_order="bgr"), folder, SCORE)
    assert not found["passed"]
    assert found["answer"]["top1"] == 8 and found["answer"]["top5"] == 24
    # Of green ones it is rounding.
    assert 16 <= found["answer"]["better_if_wrong"]["red and blue swapped"] <= 24
    assert "top1" in found["unlikely"]


def test_swapped_colours_are_noticed_where_the_score_is_low(tmp_path):
    """No accuracy is too low for 1 %: the sign test alone tells."""
    folder = folder_of(tmp_path / "photos", [0, 2] * 12)
    wrong, low = colour_network(channel_order="bgr"), Accuracy(None, 1.0, "nobody")
    found = photographs.compared(wrong, folder, low)
    assert found["unlikely"] == ["red and blue swapped"] and not found["passed"]
    assert photographs.compared(colour_network(), folder, low)["passed"]


@pytest.mark.parametrize("num_wrong, passed", [(5, True), (7, False)])
def test_chances_are_the_binomials(num_wrong, passed, tmp_path):
    """Of 24 with 90 %, 18 or fewer come with 2.8 %, 17 or fewer with 0.9 %."""
    colours = [0, 1, 2] * 8
    labels = [(c + (i < num_wrong)) % 3 for i, c in enumerate(colours)]
    folder = folder_of(tmp_path / "photos", labels, colours)
    found = photographs.compared(colour_network(), folder, SCORE)
    assert found["answer"]["top1"] == 24 - num_wrong
    chance = metrics.binomial_tail(24 - num_wrong, 24, 0.9)
    assert found["answer"]["chances"]["top1"] == chance
    assert ("top1" not in found["unlikely"]) == passed == found["passed"]


def test_numbers_that_are_not_finite_are_no_answers(tmp_path):
    folder = folder_of(tmp_path / "photos", [0] * 24)
    found = photographs.compared(colour_network(std=(1e-45,) * 3), folder, SCORE)
    assert found["answer"]["top1"] == found["answer"]["top5"] == 0
    assert not found["passed"]


def test_warped_is_as_the_stored_answers_have_it(shared_data):
    folder = shared_data / "imagenet100"
    pixels, labels = next(photographs.read(folder, "warp", (224, 224)))
    assert labels.tolist() == list(range(0, 200, 10))
    with (folder / "labels.csv").open() as lines:
        row = list(csv.DictReader(lines))[3]
    np.testing.assert_array_equal(pixels[3], reference_crop(folder / row["file"]))


def test_the_short_side_becomes_256_and_the_middle_is_kept(tmp_path):
    folder = folder_of(tmp_path / "photos", [1])
    ramp = np.tile(np.arange(1024) / 4, (512, 1))  # 512x1024: 4 columns a level
    cv2.imwrite(str(folder / "0.png"), np.repeat(ramp[..., None], 3, 2).astype("u1"))
    for size, columns in (((224, 224), 512), ((227, 227), 512), ((9, 512), 512)):
        ((pixels, _),) = photographs.read(folder, "short side", size)
        assert pixels.shape == (1, *size, 3)
        left = (columns - size[1]) // 2
        wanted = (left + np.arange(size[1]) + 0.5) / 2  # 512 columns of 256 levels
        assert np.abs(pixels[0, :, :, 0] - wanted).max() <= 0.75
    ((pixels, _),) = photographs.read(folder, "warp", (256, 256))
    wanted = np.arange(256)
    assert np.abs(pixels[0, :, :, 0] - wanted).max() <= 0.75


def damaged(change):
    def write(folder):
        table = folder / "labels.csv"
        table.write_text(change(table.read_text()))

    return write


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda f: (f / "labels.csv").unlink(), "labels.csv: no such file. --input"),
        (damaged(lambda t: t.replace("label", "class")), "line 2: no file and class"),
        (damaged(lambda t: t.replace("2.png,2", "2.png,2.5")), "line 4: no file and"),
        (damaged(lambda t: t.replace("2.png,2", "2.png,-1")), "line 4: no file and"),
        (damaged(lambda t: t.replace("2.png,2", "2.png,7")), "class 7; the network ha"),
        (damaged(lambda t: t[:19]), ": 1 photographs; give 20 or more"),
        (damaged(lambda t: t.partition("\n")[0]), ": 0 photographs; give 20"),
        (lambda f: (f / "3.png").unlink(), "3.png: no such file, but labels.csv"),
        (lambda f: (f / "3.png").write_text("no"), "3.png: cannot be read as a pho"),
    ],
)
def test_no_such_photographs(change, said, tmp_path):
    folder = folder_of(tmp_path / "photos", [0, 1, 2] * 8)
    change(folder)
    with pytest.raises(SourceError, match=said):
        photographs.compared(colour_network(), folder, SCORE)


# Networks that there is nothing to ask


REASONS = {
    None: "these are no public weights, so that no answer of theirs is published",
    "resnet3d_torchvision": "only a score that takes a whole data set: Kinetics-400 va",
    "c3d_sports1m": "only a score that takes a whole data set: Sports-1M test, 10 clip",
    "i3d_flow_scratch": "give --input=v_CricketShot_g04_c01_flow.npy, from https://raw",
    "vgg16_vgg": "give --input=FOLDER, of photographs of ImageNet's classes",
}


def test_why_an_answer_is_not_known(vidzoo, tmp_path):
    names = {"network": "resnet18", "backbone": "resnet18", "variant": "v1.5"}
    model = models.ResNet18(5, image_shape=(32, 32, 3))
    for preset, reason in REASONS.items():
        file = tmp_path / f"{preset}.npz"
        save_weights(file, model, **names, preset=preset)
        code, out, err = vidzoo("verify", file, "--model=resnet18", "--json")
        found = json.loads(out)
        assert (code, err) == (0, "")
        assert found["passed"] is found["expected"] is found["input"] is None
        assert reason in found["reason"]
    for preset in (None, "c3d_sports1m"):
        file = tmp_path / f"{preset}.npz"
        code, out, err = vidzoo("verify", file, "--model=resnet18", "--input=x.npy")
        assert (code, out) == (2, "") and err.count("\n") == 1
        assert REASONS[preset] in err and "Leave --input out" in err


# GoogLeNet's real weights and photographs. What is not caught is in docs/weights.md.

SWAPPED = {"channel_order": "rgb", "mean": (123.0, 117.0, 104.0)}
NO_MEAN = {"mean": (0.0, 0.0, 0.0)}
# What fails, how many photographs it takes to notice, and what is then unlikely.
FAILURES = {
    "mean left out": (NO_MEAN, None, 100, ["the mean colour subtracted once more"]),
    "scale": ({"scale": 1 / 255}, None, 20, ["top1", "top5"]),
    "height and width": ({}, (1, 0, 2, 3), 60, ["top1", "top5"]),
}


@pytest.mark.slow
def test_real_weights_keep_their_published_score(vidzoo, shared_data, tmp_path):
    photos, file = shared_data / "imagenet100", tmp_path / "swapped.npz"
    verify = "verify", "--model=googlenet", f"--input={photos}"
    code, out, err = vidzoo(*verify, shared_data / WEIGHTS)
    assert (code, err) == (0, "")
    assert "top-1: 81 of 100 correct; published 68.7 % (BVLC), under which so" in out
    assert "top-5: 96 of 100 correct; published 88.9 % (BVLC), under which so" in out
    assert "photographs warped to 256x256, middle crop" in out
    assert "class 455, logit 8.7030, norm of all 88.2971, as expected" in out
    weights = open_weights(shared_data / WEIGHTS)
    swapped = replace(weights, preprocess=weights.preprocess | SWAPPED)
    names = {"network": "googlenet", "backbone": "googlenet", "variant": "bvlc"}
    names["preset"] = "googlenet_bvlc"
    save_weights(file, models.GoogLeNet(weights=swapped), **names)
    some = some_of(photos, 60, tmp_path / "some")
    code, out, err = vidzoo(*verify[:2], f"--input={some}", file)
    assert (code, err) == (1, "")
    (line,) = [line for line in out.splitlines() if "red and blue" in line]
    assert line.endswith("of 60 answered better: TOO UNLIKELY")
    assert "These are not googlenet_bvlc's weights in the right network" in out
    assert "EXPECTED class 455" in out


def some_of(photos, number, folder):
    """The first photographs of a folder, in a folder of their own."""
    folder.mkdir()
    header, *rows = (photos / "labels.csv").read_text().splitlines()
    (folder / "labels.csv").write_text("\n".join([header, *rows[:number]]) + "\n")
    for row in csv.DictReader([header, *rows[:number]]):
        (folder / row["file"]).symlink_to(photos / row["file"])
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("failure", FAILURES)
def test_real_weights_and_the_fields_silent_failures(failure, shared_data, tmp_path):
    settings, axes, number, unlikely = FAILURES[failure]
    weights = open_weights(shared_data / WEIGHTS)
    weights = replace(weights, preprocess=weights.preprocess | settings)
    if axes:
        kernels = {
            name: np.asarray(array).transpose(axes)
            for name, array in weights.arrays.items()
            if len(array.shape) == 4
        }
        weights = replace(weights, arrays=weights.arrays | kernels)
    found = photographs.compared(
        models.GoogLeNet(weights=weights),
        some_of(shared_data / "imagenet100", number, tmp_path / "some"),
        PRESETS["googlenet_bvlc"].accuracy,
    )
    assert set(unlikely) <= set(found["unlikely"])
    assert not found["passed"]
