"""The sheet of thumbnails that `vidzoo search --html` writes."""

import base64
import os
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np

from tests.vidzoo.tasks.indexing.indexed import ONE, write_picture
from vidzoo_data import pictures as data


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
