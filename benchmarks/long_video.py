"""Memory and speed of classifying one long video.

    python -m benchmarks.long_video OUT

It renders a video of two hours, 320x240 at 25 frames per second, and trains conv
pooling on GoogLeNet, for one step, to look at one frame a second. `vidzoo predict` then
classifies the video, and ten seconds, each in a process of its own, and a third only
loads the model: what the long one's peak of memory has more than theirs is said. In
another process every second's frame is read, decoded, encoded by the network and
classified, each with its time, beside a bare loop of OpenCV over the same file. FFmpeg
reads and decodes in one call: "read" is that of all frames, "decode" what comes on top
of those that are shown (conversion, resizing, and JPEG there and back, as `prepare`
stores them).
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from benchmarks import environment, running
from benchmarks.arguments import count
from vidzoo import streaming
from vidzoo.errors import VidzooError
from vidzoo.tasks import clip_settings, export, prepare, run_folder, train, whole_video
from vidzoo_data import clips, synthetic

SIZE, FPS = (320, 240), 25
RECORD_SIZE, FRAME_SIZE = 128, 112
_MEGABYTE = 2**20
_PEAK = """
import sys
from vidzoo.tasks import predict
model, *videos = sys.argv[1:]
classifier = predict.Classifier(model)
for video in videos:
    found = classifier.predict(video)
    assert found.error is None, found.error
# Of this process alone: what `resource` tells begins at its parent's.
with open("/proc/self/status") as status:
    peak = next(line for line in status if line.startswith("VmHWM"))
print(int(peak.split()[1]) * 1024)
"""


def main(argv=None) -> int:
    """Runs the benchmark and prints what it measured."""
    return running.run("long_video", _parse(argv), measure, _show)


def measure(args) -> dict:
    """Renders, trains, exports and measures; JSON-ready."""
    args.out.mkdir(parents=True, exist_ok=True)
    videos = {name: args.out / f"{name}.mp4" for name in ("short", "long")}
    write_video(videos["short"], 10 * FPS)
    write_video(videos["long"], round(args.minutes * 60) * FPS)
    run, model = args.out / "run", args.out / "model"
    if not (run / run_folder.WEIGHTS).is_file():
        _train(args.out, run)
    if not model.is_dir():
        export.run(run, model)
    peaks = {name: _peak(model, video) for name, video in videos.items()}
    peaks["loaded"] = _peak(model)
    seconds, num_frames = _times(run, videos["long"])
    own = seconds["read"] + seconds["decode"]
    return {
        "num_frames": num_frames,
        "peak_bytes": peaks,
        "more_bytes": {
            name: peaks["long"] - peaks[name] for name in ("short", "loaded")
        },
        "seconds": seconds,
        "ratio": seconds["bare loop"] / own,
        "environment": environment.describe(),
        "command": " ".join(["python -m benchmarks.long_video", *sys.argv[1:]]),
    }


def write_video(path, num_frames) -> None:
    """Renders a texture that moves; a file that is there is kept."""
    if path.is_file():
        return
    random = np.random.default_rng(0)
    width, height = SIZE
    noise = random.integers(0, 256, (height // 8, 2 * width // 8, 3), np.uint8)
    texture = cv2.resize(noise, (2 * width, height), interpolation=cv2.INTER_CUBIC)
    unfinished = path.with_suffix(".part.mp4")
    codec = cv2.VideoWriter_fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(unfinished), codec, FPS, SIZE)
    for i in range(num_frames):
        start = 2 * i % width
        writer.write(np.ascontiguousarray(texture[:, start : start + width]))
    writer.release()
    unfinished.rename(path)


def _train(out, run):
    """One step, so that there is a network; what it answers is of no interest."""
    synthetic.write(out / "shapes", num_train=8, num_test=8, with_flow=False)
    records = out / "records"
    prepare.run(out / "shapes" / "motion.csv", records, layout="csv", size=RECORD_SIZE)
    train.run(
        records,
        run,
        model="feature_pooling",
        backbone="googlenet",
        recipe="scratch",
        frame_size=FRAME_SIZE,
        changes={"epochs": 1, "batch_size": 8, "num_frames": 1, "fps": 1.0},
        model_options={"fc_size": 512},
        num_devices=1,
    )


def _peak(model, *videos):
    """The peak of memory of a process that classifies videos, in bytes."""
    command = [sys.executable, "-c", _PEAK, str(model), *map(str, videos)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise VidzooError(f"{model}: does not classify: {done.stderr.strip()[-500:]}")
    return int(done.stdout.split()[-1])


def _times(run, video):
    """Seconds by step, and the number of frames."""
    way, description = whole_video.load(run)
    settings = clip_settings.settings(description)
    stream = streaming.Stream(way)
    frame = np.zeros((whole_video.CHUNK_LENGTH, FRAME_SIZE, FRAME_SIZE, 3), np.uint8)
    stream.update(frame)  # so that compiling is not measured
    stream.logits()
    stream.reset()
    seconds = dict.fromkeys(("bare loop", "read", "decode", "encode", "classify"), 0.0)
    bare = cv2.VideoCapture(str(video))
    seconds["bare loop"], num_frames = _loop(lambda: bare.read()[0])
    # As vidzoo opens videos: what is decoded must not depend on the number of threads.
    grabbed = cv2.VideoCapture(str(video), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    seconds["read"], _ = _loop(grabbed.grab)
    chunks = clips.file_chunks(
        video,
        size=RECORD_SIZE,
        fps=None,
        quality=95,
        sampling=clip_settings.whole(settings),
        crop=clips.CenterCrop(FRAME_SIZE),
        chunk_length=whole_video.CHUNK_LENGTH,
    )
    clock = time.perf_counter
    last = clock()
    total = 0.0  # read and decode
    for chunk in chunks:
        total += clock() - last
        last = clock()
        encoded = stream.encode(chunk)
        seconds["encode"] += clock() - last
        last = clock()
        stream.take(encoded)
        seconds["classify"] += clock() - last
        last = clock()
    total += clock() - last
    last = clock()
    stream.logits()
    seconds["classify"] += clock() - last
    seconds["decode"] = total - seconds["read"]
    return seconds, num_frames


def _loop(step):
    """Seconds until `step` says no, and how often it said yes."""
    started, number = time.perf_counter(), 0
    while step():
        number += 1
    return time.perf_counter() - started, number


def _show(results):
    lines = [
        f"{results['num_frames']} frames",
        f"peak of memory: {results['peak_bytes']['long'] / _MEGABYTE:.0f} MB, "
        f"{results['more_bytes']['short'] / _MEGABYTE:+.0f} MB over that of ten "
        f"seconds, {results['more_bytes']['loaded'] / _MEGABYTE:+.0f} MB over that of "
        "loading the model",
        "seconds: "
        + ", ".join(f"{name} {took:.1f}" for name, took in results["seconds"].items()),
        f"frames per second, read and decode against the bare loop: "
        f"{results['ratio']:.2f}",
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def _parse(argv):
    parser = argparse.ArgumentParser(prog="benchmarks.long_video")
    parser.add_argument("out", type=Path, help="folder for all that is made")
    parser.add_argument(
        "--minutes", type=count, default=120, help="of the long video (120)"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
