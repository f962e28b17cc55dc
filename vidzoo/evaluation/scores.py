"""Scores of videos: computed over views, kept in one `.npz`, read by metrics."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vidzoo.arrays import UnreadableError, read_npz
from vidzoo.atomic import replacing
from vidzoo.errors import RecordError, VidzooError
from vidzoo.metrics import is_hit

_FIELDS = ("video_ids", "labels", "logits", "classes", "protocol")
_STREAM = "logits_"  # before a stream's name, in the file
_CLIP_HITS = "clip_hit"  # before k
CLIP_KS = (1, 5)


@dataclass(frozen=True)
class Scores:
    """One row per video.

    Attributes:
        video_ids: `(N,)`, all different.
        labels: int `(N,)`, or multi-hot `(N, K)`.
        logits: float32 `(N, K)`, averaged over a video's views, before softmax.
        classes: K class names.
        protocol: how views were taken, e.g. `"center"`, or scores fused.
        streams: the network's other logits by name, like `logits`: a TDN's `image`
            and `difference`; empty for a network with one output. Of fused scores,
            what was fused.
        clip_hits: k -> float32 `(N,)`, the share of a video's clips of which a label is
            among the k highest logits (section 3.4.1); empty where each has one.
    """

    video_ids: np.ndarray
    labels: np.ndarray
    logits: np.ndarray
    classes: np.ndarray
    protocol: str
    streams: Mapping[str, np.ndarray] = field(default_factory=dict)
    clip_hits: Mapping[int, np.ndarray] = field(default_factory=dict)

    def save(self, path) -> None:
        """Writes the `.npz`, atomically.

        A stream is its array `logits_<name>`, clips' hits are `clip_hit<k>`.
        """
        streams = {_STREAM + name: logits for name, logits in self.streams.items()}
        streams |= {f"{_CLIP_HITS}{k}": hits for k, hits in self.clip_hits.items()}
        with replacing(path) as file:
            np.savez(
                file,
                video_ids=self.video_ids,
                labels=self.labels,
                logits=self.logits,
                classes=self.classes,
                protocol=np.array(self.protocol),
                **streams,
            )

    @classmethod
    def load(cls, path) -> "Scores":
        """Reads what `save` wrote.

        Raises:
            VidzooError: there is no such file, it holds no scores, or it is damaged.
        """
        try:
            arrays = read_npz(Path(path))
            fields = {name: arrays[name] for name in _FIELDS}
        except (UnreadableError, KeyError) as error:
            raise VidzooError(
                f"{path}: not a scores file ({error}). `vidzoo evaluate` writes them."
            ) from error
        streams = {
            name.removeprefix(_STREAM): array
            for name, array in arrays.items()
            if name.startswith(_STREAM)
        }
        clip_hits = {
            k: arrays[f"{_CLIP_HITS}{k}"]
            for k in CLIP_KS
            if f"{_CLIP_HITS}{k}" in arrays
        }
        fault = _fault(**fields, streams=streams) or _hits_fault(clip_hits, fields)
        if fault:
            raise VidzooError(
                f"{path}: not a scores file, or a damaged one: {fault}. "
                "Run `vidzoo evaluate` again."
            )
        fields["protocol"] = str(fields["protocol"])
        return cls(**fields, streams=streams, clip_hits=clip_hits)


def _fault(video_ids, labels, logits, classes, protocol, streams):
    """What is wrong with the arrays of a scores file, in words; None if nothing is."""
    num_videos, num_classes = (np.atleast_1d(a).shape[0] for a in (video_ids, classes))
    both = (num_videos, num_classes)
    floats = {"logits": logits} | {_STREAM + n: array for n, array in streams.items()}
    fault = (
        _form_fault("video_ids", video_ids, "U", (num_videos,))
        or _form_fault("classes", classes, "U", (num_classes,))
        or _form_fault("protocol", protocol, "U", ())
        or _form_fault("labels", labels, "iu", (num_videos,), both)
        or next(filter(None, (_form_fault(*i, "f", both) for i in floats.items())), "")
    )
    if fault or not num_videos:
        return fault or "it holds no video"
    if len(np.unique(video_ids)) < num_videos:
        return "video_ids names a video twice"
    highest = num_classes - 1 if labels.ndim == 1 else 1
    if labels.min() < 0 or labels.max() > highest:
        found = f"{labels.min()} to {labels.max()}"
        return f"labels are {found}, expected 0 to {highest}"
    for name, array in floats.items():
        finite = np.isfinite(array).all(axis=1)
        if not finite.all():
            first = video_ids[np.flatnonzero(~finite)[0]]
            return f"{name} holds NaN or infinity, first for {first}"
    return None


def _hits_fault(clip_hits, fields):
    for k, hits in clip_hits.items():
        name, shape = f"{_CLIP_HITS}{k}", fields["video_ids"].shape
        if fault := _form_fault(name, hits, "f", shape):
            return fault
        if not ((hits >= 0) & (hits <= 1)).all():
            return f"{name} holds shares beyond 0 to 1"
    return None


def _form_fault(name, array, kinds, *shapes):
    if array.dtype.kind in kinds and array.shape in shapes:
        return None
    kind = {"U": "text", "iu": "integers", "f": "floats"}[kinds]
    wanted = " or ".join(map(str, shapes))
    return f"{name} is {array.dtype} {array.shape}, expected {kind} of shape {wanted}"


def classify(
    model: Callable,
    batches: Iterable[dict],
    classes: Iterable[str],
    protocol: str,
    on_clip: Callable[[int], None] | None = None,
    modality: str = "rgb",
    count_clip_hits: bool = False,
) -> Scores:
    """Runs a model over clips and averages the logits of every video's clips.

    Args:
        model: a callable from `(N, T, H, W, C)` clips to logits `(N, K)`, or to a
            dictionary with `logits`; its other outputs of that shape are kept too, as
            `Scores.streams`.
        batches: dictionaries with the modality, `label` (int `(N,)` or multi-hot
            `(N, K)`) and `video_id`; a video may occur in several rows, one per view.
        classes: class names.
        protocol: the name that is kept with the scores.
        on_clip: called with the number of clips done so far.
        modality: what the model sees, a key of each batch.
        count_clip_hits: whether `Scores.clip_hits` are counted, one clip a view.

    Returns:
        `Scores`, videos in the order in which they first came.

    Raises:
        RecordError: a label lies beyond the model's classes, or there is no clip.
        VidzooError: the model answers with NaN or infinity.
    """
    classes = np.array(list(classes))
    means, labels, num_clips = {}, {}, 0
    hits = {k: _Mean() for k in CLIP_KS if count_clip_hits}
    for batch in batches:
        video_ids = np.asarray(batch["video_id"])
        # Views of a video mostly follow each other: they are summed run by run.
        starts = np.flatnonzero(np.append(True, video_ids[1:] != video_ids[:-1]))
        counts = np.diff(starts, append=len(video_ids))
        names = [_text(video_id) for video_id in video_ids[starts]]
        batch_labels = _checked_labels(batch["label"], video_ids, classes)
        labels.update(zip(names, batch_labels[starts], strict=True))
        answers = _streams(model(batch[modality]))
        for k, mean in hits.items():
            found = is_hit(answers["logits"], batch_labels, k).astype(np.float64)
            sums = np.add.reduceat(found, starts)
            for run in zip(names, sums, counts, strict=True):
                mean.add(*run)
        for stream, logits in answers.items():
            _check_logits(logits, video_ids, classes)
            sums = np.add.reduceat(logits.astype(np.float64), starts, axis=0)
            mean = means.setdefault(stream, _Mean())
            for run in zip(names, sums, counts, strict=True):
                mean.add(*run)
        num_clips += len(video_ids)
        if on_clip:
            on_clip(num_clips)
    if not labels:
        raise RecordError("there is no clip to classify.")
    streams = {name: mean.rows(labels) for name, mean in means.items()}
    return Scores(
        video_ids=np.array(list(labels)),
        labels=np.stack(list(labels.values())),
        logits=streams.pop("logits"),
        classes=classes,
        protocol=protocol,
        streams=streams,
        clip_hits={k: mean.rows(labels) for k, mean in hits.items()},
    )


class _Mean:
    """Running means of rows, by video."""

    def __init__(self):
        self._sums, self._counts = {}, {}

    def add(self, video_id, row, count):
        self._sums[video_id] = self._sums.get(video_id, 0.0) + row
        self._counts[video_id] = self._counts.get(video_id, 0) + count

    def rows(self, video_ids):
        """float32 `(N, ...)`, in the order of `video_ids`."""
        means = [self._sums[i] / self._counts[i] for i in video_ids]
        return np.stack(means).astype(np.float32)


def _streams(outputs):
    """`logits`, and every other output of its shape, as arrays."""
    # Keras takes seconds to load, and reading or fusing scores needs none of it.
    from vidzoo.losses import prediction

    logits = prediction(outputs)
    streams = {"logits": logits}
    if isinstance(outputs, dict):
        shape = tuple(logits.shape)
        streams |= {n: o for n, o in outputs.items() if tuple(o.shape) == shape}
    return {name: np.asarray(o, np.float32) for name, o in streams.items()}


def _checked_labels(labels, video_ids, classes):
    """The labels of a batch, as they are kept."""
    labels = np.asarray(labels)
    if labels.ndim == 1:
        known, kind = (labels >= 0) & (labels < len(classes)), np.int64
        expected = f"0 to {len(classes) - 1}"
    else:
        known, kind = ((labels == 0) | (labels == 1)).all(axis=1), np.uint8
        known &= labels.shape[1] == len(classes)
        expected = f"{len(classes)} values, each 0 or 1"
    if not known.all():
        row = np.flatnonzero(~known)[0]
        raise RecordError(
            f"{_text(video_ids[row])}: label {labels[row]}, but for {len(classes)} "
            f"classes it is {expected}. Evaluate on records with the model's classes."
        )
    return labels.astype(kind)


def _check_logits(logits, video_ids, classes):
    if logits.shape[1] != len(classes):
        raise RecordError(
            f"{_text(video_ids[0])}: the records have {len(classes)} classes, but the "
            f"model knows {logits.shape[1]}. Evaluate on records with its classes."
        )
    finite = np.isfinite(logits).all(axis=1)
    if not finite.all():
        raise VidzooError(
            f"{_text(video_ids[np.flatnonzero(~finite)[0]])}: the model answers with "
            "NaN or infinity. Its training diverged, or its weights are damaged; take "
            "an earlier checkpoint."
        )


def _text(video_id):
    return video_id.decode() if isinstance(video_id, bytes) else str(video_id)
