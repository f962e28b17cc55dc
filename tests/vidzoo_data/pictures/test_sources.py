"""Folders shaped like Holidays, Oxford and Paris, and what a CSV and a folder hold."""

import shutil

import cv2
import numpy as np
import pytest

from vidzoo.errors import SourceError, UsageError
from vidzoo.retrieval import PROTOCOLS, measure
from vidzoo_data.pictures import LAYOUTS, list_pictures
from vidzoo_data.pictures.sources.oxford import CORRUPT


def picture(path, level=100):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((8, 10, 3), level, np.uint8))


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def ids(listing):
    return [p.picture_id for p in listing.pictures]


def finds(listing):
    """Query id to its picture, what it is to find, and junk."""
    return {
        q.query_id: (q.picture_id, sorted(q.positives), sorted(q.junk))
        for q in listing.queries
    }


def test_unknown_layout_and_options():
    with pytest.raises(UsageError, match="layout x; known: folder, csv, holidays, oxf"):
        list_pictures("x", "somewhere")
    for layout, option in (("csv", "ground_truth"), ("holidays", "root")):
        with pytest.raises(UsageError, match=f"`--{option}` is not an option of the"):
            list_pictures(layout, "somewhere", **{option: "x"})


@pytest.mark.parametrize("layout", LAYOUTS)
def test_missing_and_empty(layout, tmp_path):
    path = tmp_path / "x"
    with pytest.raises(SourceError, match=f"{path}: there is no such (folder|file)"):
        list_pictures(layout, path)
    path.touch()
    message = "found no row" if layout == "csv" else "is a file, not a folder"
    with pytest.raises(SourceError, match=f"{path}: {message}"):
        list_pictures(layout, path)
    if layout != "csv":
        path.unlink()
        path.mkdir()
        with pytest.raises(SourceError, match=f"{path}: found no (picture|file)"):
            list_pictures(layout, path)


# Holidays


@pytest.fixture
def holidays(tmp_path):
    root = tmp_path / "holidays"
    for number in ("100000", "100001", "100002", "100100", "100101"):
        picture(root / "jpg" / f"{number}.jpg")
    return root


def test_holidays(holidays):
    listing = list_pictures("holidays", holidays)
    assert ids(listing) == ["100000", "100001", "100002", "100100", "100101"]
    assert listing.pictures[0].path == holidays / "jpg" / "100000.jpg"
    assert finds(listing) == {
        "100000": ("100000", ["100001", "100002"], []),
        "100100": ("100100", ["100101"], []),
    }
    assert listing.notes == (
        f"{holidays} holds 5 pictures in 2 groups, where the published data set has "
        "1491 in 500",
    )


def test_holidays_gives_the_known_map(holidays):
    """The worked ranking of test_protocols.py, with the queries from the disk."""
    rankings = {
        "100000": ["100000", "100001", "100100", "100002", "100101"],
        "100100": ["100001", "100100", "100101", "100000", "100002"],
    }
    queries = list_pictures("holidays", holidays).queries
    found = measure("holidays", queries, rankings).mean_average_precision
    assert found == pytest.approx((19 / 24 + 1 / 4) / 2, abs=1e-15)


def test_holidays_of_the_published_size_needs_no_note(tmp_path):
    for group in range(500):
        for number in range(2 + (group < 491)):
            (tmp_path / f"{1000 + group}{number:02}.jpg").touch()
    listing = list_pictures("holidays", tmp_path)
    assert (len(listing.pictures), len(listing.queries)) == (1491, 500)
    assert not listing.notes


@pytest.mark.parametrize(
    "added, removed, message",
    [
        ("holiday.jpg", None, "holiday.jpg: the name is not a number of six digits"),
        ("100200.jpg", None, "group 1002 holds its query alone, 100200; expected one"),
        (None, "jpg/100100.jpg", "group 1001 has no 100100, its query; found 100101"),
        ("100001.png", None, "found the picture 100001 twice, .*png.* and .*; remove"),
    ],
)
def test_holidays_errors(added, removed, message, holidays):
    if added:
        picture(holidays / added)
    if removed:
        (holidays / removed).unlink()
    with pytest.raises(SourceError, match=message):
        list_pictures("holidays", holidays)


# Oxford and Paris


def write_truth(folder, query_id, line, good="", ok="", junk=""):
    write(folder / f"{query_id}_query.txt", line)
    for kind, names in (("good", good), ("ok", ok), ("junk", junk)):
        write(
            folder / f"{query_id}_{kind}.txt", "".join(f"{n}\n" for n in names.split())
        )


@pytest.fixture
def oxford(tmp_path):
    for i in range(1, 7):
        picture(tmp_path / "oxbuild_images" / f"all_souls_00000{i}.jpg")
    picture(tmp_path / "oxbuild_images" / "oxford_000001.jpg")
    write_truth(
        tmp_path / "gt",
        "all_souls_1",
        "oxc1_all_souls_000001 136.5 34.1 648.5 955.7\n",
        good="all_souls_000001 all_souls_000002",
        ok="all_souls_000003",
        junk="all_souls_000004",
    )
    write_truth(
        tmp_path / "gt",
        "all_souls_2",
        "oxc1_all_souls_000005 0 0 1 1",
        good="all_souls_000005",
        ok="all_souls_000006",
    )
    return tmp_path


def name(number):
    return f"all_souls_00000{number}"


def test_oxford(oxford):
    listing = list_pictures("oxford", oxford)
    assert ids(listing) == [*map(name, range(1, 7)), "oxford_000001"]
    assert finds(listing) == {
        "all_souls_1": (name(1), [name(1), name(2), name(3)], [name(4)]),
        "all_souls_2": (name(5), [name(5), name(6)], []),
    }
    assert (
        "7 pictures and 2 queries, where the published data set has 5062 and 55"
        in (listing.notes[0])
    )
    apart = list_pictures(
        "oxford", oxford / "oxbuild_images", ground_truth=oxford / "gt"
    )
    assert (apart.pictures, apart.queries) == (listing.pictures, listing.queries)


def test_oxford_gives_the_known_map(oxford):
    """1: own, junk, wrong, ok, good, as in test_protocols.py. 2: wrong, own, ok."""
    rankings = {
        "all_souls_1": [name(1), name(4), name(6), name(3), name(2), name(5)],
        "all_souls_2": [name(1), name(5), name(6)],
    }
    first = (1 + 7 / 12 + 17 / 24) / 3
    second = ((0 + 1 / 2) / 2 + (1 / 2 + 2 / 3) / 2) / 2
    found = measure("oxford", list_pictures("oxford", oxford).queries, rankings)
    assert found.mean_average_precision == pytest.approx((first + second) / 2)


@pytest.mark.parametrize(
    "file, text, message",
    [
        (
            "query",
            "",
            "all_souls_1_query.txt: found nothing; expected one line, a pict",
        ),
        (
            "query",
            "a 1 2 3\n",
            "found a 1 2 3; expected one line, a picture's name and",
        ),
        ("query", "a 1 2 3 x\n", "found a 1 2 3 x; expected one line"),
        (
            "query",
            "a 1 2 3 4\nb 1 2 3 4\n",
            "found a 1 2 3 4 / b 1 2 3 4; expected one",
        ),
        ("good", None, "all_souls_1_good.txt: there is no such file"),
        ("junk", None, "all_souls_1_junk.txt: there is no such file"),
        ("junk", name(2), "junk.txt: names all_souls_000002, which the good or"),
        ("ok", "x\ny\n", "2 of 7 pictures that the queries name are missing; first"),
        ("query", "oxc1_z 1 2 3 4", "1 of 7 .* first: z, of the query all_souls_1"),
    ],
)
def test_oxford_errors(file, text, message, oxford):
    path = oxford / "gt" / f"all_souls_1_{file}.txt"
    path.unlink()
    if text is not None:
        write(path, text)
    with pytest.raises(SourceError, match=message):
        list_pictures("oxford", oxford)


def test_oxford_without_anything_to_find(oxford):
    for kind in ("good", "ok"):
        write(oxford / "gt" / f"all_souls_1_{kind}.txt", "\n")
    with pytest.raises(SourceError, match="_good.txt: is empty, and so is the ok file"):
        list_pictures("oxford", oxford)


def test_oxford_without_ground_truth(oxford):
    with pytest.raises(SourceError, match="images: found no file <query>_query.txt"):
        list_pictures("oxford", oxford / "oxbuild_images")


@pytest.fixture
def paris(tmp_path):
    for number in (1, 2, 3):
        picture(tmp_path / "paris" / "louvre" / f"paris_louvre_00000{number}.jpg")
    for corrupt in sorted(CORRUPT)[:2]:  # what is in these files: a web page
        write(tmp_path / "paris" / "louvre" / f"{corrupt}.jpg", "<title>302 Found")
    write_truth(
        tmp_path / "gt",
        "louvre_1",
        "paris_louvre_000001 1 2 3 4",
        good="paris_louvre_000001 paris_louvre_000136",
        ok="paris_louvre_000002",
        junk="paris_louvre_000146 paris_triomphe_000867",
    )
    return tmp_path


def test_paris_is_without_its_corrupt_pictures(paris):
    listing = list_pictures("paris", paris)
    assert len(CORRUPT) == 20
    assert ids(listing) == [f"paris_louvre_00000{i}" for i in (1, 2, 3)]
    assert listing.notes[:2] == (
        "left out, as corrupt by the authors of Paris: paris_louvre_000136, "
        "paris_louvre_000146",
        "corrupt, and so never found by a query: paris_louvre_000136",
    )
    assert "holds 5 pictures and 1 query, where" in listing.notes[2]
    ranking = ["paris_louvre_000001", "paris_louvre_000003", "paris_louvre_000002"]
    found = measure("paris", listing.queries, {"louvre_1": ranking})
    expected = (1 + (1 / 2 + 2 / 3) / 2) / 3  # of three to be found
    assert found.mean_average_precision == pytest.approx(expected)


def test_paris_with_the_corrupt_pictures_deleted(paris):
    before = list_pictures("paris", paris)
    for corrupt in CORRUPT:
        (paris / "paris" / "louvre" / f"{corrupt}.jpg").unlink(missing_ok=True)
    after = list_pictures("paris", paris)
    assert (after.pictures, after.queries) == (before.pictures, before.queries)


def test_a_query_with_a_corrupt_picture(paris):
    write(paris / "gt" / "louvre_1_query.txt", "paris_louvre_000136 1 2 3 4")
    with pytest.raises(
        SourceError, match="louvre_1_query.txt: its picture, paris_louv"
    ):
        list_pictures("paris", paris)


# CSV


@pytest.fixture
def table(tmp_path):
    for file in ("a/1.jpg", "a/2.JPG", "b/1.png", "b/2.png", "alone.jpg"):
        picture(tmp_path / file)
    write(
        tmp_path / "groups.csv",
        "\ufeffgroup,path,note\nx,a/1.jpg,\nx, a/2.JPG ,z\n\ny,b/1.png\ny,./b/2.png\n"
        f"z,{tmp_path / 'alone.jpg'}\n",
    )
    return tmp_path / "groups.csv"


def test_csv(table):
    listing = list_pictures("csv", table)
    assert ids(listing) == ["a/1.jpg", "a/2.JPG", "alone.jpg", "b/1.png", "b/2.png"]
    assert finds(listing) == {
        "a/1.jpg": ("a/1.jpg", ["a/2.JPG"], []),
        "a/2.JPG": ("a/2.JPG", ["a/1.jpg"], []),
        "b/1.png": ("b/1.png", ["b/2.png"], []),
        "b/2.png": ("b/2.png", ["b/1.png"], []),
    }
    assert listing.notes == ("1 picture alone in a group, and no query",)
    rankings = {q: ids(listing) for q in finds(listing)}  # the same for all of them
    found = measure("csv", listing.queries, rankings)
    expected = (1 + 1 + 1 / 4 + 1 / 4) / 4
    assert found.mean_average_precision == pytest.approx(expected)
    assert found.precision_at_1 == 0.5


def test_csv_with_another_root_and_column(table, tmp_path):
    elsewhere = tmp_path / "elsewhere" / "table.csv"
    write(elsewhere, "place,path\n1,a/1.jpg\n1,a/2.JPG\n")
    listing = list_pictures("csv", elsewhere, root=tmp_path, group_column="place")
    assert ids(listing) == ["a/1.jpg", "a/2.JPG"] and not listing.notes


@pytest.mark.parametrize(
    "text, message",
    [
        (
            "path,place\na/1.jpg,1\n",
            "no column group among path, place; expected a hea",
        ),
        ("path,group,path\na/1.jpg,1,2\n", "found more than one column path among"),
        ("path,group\n", "found no row; expected a header naming path and group, then"),
        ("path,group\na/1.jpg\n", "line 2: the group is empty; fill it in"),
        ("path,group\n,1\n", "line 2: the path is empty; fill it in"),
        (
            "path,group\na/1.jpg,1\n./a/1.jpg,2\n",
            "lines 2 and 3: a/1.jpg is there twic",
        ),
        ("path,group\na/9.jpg,1\na/1.jpg,1\n", "1 of 2 pictures missing .*: a/9.jpg "),
        ("path,group\n../x.jpg,1\n", "line 2: ../x.jpg is outside"),
        ("path,group\na/1.txt,1\n", "line 2: a/1.txt is no picture by its name; exp"),
        ("path,group\na/1.jpg,1\nb/1.png,2\n", "each of its 2 groups has one picture"),
        ('path,group\n"a/1.jpg,1\n', "line 2: is not CSV: unexpected end of data"),
    ],
)
def test_csv_errors(text, message, table):
    write(table, text)
    with pytest.raises(SourceError, match=message):
        list_pictures("csv", table)


def test_landmarks(shared_data):
    folder = shared_data / "retrieval" / "landmarks"
    listing = list_pictures("csv", folder / "groundtruth.csv", group_column="landmark")
    assert len(listing.pictures) == len(listing.queries) == 23
    sizes = sorted({len(q.positives) + 1 for q in listing.queries})
    assert sizes == [2, 4, 5, 10]


# Folder


def test_folder(tmp_path):
    picture(tmp_path / "b" / "2.JPG")
    picture(tmp_path / "a.png")
    for file in ("b/clip.AVI", ".hidden.jpg", "b/notes.txt", "b/README"):
        (tmp_path / file).touch()
    listing = list_pictures("folder", tmp_path)
    assert ids(listing) == ["a.png", "b/2.JPG", "b/clip.AVI"]
    assert [p.is_video for p in listing.pictures] == [False, False, True]
    assert listing.queries == ()
    assert listing.notes == (
        f"2 files under {tmp_path} ignored, no pictures or videos: 1 .txt, "
        "1 without extension",
    )


def test_folder_errors(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(
        SourceError, match="found 1 other file, but no picture and no v"
    ):
        list_pictures("folder", tmp_path)
    (tmp_path / "bad\udcff.jpg").touch()
    with pytest.raises(SourceError, match=r"file name 'bad\\udcff.jpg' is not valid"):
        list_pictures("folder", tmp_path)


def test_every_layout_with_queries_has_a_protocol():
    assert set(PROTOCOLS) == set(LAYOUTS) - {"folder"}


def test_a_copy_elsewhere_lists_the_same(oxford, tmp_path_factory):
    copy = tmp_path_factory.mktemp("copy") / "x"
    shutil.copytree(oxford, copy)
    one, other = list_pictures("oxford", oxford), list_pictures("oxford", copy)
    assert one.queries == other.queries and ids(one) == ids(other)
