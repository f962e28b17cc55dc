"""Memory of building an index, by the number of pictures.

    python -m benchmarks.retrieval_memory OUT

For each number it writes so many small pictures, and `vidzoo.tasks.index` indexes them
in a process of its own, words, PCA and all, by a tiny network with random weights. Told
is the peak of that process's memory (Linux): the difference is what the pictures take,
whatever the network.
"""

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import keras
import numpy as np

from benchmarks import environment, running
from benchmarks.arguments import count
from vidzoo import models
from vidzoo.errors import VidzooError
from vidzoo.weights import save_weights

PROGRAM = "benchmarks.retrieval_memory"
_MEGABYTE = 2**20
_PEAK = """
import sys, time
from vidzoo.tasks import index
folder, out, weights = sys.argv[1:]
started = time.perf_counter()
index.run(folder, out, network="tiny", weights=weights, layer=["res3"], scales=(1,),
    size=64, num_words=16, dimension=64, batch_size=32)
seconds = time.perf_counter() - started
# Of this process alone: what `resource` tells begins at its parent's.
with open("/proc/self/status") as status:
    peak = next(line for line in status if line.startswith("VmHWM"))
print(int(peak.split()[1]) * 1024, seconds)
"""


def main(argv=None) -> int:
    """Runs the benchmark and prints each peak."""
    return running.run("retrieval_memory", _parse(argv), measure, _show)


def measure(args) -> dict:
    """Writes pictures and indexes them; JSON-ready."""
    args.out.mkdir(parents=True, exist_ok=True)
    weights = args.out / "tiny.npz"
    keras.utils.set_random_seed(args.seed)
    network = models.TSN(2, backbone="tiny", frame_shape=(64, 64, 3))
    save_weights(weights, network, network="tsn", backbone="tiny", variant="v1")
    rows = []
    for number in args.counts:
        folder, out = args.out / str(number), args.out / f"{number}.index"
        write_pictures(folder, number, args.seed)
        peak, seconds = _peak(folder, out, weights)
        size = out.stat().st_size
        out.unlink()
        rows.append(
            {
                "num_pictures": number,
                "peak_bytes": peak,
                "index_bytes": size,
                "seconds": seconds,
            }
        )
    return {
        "rows": rows,
        "seed": args.seed,
        "environment": environment.describe(),
        "command": f"python -m {PROGRAM} {shlex.join(sys.argv[1:])}".rstrip(),
    }


def write_pictures(folder: Path, number: int, seed: int) -> None:
    """Writes pictures of coloured squares, a thousand a folder."""
    rng = np.random.default_rng(seed)
    for i in range(number):
        path = folder / f"{i // 1000:03d}" / f"{i:07d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        squares = rng.integers(0, 256, (6, 8, 3), np.uint8)
        cv2.imwrite(str(path), squares.repeat(8, axis=0).repeat(8, axis=1))


def _peak(folder, out, weights):
    """The peak of memory of a process that builds an index, bytes, and its seconds."""
    command = [sys.executable, "-c", _PEAK, str(folder), str(out), str(weights)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise VidzooError(f"{folder}: is not indexed: {done.stderr.strip()[-500:]}")
    peak, seconds = done.stdout.split()[-2:]
    return int(peak), float(seconds)


def _show(results):
    first = results["rows"][0]
    for row in results["rows"]:
        more = (row["peak_bytes"] - first["peak_bytes"]) / _MEGABYTE
        sys.stdout.write(
            f"{row['num_pictures']:8} pictures: peak "
            f"{row['peak_bytes'] / _MEGABYTE:7.1f} MB, {more:+.1f} MB; index "
            f"{row['index_bytes'] / _MEGABYTE:.1f} MB; {row['seconds']:.0f} s\n"
        )
    about = results["environment"]
    sys.stdout.write(
        f"seed {results['seed']}; {about['processor']}, {about['num_cpus']} cores; "
        f"commit {about['commit']}\n{results['command']}\n"
    )


def _parse(argv):
    parser = argparse.ArgumentParser(prog=PROGRAM, allow_abbrev=False)
    parser.add_argument("out", metavar="OUT", type=Path, help="folder for all of it")
    parser.add_argument(
        "--counts",
        type=count,
        nargs="+",
        default=[1000, 10_000],
        help="of pictures (1000 10000)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the pictures (0)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
