"""The files of a records folder, as they are written: the one place with their layout.

Shards are TFRecord files. Beside them lie `videos.csv`, which says at which byte of
which shard each record is, `quarantine.csv`, and `dataset.json`, which is written last:
its presence means that the folder is complete.
"""

import csv
import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import tensorflow as tf

from vidzoo_data import atomic
from vidzoo_data.records import schema

_COLUMNS = (
    "video_id",
    "shard",
    "offset",
    "bytes",
    "num_frames",
    "height",
    "width",
    "fps",
    "labels",
)
_FLOW_COLUMN = "num_flow"  # in folders with flow alone
_PAYLOAD_START = 12  # a TFRecord: length (8 bytes), its CRC (4), payload, its CRC (4)
_PAYLOAD_END = 4


def shard_name(number: int, num_shards: int) -> str:
    """The file name of shard `number`, counted from zero."""
    return f"shard-{number:05d}-of-{num_shards:05d}.tfrecord"


class ShardWriter:
    """Writes one shard, to be used in a `with` block.

    Attributes:
        name: the file name under which it will be found.
        rows: a line of `videos.csv` for each record written, as a dictionary.
        num_bytes: written so far.
    """

    def __init__(self, path: str | os.PathLike, name: str):
        self.name = name
        self.rows: list[dict] = []
        self.num_bytes = 0
        self._writer = tf.io.TFRecordWriter(os.fspath(path))

    def write(self, record: schema.VideoRecord) -> None:
        """Appends one record."""
        payload = schema.encode(record)
        self._writer.write(payload)
        row = {
            "video_id": record.video_id,
            "shard": self.name,
            "offset": self.num_bytes + _PAYLOAD_START,
            "bytes": len(payload),
            "num_frames": record.num_frames,
            "height": record.height,
            "width": record.width,
            "fps": record.fps,
            "labels": " ".join(map(str, record.labels)),
        }
        if record.flow is not None:
            row[_FLOW_COLUMN] = len(record.flow.x)
        self.rows.append(row)
        self.num_bytes += _PAYLOAD_START + len(payload) + _PAYLOAD_END

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._writer.close()


def describe_shard(path: str | os.PathLike, writer: ShardWriter) -> dict:
    """What `write_index` needs to know of the shard that `writer` left at `path`."""
    return {
        "file": writer.name,
        "sha256": sha256_of(path),
        "bytes": writer.num_bytes,
        "rows": writer.rows,
    }


def write_index(
    out: Path,
    *,
    name: str,
    classes: Sequence[str],
    splits: Mapping[str, Sequence[str]],
    made_with: Mapping,
    plan: str,
    shards: Sequence[Mapping],
    quarantined: Sequence[tuple[str, str]] = (),
    num_short: int = 0,
) -> None:
    """Writes the files beside the shards, which completes the folder.

    Args:
        out: the folder.
        name: of the source.
        classes: names; the index is the label number.
        splits: name to video ids.
        made_with: settings, as JSON holds them.
        plan: fingerprint of all that decides the bytes of the folder.
        shards: from `describe_shard`, in the order of their numbers.
        quarantined: `(video_id, reason)` of every video that was left out.
        num_short: videos with fewer frames than their header says.
    """
    rows = sorted(
        (row for shard in shards for row in shard["rows"]),
        key=lambda row: row["video_id"],
    )
    has_flow = bool(rows) and _FLOW_COLUMN in rows[0]
    columns = (*_COLUMNS, _FLOW_COLUMN) if has_flow else _COLUMNS
    videos_csv = _to_csv(columns, [row.values() for row in rows])
    described = {
        "schema_version": schema.SCHEMA_VERSION,
        "name": name,
        "made_with": made_with,
        "plan": plan,
        "num_videos": len(rows),
        "num_frames": _num_frames(rows),
        "num_short": num_short,
        "num_quarantined": len(quarantined),
        "videos_csv_sha256": hashlib.sha256(videos_csv.encode()).hexdigest(),
        "shards": [
            {
                "file": shard["file"],
                "sha256": shard["sha256"],
                "bytes": shard["bytes"],
                "num_videos": len(shard["rows"]),
                "num_frames": _num_frames(shard["rows"]),
            }
            for shard in shards
        ],
        "classes": classes,
        "splits": splits,
    }
    atomic.write_text(out / "videos.csv", videos_csv)
    atomic.write_text(
        out / "quarantine.csv", _to_csv(("video_id", "reason"), quarantined)
    )
    text = json.dumps(described, indent=1, ensure_ascii=False)
    atomic.write_text(out / "dataset.json", text + "\n")


def sha256_of(path: str | os.PathLike) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _num_frames(rows):
    return sum(row["num_frames"] for row in rows)


def _to_csv(header, rows):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
