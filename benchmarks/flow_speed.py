"""`vidzoo flow` on all cores against bare OpenCV loops on the same frames.

    python -m benchmarks.flow_speed RECORDS

Three things are timed, one after the other, in each repetition: a loop in one process
that does nothing but call OpenCV on grey frames in memory; as many such loops at once
as there are cores, which is what the machine has to give, the fields shared out evenly;
and `vidzoo flow` from start to end: its processes' start, reading, decoding, encoding,
what it keeps for a next run, and writing. All compute the same fields, of some videos
of RECORDS.
"""

import argparse
import json
import multiprocessing
import shutil
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from benchmarks.arguments import count
from benchmarks.timing import spread
from vidzoo_data.flow import FlowSettings

PROGRAM = "benchmarks.flow_speed"


def main(argv=None) -> int:
    """Runs the benchmark and prints rates and ratios."""
    args = _parse(argv)
    measured = measure(args)
    text = json.dumps(measured, indent=1) + "\n"
    if args.out:
        args.out.write_text(text, encoding="utf-8")
    sys.stdout.write(text if args.json else _table(measured))
    return 0


def measure(args) -> dict:
    """All repetitions, JSON-ready: fields per second, and the ratios of interest."""
    from benchmarks import environment
    from vidzoo_data.records.read import Records

    records = Records(args.records)
    entries = [entry for entry in records.videos.values() if entry.num_frames > 1]
    entries = entries[:: max(len(entries) // args.num_videos, 1)][: args.num_videos]
    videos = [
        _decoded(records.read_frames(entry, range(entry.num_frames)))
        for entry in entries
    ]
    num_fields = sum(len(frames) - 1 for frames in videos)
    rates = {"one loop": [], "loops": [], "vidzoo flow": []}
    for _ in range(args.repetitions):
        pairs = [
            pair for frames in videos for pair in zip(frames, frames[1:], strict=False)
        ]
        rates["one loop"].append(num_fields / _loops(args, [pairs]))
        shares = [pairs[i :: args.workers] for i in range(args.workers)]
        rates["loops"].append(num_fields / _loops(args, shares))
        rates["vidzoo flow"].append(num_fields / _vidzoo(args, records, entries))
    ours, alone, at_once = (
        np.array(rates[name]) for name in ("vidzoo flow", "one loop", "loops")
    )
    about = environment.describe()
    return {
        "fields_per_second": {name: spread(each) for name, each in rates.items()},
        "ratio": {
            "to loops at once": spread(ours / at_once),
            "to cores x one loop": spread(ours / (args.workers * alone)),
            "loops at once to cores x one loop": spread(
                at_once / (args.workers * alone)
            ),
        },
        "num_fields": num_fields,
        "frame": list(videos[0][0].shape[:2]),
        "method": args.method,
        "workers": args.workers,
        "repetitions": args.repetitions,
        "environment": about,
        "command": " ".join([f"python -m {PROGRAM}", *sys.argv[1:]]),
    }


def _decoded(jpegs):
    """Grey frames."""
    images = (cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1) for jpeg in jpegs)
    return [cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) for image in images]


def _loops(args, shares):
    """Seconds until a process for each share of the pairs is done with it."""
    context = multiprocessing.get_context("spawn")
    start, ready = context.Event(), context.Semaphore(0)
    processes = [
        context.Process(target=_loop, args=(args.method, share, ready, start))
        for share in shares
    ]
    for process in processes:
        process.start()
    for process in processes:
        while not ready.acquire(timeout=1):
            _check(process)
    started = time.perf_counter()
    start.set()
    for process in processes:
        process.join()
        _check(process)
    return time.perf_counter() - started


def _check(process):
    if process.exitcode:
        raise RuntimeError(f"a loop ended with code {process.exitcode}")


def _loop(method, pairs, ready, start):
    cv2.setNumThreads(1)
    compute = BARE[method]
    ready.release()
    start.wait()
    for frame, next_frame in pairs:
        compute(frame, next_frame)


def _tvl1(frame, next_frame):
    cv2.optflow.DualTVL1OpticalFlow_create().calc(frame, next_frame, None)


def _dis(frame, next_frame):
    method = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    method.setFinestScale(0)
    method.calc(frame, next_frame, None)


BARE = {"tvl1": _tvl1, "dis": _dis}


def _vidzoo(args, records, entries):
    """Seconds that `vidzoo flow` takes."""
    from vidzoo_data.records import write

    chosen = _Some(records, entries)
    out = Path(tempfile.mkdtemp(prefix="flow-speed-"))
    started = time.perf_counter()
    try:
        settings = FlowSettings(args.method)
        write.add_flow(chosen, out / "out", settings, workers=args.workers)
        return time.perf_counter() - started
    finally:
        shutil.rmtree(out)


class _Some:
    """Records of some videos alone, as `add_flow` reads them."""

    def __init__(self, records, entries):
        self._records = records
        self.videos = {entry.video_id: entry for entry in entries}
        self.splits = {"all": list(self.videos)}
        for name in ("path", "name", "classes", "made_with", "plan", "num_short"):
            setattr(self, name, getattr(records, name))
        self.quarantined = ()

    def check_kind(self, **kind):
        self._records.check_kind(**kind)

    def read_frames(self, entry, numbers):
        return self._records.read_frames(entry, numbers)


def _table(measured):
    lines = [
        f"{name:12}{rate['median']:8.2f} fields/s, {rate['min']:.2f} to "
        f"{rate['max']:.2f}"
        for name, rate in measured["fields_per_second"].items()
    ]
    lines += [
        f"vidzoo flow {name}: {ratio['median']:.2f}, {ratio['min']:.2f} to "
        f"{ratio['max']:.2f}"
        for name, ratio in list(measured["ratio"].items())[:2]
    ]
    (name, ratio) = list(measured["ratio"].items())[2]
    lines.append(f"{name}: {ratio['median']:.2f}")
    height, width = measured["frame"]
    about = measured["environment"]
    lines += [
        f"{measured['repetitions']} repetitions of {measured['num_fields']} fields by "
        f"{measured['method']}, {height}x{width} px, {measured['workers']} workers; "
        f"{about['processor']}, {about['num_cpus']} cores; commit {about['commit']}",
        measured["command"],
    ]
    return "\n".join(lines) + "\n"


def _parse(argv):
    parser = argparse.ArgumentParser(prog=PROGRAM, allow_abbrev=False)
    parser.add_argument("records", help="folder of records")
    parser.add_argument("--method", default="tvl1", choices=BARE, help="(tvl1)")
    parser.add_argument("--num_videos", type=count, default=24, help="of RECORDS (24)")
    parser.add_argument("--workers", type=count, default=2, help="cores (2)")
    parser.add_argument("--repetitions", type=count, default=3, help="of each (3)")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    parser.add_argument("--out", type=Path, help="file to write the JSON to")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
