"""Scores of videos: computed over views, kept in one `.npz`, read by metrics."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vidzoo.arrays import UnreadableError, read_npz
from vidzoo.atomic import replacing
from vidzoo.errors import RecordError, VidzooError
from vidzoo.losses import prediction


@dataclass(frozen=True)
class Scores:
    """One row per video.

    Attributes:
        video_ids: `(N,)`.
        labels: int `(N,)`.
        logits: float32 `(N, K)`, averaged over a video's views, before softmax.
        classes: K class names.
        protocol: how views were taken, e.g. `"center"`.
    """

    video_ids: np.ndarray
    labels: np.ndarray
    logits: np.ndarray
    classes: np.ndarray
    protocol: str

    def save(self, path) -> None:
        """Writes the `.npz`, atomically."""
        with replacing(path) as file:
            np.savez(
                file,
                video_ids=self.video_ids,
                labels=self.labels,
                logits=self.logits,
                classes=self.classes,
                protocol=np.array(self.protocol),
            )

    @classmethod
    def load(cls, path) -> "Scores":
        """Reads what `save` wrote.

        Raises:
            VidzooError: there is no such file, or it holds no scores.
        """
        try:
            arrays = read_npz(Path(path))
            fields = {name: arrays[name] for name in cls.__annotations__}
        except (UnreadableError, KeyError) as error:
            raise VidzooError(
                f"{path}: not a scores file ({error}). `vidzoo evaluate` writes them."
            ) from error
        return cls(**fields | {"protocol": str(fields["protocol"])})


def classify(
    model: Callable,
    batches: Iterable[dict],
    classes: Iterable[str],
    protocol: str,
    on_clip: Callable[[int], None] | None = None,
) -> Scores:
    """Runs a model over clips and averages the logits of every video's clips.

    Args:
        model: a callable from `(N, T, H, W, C)` clips to logits, or to a dictionary
            with `logits`.
        batches: dictionaries with `rgb`, `label` and `video_id`; a video may occur in
            several rows, one per view.
        classes: class names.
        protocol: the name that is kept with the scores.
        on_clip: called with the number of clips done so far.

    Returns:
        `Scores`, videos in the order in which they first came.

    Raises:
        RecordError: a label lies beyond the model's classes, or there is no clip.
    """
    classes = np.array(list(classes))
    sums, counts, labels = {}, {}, {}
    for batch in batches:
        logits = np.asarray(prediction(model(batch["rgb"])), np.float32)
        rows = zip(
            np.asarray(batch["video_id"]),
            np.asarray(batch["label"]),
            logits,
            strict=True,
        )
        for video_id, label, row in rows:
            video_id = video_id.decode()
            if not 0 <= label < len(classes) or len(row) != len(classes):
                raise RecordError(
                    f"{video_id}: label {label} of {len(classes)} classes, but the "
                    f"model knows {len(row)}. Evaluate on records with its classes."
                )
            sums[video_id] = sums.get(video_id, 0.0) + row.astype(np.float64)
            counts[video_id] = counts.get(video_id, 0) + 1
            labels[video_id] = label
        if on_clip:
            on_clip(sum(counts.values()))
    if not sums:
        raise RecordError("there is no clip to classify.")
    return Scores(
        video_ids=np.array(list(sums)),
        labels=np.array(list(labels.values()), np.int64),
        logits=np.stack([sums[i] / counts[i] for i in sums]).astype(np.float32),
        classes=classes,
        protocol=protocol,
    )
