"""Encoding and exact search against what they are made of, side by side in one run.

    python -m benchmarks.retrieval_speed

VLAD is timed beside two NumPy loops over images, each vectorised over an image's
descriptors (distances by a product, sums by a one-hot product): by `np.einsum` as it
comes, which does not call BLAS, and by BLAS' matrix products. Search is timed beside
the bare matrix product of queries and database, and faiss' flat index where the extra
`faiss` is installed. All may use the same cores; `np.einsum` uses one.
"""

import argparse
import json
import shlex
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks import environment, timing
from benchmarks.arguments import count
from vidzoo.retrieval import parallel
from vidzoo.retrieval.search import nearest
from vidzoo.retrieval.vlad import VLAD

PROGRAM = "benchmarks.retrieval_speed"
NUM_DESCRIPTORS = 784  # 28x28, most of GoogLeNet's good layers
NUM_WORDS = 100
DIMENSION = 128
TOP = 10


def main(argv=None) -> int:
    """Runs the benchmark and prints times and ratios."""
    args = _parse(argv)
    rng = np.random.default_rng(args.seed)
    measured = {
        "vlad": [_vlad(args, rng, size) for size in args.sizes],
        "search": [_search(args, rng, number) for number in args.num_queries],
        "repetitions": args.repetitions,
        "seed": args.seed,
        "environment": environment.describe(),
        "command": f"python -m {PROGRAM} {shlex.join(sys.argv[1:])}".rstrip(),
    }
    text = json.dumps(measured, indent=1) + "\n"
    if args.out:
        args.out.write_text(text, encoding="utf-8")
    sys.stdout.write(text if args.json else _table(measured))
    return 0


def _vlad(args, rng, size):
    descriptors = _unit_rows(rng, (args.num_images, NUM_DESCRIPTORS, size))
    flat = descriptors.reshape(-1, size)
    codebook = flat[rng.choice(len(flat), NUM_WORDS, replace=False)]
    encode = VLAD(codebook)
    ways = {
        "vidzoo": lambda: encode(descriptors),
        "loop by einsum": lambda: loop(descriptors, codebook, np.einsum),
        "loop by BLAS": lambda: loop(descriptors, codebook, _by_blas),
    }
    # Its own rounding may give a descriptor between two words to the other.
    found = np.abs(ways["vidzoo"]() - ways["loop by BLAS"]()).max()
    if found > 1e-3:
        raise RuntimeError(f"the two answers differ, by {found}")
    return {"size": size, "num_images": args.num_images, **_compare(args, ways)}


def loop(descriptors, codebook, einsum) -> np.ndarray:
    """Equation 2.1 with intra-normalisation, an image at a time, by `einsum`."""
    words = np.arange(len(codebook))
    offsets = (codebook**2).sum(axis=1) / 2
    vectors = []
    for image in descriptors:
        nearest_words = (einsum("ld,md->lm", image, codebook) - offsets).argmax(axis=1)
        one_hot = (nearest_words[:, None] == words).astype(np.float32)
        blocks = einsum("lm,ld->md", one_hot, image)
        blocks -= one_hot.sum(axis=0)[:, None] * codebook
        lengths = np.linalg.norm(blocks, axis=1, keepdims=True)
        vector = (blocks / np.maximum(lengths, 1e-12)).ravel()
        vectors.append(vector / np.linalg.norm(vector))
    return np.stack(vectors)


def _by_blas(formula, one, two):
    return one @ two.T if formula == "ld,md->lm" else one.T @ two


def _search(args, rng, num_queries):
    database = _unit_rows(rng, (args.num_vectors, DIMENSION))
    queries = _unit_rows(rng, (num_queries, DIMENSION))
    ways = {
        "vidzoo": lambda: nearest(database, queries, TOP),
        "matrix product": lambda: queries @ database.T,
    }
    flat = _faiss_flat(database)
    if flat is not None:
        ways["faiss, flat"] = lambda: flat.search(queries, TOP)
    places, _ = ways["vidzoo"]()
    expected = np.argsort(-ways["matrix product"](), axis=1)[:, :TOP]
    if (places != expected).mean() > 0.01:
        raise RuntimeError("the two answers differ")
    return {
        "num_vectors": args.num_vectors,
        "num_queries": num_queries,
        **_compare(args, ways),
    }


def _faiss_flat(database):
    try:
        import faiss
    except ModuleNotFoundError:
        return None
    faiss.omp_set_num_threads(parallel.num_workers())
    flat = faiss.IndexFlatL2(DIMENSION)
    flat.add(database)
    return flat


def _compare(args, ways):
    """Each way once per repetition, in turn; times, and how often vidzoo fits in.

    Beside the clock's, all threads' processor time, which other processes change less.
    """
    walls = {name: [] for name in ways}
    cpus = {name: [] for name in ways}
    for _ in range(args.repetitions):
        for name, way in ways.items():
            way()
            started = time.process_time()
            timed = timing.measure(way, warmup=1, steps=1)
            cpus[name].append(1000 * (time.process_time() - started) / 2)
            walls[name].append(timed.milliseconds[0])
    return {
        "milliseconds": {name: timing.spread(each) for name, each in walls.items()},
        "cpu milliseconds": {name: timing.spread(each) for name, each in cpus.items()},
        "times as long as vidzoo": {
            name: {
                "clock": _ratio(walls, name),
                "clock, best of each": min(walls[name]) / min(walls["vidzoo"]),
                "processor": _ratio(cpus, name),
            }
            for name in ways
            if name != "vidzoo"
        },
    }


def _ratio(seconds, name):
    return timing.spread(np.array(seconds[name]) / np.array(seconds["vidzoo"]))


def _unit_rows(rng, shape):
    rows = rng.standard_normal(shape, dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows


def _table(measured):
    parts = [
        (
            f"VLAD, {each['num_images']} images of {NUM_DESCRIPTORS} descriptors of "
            f"{each['size']}, {NUM_WORDS} words",
            each,
        )
        for each in measured["vlad"]
    ]
    parts += [
        (
            f"the {TOP} nearest of {each['num_vectors']} x {DIMENSION} to each of "
            f"{each['num_queries']} queries",
            each,
        )
        for each in measured["search"]
    ]
    lines = []
    for heading, part in parts:
        lines.append(heading)
        lines += [f"  {_line(part, name)}" for name in part["milliseconds"]]
    about = measured["environment"]
    lines += [
        f"{measured['repetitions']} repetitions, seed {measured['seed']}; "
        f"{about['processor']}, {about['num_cpus']} cores; commit {about['commit']}",
        measured["command"],
    ]
    return "\n".join(lines) + "\n"


def _line(part, name):
    wall, cpu = part["milliseconds"][name], part["cpu milliseconds"][name]
    text = f"{name:16}{wall['median']:8.1f} ms, {wall['min']:.1f} to {wall['max']:.1f}"
    text += f"; processor {cpu['median']:.1f}"
    if name in part["times as long as vidzoo"]:
        ratio = part["times as long as vidzoo"][name]
        text += f"; {ratio['clock']['median']:.2f} x vidzoo's, best of each "
        text += f"{ratio['clock, best of each']:.2f}, processor "
        text += f"{ratio['processor']['median']:.2f}"
    return text


def _parse(argv):
    parser = argparse.ArgumentParser(prog=PROGRAM, allow_abbrev=False)
    parser.add_argument(
        "--sizes", type=count, nargs="+", default=[256, 480], help="D (256 480)"
    )
    parser.add_argument("--num_images", type=count, default=64, help="at once (64)")
    parser.add_argument(
        "--num_vectors", type=count, default=100_000, help="searched (100000)"
    )
    parser.add_argument(
        "--num_queries", type=count, nargs="+", default=[100, 1000], help="(100 1000)"
    )
    parser.add_argument("--repetitions", type=count, default=15, help="of each (15)")
    parser.add_argument("--seed", type=int, default=0, help="of the data (0)")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    parser.add_argument("--out", type=Path, help="file to write the JSON to")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
