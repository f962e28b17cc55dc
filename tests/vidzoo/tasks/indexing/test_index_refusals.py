"""`vidzoo index` and `search` of what cannot be read and what does not fit."""

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.vidzoo.tasks.indexing.indexed import (
    FLAGS,
    ONE,
    ids,
    picture,
    write_picture,
    write_weights,
)
from vidzoo.tasks import index as task
from vidzoo.tasks import index_encoder

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


def test_odd_and_broken_pictures(root, index, search, vidzoo):
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
    monkeypatch.setattr(task, "_VECTORS_PER_DIMENSION", 0)
    code, summary, err = index(*ONE, "--num_words=5")
    assert code == 0 and summary["vector_size"] == 5 * 32
    assert "no PCA, so vectors stay as they are: `dimension` must be 1 to 13" in err


def test_one_picture_has_no_pca(root, index):
    shutil.copytree("photos/a", "one", ignore=lambda _, names: sorted(names)[1:])
    code, _, err = index(*ONE, "--dimension=2", folder="one")
    assert code == 2
    assert "there is nothing to whiten: all vectors (1) are alike. Use none" in err
    assert index(*ONE, "--dimension=none", folder="one")[0] == 0


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
        assert code == 1 and "holds weights of resnet18" in err and "not of toy" in err
        shutil.copy("toy.npz", "same.npz")
        os.rename("toy.npz", "moved.npz")
        assert run("--weights=same.npz")[0] == 0
        os.rename("moved.npz", "toy.npz")
        Path("pictures.index").write_bytes(before)
    os.remove("toy.npz")
    code, _, err = search("photos/a/0.png")
    assert code == 1
    assert "its weights are no longer at toy.npz. Give them (--weights)" in err


def test_pictures_that_became_squares_otherwise_are_refused(
    root, index, search, monkeypatch
):
    with monkeypatch.context() as before_it_was_noted:
        before_it_was_noted.setattr(index_encoder, "WARPED", {})
        assert index(*ONE)[0] == 0
        assert search("photos/a/0.png")[0] == 0
    for run in (lambda: search("photos/a/0.png"), lambda: index("--add")):
        code, _, err = run()
        assert code == 1
        assert "its pictures became squares in another way: warp is None, now a" in err
        assert "Build another index, or use the version of vidzoo that made it" in err
    assert search("--query_ids=photos/a/0.png")[0] == 0  # reads no picture

    stopped = root / "stopped.index"
    with monkeypatch.context() as other_version:
        other_version.setattr(index_encoder, "WARPED", {"warp": "area-0"})
        other_version.setattr(task, "_build", _stop)
        assert index(*ONE, out=str(stopped))[0] == 130
    code, _, err = index(*ONE, out=str(stopped))
    assert code == 1 and "was begun otherwise: warp is area-0, now area-1. Go on" in err


def test_words_of_another_folder_are_refused(root, index, monkeypatch):
    """The run before learned of `photos/a`; a file then changes, and changes back."""
    with monkeypatch.context() as stopped:
        stopped.setattr(task, "_build", _stop)
        assert index(*ONE, folder="photos/a")[0] == 130
    message = "partial: was begun otherwise: the files that words are learned of are ot"
    code, _, err = index(*ONE, folder="photos/b")
    assert code == 1 and message in err
    shutil.copy("photos/a/0.png", "kept.png")
    write_picture(root / "photos" / "a" / "0.png", seed=99)
    assert os.path.getsize("photos/a/0.png") != os.path.getsize("kept.png")
    code, _, err = index(*ONE, folder="photos/a")
    assert code == 1 and message in err
    shutil.copy("kept.png", "photos/a/0.png")
    code, _, err = index(*ONE, folder="photos/a")
    assert code == 0 and "going on with the words of the run before" in err
    assert ids() == [f"photos/a/{i}.png" for i in (0, 2, 4, 6, 8)]


def _stop(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "flag, message",
    [
        ("--layer=res4", "layers is ['res3'], now ['res4']"),
        ("--network=resnet18", "network is toy, now resnet18"),
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
