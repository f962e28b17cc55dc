"""`python -m benchmarks.clips`: how close training clips come to bare JPEG decoding.

Measures frames per second, alternating in one run, of

- `decode`: one `tf.data` map of `tf.io.decode_and_crop_jpeg` over JPEGs and windows
  that lie in memory, counted inside TensorFlow: what no pipeline can beat;
- `crop`: `vidzoo_data.clips.training_batches` over the same frames and windows, which
  are sampled, read from records, decoded, flipped and batched: a random crop of the
  stored size, so nothing is resized. Its ratio to `decode` is printed;
- `corner`: the same with corner crops and scale jitter, which are resized;
- `color`: the same with corner crops, scale jitter and color jitter.

Every map decodes as many elements at once, `--workers`: frames in `decode`, clips in
the others; and each pipeline has as many threads of its own. Exit codes: 0 done;
1 failed; 2 usage.
"""

import argparse
import json
import shlex
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import input_pipeline
from benchmarks.arguments import count
from benchmarks.timing import spread
from vidzoo.atomic import write_text
from vidzoo.errors import VidzooError
from vidzoo.quiet import without_greetings
from vidzoo_data import clips
from vidzoo_data.records.read import Records

PROGRAM = "python -m benchmarks.clips"
DECODE, CROP = "decode", "crop"


def main(argv: list[str] | None = None) -> int:
    """Measures and shows the result; returns the exit code.

    Args:
        argv: flags; those of the command line unless given.
    """
    argv = sys.argv[1:] if argv is None else argv
    args = _parse(argv)
    try:
        with (
            without_greetings(),
            tempfile.TemporaryDirectory(prefix="vidzoo-benchmark-") as scratch,
        ):
            measured = measure(args, Path(scratch))
    except VidzooError as error:
        sys.stderr.write(f"{PROGRAM}: {error}\n")
        return 1
    measured["command"] = f"{PROGRAM} {shlex.join(argv)}".strip()
    text = json.dumps(measured, indent=1) + "\n"
    if args.out:
        write_text(args.out, text)
    sys.stdout.write(text if args.json else _table(measured))
    return 0


def measure(args: argparse.Namespace, scratch: Path) -> dict:
    """Runs what the flags ask for; returns a JSON-ready record.

    Raises:
        RecordError: the records are missing or damaged.
        UsageError: they have no split `train`.
    """
    from benchmarks import environment

    if args.records is None:
        records = input_pipeline.synthetic_records(scratch, args.frame_size, args.seed)
    else:
        records = Records(args.records)
    measures = {DECODE: _decoding(records, args)}
    for name, how in _augmentations(args.frame_size).items():
        measures[name] = _training(records, args, **how)
    for once in measures.values():
        once()  # traces, and fills the file cache
    seconds = {name: [] for name in measures}
    for _ in range(args.repetitions):
        for name, once in measures.items():
            seconds[name].append(once())
    num_frames = args.steps * args.batch_size * args.num_segments
    rates = {name: num_frames / np.array(taken) for name, taken in seconds.items()}
    return {
        "frames_per_second": {name: spread(rate) for name, rate in rates.items()},
        "ratio": spread(rates[CROP] / rates[DECODE]),
        "data": str(args.records or "synthetic random texture"),
        "frame_size": args.frame_size,
        "batch_size": args.batch_size,
        "num_segments": args.num_segments,
        "workers": args.workers,
        "steps": args.steps,
        "repetitions": args.repetitions,
        "seed": args.seed,
        **environment.describe(),
    }


def _augmentations(size):
    corner = clips.CornerCrop(size)
    return {
        CROP: {"crop": clips.RandomCrop(size)},
        "corner": {"crop": corner},
        "color": {"crop": corner, "color": clips.ColorJitter()},
    }


def _training(records, args, **how):
    """`once()`: seconds that `args.steps` batches of a fresh iterator take."""
    batches = _with_threads(_batches(records, args, args.workers, **how), args.workers)

    def once():
        iterator = iter(batches)
        next(iterator)
        started = time.perf_counter()
        for _ in range(args.steps):
            next(iterator)
        return time.perf_counter() - started

    return once


def _decoding(records, args):
    """`once()`: seconds that decoding the frames and windows of `CROP` takes."""
    import tensorflow as tf

    jpegs, windows = _frames_and_windows(records, args)
    frames = tf.data.Dataset.from_tensor_slices((jpegs, windows)).map(
        lambda jpeg, window: tf.io.decode_and_crop_jpeg(jpeg, window, channels=3),
        num_parallel_calls=args.workers,
        deterministic=True,
    )
    frames = _with_threads(frames, args.workers)

    @tf.function
    def decoded():
        return frames.reduce(0, lambda count, _: count + 1)

    def once():
        started = time.perf_counter()
        count = int(decoded())
        seconds = time.perf_counter() - started
        return seconds * args.steps * args.batch_size * args.num_segments / count

    return once


def _frames_and_windows(records, args):
    """The JPEGs and windows of the first `args.steps` batches of `CROP`, in order."""
    import tensorflow as tf

    jpegs, windows = [], []

    class Keeping(Records):
        def read_frames(self, entry, numbers):
            found = super().read_frames(entry, numbers)
            jpegs.extend(found)
            return found

    class KeepingCrop(clips.RandomCrop):
        def window(self, height, width, seed):
            window, flip = super().window(height, width, seed)
            return tf.ensure_shape(tf.numpy_function(keep, [window], tf.int32), 4), flip

    def keep(window):
        windows.extend([window] * args.num_segments)
        return window

    crop = KeepingCrop(args.frame_size)
    batches = _batches(Keeping(records.path), args, workers=1, crop=crop)
    for _ in batches.take(args.steps):
        pass
    count = args.steps * args.batch_size * args.num_segments
    return jpegs[:count], np.array(windows[:count])


def _batches(records, args, workers, **how):
    return clips.training_batches(
        records,
        "train",
        sampling=clips.Segments(args.num_segments),
        batch_size=args.batch_size,
        num_steps=args.steps + 8,  # some more than are read: the last ones are no rest
        seed=args.seed,
        workers=workers,
        **how,
    )


def _with_threads(dataset, count):
    import tensorflow as tf

    options = tf.data.Options()
    options.threading.private_threadpool_size = count
    return dataset.with_options(options)


def _table(measured):
    lines = [
        f"{name:8}{rate['median']:8.0f} frames/s, "
        f"{rate['min']:.0f} to {rate['max']:.0f}"
        for name, rate in measured["frames_per_second"].items()
    ]
    ratio = measured["ratio"]
    about = (
        f"{measured['repetitions']} repetitions of {measured['steps']} batches of "
        f"{measured['batch_size']} x {measured['num_segments']} frames of "
        f"{measured['frame_size']} px, {measured['workers']} workers; "
        f"{measured['data']}; {measured['processor']}, {measured['num_cpus']} cores; "
        f"commit {measured['commit']}"
    )
    lines += [
        f"ratio crop / decode: {ratio['median']:.2f}, {ratio['min']:.2f} to "
        f"{ratio['max']:.2f}",
        about,
        measured["command"],
    ]
    return "\n".join(lines) + "\n"


def _parse(argv):
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Measures training clips against bare decoding.",
        allow_abbrev=False,
    )
    parser.add_argument("--records", help="with a split train; synthetic if absent")
    parser.add_argument("--frame_size", type=count, default=224, help="pixels (224)")
    parser.add_argument("--batch_size", type=count, default=16, help="clips (16)")
    parser.add_argument("--num_segments", type=count, default=3, help="frames (3)")
    parser.add_argument("--workers", type=count, default=2, help="at once (2)")
    parser.add_argument("--steps", type=count, default=40, help="batches (40)")
    parser.add_argument("--repetitions", type=count, default=7, help="of each (7)")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (0)")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    parser.add_argument("--out", type=Path, help="file to write the JSON to")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
