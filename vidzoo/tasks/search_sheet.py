"""What a search found as one HTML page, its thumbnails inside it."""

import base64
import os
from html import escape
from pathlib import Path

import cv2

from vidzoo.atomic import write_text
from vidzoo.errors import PictureError, UsageError, VideoError
from vidzoo_data import pictures as data
from vidzoo_data.video import open_video

_HEIGHT, _WIDTH = 144, 256  # the most pixels of a thumbnail
_QUALITY = 80
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 14px sans-serif; margin: 16px; }}
section {{ display: flex; flex-wrap: wrap; gap: 8px; margin: 16px 0; }}
figure {{ margin: 0; max-width: 256px; }}
figure.query {{ border-right: 3px solid #888; padding-right: 8px; }}
figcaption {{ overflow-wrap: anywhere; }}
.missing {{ height: 144px; width: 144px; background: #ddd; }}
</style>
</head>
<body>
<h1>{title}</h1>
{sections}
</body>
</html>
"""


def check_out(file: Path) -> None:
    """Checks that a page can be written, and that there is no such file yet.

    Raises:
        UsageError: it is no `.html`, its folder is not there or cannot be written, or
            the file exists.
    """
    if file.suffix != ".html" or not os.access(file.parent, os.W_OK):
        raise UsageError(
            f"--html={file}: give the name of an .html file, in a folder that exists "
            "and can be written."
        )
    if file.exists():
        raise UsageError(f"{file}: exists. Choose another name (--html).")


def write(file: Path, found: dict) -> int:
    """Writes the page, whole or not at all.

    Args:
        file: where it goes.
        found: what `vidzoo.tasks.search.run` found.

    Returns:
        How many pictures could not be shown, as they are gone or broken.
    """
    images = [(answer["query"], answer["frame"]) for answer in found["queries"]]
    for answer in found["queries"]:
        images += [(row["path"], row["frame"]) for row in answer["results"]]
    thumbnails = _thumbnails(images)
    sections = "\n".join(_section(answer, thumbnails) for answer in found["queries"])
    title = escape(f"vidzoo search {found['index']}")
    write_text(file, _PAGE.format(title=title, sections=sections))
    return sum(image not in thumbnails for image in set(images))


def _section(answer, thumbnails):
    query = (answer["query"], answer["frame"])
    figures = [_figure("query", thumbnails.get(query), "query", *_named(answer, query))]
    for row in answer["results"]:
        image = (row["path"], row["frame"])
        label = f"{row['rank']}: distance {row['distance']:.3f}"
        figures.append(
            _figure("result", thumbnails.get(image), label, *_named(row, image))
        )
    return "<section>\n" + "\n".join(figures) + "\n</section>"


def _named(row, image):
    seconds = row["seconds"]
    return image[0], "" if seconds is None else f", {seconds:.1f} s"


def _figure(kind, thumbnail, label, path, time):
    path = path.encode(errors="replace").decode()  # of any bytes
    if thumbnail is None:
        picture = '<div class="missing">no longer there, or broken</div>'
    else:
        text = base64.b64encode(thumbnail).decode()
        picture = f'<img alt="{escape(path)}" src="data:image/jpeg;base64,{text}">'
    caption = f"<b>{escape(label)}</b><br>{escape(path)}{escape(time)}"
    return (
        f'<figure class="{kind}">{picture}<figcaption>{caption}</figcaption></figure>'
    )


def _thumbnails(images):
    """`(path, frame)` to JPEG, of all that can be read; a video is read once."""
    frames = {}
    for path, frame in images:
        frames.setdefault(path, set()).add(frame)
    thumbnails = {}
    for path, wanted in frames.items():
        try:
            for frame, image in _read(path, wanted):
                thumbnails[path, frame] = _thumbnail(image)
        except (PictureError, VideoError):
            continue  # the caller counts what is missing
    return thumbnails


def _read(path, wanted):
    if wanted == {None}:
        yield None, data.decode(path)
        return
    with open_video(path) as video:
        for number, image in enumerate(video.frames(wanted.__contains__)):
            if image is not None:
                yield number, image
            if number == max(wanted):
                return


def _thumbnail(image):
    height, width = image.shape[:2]
    scale = min(_HEIGHT / height, _WIDTH / width, 1)
    size = (max(1, round(scale * width)), max(1, round(scale * height)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    quality = (cv2.IMWRITE_JPEG_QUALITY, _QUALITY)
    _, data = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), quality)
    return data.tobytes()
