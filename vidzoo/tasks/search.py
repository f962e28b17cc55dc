"""`vidzoo search INDEX QUERY…`: what looks like pictures or frames of videos."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vidzoo.errors import UsageError
from vidzoo.retrieval import IndexFile, expand_queries, nearest
from vidzoo.tasks import index_paths, search_sheet
from vidzoo_data import pictures as data


class _Query(NamedTuple):
    """One image that is looked for: a picture, or a frame of a video."""

    path: str
    frame: int | None
    seconds: float | None
    vector: np.ndarray
    place: int | None  # in the index


def run(
    index,
    queries: Sequence = (),
    *,
    query_ids: Sequence[str] = (),
    top: int = 10,
    expand: int | None = None,
    html=None,
    weights=None,
    fps: float | None = None,
    num_frames: int | None = None,
    batch_size: int = 8,
    accept_license: bool = False,
) -> dict:
    """Searches an index for what is nearest to each query, exactly.

    Args:
        index: the file.
        queries: pictures, and videos, of which each frame that is taken is a query.
        query_ids: entries of the index to search by, which needs no network: ids or
            paths. Such a query is not among its own results.
        top: results of each.
        expand: average query expansion by so many neighbours; an entry of the index
            is none of its own.
        html: file to write, results with thumbnails; none by default.
        weights: of the index's network, if they are no longer where it notes them.
        fps: frames per second of a video among the queries; by default the index's.
        num_frames: in place of `fps`: evenly spaced ones.
        batch_size: images at once.
        accept_license: accept a preset's licence that forbids commercial use.

    Returns:
        `index`; `queries`, each with `query` (its path), `frame`, `seconds` and
        `results`, each of these with `rank`, `id`, `path`, `frame`, `seconds` and
        `distance`; and what could not be read, `failed`, path to reason.

    Raises:
        UsageError: there is no query, or a value does not fit.
        IndexFileError: the index is damaged, holds no such entry, or was made with
            other weights.
        WeightsError: the weights are of another network, or cannot be fetched.
    """
    if not queries and not query_ids:
        raise UsageError("give a picture or a video to search for (or --query_ids).")
    if expand is not None and expand < 1:
        raise UsageError(f"--expand={expand}: give a number of neighbours, 1 or more.")
    if html is not None:
        search_sheet.check_out(Path(html))
    opened = IndexFile.load(index)
    looked_for = [_of_entry(opened, i) for i in index_paths.find(opened, query_ids)]
    failed = {}
    if queries:
        network = {"weights": weights, "accept_license": accept_license}
        frames = {"fps": fps, "num_frames": num_frames}
        found, failed = _of_files(opened, queries, network, frames, batch_size)
        looked_for = found + looked_for
    results = {
        "index": str(index),
        "queries": _search(opened, looked_for, top, expand),
        "failed": failed,
    }
    if html is not None:
        results["num_without_thumbnail"] = search_sheet.write(Path(html), results)
    return results


def _of_entry(index, place):
    entry = index.entries[place]
    return _Query(
        index_paths.shown(index.path, entry.path),
        index_paths.frame_of(entry),
        entry.seconds,
        index.vectors[place],
        place,
    )


def _of_files(index, queries, network, frames, batch_size):
    """Queries in their order, and path to reason of those that cannot be read."""
    # Here, as these load a backend, which a search by entries does without.
    from vidzoo.tasks import index_encoder
    from vidzoo.tasks.index_images import Reading, encode, frames_taken

    encoder = index_encoder.open_encoder(index, **network)
    if set(frames.values()) == {None}:
        frames = {name: index.notes.get(name) for name in frames}
    reading = Reading(
        encoder.features.image_sizes,
        **frames_taken(**frames),
        batch_size=batch_size,
        workers=2,
    )
    failures = []
    files = [data.Picture(str(i), Path(path)) for i, path in enumerate(queries)]
    found = [
        (
            piece.picture,
            _Query(str(piece.picture.path), frame, seconds, vector, None),
        )
        for piece in encode(encoder, reading, files, failures)
        for frame, seconds, vector in zip(
            piece.frames, piece.seconds, piece.vectors, strict=True
        )
    ]
    broken = {each.picture for each in failures}
    reasons = {str(each.picture.path): each.reason for each in failures}
    return [query for picture, query in found if picture not in broken], reasons


def _search(index, queries, top, expand):
    if not queries:
        return []
    vectors = np.stack([query.vector for query in queries])
    if expand is not None:
        own_places = [query.place for query in queries]
        vectors = expand_queries(index.vectors, vectors, expand, own_places=own_places)
    itself = any(query.place is not None for query in queries)
    places, distances = nearest(index.vectors, vectors, top + itself)
    answers = []
    for query, near, far in zip(queries, places, distances, strict=True):
        others = near != (-1 if query.place is None else query.place)
        rows = zip(near[others][:top], far[others][:top], strict=True)
        answers.append(
            {
                "query": query.path,
                "frame": query.frame,
                "seconds": query.seconds,
                "results": [
                    {"rank": rank, **_result(index, place), "distance": float(distance)}
                    for rank, (place, distance) in enumerate(rows, 1)
                ],
            }
        )
    return answers


def _result(index, place):
    entry = index.entries[int(place)]
    return {
        "id": entry.entry_id,
        "path": index_paths.shown(index.path, entry.path),
        "frame": index_paths.frame_of(entry),
        "seconds": entry.seconds,
    }
