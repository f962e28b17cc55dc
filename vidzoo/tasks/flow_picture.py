"""`vidzoo explain RUN VIDEO OUT --picture=flow`: the flow that networks predict."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from vidzoo import explain, metrics
from vidzoo.errors import UsageError, VideoError, VidzooError
from vidzoo.tasks import fuse, one_video, picture_file
from vidzoo_data import clips
from vidzoo_data import flow as flows

STORED = "stored"
_PAIR = 2  # frames
_SHOWN_SHARE = 99  # percent of all vectors, that are not longer than the colours go
_SHORTEST_SCALE = 1.0  # pixels, so that noise is pale


def run(
    runs: Sequence,
    video,
    out,
    *,
    num_frames: int = 8,
    reference: str | None = None,
    records=None,
) -> dict:
    """Draws the flow that networks predict below a video's frames, or beside a pair.

    The frames are consecutive ones in the middle of the video. A network on two frames
    sees each pair of neighbours. All fields are coloured on one scale.

    Args:
        runs: run folders of networks that predict flow.
        video: a file; or, with `records`, the id of a video in them.
        out: the `.png` to make.
        num_frames: how many of the last frames of the clip are shown; 1 for a pair of
            frames in its middle with each field beside it (Fig. 4.7).
        reference: flow to compare with: a key of `vidzoo_data.flow.METHODS`, computed
            between the frames, or `"stored"`, out of the records.
        records: a folder of records like those that the runs were trained on.

    Returns:
        How it was made; `frames`, the numbers of those shown; `scale`, the pixels of
        the strongest colours; and, with a reference, `endpoint_error` by run: `seen`,
        the mean over all fields between frames that the network sees, and `future`.

    Raises:
        UsageError: a run predicts no flow, runs differ in what they see, a value is
            unknown or out of its range, or `out` cannot be written or exists.
        VidzooError: the video cannot be read or is too short, or a run not loaded.
    """
    runs, out = [Path(each) for each in runs], Path(out)
    picture_file.check_out(out, "OUT")
    _check_reference(reference, records)
    loaded = [_load(each) for each in runs]
    _check_alike(runs, loaded)
    # Of one on records, which says how videos are stored, if there is one.
    description = min((d for _, d in loaded), key=lambda d: not one_video.stored_how(d))
    length = _length(runs, loaded, num_frames)
    record = one_video.read(video, description, records)
    numbers = _numbers(record, length, video)
    has_next = numbers[-1] + 1 < len(record.jpegs)
    frames = one_video.at(
        record, [*numbers, numbers[-1] + 1][: length + has_next], description, "rgb"
    )
    names = fuse.stream_names(runs)
    fields = {
        name: _predicted(model, frames[:length], each)
        for name, (model, _), each in zip(names, loaded, runs, strict=True)
    }
    expected = None
    if reference is not None:
        expected = _reference(reference, record, numbers, frames, description, records)
    made = {
        "picture": str(out),
        "video": str(video),
        "reference": reference,
        "runs": {n: str(each) for n, each in zip(names, runs, strict=True)},
    }
    if expected is not None:
        made["endpoint_error"] = {
            name: _errors(field, expected, length) for name, field in fields.items()
        }
    rows = {f"flow by {name}": field for name, field in fields.items()}
    if expected is not None:
        rows[_title(reference, record)] = expected
    drawn, shown, scale = _drawn(rows, frames, length, num_frames, numbers, video)
    picture_file.write(out, drawn)
    return made | {"frames": shown, "scale": scale}


def _load(run):
    model, description = one_video.load(run)
    if not isinstance(model.output, dict) or "flow" not in model.output:
        raise UsageError(
            f"{run}: this {description['model']} predicts no flow. Give a run of one "
            "that does (`vidzoo train RECORDS --model=actionflownet`), or "
            "--picture=occlusion."
        )
    return model, description


def _check_reference(reference, records):
    choices = (*flows.METHODS, STORED)
    if reference is not None and reference not in choices:
        raise UsageError(
            f"no reference '{reference}'. Choose one of: {', '.join(choices)} "
            "(--reference)."
        )
    if reference == STORED and records is None:
        raise UsageError(
            "--reference=stored is flow out of records. Give --records too, and the id "
            "of a video in them as VIDEO."
        )


def _check_alike(runs, loaded):
    found = {}  # name -> the first run that has it, and its value
    for run, (_, description) in zip(runs, loaded, strict=True):
        values = {"frame size": description["arguments"]["frame_shape"][:2]}
        made = one_video.stored_how(description)
        if made:
            values |= {name: made[name] for name in ("size", "fps", "jpeg_quality")}
        for name, value in values.items():
            first, expected = found.setdefault(name, (run, value))
            if value != expected:
                raise UsageError(
                    f"{run}: its {name} is {value}, but {expected} in {first}; "
                    "beside each other, networks must see the same frames."
                )


def _length(runs, loaded, num_frames):
    """T of the frames that are looked at."""
    lengths = {
        model.input.shape[1]: run
        for run, (model, _) in zip(runs, loaded, strict=True)
        if not _is_of_pairs(model)
    }
    if len(lengths) > 1:
        found = ", ".join(f"{length} in {run}" for length, run in lengths.items())
        raise UsageError(
            f"the networks see runs of different numbers of frames: {found}. Give "
            "those of one number (--beside)."
        )
    if not lengths:
        return max(num_frames, _PAIR)
    (length,) = lengths
    if num_frames > length:
        raise UsageError(
            f"--frames is {num_frames}, but the network sees {length}. Give {length} "
            "or less."
        )
    return length


def _is_of_pairs(model):
    return model.input.shape[1] == 1


def _numbers(record, length, video):
    count = len(record.jpegs)
    if count < length:
        raise VideoError(
            f"{video}: has {count} frames, and {length} in a row are needed; repeated, "
            "they would show motion that is not there. Give a longer video."
        )
    # Those of protocol `center`, of networks on so many.
    return clips.Window(length).centered(count).numpy()[:, 0].tolist()


def _predicted(model, frames, run):
    """Flow of frames `(T, H, W, 3)`: `(T, H, W, 2)`, or T - 1 fields of pairs."""
    if _is_of_pairs(model):
        pairs = np.concatenate([frames[:-1], frames[1:]], axis=-1)[:, None]
        answers = [model(pair[None], training=False)["flow"][0] for pair in pairs]
        found = tf.concat(answers, axis=0)
    else:
        found = model(frames[None], training=False)["flow"][0]
    # Whatever its resolution, flow is in pixels of the frames.
    found = tf.image.resize(tf.cast(found, tf.float32), frames.shape[1:3]).numpy()
    if not np.isfinite(found).all():
        raise VidzooError(
            f"{run}: predicts NaN or infinity as flow. Its training diverged, or its "
            "weights are damaged; take an earlier checkpoint."
        )
    return found


def _reference(name, record, numbers, frames, description, records):
    if name != STORED:
        method = flows.METHODS[name]
        pairs = zip(frames[:-1], frames[1:], strict=True)
        return np.stack([method(*pair) for pair in pairs])
    if record.flow is None:
        raise UsageError(
            f"{records}: these records hold no flow. Add it with `vidzoo flow "
            f"{records} OUT`, and give OUT (--records)."
        )
    if record.flow.fps:
        raise UsageError(
            f"{records}: their flow leads 1/{record.flow.fps:g} s on, not to the next "
            "frame. Give records made without --flow_fps."
        )
    there = [number for number in numbers if number < len(record.flow.x)]
    return one_video.at(record, there, description, "flow_target")


def _errors(field, expected, length):
    seen = length - 1
    errors = {"seen": metrics.endpoint_error(field[:seen], expected[:seen])}
    if min(len(field), len(expected)) == length:
        errors["future"] = metrics.endpoint_error(field[seen], expected[seen])
    return errors


def _title(reference, record):
    if reference == STORED:
        return f"stored flow ({record.flow.method})"
    return f"flow computed by {reference}"


def _drawn(rows, frames, length, num_frames, numbers, video):
    """The picture, the numbers of the frames in it, and the scale of its colours."""
    name = Path(video).name
    if num_frames == 1:
        middle = (length - 1) // 2
        shown = {title: field[middle] for title, field in rows.items()}
        scale = _scale(shown.values())
        pictures = {t: flows.picture(f, max_length=scale) for t, f in shown.items()}
        drawn = explain.flow_comparison(
            *frames[middle : middle + _PAIR],
            pictures,
            legend=_legend(frames[0], scale),
        )
        return drawn, numbers[middle : middle + _PAIR], scale
    first = length - num_frames
    shown = {title: field[first:] for title, field in rows.items()}
    scale = _scale(shown.values())
    pictures = {
        _with_future(title, field, num_frames): [
            flows.picture(each, max_length=scale) for each in field
        ]
        for title, field in shown.items()
    }
    drawn = explain.flow_strip(
        frames[first:length],
        pictures,
        caption=f"frames {numbers[first]} to {numbers[-1]} of {name}",
        legend=_legend(frames[0], scale),
    )
    return drawn, numbers[first:], scale


def _with_future(title, field, num_frames):
    has_future = len(field) == num_frames
    return f"{title}; red: to the frame after the last" if has_future else title


def _scale(fields):
    lengths = [np.hypot(*np.moveaxis(field, -1, 0)).ravel() for field in fields]
    longest = np.percentile(np.concatenate(lengths), _SHOWN_SHARE)
    return max(float(longest), _SHORTEST_SCALE)


def _legend(frame, scale):
    """The colour wheel: every direction, up to `scale` at its edge."""
    height, width = frame.shape[:2]
    radius = min(height, width) / 2
    y, x = np.mgrid[:height, :width] + 0.5
    vectors = np.stack([x - width / 2, y - height / 2], axis=-1) / radius
    vectors[np.hypot(*np.moveaxis(vectors, -1, 0)) > 1] = 0
    wheel = flows.picture(vectors, max_length=1.0)
    return explain.Panel(wheel, f"{scale:.1f} px at the edge")
