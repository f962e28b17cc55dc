"""Whether a frame of a video finds the video it is of, by other frames.

    python -m benchmarks.retrieval_clips CLIPS OUT --weights=FILE

The database holds two frames of every video below CLIPS, at a quarter and three
quarters of it; the query is the frame in the middle, which is in no database. Right is
a first result of the same scene: the same video, or one of the same group of UCF101
(`v_<class>_g<group>_c<clip>`), whose clips were cut from one recording.

OUT keeps the index, and beside it what it was built by: a second run searches it again,
and is refused where its flags, weights or clips are others.
"""

import argparse
import hashlib
import json
import os
import re
import shlex
import sys
import time
from pathlib import Path

from benchmarks import environment, running
from benchmarks.arguments import count
from vidzoo.atomic import write_text
from vidzoo.errors import VidzooError
from vidzoo.metrics import wilson_interval
from vidzoo.retrieval.index_file import differing
from vidzoo.tasks import index, search
from vidzoo.tasks.initial_weights import fingerprint
from vidzoo_data import pictures

PROGRAM = "benchmarks.retrieval_clips"
_INDEX, _SETTINGS = "clips.index", "clips.json"
_UCF101 = re.compile(r"(v_\w+_g\d+)_c\d+")


def main(argv=None) -> int:
    """Runs the benchmark and prints P@1."""
    return running.run("retrieval_clips", _parse(argv), measure, _show)


def measure(args) -> dict:
    """Builds the index, searches it, counts; JSON-ready."""
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / _INDEX
    listed = pictures.list_pictures("folder", args.clips).pictures
    started = time.perf_counter()
    _build(args, path, listed)
    indexed = time.perf_counter()
    videos = [each.path for each in listed if each.is_video]
    found = search.run(path, videos, num_frames=1, top=1)
    searched = time.perf_counter()
    answers = found["queries"]
    _check_unseen(path, answers)
    wrong = [
        {"query": answer["query"], "found": answer["results"][0]["path"]}
        for answer in answers
        if scene(answer["query"]) != scene(answer["results"][0]["path"])
    ]
    right = len(answers) - len(wrong)
    low, high = wilson_interval(right, len(answers))
    return {
        "precision_at_1": right / len(answers),
        "low": low,
        "high": high,
        "num_queries": len(answers),
        "wrong": wrong,
        "failed": found["failed"],
        "seconds": {"index": indexed - started, "search": searched - indexed},
        "seed": args.seed,
        "environment": environment.describe(),
        "command": f"python -m {PROGRAM} {shlex.join(sys.argv[1:])}".rstrip(),
    }


def _build(args, path, listed):
    """Makes the index, or checks that the one that is there was made likewise."""
    made_by = {
        "network": args.network,
        "layer": args.layer,
        "scales": args.scales,
        "size": args.size,
        "num_words": args.num_words,
        "num_frames": 2,
        "seed": args.seed,
    }
    settings = made_by | {
        "weights": _weights(args.weights),
        "clips": _clips(args.clips, listed),
    }
    file = path.with_name(_SETTINGS)
    if path.exists():
        _check_settings(path, file, settings)
        return
    index.run(args.clips, path, weights=args.weights, **made_by)
    write_text(file, json.dumps(settings, indent=1) + "\n")


def _weights(given):
    file = Path(given)
    return f"SHA-256 {fingerprint(file)}" if file.is_file() else given


def _clips(folder, listed):
    """Which clips these are: the folder, their number, and their names and sizes."""
    names = [
        (os.path.relpath(p, folder), p.stat().st_size if p.exists() else 0)
        for p in (each.path for each in listed)
    ]
    digest = hashlib.sha256(json.dumps(names).encode()).hexdigest()
    return f"{len(names)} files of {folder.resolve()}, SHA-256 {digest[:16]}"


def _check_settings(path, file, settings):
    try:
        before = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise VidzooError(
            f"{path}: is there, but not how it was built: {file.name} cannot be read "
            f"({error}). Remove the index, or choose another folder (OUT)."
        ) from None
    if found := differing(before, settings):
        raise VidzooError(
            f"{path}: was built otherwise: {'; '.join(found)}. Remove it to build it "
            "again, or choose another folder (OUT)."
        )


def scene(path: str) -> str:
    """What a video shows: its group of UCF101, or itself."""
    match = _UCF101.fullmatch(Path(path).stem)
    return match[1] if match else str(Path(path).resolve())


def _check_unseen(path, answers):
    """That no query's frame is in the database."""
    names = [answer["query"] for answer in answers]
    there = {_frame(row) for row in search.run(path, query_ids=names, top=1)["queries"]}
    seen = [answer["query"] for answer in answers if _frame(answer) in there]
    if seen:
        raise VidzooError(
            f"{seen[0]}: has too few frames for three different ones; leave it out."
        )


def _frame(answer):
    return Path(answer["query"]).resolve(), answer["frame"]


def _show(results):
    sys.stdout.write(
        f"P@1 {results['precision_at_1']:.3f}, {results['low']:.3f} to "
        f"{results['high']:.3f}, of {results['num_queries']} queries\n"
    )
    for row in results["wrong"]:
        sys.stdout.write(f"  {row['query']} found {row['found']}\n")
    for path, reason in results["failed"].items():
        sys.stdout.write(f"  {path}: {reason}\n")
    about, seconds = results["environment"], results["seconds"]
    sys.stdout.write(
        f"index {seconds['index']:.0f} s, search {seconds['search']:.0f} s; seed "
        f"{results['seed']}; {about['processor']}, {about['num_cpus']} cores; commit "
        f"{about['commit']}\n{results['command']}\n"
    )


def _parse(argv):
    parser = argparse.ArgumentParser(prog=PROGRAM, allow_abbrev=False)
    parser.add_argument("clips", metavar="CLIPS", type=Path, help="folder of videos")
    parser.add_argument("out", metavar="OUT", type=Path, help="folder for all of it")
    parser.add_argument(
        "--weights", default="imagenet", help="a preset's name or a file (imagenet)"
    )
    parser.add_argument("--network", default="googlenet", help="(googlenet)")
    parser.add_argument(
        "--layer", nargs="+", default=["inception_3a"], help="(inception_3a)"
    )
    parser.add_argument("--scales", type=count, nargs="+", default=[1], help="(1)")
    parser.add_argument("--size", type=count, default=224, help="at scale 1 (224)")
    parser.add_argument("--num_words", type=count, default=100, help="(100)")
    parser.add_argument("--seed", type=int, default=0, help="of the words (0)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
