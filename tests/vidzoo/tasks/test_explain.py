"""The verb explain: where runs look, and the flow that they predict."""

import json
import shutil

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from tests.command import command
from tests.vidzoo_data.test_stored_flow import write_video
from vidzoo.explain.sheet import RED
from vidzoo.tasks import evaluate, run_folder, train, two_stream
from vidzoo_data import clips
from vidzoo_data import flow as flows
from vidzoo_data.records.read import Records

SIDE = 32
TOY = {"backbone": "toy", "frame_size": SIDE, "recipe": "scratch"}
SHORT = {"changes": {"epochs": 1, "batch_size": 4}}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Videos, records with flow, and the runs of a TSN, of two streams."""
    root = tmp_path_factory.mktemp("explain")
    rows = ["path,label,split"]
    for i in range(4):
        label = ("right", "left")[i % 2]
        shift = 2 if label == "right" else -2
        write_video(root / f"{label}/{i}.avi", num_frames=22, shift=shift, seed=i)
        rows.append(f"{label}/{i}.avi,{label},{'train' if i < 2 else 'test'}")
    (root / "videos.csv").write_text("\n".join(rows) + "\n")
    write_video(root / "short.avi", num_frames=7)
    (root / "broken.avi").write_bytes((root / "right/0.avi").read_bytes()[:700])
    arguments = ["--layout=csv", "--size=48", "--method=dis", "--workers=1"]
    arguments = ["flow", str(root / "videos.csv"), str(root / "records"), *arguments]
    assert command(*arguments) == 0
    two_stream.train(root / "records", root / "two", model="tsn", **TOY, **SHORT)
    shutil.copytree(root / "two" / "rgb", root / "tsn")
    return root


@pytest.fixture
def explain(root, tmp_path, vidzoo):
    """Runs the verb on a video of `root`: `(code, stdout, stderr, picture)`."""

    def run(run, video, *flags, out=None):
        out = tmp_path / "picture.png" if out is None else out
        code, printed, err = vidzoo("explain", root / run, video, out, *flags)
        image = cv2.imread(str(out)) if code == 0 else None
        return code, printed, err, None if image is None else image[..., ::-1]

    return run


# Occlusion


def test_the_answer_that_is_looked_into_is_that_of_evaluate(root, explain, tmp_path):
    scores, _ = evaluate.run(root / "tsn", root / "records", out=tmp_path / "s.npz")
    e = np.exp(scores.logits.astype(np.float64))
    expected = e / e.sum(axis=1, keepdims=True)
    for number, video_id in enumerate(scores.video_ids):
        code, out, err, picture = explain(
            *("tsn", root / video_id, "--picture=occlusion", "--json"),
            *("--size=16", "--stride=8"),
            out=tmp_path / f"{number}.png",
        )
        assert (code, picture.shape[0]) == (0, 10 + 20 + 128 + 10), err
        (found,) = json.loads(out)["runs"].values()
        best = expected[number].argmax()
        assert found["class"] == scores.classes[best]
        assert found["confidence"] == pytest.approx(expected[number, best], abs=1e-6)
        assert found["tops"] == found["lefts"] == [0, 8, 16]
        assert np.shape(found["drops"]) == (3, 3)
        assert 0 <= found["frame"] < 22


def test_records_give_what_the_file_gives(root, explain, tmp_path):
    video_id, flags = "right/2.avi", ("--picture=occlusion", "--class=left", "--json")
    _, of_file, _, picture = explain("tsn", root / video_id, *flags)
    _, of_records, _, same = explain(
        *("tsn", video_id, *flags, f"--records={root / 'records'}"),
        out=tmp_path / "same.png",
    )
    ours, theirs = (json.loads(out)["runs"]["tsn"] for out in (of_file, of_records))
    assert ours == theirs and ours["class"] == "left"
    np.testing.assert_array_equal(picture, same)


def looks_left(clip):
    """A network whose confidence is the brightness of 8 x 8 pixels."""
    spot = ops.cast(clip, "float32")[:, :, 12:20, 4:12]
    share = ops.mean(spot, axis=(1, 2, 3, 4))[:, None] / 32
    return ops.concatenate([share, -share], axis=1)


def replaced(monkeypatch, networks):
    """Runs of these names have these networks, in place of a TSN."""
    load = run_folder.load_trained

    def load_trained(run):
        _, description = load(run)
        return networks[run.name], description

    monkeypatch.setattr(run_folder, "load_trained", load_trained)


def test_the_map_is_hot_where_a_network_looks(root, explain, monkeypatch):
    clip = keras.Input((3, SIDE, SIDE, 3))
    replaced(monkeypatch, {"tsn": keras.Model(clip, looks_left(clip))})
    code, out, err, picture = explain(
        "tsn", root / "left/3.avi", "--picture=occlusion", "--size=8", "--stride=4"
    )
    assert code == 0, err
    assert "a square of 8 px at x 4, y 12 takes most of it" in out
    panel = picture[30:158, 148:276].astype(int)
    red = panel[..., 0] - panel[..., 2]
    y, x = np.unravel_index(red.argmax(), red.shape)
    assert 12 <= y // 4 < 20 and 4 <= x // 4 < 12
    assert red[:, 100:].max() == 0


def test_two_runs_beside_each_other_and_progress(root, explain):
    flags = ("--picture=occlusion", f"--beside={root / 'two' / 'flow'}")
    code, out, err, picture = explain("tsn", root / "left/3.avi", *flags)
    assert code == 0, err
    assert [line.split(":")[0] for line in out.splitlines()[:2]] == ["tsn", "flow"]
    # Two panels and a bar beside the frame.
    assert picture.shape[1] == 10 + 3 * (128 + 10) + 64 + 60 + 10
    assert "occlusion: 100/100 squares" in err  # 6 px, every 3: ten places a side


# Flow


def predicts(num_frames, fields, num_channels=3, logits=False):
    """A network that answers with these vectors, T of them, whatever it sees."""
    clip = keras.Input((num_frames, SIDE, SIDE, num_channels))
    size = SIDE // 4
    small = ops.cast(clip[:, :, :size, :size, :2], "float32")
    flow = 0 * small + ops.convert_to_tensor(fields, "float32")[:, None, None]
    outputs = {"flow": flow}
    if logits:
        outputs["logits"] = ops.mean(small, axis=(1, 2, 3))
    return keras.Model(clip, outputs)


RIGHT, DOWN = (2.0, 0.0), (0.0, 2.0)
CLIP = [*[RIGHT] * 15, DOWN]  # the last one is the future


def place(row, column):
    """The centre of a picture in a strip of rows that all have captions."""
    return 10 + 20 + row * 158 + 64, 10 + column * 138 + 64


def colour(vector, scale=2.0):
    return flows.picture(np.array([[vector]]), max_length=scale)[0, 0].tolist()


def test_strip_has_the_future_flow_framed_red(root, explain, monkeypatch):
    replaced(monkeypatch, {"tsn": predicts(16, CLIP, logits=True)})
    code, out, err, picture = explain("tsn", root / "right/0.avi", "--picture=flow")
    assert code == 0, err
    assert out.startswith("frames 11 to 18; the strongest colours are 2.0 px\n")
    for column in range(8):
        expected = colour(DOWN if column == 7 else RIGHT)
        assert picture[place(1, column)].tolist() == expected
        assert picture[place(0, column)].std() >= 0
    _, columns = np.nonzero((picture == RED).all(axis=-1))
    _, centre = place(1, 7)
    assert (columns.min(), columns.max()) == (centre - 64 - 6, centre + 63 + 6)


def test_flow_is_compared_with_what_is_computed(root, explain, monkeypatch, tmp_path):
    """The texture moves 2 px to the right; the future is said to go down."""
    replaced(monkeypatch, {"tsn": predicts(16, CLIP)})
    flags = ("--picture=flow", "--frames=3", "--json")
    code, out, err, picture = explain(
        "tsn", root / "right/0.avi", "--reference=dis", *flags
    )
    assert code == 0, err
    made = json.loads(out)
    assert made["frames"] == [16, 17, 18]
    errors = made["endpoint_error"]["tsn"]
    assert errors["seen"] < 0.2
    assert errors["future"] == pytest.approx(8**0.5, abs=0.2)
    assert picture[place(2, 1)].tolist() == pytest.approx(colour(RIGHT), abs=40)
    # What records have stored is the same, but for 8 bits: it was computed of more
    # than the window.
    code, out, err, _ = explain(
        *("tsn", "right/0.avi", "--reference=stored", *flags),
        f"--records={root / 'records'}",
        out=tmp_path / "stored.png",
    )
    assert code == 0, err
    stored = json.loads(out)["endpoint_error"]["tsn"]
    assert stored["seen"] < 0.2
    assert stored["future"] == pytest.approx(8**0.5, abs=0.2)


def test_networks_on_pairs_see_each_pair(root, explain, monkeypatch):
    replaced(monkeypatch, {"tsn": predicts(1, [RIGHT], num_channels=6)})
    code, out, err, picture = explain(
        "tsn", root / "right/0.avi", "--picture=flow", "--frames=4", "--json"
    )
    assert code == 0, err
    assert json.loads(out)["frames"] == [9, 10, 11, 12]
    for column in range(3):
        assert picture[place(1, column)].tolist() == colour(RIGHT)
    assert picture[place(1, 3)].tolist() == [255, 255, 255]
    assert not (picture == RED).all(axis=-1).any()


def test_several_networks_beside_a_pair_share_their_scale(root, explain, monkeypatch):
    shutil.copytree(root / "tsn", root / "pairs", dirs_exist_ok=True)
    networks = {
        "tsn": predicts(16, [(4.0, 0.0)] * 16),
        "pairs": predicts(1, [RIGHT], num_channels=6),
    }
    replaced(monkeypatch, networks)
    code, out, err, picture = explain(
        *("tsn", root / "right/0.avi", "--picture=flow", "--frames=1", "--json"),
        f"--beside={root / 'pairs'}",
    )
    assert code == 0, err
    made = json.loads(out)
    assert (made["frames"], made["scale"]) == ([10, 11], 4.0)
    assert picture[place(0, 2)].tolist() == colour((4.0, 0.0), 4.0)
    assert picture[place(0, 3)].tolist() == colour(RIGHT, 4.0)


def test_an_actionflownet(root, explain, tmp_path):
    """A real one: its picture is of what it answers to evaluate's own clip."""
    train.run(
        root / "records",
        root / "action",
        model="actionflownet",
        **TOY | {"backbone": "toy3d"},
        **SHORT,
    )
    data = Records(root / "records")
    (batch, *_) = clips.center_batches(
        data,
        "train",
        sampling=clips.Window(16),
        crop=clips.CenterCrop(SIDE),
        batch_size=1,
    )
    video_id = batch["video_id"][0].numpy().decode()
    model, _ = run_folder.load_trained(root / "action")
    answer = model(batch["rgb"], training=False)
    fields = tf.image.resize(answer["flow"][0], (SIDE, SIDE)).numpy()
    code, out, err, picture = explain(
        "action", root / video_id, "--picture=flow", "--json"
    )
    assert code == 0, err
    scale = json.loads(out)["scale"]
    for column, field in enumerate(fields[8:]):
        drawn = flows.picture(field, max_length=scale)
        y, x = place(1, column)
        shown = picture[y - 64 : y + 64 : 4, x - 64 : x + 64 : 4].astype(int)
        assert np.abs(shown - drawn).max() <= 1
    code, out, err, _ = explain(
        *("action", root / video_id, "--picture=occlusion", "--json"),
        out=tmp_path / "occlusion.png",
    )
    assert code == 0, err
    (found,) = json.loads(out)["runs"].values()
    scores = tf.nn.softmax(answer["logits"][0]).numpy()
    assert found["confidence"] == pytest.approx(scores.max(), abs=1e-5)


# Whatever may be wrong

OCCLUSION, FLOW = "--picture=occlusion", "--picture=flow"
BAD = {
    "no such picture": (
        2,
        "no picture 'x'. Choose one of: occlusion, flow",
        "tsn",
        "--picture=x",
    ),
    "no such run": (1, "no run folder", "none", OCCLUSION),
    "two streams": (2, "has two streams", "two", OCCLUSION),
    "no flow": (
        2,
        "this tsn predicts no flow. Give a run of one that does",
        "tsn",
        FLOW,
    ),
    "flags of occlusion": (
        2,
        "--class is for --picture=occlusion",
        "tsn",
        FLOW,
        "--class=left",
    ),
    "flags of flow": (
        2,
        "--frames is for --picture=flow",
        "tsn",
        OCCLUSION,
        "--frames=2",
    ),
    "no such class": (
        2,
        "no class 'up'. Choose one of: left, right (--class)",
        *("tsn", OCCLUSION, "--class=up"),
    ),
    "a square beyond the frame": (
        2,
        "at most the frame's short side, 32. Received: 33. (--size, --stride)",
        *("tsn", OCCLUSION, "--size=33"),
    ),
    "a size of nothing": (
        2,
        "'0': give a number of 1 or more",
        "tsn",
        OCCLUSION,
        "--size=0",
    ),
    "no such reference": (
        2,
        "no reference 'x'. Choose one of: tvl1",
        "tsn",
        FLOW,
        "--reference=x",
    ),
    "stored nowhere": (2, "Give --records too", "tsn", FLOW, "--reference=stored"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments_are_one_line(case, root, explain, tmp_path):
    expected_code, text, run, *flags = BAD[case]
    code, out, err, _ = explain(run, root / "right/0.avi", *flags)
    assert (code, out) == (expected_code, "")
    (message,) = [line for line in err.splitlines() if text in line]
    assert message.startswith(("vidzoo explain: ", "vidzoo explain: error: "))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("picture", [OCCLUSION, FLOW])
@pytest.mark.parametrize(
    "video, text", [("broken.avi", "cut short"), ("none.avi", "no such file")]
)
def test_bad_videos(picture, video, text, root, explain, monkeypatch):
    if picture == FLOW:
        replaced(monkeypatch, {"tsn": predicts(16, CLIP)})
    code, out, err, _ = explain("tsn", root / video, picture)
    assert (code, out) == (1, "")
    assert f"{root / video}" in err and text in err and err.count("\n") == 1


def test_a_short_video_has_no_flow_to_show(root, explain, monkeypatch):
    replaced(monkeypatch, {"tsn": predicts(16, CLIP)})
    code, _, err, _ = explain("tsn", root / "short.avi", FLOW)
    assert code == 1
    assert "short.avi: has 7 frames, and 16 in a row are needed" in err


def test_no_such_video_in_the_records(root, explain):
    flags = (OCCLUSION, f"--records={root / 'records'}")
    code, _, err, _ = explain("tsn", "up/0.avi", *flags)
    assert code == 2
    assert "no video 'up/0.avi'. VIDEO is the id of one of its 4 videos" in err


def test_what_is_there_stays(root, explain, tmp_path):
    mine = tmp_path / "mine.png"
    mine.write_text("mine")
    for out, text in ((mine, "mine.png: exists"), (tmp_path / "a.jpg", "a .png file")):
        code, _, err, _ = explain("tsn", root / "right/0.avi", OCCLUSION, out=out)
        assert code == 2 and text in err
    assert mine.read_text() == "mine"


def test_a_flownet_does_not_classify(root, explain, monkeypatch):
    replaced(monkeypatch, {"tsn": predicts(16, CLIP)})
    code, _, err, _ = explain("tsn", root / "right/0.avi", OCCLUSION)
    assert code == 2
    assert "does not classify. --picture=flow shows" in err


def test_networks_that_do_not_go_together(root, explain, monkeypatch, tmp_path):
    shutil.copytree(root / "tsn", root / "eight", dirs_exist_ok=True)
    replaced(monkeypatch, {"tsn": predicts(16, CLIP), "eight": predicts(8, CLIP[8:])})
    beside = f"--beside={root / 'eight'}"
    code, _, err, _ = explain("tsn", root / "right/0.avi", FLOW, beside)
    assert code == 2
    assert "different numbers of frames: 16 in" in err and "8 in" in err
    code, _, err, _ = explain("tsn", root / "right/0.avi", FLOW, "--frames=17")
    assert code == 2
    assert "--frames is 17, but the network sees 16" in err
    description = json.loads((root / "eight" / "run.json").read_text())
    description["data"]["made_with"]["fps"] = 5
    (root / "eight" / "run.json").write_text(json.dumps(description))
    code, _, err, _ = explain("tsn", root / "right/0.avi", FLOW, beside)
    assert code == 2
    assert "its fps is 5, but None in" in err


def test_a_diverged_network(root, explain, monkeypatch):
    replaced(monkeypatch, {"tsn": predicts(16, [*CLIP[:15], (np.nan, 0)])})
    code, _, err, _ = explain("tsn", root / "right/0.avi", FLOW)
    assert code == 1
    assert "predicts NaN or infinity as flow" in err


def test_a_run_on_features_has_no_pixels(root, explain, vidzoo):
    description = json.loads((root / "tsn" / "run.json").read_text())
    shutil.copytree(root / "tsn", root / "on_features", dirs_exist_ok=True)
    description["arguments"]["backbone"] = None
    (root / "on_features" / "run.json").write_text(json.dumps(description))
    code, _, err, _ = explain("on_features", root / "right/0.avi", OCCLUSION)
    assert code == 2
    assert "sees stored features, which have no pixels to show" in err
