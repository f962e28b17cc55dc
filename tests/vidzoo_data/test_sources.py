"""Readers of data sets on disk; they look at names only, so empty files will do."""

import pytest

from vidzoo.errors import SourceError, UsageError
from vidzoo_data import sources
from vidzoo_data.sources import hmdb51, ucf101


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def ids(source):
    return [video.video_id for video in source.videos]


def test_unknown_layout_and_options():
    with pytest.raises(
        UsageError, match="layout xyz; known: folder, csv, ucf101, hmdb51, act, fcvid"
    ):
        sources.read("xyz", "somewhere")
    with pytest.raises(UsageError, match="ucf101 needs .* with `--splits_dir`"):
        sources.read("ucf101", "somewhere")
    with pytest.raises(UsageError, match="hmdb51 needs .* with `--splits_dir`"):
        sources.read("hmdb51", "somewhere")
    for option in ("root", "splits_dir", "classes"):
        with pytest.raises(UsageError, match=f"`--{option}` is not an option of the"):
            sources.read("folder", "somewhere", **{option: "x"})
    for option, value in {"test_fraction": 0.3, "seed": 1}.items():
        with pytest.raises(UsageError, match=f"`--{option}` is not an option of the"):
            sources.read("csv", "somewhere", **{option: value})
    with pytest.raises(UsageError, match="`--allow_missing` is not an option of the"):
        sources.read("folder", "somewhere", allow_missing=True)


# Folder of class folders


def test_folder(tmp_path):
    names = [f"run/{n:02d}.avi" for n in range(10)] + ["sit/deep/er/a.MP4", "sit/b.mkv"]
    touch(tmp_path, *names, "run/notes.txt", "LICENSE", "loose.avi", "sit/.hidden.avi")
    touch(tmp_path, ".git/x.avi", "empty/readme.txt")
    source = sources.read("folder", tmp_path)
    assert (source.name, source.classes) == ("folder", ("run", "sit"))
    assert ids(source) == sorted(names)
    assert source.videos[0] == sources.Video(
        "run/00.avi", tmp_path / "run/00.avi", ("run",)
    )
    assert source.videos[-1].labels == ("sit",)
    assert {name: len(i) for name, i in source.splits.items()} == {
        "train": 9,
        "test": 3,
    }
    assert sorted(source.splits["train"] + source.splits["test"]) == sorted(names)
    assert source.notes == (
        f"{tmp_path / 'empty'} holds no video and is left out",
        f"1 video under {tmp_path} outside class folders",
        f"3 files under {tmp_path} ignored, not videos: 2 .txt, 1 without extension",
        "no train and test folders, so a split was drawn with seed 0: 9 train, 3 test",
    )


def test_drawn_split_is_stratified_and_seeded(tmp_path):
    touch(tmp_path, *(f"{c}/{n}.avi" for c in "ab" for n in range(20)), "c/only.avi")

    def draw(**options):
        return sources.read("folder", tmp_path, **options).splits

    first = draw(test_fraction=0.25)
    assert [sum(i.startswith(c) for i in first["test"]) for c in "abc"] == [5, 5, 0]
    assert draw(test_fraction=0.25) == first
    assert draw(test_fraction=0.25, seed=1) != first
    assert set(first["test"]) < set(draw(test_fraction=0.5)["test"])
    tiny = draw(test_fraction=0.001)["test"]
    assert [sum(i.startswith(c) for i in tiny) for c in "abc"] == [1, 1, 0]
    huge = draw(test_fraction=0.999)["train"]
    assert [sum(i.startswith(c) for i in huge) for c in "abc"] == [1, 1, 1]

    touch(tmp_path, "b/new.avi")  # may swap one video of its class
    assert len(set(draw(test_fraction=0.25)["test"]) ^ set(first["test"])) <= 2
    for fraction in (0, 1, -0.5):
        with pytest.raises(UsageError, match="`--test_fraction` must be above 0 and b"):
            draw(test_fraction=fraction)


def test_folder_with_splits(tmp_path):
    names = ["train/a/1.avi", "train/b/2.avi", "test/a/3.avi", "val/b/x/4.avi"]
    touch(tmp_path, *names, "doc/readme.txt", "train/loose.avi")
    source = sources.read("folder", tmp_path)
    assert source.classes == ("a", "b")
    assert ids(source) == sorted(names)
    assert source.splits == {
        "train": ("train/a/1.avi", "train/b/2.avi"),
        "test": ("test/a/3.avi",),
        "val": ("val/b/x/4.avi",),
    }
    assert source.notes == (
        f"1 video under {tmp_path} outside class folders",
        f"1 file under {tmp_path} ignored, not videos: 1 .txt",
    )


def test_folder_with_train_and_val(tmp_path):
    names = [f"{split}/{c}/1.avi" for split in ("train", "val") for c in "ab"]
    source = sources.read("folder", touch(tmp_path, *names))
    assert source.classes == ("a", "b")
    assert source.splits == {"train": tuple(names[:2]), "val": tuple(names[2:])}
    assert source.notes == ()
    for option, value in {"test_fraction": 0.2, "seed": 0}.items():
        with pytest.raises(UsageError, match=f"is drawn; leave `--{option}` out"):
            sources.read("folder", tmp_path, **{option: value})


def test_a_class_may_be_called_like_a_split(tmp_path):
    source = sources.read("folder", touch(tmp_path, "test/1.avi", "play/2.avi"))
    assert source.classes == ("play", "test")


def test_folder_follows_links_but_not_in_circles(tmp_path):
    touch(tmp_path, "store/1.avi", "root/b/2.avi")
    (tmp_path / "root/a").symlink_to(tmp_path / "store")
    (tmp_path / "root/b/up").symlink_to(tmp_path / "root")
    assert ids(sources.read("folder", tmp_path / "root")) == ["a/1.avi", "b/2.avi"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "found no video; expected one folder of videos per class, or train"),
        (["a/x.txt"], "found no video; .* Put the videos of each class into"),
        (["1.avi", "2.avi"], "found 2 videos in no class folder; expected one"),
        (["a/1.avi", "a/2.avi"], r"found one class only, a \(2 videos\); a classifier"),
        (["train/a/1.avi", "test/a/2.avi"], "found one class only, a"),
        (["train/a/1.avi", "train/b/1.avi", "test/x.txt"], "test: found no video; exp"),
        (
            ["train/a/1.avi", "train/b/1.avi", "test/c/2.avi"],
            "unknown label: the class c has videos, but none in .*train, which has a, ",
        ),
        (
            ["train/a/1.avi", "test/a/2.avi", "valid/a/3.avi"],
            "the folder valid holds videos and stands beside train and test",
        ),
        (
            ["train/a/1.avi", "train/b/1.avi"],
            "the folder train holds class folders, such as a, but there is no split",
        ),
        (
            ["train/a/1.avi", "train/b/1.avi", "dancing/1.avi"],
            "the folder train holds class folders, such as a, but there is no split",
        ),
    ],
)
def test_folder_errors(tmp_path, names, message):
    with pytest.raises(SourceError, match=message) as error:
        sources.read("folder", touch(tmp_path, *names))
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(str(tmp_path))


def test_folder_that_is_none(tmp_path):
    with pytest.raises(SourceError, match="nowhere: there is no such folder; expected"):
        sources.read("folder", tmp_path / "nowhere")
    touch(tmp_path, "file")
    with pytest.raises(SourceError, match="file: is a file, not a folder; expected"):
        sources.read("folder", tmp_path / "file")


def test_file_name_that_is_not_utf8(tmp_path):
    name = b"\xff.avi".decode("utf-8", "surrogateescape")
    touch(tmp_path, f"a/{name}", "b/1.avi")
    with pytest.raises(SourceError, match=r"'a/\\udcff.avi' is not valid UTF-8; rena"):
        sources.read("folder", tmp_path)


# CSV file


def write_csv(root, text, videos=("a/1.avi", "a/2.avi", "b/1.avi", "b/2.avi")):
    touch(root, *videos)
    (root / "all.csv").write_text(text, encoding="utf-8")
    return root / "all.csv"


ROWS = "path,label,split\na/1.avi,a,train\nb/1.avi,b,train\na/2.avi,a,test\n"


def test_csv(tmp_path):
    source = sources.read("csv", write_csv(tmp_path, ROWS))
    assert (source.name, source.classes) == ("csv", ("a", "b"))
    assert source.videos == (
        sources.Video("a/1.avi", tmp_path / "a/1.avi", ("a",)),
        sources.Video("a/2.avi", tmp_path / "a/2.avi", ("a",)),
        sources.Video("b/1.avi", tmp_path / "b/1.avi", ("b",)),
    )
    assert source.splits == {"test": ("a/2.avi",), "train": ("a/1.avi", "b/1.avi")}
    assert (source.missing, source.notes) == ((), ())


def test_csv_in_other_shapes(tmp_path):
    """Byte order mark, columns in any order, others ignored, blank lines, a root."""
    text = (
        '\ufeffsubset,who,label,path\r\n\r\ntrain,me,"x, y",../videos/a/1.avi\r\n'
        f"train,,b,{tmp_path / 'videos/b/1.avi'}\r\ntest,,b,./b/2.avi\r\n"
    )
    touch(tmp_path / "videos", "a/1.avi", "b/1.avi", "b/2.avi")
    file = write_csv(tmp_path / "lists", text.replace("../videos/", ""), videos=["x"])
    source = sources.read("csv", file, root=tmp_path / "videos")
    assert source.classes == ("b", "x, y")
    assert ids(source) == ["a/1.avi", "b/1.avi", "b/2.avi"]
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SourceError, match="line 3: ../videos/a/1.avi is outside"):
        sources.read("csv", file)


def test_csv_with_overlapping_splits(tmp_path):
    text = "path,label,split\na/1.avi,a,train1\na/1.avi,a,test2\nb/1.avi,b,train2\n"
    source = sources.read("csv", write_csv(tmp_path, text))
    assert ids(source) == ["a/1.avi", "b/1.avi"]
    assert source.splits == {
        "test2": ("a/1.avi",),
        "train1": ("a/1.avi",),
        "train2": ("b/1.avi",),
    }


def test_csv_with_classes(tmp_path):
    file = write_csv(tmp_path, ROWS)
    (tmp_path / "classes.txt").write_text("b\na\n\nc\n")
    source = sources.read("csv", file, classes=tmp_path / "classes.txt")
    assert source.classes == ("b", "a", "c")

    for text, message in {
        "b\njump\n": r"line 2: unknown label a, not among the classes; known: b, j",
        "b\na\nb\n": "names the class b twice",
        "\n": "is empty; expected one class name per line",
    }.items():
        (tmp_path / "classes.txt").write_text(text)
        with pytest.raises(SourceError, match=message):
            sources.read("csv", file, classes=tmp_path / "classes.txt")
    with pytest.raises(SourceError, match="none.txt: there is no such file; expected"):
        sources.read("csv", file, classes=tmp_path / "none.txt")


def test_csv_with_missing_videos(tmp_path):
    file = write_csv(tmp_path, ROWS + "b/gone.avi,b,test\n")
    with pytest.raises(
        SourceError,
        match=r"1 of 4 videos are missing under .*; first: b/gone.avi \(line 5\). Put",
    ):
        sources.read("csv", file)
    source = sources.read("csv", file, allow_missing=True)
    assert source.missing == (("b/gone.avi", "listed, but there is no such file"),)
    assert source.splits["test"] == ("a/2.avi",)
    with pytest.raises(SourceError, match="all 4 videos are missing under .*lists; na"):
        touch(tmp_path / "lists", "x")
        sources.read("csv", file, root=tmp_path / "lists", allow_missing=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found no row; expected a header naming path, label or labels, and spl"),
        ("path,label,split\n", "found no row; expected a header"),
        ("path,split\na,b\n", "found no column label among path, split; expected a"),
        ("path,label\na,b\n", "found no column split among path, label; expected a"),
        ("path;label;split\n", "found no column path among path;label;split; expected"),
        ("path,label,split,subset\n", "found both columns, split and subset"),
        ("path,label,labels,split\n", "found both columns, label and labels; expected"),
        (ROWS + "b/2.avi,,test\n", "all.csv, line 5: the label is empty; fill it in"),
        (ROWS + "b/2.avi,b\n", "line 5: the split is empty"),
        (ROWS + ",b,test\n", "line 5: the path is empty"),
        (
            ROWS + "./a/1.avi,a,train\n",
            "lines 2 and 5: a/1.avi is twice in split train; remove one",
        ),
        (
            ROWS + "b/1.avi,a,test\n",
            "lines 3 and 5: b/1.avi has two labels, b and a; keep one",
        ),
        (
            "path,label,split\na/1.avi,jump,train\nb/1.avi,b,train\nb/2.avi,jmup,test\n",
            "line 4: unknown label jmup, in split test, but never in train; "
            "nearest known: jump",
        ),
        ("path,label,split\na/1.avi,a,train\na/2.avi,a,test\n", "one class only, a; a"),
        ('path,label,split\n"a/1.avi"x,a,train\n', "line 2: is not CSV: "),
    ],
)
def test_csv_errors(tmp_path, text, message):
    with pytest.raises(SourceError, match=message) as error:
        sources.read("csv", write_csv(tmp_path, text))
    assert "\n" not in str(error.value)


SEVERAL = "path,labels,split\na/1.avi,run; sit,train\nb/1.avi,run,train\n"


def test_csv_with_several_labels(tmp_path):
    text = SEVERAL + 'a/2.avi,"sit;run",test\na/1.avi,sit;run,val\nb/2.avi, sit ,test\n'
    source = sources.read("csv", write_csv(tmp_path, text))
    assert source.classes == ("run", "sit")
    assert {video.video_id: video.labels for video in source.videos} == {
        "a/1.avi": ("run", "sit"),
        "a/2.avi": ("run", "sit"),
        "b/1.avi": ("run",),
        "b/2.avi": ("sit",),
    }
    assert source.splits == {
        "test": ("a/2.avi", "b/2.avi"),
        "train": ("a/1.avi", "b/1.avi"),
        "val": ("a/1.avi",),
    }


def test_csv_with_several_labels_and_classes(tmp_path):
    file = write_csv(tmp_path, SEVERAL)
    (tmp_path / "classes.txt").write_text("sit\njump\nrun\n")
    source = sources.read("csv", file, classes=tmp_path / "classes.txt")
    assert source.classes == ("sit", "jump", "run")
    assert source.videos[0].labels == ("run", "sit")
    (tmp_path / "classes.txt").write_text("run\njump\n")
    with pytest.raises(
        SourceError, match="line 2: unknown label sit, not among the cl"
    ):
        sources.read("csv", file, classes=tmp_path / "classes.txt")


def test_a_label_may_hold_a_semicolon(tmp_path):
    text = "path,label,split\na/1.avi,run;sit,train\nb/1.avi,run,train\n"
    source = sources.read("csv", write_csv(tmp_path, text))
    assert source.classes == ("run", "run;sit")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a/2.avi,,test", "line 4: the labels cell is empty; fill it in"),
        (
            "a/2.avi,run;;sit,test",
            "line 4: the labels run;;sit hold an empty name; put",
        ),
        ("a/2.avi,run;,test", "line 4: the labels run; hold an empty name"),
        ("a/2.avi,;,test", "line 4: the labels ; hold an empty name"),
        ("a/2.avi,run; run,test", "line 4: the labels run; run name the class run twi"),
        (
            "a/1.avi,run,test",
            "lines 2 and 4: a/1.avi has two labels, run;sit and run; keep one",
        ),
        (
            "a/2.avi,run;rnu,test",
            "line 4: unknown label rnu, in split test, but never in train; nearest k",
        ),
    ],
)
def test_csv_errors_of_several_labels(tmp_path, row, message):
    with pytest.raises(SourceError, match=f"all.csv, {message}") as error:
        sources.read("csv", write_csv(tmp_path, f"{SEVERAL}{row}\n"))
    assert "\n" not in str(error.value)


def test_csv_that_is_none(tmp_path):
    with pytest.raises(SourceError, match="no.csv: there is no such file; expected a "):
        sources.read("csv", tmp_path / "no.csv")
    with pytest.raises(SourceError, match="is a folder; expected a text file with a "):
        sources.read("csv", tmp_path)
    (tmp_path / "latin.csv").write_bytes(ROWS.encode() + b"b/\xe9.avi,b,test\n")
    with pytest.raises(SourceError, match="byte 66 is not UTF-8; save the file as UTF"):
        sources.read("csv", tmp_path / "latin.csv")
    with pytest.raises(SourceError, match="nowhere: there is no such folder; expected"):
        sources.read("csv", tmp_path / "latin.csv", root=tmp_path / "nowhere")


def test_jhmdb_split(shared_data):
    source = sources.read("csv", shared_data / "clips" / "jhmdb10" / "split1.csv")
    assert len(source.classes) == 10
    assert {name: len(i) for name, i in source.splits.items()} == {
        "test": 94,
        "train": 220,
    }


# The official split files


def test_ucf101_lists(shared_data):
    folder = shared_data / "splits" / "ucf101"
    classes = ucf101.read_classes(folder)
    assert len(classes) == 101
    assert (classes[0], classes[100]) == ("ApplyEyeMakeup", "YoYo")
    splits = ucf101.read_splits(folder, classes)
    assert {name: len(i) for name, i in splits.items()} == {
        "train1": 9537,
        "test1": 3783,
        "train2": 9586,
        "test2": 3734,
        "train3": 9624,
        "test3": 3696,
    }
    for number in "123":
        train, test = set(splits[f"train{number}"]), set(splits[f"test{number}"])
        assert (len(train | test), len(train & test)) == (13320, 0)


def test_hmdb51_lists(shared_data):
    classes, splits = hmdb51.read_splits(shared_data / "splits" / "hmdb51")
    listed = (shared_data / "splits" / "hmdb51" / "class_list.txt").read_text().split()
    assert list(classes) == sorted(listed)  # listed by file name: kick after kick_ball
    assert list(splits) == ["train1", "test1", "train2", "test2", "train3", "test3"]
    for name, video_ids in splits.items():
        for label in classes:
            count = sum(i.startswith(f"{label}/") for i in video_ids)
            assert count == (70 if name.startswith("train") else 30)


def test_official_sets_on_real_clips(shared_data):
    clips, splits = shared_data / "clips", shared_data / "splits"
    source = sources.read(
        "ucf101",
        clips / "ucf101",
        splits_dir=splits / "ucf101",
        allow_missing=True,
    )
    assert (len(source.classes), len(source.videos)) == (101, 19)
    assert len(source.missing) == 13301
    assert source.notes == ("13301 of 13320 listed videos are missing",)
    assert len(source.splits["train1"] + source.splits["test1"]) == 19
    with pytest.raises(
        SourceError, match="ucf101: 13301 of 13320 videos are missing under .*; first: "
    ):
        sources.read("ucf101", clips / "ucf101", splits_dir=splits / "ucf101")

    source = sources.read(
        "hmdb51",
        clips / "hmdb51",
        splits_dir=splits / "hmdb51",
        allow_missing=True,
    )
    assert len(source.classes) == 51
    assert {video.labels for video in source.videos} == {("wave",)}
    assert source.notes[0].startswith("1 video under")


@pytest.fixture
def ucf_lists(tmp_path):
    folder = tmp_path / "lists"
    folder.mkdir()
    (folder / "classInd.txt").write_text("1 Run\r\n2 Climb\r\n3 Sit\r\n")
    (folder / "trainlist01.txt").write_text("Run/v_R_1.avi 1\r\nClimb/v_C_1.avi 2\r\n")
    (folder / "testlist01.txt").write_text("Run/v_R_2.avi\r\n")
    return folder


def test_ucf101_nested_and_flat(tmp_path, ucf_lists):
    names = ("Run/v_R_1.avi", "Run/v_R_2.avi", "Climb/v_C_1.avi")
    nested = touch(tmp_path / "nested", *names, "Run/v_R_99.avi")
    flat = touch(tmp_path / "flat", *(name.split("/")[1] for name in names))
    for root in (nested, flat):
        source = sources.read("ucf101", root, splits_dir=ucf_lists)
        assert (source.name, source.classes) == ("ucf101", ("Run", "Climb", "Sit"))
        assert ids(source) == sorted(names)
        assert source.videos[0].labels == ("Climb",)
        assert source.splits == {
            "train1": ("Climb/v_C_1.avi", "Run/v_R_1.avi"),
            "test1": ("Run/v_R_2.avi",),
        }
        assert all(video.path.is_file() for video in source.videos)
        expected = ["1 video under"] if root == nested else []
        assert [note[:13] for note in source.notes] == expected


def test_ucf101_errors(tmp_path, ucf_lists):
    root = touch(tmp_path / "videos", "Run/v_R_1.avi")
    message = (
        "ucf101: 2 of 3 videos are missing under .*videos; first: Climb/v_C_1.avi. "
        "Unpack UCF101.rar there, or go on without them \\("
    )
    with pytest.raises(SourceError, match=message):
        sources.read("ucf101", root, splits_dir=ucf_lists)
    with pytest.raises(SourceError, match="ucf101: 3 of 3 .* Unpack UCF101.rar there."):
        sources.read("ucf101", tmp_path, splits_dir=ucf_lists, allow_missing=True)
    with pytest.raises(SourceError, match="no: there is no such folder; expected the "):
        sources.read("ucf101", tmp_path / "no", splits_dir=ucf_lists)
    with pytest.raises(SourceError, match="no such folder; expected classInd.txt, tra"):
        sources.read("ucf101", root, splits_dir=tmp_path / "no")

    for name, text, message in (
        (
            "trainlist01.txt",
            "Run/v_R_1.avi 2\n",
            "line 1: found Run/v_R_1.avi 2; expec",
        ),
        ("testlist01.txt", "\nJump/v.avi\n", "line 2: found Jump/v.avi; expected <cla"),
        ("classInd.txt", "1 Run\n3 Sit\n", "line 2: found 3 Sit; expected 2 <class>"),
    ):
        before = (ucf_lists / name).read_text()
        (ucf_lists / name).write_text(text)
        with pytest.raises(SourceError, match=message):
            sources.read("ucf101", root, splits_dir=ucf_lists)
        (ucf_lists / name).write_text(before)
    (ucf_lists / "testlist01.txt").unlink()
    with pytest.raises(SourceError, match="testlist01.txt: there is no such file; exp"):
        sources.read("ucf101", root, splits_dir=ucf_lists)
    (ucf_lists / "trainlist01.txt").unlink()
    with pytest.raises(SourceError, match="found no trainlist01.txt; expected the off"):
        sources.read("ucf101", root, splits_dir=ucf_lists)


def test_hmdb51_errors(tmp_path):
    lists = touch(tmp_path / "lists", "readme.txt")
    videos = touch(tmp_path / "videos", "run/x.avi")
    with pytest.raises(SourceError, match="found no <class>_test_split1.txt; expected"):
        sources.read("hmdb51", videos, splits_dir=lists)
    (lists / "run_test_split1.txt").write_text("x.avi 1 \ny.avi 2 \nz.avi 0 \n")
    (lists / "sit_test_split1.txt").write_text("s.avi 1 \n")
    with pytest.raises(
        SourceError, match="hmdb51: 2 of 3 .*; first: run/y.avi. Unpack hmdb51_org.rar"
    ):
        sources.read("hmdb51", videos, splits_dir=lists)
    source = sources.read("hmdb51", videos, splits_dir=lists, allow_missing=True)
    assert source.splits == {"train1": ("run/x.avi",), "test1": ()}
    (lists / "sit_test_split1.txt").write_text("s.avi 3 \n")
    with pytest.raises(SourceError, match="line 1: found s.avi 3; expected <video> an"):
        sources.read("hmdb51", videos, splits_dir=lists)
    (lists / "sit_test_split1.txt").rename(lists / "sit_test_split2.txt")
    with pytest.raises(SourceError, match="found no sit_test_split1.txt, though other"):
        sources.read("hmdb51", videos, splits_dir=lists)
