"""Opening a records folder: what is in it, and any video's record at once.

`videos.csv` says in which shard, at which byte, each record lies, so a clip of any
video can be read without reading the others: shuffles are true permutations of all
videos, and training resumes at any step.
"""

import contextlib
import csv
import hashlib
import io
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vidzoo.errors import RecordError, UsageError
from vidzoo_data.records import schema
from vidzoo_data.records.verify import verify_shards

_AGAIN = "Remove the folder and run `vidzoo prepare` again."
_MAX_SPANS = 2**25  # frames whose place is remembered, 8 bytes each: 256 MiB


@dataclass(frozen=True)
class VideoEntry:
    """One line of `videos.csv`: a video, and where its record lies.

    Attributes:
        video_id: unique in its data set.
        shard: file name of the shard that holds the record.
        offset: first byte of the record in it.
        num_bytes: length of the record.
        num_frames: stored frames, T.
        height: pixels.
        width: pixels.
        fps: frames per second as stored; 0.0 if the video does not say.
        labels: class numbers.
        num_flow: frames whose flow is stored, the first ones; 0 where none was
            computed.
    """

    video_id: str
    shard: str
    offset: int
    num_bytes: int
    num_frames: int
    height: int
    width: int
    fps: float
    labels: tuple[int, ...]
    num_flow: int = 0


class Records:
    """A records folder, opened.

    Attributes:
        path: the folder.
        name: the data set's source, e.g. `"folder"`.
        classes: class names; a label is an index into them.
        splits: name -> video ids.
        videos: video id -> `VideoEntry`.
        made_with: the settings that `prepare` used, e.g. `size` and `fps`.
        flow: the settings by which the flow beside the frames was computed, as
            `vidzoo_data.flow.FlowSettings.as_dict` has them; None if there is none.
        features: what the features are that the records hold in place of frames, as
            they who wrote them described it; None if there are frames.
        feature_shape: F, of one frame's features; None if there are frames.
        num_short: videos with fewer frames than their header says.
        plan: fingerprint of all that decided the bytes of the folder: settings,
            classes, splits, and the videos' names, labels and sizes.

    Raises:
        RecordError: the folder is missing, incomplete or damaged, has a missing,
            extra or resized shard, or a label or split that does not fit.
    """

    def __init__(self, path):
        self.path = Path(path)
        described = self._read_description()
        try:
            self.name: str = described["name"]
            self.classes: Sequence[str] = tuple(described["classes"])
            self.splits: Mapping[str, Sequence[str]] = dict(described["splits"])
            self.made_with: Mapping = dict(described["made_with"])
            self.flow: Mapping | None = self.made_with.get("flow")
            self.features: Mapping | None = self.made_with.get("features")
            self.feature_shape: tuple[int, ...] | None = None
            if self.features is not None:
                self.feature_shape = tuple(map(int, self.made_with["feature_shape"]))
            self.plan: str = described["plan"]
            self.num_short: int = int(described["num_short"])
            shards = {shard["file"]: shard["bytes"] for shard in described["shards"]}
            self._sha256 = {s["file"]: str(s["sha256"]) for s in described["shards"]}
            videos_sha256 = described["videos_csv_sha256"]
        except (KeyError, TypeError, ValueError) as error:
            raise RecordError(
                f"{self.path / 'dataset.json'}: damaged ({error!r}). {_AGAIN}"
            ) from error
        self._check_shards(shards)
        self.videos = self._read_videos(videos_sha256)
        self._check_labels()
        self._check_splits()
        # (video id, name of a feature list) -> `schema.image_spans`
        self._spans: dict[tuple[str, str], np.ndarray] = {}
        self._num_spans = 0

    def split(self, name: str) -> tuple[VideoEntry, ...]:
        """The videos of one split, in the order of `dataset.json`.

        Raises:
            UsageError: there is no such split; the message lists those there are.
            RecordError: the split is empty.
        """
        if name not in self.splits:
            raise UsageError(
                f"{self.path}: no split '{name}'. Choose one of: "
                f"{', '.join(self.splits)} (--split)."
            )
        if not self.splits[name]:
            raise RecordError(f"{self.path}: the split '{name}' holds no video.")
        return tuple(self.videos[video_id] for video_id in self.splits[name])

    def read(self, entry: VideoEntry) -> bytes:
        """The serialized record of one video; safe to call from several threads."""
        with self._reader(entry) as read:
            return read(0, entry.num_bytes)

    @property
    def quarantined(self) -> tuple[tuple[str, str], ...]:
        """`(video_id, reason)` of every video that was left out.

        Raises:
            RecordError: `quarantine.csv` is missing or damaged.
        """
        file = self.path / "quarantine.csv"
        try:
            with file.open(newline="", encoding="utf-8") as lines:
                _, *rows = csv.reader(lines)
            return tuple((video_id, reason) for video_id, reason in rows)
        except (OSError, ValueError) as error:
            raise RecordError(f"{file}: damaged or missing. {_AGAIN}") from error

    def verify(self, on_progress: Callable[[int, int], None] | None = None) -> None:
        """Checks that every shard is, to the byte, what `prepare` wrote.

        Shards that were verified before and did not change since are not read again.
        That is remembered in `$VIDZOO_CACHE`, else `$XDG_CACHE_HOME/vidzoo`, else
        `~/.cache/vidzoo`.

        Args:
            on_progress: called with the bytes done and all bytes, by one thread at a
                time.

        Raises:
            RecordError: a shard is damaged, or cannot be read.
        """
        verify_shards(self.path, self._sha256, on_progress)

    def check_kind(self, *, features: bool) -> None:
        """Checks that the records hold features, or frames.

        Raises:
            RecordError: they hold the other.
        """
        if features and self.features is None:
            raise RecordError(
                f"{self.path}: these records hold frames, and features are asked for. "
                "Compute them with `vidzoo features`, and use its folder."
            )
        if self.features is not None and not features:
            raise RecordError(
                f"{self.path}: these records hold features, and frames or flow are "
                "asked for. Use the records that they were computed of."
            )

    def read_frames(self, entry: VideoEntry, numbers: Sequence[int]) -> list[bytes]:
        """The JPEGs of some frames of one video, without reading the others.

        Where a video's frames lie is found once and remembered. Safe to call from
        several threads.

        Args:
            entry: the video.
            numbers: of the frames, from 0 to `entry.num_frames` - 1, in any order.

        Raises:
            RecordError: the shard cannot be read, or the record is damaged, or one of
                features.
        """
        self.check_kind(features=False)
        with self._reader(entry) as read:
            return self._images(entry, read, schema.FRAME_JPEG, numbers)

    def read_features(self, entry: VideoEntry, numbers: Sequence[int]) -> np.ndarray:
        """The features of some frames of one video; as `read_frames`.

        Returns:
            float32 `(n, *F)`.

        Raises:
            RecordError: the shard cannot be read, or the record is damaged, or one of
                frames.
        """
        self.check_kind(features=True)
        with self._reader(entry) as read:
            values = self._images(entry, read, schema.FRAME_FEATURE, numbers)
        features = np.frombuffer(b"".join(values), "<f4").astype(np.float32)
        return features.reshape(len(values), *self.feature_shape)

    def read_flow(
        self, entry: VideoEntry, numbers: Sequence[int]
    ) -> tuple[list[bytes], list[bytes]]:
        """The images of some fields of one video, of x and of y; as `read_frames`.

        Args:
            entry: the video.
            numbers: of the frames that the fields start at, from 0 to `entry.num_flow`
                - 1, in any order.

        Raises:
            RecordError: the shard cannot be read, or the record is damaged, or one of
                features.
        """
        self.check_kind(features=False)
        with self._reader(entry) as read:
            names = (schema.FLOW_X, schema.FLOW_Y)
            x, y = (self._images(entry, read, name, numbers) for name in names)
            return x, y

    def _images(self, entry, read, name, numbers):
        spans = self._image_spans(entry, read, name)
        wanted = np.asarray(numbers, np.int64)
        return [read(start, size) for start, size in spans[wanted].tolist()]

    @contextlib.contextmanager
    def _reader(self, entry):
        """`read(start, size)`: a part of the record of `entry`, cut at its end."""
        path = self.path / entry.shard
        # Opened anew each time: some microseconds, and there may be more shards than
        # a process may hold open.
        try:
            file = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise RecordError(f"{path}: cannot be read: {error.strerror}.") from error

        def read(start, size):
            size = min(size, entry.num_bytes - start)
            data = os.pread(file, size, entry.offset + start)
            if len(data) != size:
                raise RecordError(
                    f"{path}: ends before the record of {entry.video_id}. {_AGAIN}"
                )
            return data

        try:
            yield read
        finally:
            os.close(file)

    def _image_spans(self, entry, read, name):
        spans = self._spans.get((entry.video_id, name))
        if spans is not None:
            return spans
        try:
            spans = schema.image_spans(read, entry.num_bytes, name)
            if len(spans) != entry.num_frames:
                raise ValueError(
                    f"{len(spans)} entries of {name} where videos.csv says "
                    f"{entry.num_frames} frames"
                )
            self._check_sizes(entry, name, spans[:, 1])
        except ValueError as error:
            raise RecordError(
                f"{self.path / entry.shard}: the record of {entry.video_id} is "
                f"damaged: {error}. {_AGAIN}"
            ) from error
        if self._num_spans + len(spans) <= _MAX_SPANS:
            self._spans[entry.video_id, name] = spans
            self._num_spans += len(spans)
        return spans

    def _check_sizes(self, entry, name, sizes):
        if name in (schema.FLOW_X, schema.FLOW_Y) and not sizes[: entry.num_flow].all():
            raise ValueError(
                f"empty flow where videos.csv says {entry.num_flow} fields"
            )
        if name == schema.FRAME_FEATURE:
            expected = 4 * math.prod(self.feature_shape)
            if (sizes != expected).any():
                raise ValueError(
                    f"features that are not of {expected} bytes, as dataset.json says"
                )

    def _read_description(self):
        file = self.path / "dataset.json"
        if not self.path.is_dir():
            raise RecordError(
                f"{self.path}: no such folder of records. "
                "Make one with `vidzoo prepare SOURCE OUT`."
            )
        if not file.is_file():
            raise RecordError(
                f"{self.path}: no dataset.json in it, so these are no finished "
                "records. Run `vidzoo prepare SOURCE OUT`, or run it again."
            )
        try:
            described = json.loads(file.read_text(encoding="utf-8"))
            version = described["schema_version"]
        except (ValueError, KeyError, TypeError) as error:
            raise RecordError(f"{file}: damaged ({error!r}). {_AGAIN}") from error
        if version != schema.SCHEMA_VERSION:
            raise RecordError(
                f"{file}: schema version {version}; this vidzoo reads version "
                f"{schema.SCHEMA_VERSION}. Prepare the videos again."
            )
        return described

    def _check_shards(self, expected):
        found = {
            file.name: file.stat().st_size for file in self.path.glob("*.tfrecord")
        }
        for name in sorted(expected.keys() | found.keys()):
            if name not in found:
                raise RecordError(f"{self.path / name}: the shard is missing. {_AGAIN}")
            if name not in expected:
                raise RecordError(f"{self.path / name}: not listed in dataset.json.")
            if found[name] != expected[name]:
                raise RecordError(
                    f"{self.path / name}: {found[name]} bytes; dataset.json says "
                    f"{expected[name]}. {_AGAIN}"
                )

    def _read_videos(self, sha256):
        file = self.path / "videos.csv"
        if not file.is_file():
            raise RecordError(f"{file}: missing. {_AGAIN}")
        content = file.read_bytes()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise RecordError(
                f"{file}: altered: its SHA-256 is not the one in dataset.json. {_AGAIN}"
            )
        rows = csv.DictReader(io.StringIO(content.decode(), newline=""))
        return {row["video_id"]: _entry(row) for row in rows}

    def _check_labels(self):
        num_classes = len(self.classes)
        for video in self.videos.values():
            for label in video.labels:
                if not 0 <= label < num_classes:
                    raise RecordError(
                        f"{self.path / 'videos.csv'}: {video.video_id} has the label "
                        f"{label}; dataset.json lists {num_classes} classes, so that "
                        f"labels are 0 to {num_classes - 1}. {_AGAIN}"
                    )

    def _check_splits(self):
        file = self.path / "dataset.json"
        for name, video_ids in self.splits.items():
            if not isinstance(video_ids, list):
                raise RecordError(
                    f"{file}: damaged (the split {name!r} is no list). {_AGAIN}"
                )
            for video_id in video_ids:
                if not isinstance(video_id, str) or video_id not in self.videos:
                    raise RecordError(
                        f"{file}: the split {name!r} lists {video_id!r}, which is not "
                        f"in videos.csv; every video of a split is. {_AGAIN}"
                    )


def _entry(row):
    return VideoEntry(
        video_id=row["video_id"],
        shard=row["shard"],
        offset=int(row["offset"]),
        num_bytes=int(row["bytes"]),
        num_frames=int(row["num_frames"]),
        height=int(row["height"]),
        width=int(row["width"]),
        fps=float(row["fps"]),
        labels=tuple(int(label) for label in row["labels"].split()),
        num_flow=int(row.get("num_flow", 0)),
    )
