"""The verbs index, index-remove and search, as a user meets them."""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from tests.vidzoo.tasks.test_fuse import vidzoo  # noqa: F401
from tests.vidzoo_data.test_stored_flow import write_video
from vidzoo import cli, models
from vidzoo.retrieval import Encoder, IndexFile, Whitening
from vidzoo.retrieval.normalization import l2
from vidzoo.tasks import index_encoder
from vidzoo.weights import save_weights
from vidzoo_data import pictures as data

REPOSITORY = Path(__file__).resolve().parents[3]
FLAGS = (
    *("--network=tiny", "--layer=res3", "--size=32", "--num_words=4"),
    *("--scales=1,2", "--batch_size=3"),
)
ONE = (*FLAGS, "--scales=1")


def picture(seed, height=48, width=64):
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.normalize(
        cv2.GaussianBlur(noise, (0, 0), 2.0), None, 0, 255, cv2.NORM_MINMAX
    )


def write_picture(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture(seed))


def write_weights(path, seed, backbone="tiny"):
    keras.utils.set_random_seed(seed)
    tsn = models.TSN(4, backbone=backbone, frame_shape=(32, 32, 3))
    variant = {"tiny": "v1", "resnet18": "v1.5"}[backbone]
    save_weights(path, tsn, network="tsn", backbone=backbone, variant=variant)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """Ten pictures, a video of eight frames, weights, and the index of them."""
    root = tmp_path_factory.mktemp("original")
    for i in range(10):
        write_picture(root / "photos" / "ab"[i % 2] / f"{i}.png", seed=i)
    write_video(root / "photos" / "clip.avi", num_frames=8, shift=20, fps=2.0)
    write_weights(root / "tiny.npz", seed=0)
    files = [root / name for name in ("photos", "pictures.index")]
    flags = [*FLAGS, f"--weights={root / 'tiny.npz'}"]
    args = cli._parse(["vidzoo", "index", *map(str, files), *flags])
    assert cli._run(args) == 0
    return root


@pytest.fixture
def made(original, tmp_path, monkeypatch):
    """A copy of that, as the working folder."""
    shutil.copytree(original, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


@pytest.fixture
def root(made):
    """The same without the index."""
    os.remove("pictures.index")
    return made


@pytest.fixture
def index(vidzoo):  # noqa: F811
    """Runs `vidzoo index`: `(code, summary, stderr)`."""

    def run(*flags, folder="photos", out="pictures.index"):
        code, printed, err = vidzoo(
            "index", folder, out, "--weights=tiny.npz", *flags, "--json"
        )
        return code, json.loads(printed) if printed else None, err

    return run


@pytest.fixture
def search(vidzoo):  # noqa: F811
    """Runs `vidzoo search`: `(code, queries, stderr)`."""

    def run(*arguments):
        code, out, err = vidzoo("search", "pictures.index", *arguments, "--json")
        return code, json.loads(out)["queries"] if out else None, err

    return run


def ids(path="pictures.index"):
    return [entry.entry_id for entry in IndexFile.load(path).entries]


def clear(found):
    return [[row["id"] for row in answer["results"]] for answer in found]


# What is found


def test_pictures_and_frames_are_found_again(root, index, search):
    code, summary, err = index(*FLAGS, "--fps=1")
    assert code == 0, err
    assert "no PCA: 14 images are few for 128 dimensions (1280 are enough)" in err
    size = 2 * 4 * 32  # scales, words, channels of res3
    assert summary == {
        "index": "pictures.index",
        "num_entries": 14,
        "added": 14,
        "vector_size": size,
        "quarantined": {},
    }
    frames = [f"photos/clip.avi#{i}" for i in (0, 2, 4, 6)]
    assert ids() == [
        *sorted(f"photos/{'ab'[i % 2]}/{i}.png" for i in range(10)),
        *frames,
    ]
    cv2.imwrite("query.jpg", cv2.resize(picture(3), (160, 120)))  # another size, kind
    code, found, err = search(
        "query.jpg", "photos/clip.avi", "--num_frames=2", "--top=3"
    )
    assert (code, err) == (0, "")
    first = [answer["results"][0] for answer in found]
    assert first[0]["path"] == "photos/b/3.png" and first[0]["seconds"] is None
    # The middle frames of two halves, of which the index holds the one that it took.
    assert [(a["frame"], a["seconds"]) for a in found] == [(None, None), (2, 1), (6, 3)]
    assert [(r["id"], r["seconds"]) for r in first[1:]] == [
        (frames[1], 1),
        (frames[3], 3),
    ]
    assert first[1]["distance"] == pytest.approx(0, abs=1e-3)
    assert [row["rank"] for row in found[0]["results"]] == [1, 2, 3]


def test_vectors_are_those_of_the_library(root, index):
    """By the library's own way, a fit of the same pictures, PCA, and reading."""
    code, _, err = index(*FLAGS, "--dimension=5", "--seed=3", "--num_frames=2")
    assert code == 0, err
    opened = IndexFile.load("pictures.index")
    found = index_encoder.open_encoder(opened)
    paths = sorted(Path("photos").glob("?/*.png"))
    images = [np.stack([data.read(p, side) for p in paths]) for side in (32, 64)]
    frames = list(data.read_frames("photos/clip.avi", (32, 64), num_frames=2))
    images = [
        np.concatenate([stills, [frame.image[i] for frame in frames]])
        for i, stills in enumerate(images)
    ]
    whole = Encoder.fit(found.features, lambda: [images], num_words=4, seed=3)
    long = whole(images)
    expected = Whitening.fit([long], 5)(long)
    # Axes have either sign, so products are compared.
    vectors = opened.vectors
    np.testing.assert_allclose(vectors @ vectors.T, expected @ expected.T, atol=1e-3)
    np.testing.assert_allclose(vectors, found(images), atol=1e-4)


def test_entries_as_queries_need_no_weights(made, index, search):
    os.remove("tiny.npz")
    opened = IndexFile.load("pictures.index")
    squares = ((opened.vectors[:, None] - opened.vectors[None]) ** 2).sum(-1)
    np.fill_diagonal(squares, np.inf)
    code, found, err = search("--query_ids=photos/a/0.png,photos/clip.avi", "--top=20")
    assert (code, err) == (0, "")
    names = ids()
    frames = [i for i, name in enumerate(names) if "clip" in name]
    assert len(found) == 1 + len(frames)
    for answer, place in zip(found, [0, *frames], strict=True):
        order = np.argsort(squares[place])[:-1]
        assert [row["id"] for row in answer["results"]] == [names[i] for i in order]
        distances = [row["distance"] for row in answer["results"]]
        np.testing.assert_allclose(distances, np.sqrt(squares[place][order]), atol=1e-5)

    _, expanded, _ = search("--query_ids=photos/a/0.png", "--expand=3", "--top=4")
    nearest = np.argsort(((opened.vectors - opened.vectors[0]) ** 2).sum(-1))[:3]
    mean = l2(opened.vectors[0] + opened.vectors[nearest].sum(0))
    order = np.argsort(((opened.vectors - mean) ** 2).sum(-1))
    assert clear(expanded)[0] == [names[i] for i in order if i != 0][:4]


def test_an_index_and_its_pictures_may_be_moved(root, index, search, monkeypatch):
    (root / "deep").mkdir()
    assert index(*ONE, out="deep/pictures.index")[0] == 0
    moved = root.with_name("elsewhere")
    shutil.move(root, moved)
    monkeypatch.chdir(moved / "deep")
    code, found, err = search("../photos/a/4.png", "--top=1")
    assert (code, err) == (0, "")
    assert found[0]["results"][0]["path"] == "../photos/a/4.png"
    assert found[0]["results"][0]["id"] == "../photos/a/4.png"


def test_the_paper_s_layers_are_the_defaults(root, index, monkeypatch):
    from vidzoo.tasks import index as task

    for layout, layer in (
        *(("holidays", "inception_3a"), ("oxford", "inception_5b")),
        *(("paris", "inception_4e"), ("folder", "inception_3a")),
    ):
        settings = task._settings({}, layout)
        assert (settings["network"], settings["layers"]) == ("googlenet", [layer])
        assert (settings["scales"], settings["num_words"]) == ([1, 2], 100)
    code, _, err = index("--network=tiny")
    assert code == 2 and "--layer: which is best is known of googlenet and vgg16" in err


def test_holidays_and_csv(root, index, search):
    for name in ("100000", "100001", "100100", "100101"):
        write_picture(root / "holidays" / f"{name}.jpg", seed=int(name[:4]))
    code, _, err = index(*ONE, "--layout=holidays", folder="holidays")
    assert code == 0 and "holds 4 pictures in 2 groups" in err
    _, found, _ = search("--query_ids=holidays/100100.jpg", "--top=1")
    assert clear(found) == [["holidays/100101.jpg"]]
    rows = ["path,place", "photos/a/0.png,x", "photos/a/2.png,x"]
    Path("list.csv").write_text("\n".join(rows))
    flags = (*ONE, "--layout=csv", "--group_column=place")
    code, _, err = index(*flags, folder="list.csv", out="csv.index")
    assert code == 0, err
    assert ids("csv.index") == ["photos/a/0.png", "photos/a/2.png"]


@pytest.mark.parametrize("aggregation, size", [("bow", 4), ("fisher", 256)])
def test_other_aggregations(aggregation, size, root, index, search):
    flags = (*ONE, f"--aggregation={aggregation}")
    code, summary, err = index(*flags)
    assert code == 0, err
    assert summary["vector_size"] == size
    _, found, _ = search("photos/a/2.png", "--top=1")
    assert clear(found) == [["photos/a/2.png"]]


# Adding and removing


def test_what_is_added_is_encoded_as_the_rest(root, index, search):
    flags = (*FLAGS, "--dimension=6", "--num_frames=3")
    assert index(*flags)[0] == 0
    before = IndexFile.load("pictures.index")
    old = dict(zip(before.entries, np.array(before.vectors), strict=True))
    write_picture(root / "photos" / "a" / "new.png", seed=50)
    write_video(root / "photos" / "more.avi", num_frames=6, seed=9)
    code, summary, err = index("--add")
    assert code == 0 and "11 of 13 files are there" in err
    assert (summary["added"], summary["num_entries"]) == (4, len(old) + 4)
    after = IndexFile.load("pictures.index")
    assert (after.fingerprint, after.notes) == (before.fingerprint, before.notes)
    new = dict(zip(after.entries, after.vectors, strict=True))
    for entry, vector in old.items():
        np.testing.assert_array_equal(new[entry], vector)
    encoder = index_encoder.open_encoder(after)
    images = tuple(data.read("photos/a/new.png", side)[None] for side in (32, 64))
    added = next(v for entry, v in new.items() if entry.path == "photos/a/new.png")
    np.testing.assert_allclose(added, encoder(images)[0], atol=1e-5)

    whole = Path("pictures.index").read_bytes()
    code, summary, _ = index("--add")  # there is nothing new
    assert (code, summary["added"]) == (0, 0)
    assert Path("pictures.index").read_bytes() == whole
    assert not Path("pictures.index.partial").exists()


def test_removing_undoes_adding(made, index, vidzoo):  # noqa: F811
    before = Path("pictures.index").read_bytes()
    write_picture(made / "photos" / "a" / "new.png", seed=50)
    write_video(made / "photos" / "more.avi", num_frames=6, fps=2.0, seed=9)
    assert index("--add")[0] == 0
    names = ("photos/a/new.png", str(made / "photos" / "more.avi"))  # all its frames
    code, out, err = vidzoo("index-remove", "pictures.index", *names)
    assert (code, err) == (0, "")
    assert out == "pictures.index: 4 entries removed, 14 left\n"
    assert Path("pictures.index").read_bytes() == before
    for names, message in (
        (["nowhere.png"], "pictures.index: holds no nowhere.png; expected the ids or"),
        (["photos/clip.avi#1"], "holds no photos/clip.avi#1; expected"),
        (ids(), "none of its 14 entries would be left; delete the file instead"),
    ):
        code, out, err = vidzoo("index-remove", "pictures.index", *names)
        assert (code, out) == (1, "") and message in err
    assert Path("pictures.index").read_bytes() == before


# What cannot be read, and what does not fit


def odd_pictures(folder):
    """One of each kind, and two that are broken: `{name: is whole}`."""
    from PIL import Image

    folder.mkdir()
    whole = picture(1)
    cv2.imwrite(str(folder / "deep.png"), whole.astype(np.uint16) * 257)
    cv2.imwrite(str(folder / "grey.png"), whole[..., 0])
    cv2.imwrite(str(folder / "one.png"), whole[:1, :1])
    Image.fromarray(whole).convert("CMYK").save(folder / "cmyk.jpg")
    cv2.imwrite(str(folder / "cut.jpg"), whole)
    content = (folder / "cut.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(content[: len(content) // 2])
    (folder / "text.png").write_text("no picture")
    (folder / "gone.png").symlink_to("nowhere.png")
    (folder / "half.avi").write_bytes(Path("photos/clip.avi").read_bytes()[:2000])
    names = ("deep.png", "grey.png", "one.png", "cmyk.jpg")
    broken = ("cut.jpg", "text.png", "gone.png", "half.avi")
    return dict.fromkeys(names, True) | dict.fromkeys(broken, False)


def test_odd_and_broken_pictures(root, index, search, vidzoo):  # noqa: F811
    kinds = odd_pictures(root / "odd")
    code, summary, err = index(*ONE, folder="odd")
    assert code == 3, err
    assert ids() == sorted(
        f"odd/{name}" for name, is_whole in kinds.items() if is_whole
    )
    reasons = summary["quarantined"]
    assert sorted(reasons) == sorted(
        f"odd/{n}" for n, whole in kinds.items() if not whole
    )
    assert reasons["odd/cut.jpg"].startswith("the JPEG is cut short or damaged")
    assert reasons["odd/gone.png"] == "there is no such file."
    # They are told again, and added once they are mended.
    shutil.copy("photos/a/0.png", "odd/text.png")
    code, out, _ = vidzoo("index", "odd", "pictures.index", "--add")
    assert code == 3
    assert (
        "5 entries of 128 values, 1 of them new\n3 left out, as they cannot be" in out
    )
    assert "\n  odd/gone.png: there is no such file.\n" in out
    code, found, err = vidzoo("search", "pictures.index", "odd/one.png", "odd/cut.jpg")
    assert code == 3 and "vidzoo search: odd/cut.jpg: the JPEG is cut" in err
    assert "0.000 │ odd/one.png" in found and "odd/cmyk.jpg" in found
    assert search("odd/cut.jpg", "nowhere.png")[0] == 1


def test_nothing_to_index(root, index, search):
    for name in ("empty", "broken"):
        (root / name).mkdir()
    (root / "broken" / "a.jpg").write_text("no picture")
    for folder, message in (
        ("nowhere", "nowhere: there is no such folder; expected a folder of pictures"),
        ("empty", "empty: found no file, but no picture and no video; expected files"),
        (
            "broken",
            "none of 1 pictures and videos can be read; the first, broken/a.jpg",
        ),
    ):
        code, _, err = index(*ONE, folder=folder)
        assert code == 1 and message in err
        assert not Path("pictures.index").exists()
        code, _, err = index("--add", folder=folder)
        assert code == 1
    assert "pictures.index: there is no such index" in search("photos/a/0.png")[2]
    Path("pictures.index").write_bytes(b"")
    code, _, err = search("photos/a/0.png")
    assert code == 1 and "pictures.index: not an index, or one whose beginning" in err


@pytest.mark.parametrize(
    "flags, message",
    [
        # Of res3, 4 x 4 positions of each of 14 images.
        (
            ["--num_words=225"],
            "`num_words` is 225, but there are 224 desc",
        ),
        (
            ["--dimension=14"],
            "`dimension` must be 1 to 13, the largest possible: these",
        ),
        (["--fps=1", "--num_frames=2"], "--fps and --num_frames: give one of them"),
        (["--fps=0"], "--fps=0.0: give frames per second, above 0"),
        (["--layer=res9"], "`layers` must be some of ('conv1', 'res2', 'res3', 'res4'"),
        (["--network=resnet9"], "`network` must be one of ('resnet18', 'resnet34'"),
        (["--scales=1,1"], "`scales` must be different numbers of 1 or more"),
        (["--aggregation=mean"], "--aggregation=mean: give one of vlad, bow, fisher"),
        (
            ["--aggregation=bow", "--normalization=intra"],
            "--normalization=intra: of bow give one of ssr, none",
        ),
        (["--layout=ucf101"], "unknown layout ucf101; known: folder, csv, holidays"),
        (["--dimension=0"], "'0': give a number of 1 or more, or none"),
    ],
)
def test_wrong_values_are_usage(flags, message, root, index):
    code, _, err = index(*ONE, *flags)
    assert code == 2 and message in err
    assert not list(root.glob("pictures.index*"))


def test_wrong_queries_are_usage(made, index, search):
    Path("there.html").write_text("mine")
    for flags, message in (
        ([], "give a picture or a video to search for (or --query_ids)"),
        (
            ["photos/a/0.png", "--html=sheet.txt"],
            "give the name of an .html file, in a",
        ),
        (["photos/a/0.png", "--html=there.html"], "there.html: exists. Choose another"),
    ):
        code, _, err = search(*flags)
        assert code == 2 and message in err
    assert Path("there.html").read_text() == "mine"


def test_many_pictures_of_one_kind_have_no_pca(root, index, monkeypatch):
    from vidzoo.tasks import index as task

    monkeypatch.setattr(task, "_VECTORS_PER_DIMENSION", 0)
    code, summary, err = index(*ONE, "--num_words=5")
    assert code == 0 and summary["vector_size"] == 5 * 32
    assert "no PCA, so vectors stay as they are: `dimension` must be 1 to 13" in err


# Another encoder


def test_other_weights_are_refused(made, index, search):
    write_weights(made / "other.npz", seed=1)
    write_weights(made / "resnet.npz", seed=1, backbone="resnet18")
    before = Path("pictures.index").read_bytes()
    write_picture(made / "photos" / "new.png", seed=50)
    for run in (
        lambda flag: search("photos/a/0.png", flag),
        lambda flag: index("--add", flag),
    ):
        code, _, err = run("--weights=other.npz")
        assert code == 1 and "made with another network than other.npz gives" in err
        assert "weights_sha256 is " in err and "Give the weights it was made" in err
        code, _, err = run("--weights=resnet.npz")
        assert code == 1 and "holds weights of resnet18" in err and "not of tiny" in err
        shutil.copy("tiny.npz", "same.npz")
        os.rename("tiny.npz", "moved.npz")
        assert run("--weights=same.npz")[0] == 0
        os.rename("moved.npz", "tiny.npz")
        Path("pictures.index").write_bytes(before)
    os.remove("tiny.npz")
    code, _, err = search("photos/a/0.png")
    assert code == 1
    assert "its weights are no longer at tiny.npz. Give them (--weights)" in err


@pytest.mark.parametrize(
    "flag, message",
    [
        ("--layer=res4", "layers is ['res3'], now ['res4']"),
        ("--network=resnet18", "network is tiny, now resnet18"),
        ("--scales=1", "scales is [1, 2], now [1]"),
        ("--normalization=ssr", "normalization is intra, now ssr"),
        ("--dimension=9", "dimension is none, now 9"),
        ("--fps=3", "fps is 1.0, now 3.0"),
    ],
)
def test_adding_otherwise_is_refused(flag, message, made, index):
    before = Path("pictures.index").read_bytes()
    code, _, err = index("--add", flag)
    assert code == 1 and f"pictures.index: was made otherwise: {message}" in err
    assert Path("pictures.index").read_bytes() == before


def test_adding_is_refused(made, index):
    assert index("--add", *FLAGS)[0] == 0  # told the same again is no contradiction
    code, _, err = index("--add", "--seed=1")
    assert code == 2 and "--seed: is for a new index" in err
    code, _, err = index(*FLAGS)
    assert code == 1 and "pictures.index: is there already; add to it" in err


# The sheet


class Sheet(HTMLParser):
    """Figures of a page: `(class, JPEG or None, caption)`; every tag must be closed."""

    def __init__(self, text):
        super().__init__()
        self.figures, self._open = [], []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        assert {"href", "onload"}.isdisjoint(attributes)
        if tag == "figure":
            self.figures.append([attributes["class"], None, ""])
        if tag == "img":
            kind, _, text = attributes["src"].partition(",")
            assert kind == "data:image/jpeg;base64"
            self.figures[-1][1] = base64.b64decode(text)
        if tag not in ("img", "br", "meta"):
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, text):
        if "figcaption" in self._open:
            self.figures[-1][2] += text


def test_a_sheet_of_thumbnails(root, index, search):
    odd = root / "photos" / "<b>&amp;'\".png"
    write_picture(odd, seed=77)
    assert index(*ONE, "--fps=1")[0] == 0
    os.remove("photos/a/0.png")
    code, found, err = search(str(odd), "photos/clip.avi", "--top=15", "--html=s.html")
    assert code == 0, err
    figures = Sheet(Path("s.html").read_text()).figures
    assert len(figures) == 5 * 16  # a picture and four frames, each with 15 results
    assert [kind for kind, _, _ in figures[:3]] == ["query", "result", "result"]
    assert figures[0][2] == f"query{odd}"
    assert figures[1][2] == f"1: distance 0.000photos/{odd.name}"
    assert figures[17][2] == "1: distance 0.000photos/clip.avi, 0.0 s"
    gone = [caption for _, thumbnail, caption in figures if thumbnail is None]
    assert len(gone) == 5 and all(
        caption.endswith("photos/a/0.png") for caption in gone
    )
    video = {f.number: f for f in data.read_frames("photos/clip.avi", 32, fps=1)}
    for answer, (_, thumbnail, _) in zip(found[1:], figures[16::16], strict=True):
        image = cv2.imdecode(np.frombuffer(thumbnail, np.uint8), cv2.IMREAD_COLOR)
        assert image.shape == (48, 64, 3)
        small = cv2.resize(image[..., ::-1], (32, 32), interpolation=cv2.INTER_AREA)
        gap = np.abs(small.astype(int) - video[answer["frame"]].image).mean()
        assert gap < 8  # of JPEG; another frame differs by 50


# Interruptions

# Runs verbs, each in a fork that dies of SIGKILL at a moment; what is imported before
# starts no thread.
DYING = f"""
import json, os, signal, sys
sys.path.insert(0, {str(REPOSITORY)!r})
from vidzoo.retrieval import Encoder, Features, index_builder
from vidzoo.tasks import index

index_builder.IndexBuilder.__init__.__kwdefaults__["part_length"] = 2

def dying(function, number):
    left = [number]
    def call(*args, **kwargs):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return call

places = {{
    "learn": (Features, "__call__"),
    "encode": (Encoder, "__call__"),
    "replace": (os, "replace"),
    "tidy": (index_builder, "_remove"),
}}
for line in sys.stdin:
    moment, number, add = json.loads(line)
    if not (child := os.fork()):
        where, name = places[moment]
        setattr(where, name, dying(getattr(where, name), number))
        settings = {{}} if add else {{
            "network": "tiny", "layer": ["res3"], "scales": [1], "size": 32,
            "num_words": 4, "seed": 0,
        }}
        index.run("photos", "pictures.index", weights="tiny.npz", add=add,
            batch_size=2, workers=1, **settings)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


@pytest.fixture
def die(root):
    """Runs `index` in a process that is killed at the n-th step of a kind."""
    with subprocess.Popen(
        [sys.executable, "-c", DYING],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:

        def run(moment, number, add=False):
            process.stdin.write(json.dumps([moment, number, add]) + "\n")
            process.stdin.flush()
            assert process.stdout.readline() == f"{-signal.SIGKILL}\n"

        yield run
        process.stdin.close()


@pytest.mark.slow
def test_killed_ten_times(root, index, die):
    """Each run goes on from the one before: the old index, or the new one complete."""
    os.remove("photos/clip.avi")
    path = Path("pictures.index")
    for moment in (
        ("learn", 2),
        ("replace", 2),  # the encoder is kept; the plan is not
        ("replace", 3),  # a part of two pictures is
        ("encode", 3),  # and then two
        ("replace", 5),  # all parts are, and the index is but for its name
    ):
        die(*moment)
        assert not path.exists()
    parts = len(list(root.glob("pictures.index.partial/part-*")))
    assert parts == 5
    die("tidy", 1)
    first = path.read_bytes()
    assert len(ids()) == 10
    code, _, err = index(*ONE)
    assert code == 1 and "is there already" in err
    assert not Path("pictures.index.partial").exists()

    for i in range(4):
        write_picture(root / "photos" / "new" / f"{i}.png", seed=90 + i)
    for moment in (("encode", 2), ("replace", 1), ("replace", 4)):
        die(*moment, add=True)
        assert path.read_bytes() == first
    die("tidy", 1, add=True)
    second = path.read_bytes()
    assert len(ids()) == 14
    code, summary, err = index("--add")
    assert code == 0 and summary["added"] == 0, err
    assert path.read_bytes() == second
    assert sorted(p.name for p in root.glob("*pictures.index*")) == [
        *(".pictures.index.lock", "pictures.index")
    ]
    opened = IndexFile.load(path)
    encoder = index_encoder.open_encoder(opened)
    for entry, vector in zip(opened.entries, opened.vectors, strict=True):
        image = data.read(entry.path, 32)[None]
        np.testing.assert_allclose(vector, encoder(image)[0], atol=1e-4)


@pytest.mark.slow
def test_goes_on_with_what_was_done(root, index, die):
    die("encode", 4)
    code, _, err = index(*ONE, "--num_words=5")
    assert code == 1
    assert "pictures.index.partial: was begun otherwise: num_words is 4, now 5" in err
    code, summary, err = index(*ONE)
    assert code == 0, err
    assert "going on with the words of the run before" in err
    assert "4 of 11 files are there" in err  # two parts of two
    assert summary["added"] == summary["num_entries"] == 14
