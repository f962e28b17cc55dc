"""Exact against approximate search: recall against time, in one run.

    python -m benchmarks.retrieval_scale

Synthetic vectors of unit length lie about centres, as those of pictures do, and so do
the queries; how far is `--spread`, noise's length by the centre's. Exact are
`vidzoo.retrieval.nearest` and faiss' flat index; approximate are faiss' IVF (inverted
lists, of which `nprobe` are looked into) and HNSW (a graph, walked with `ef`
candidates). Recall is the share of the true ten nearest that are among the ten found.
All may use the same cores. faiss is the extra `faiss`; without it only vidzoo's search
is timed, and that is said.
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
from vidzoo.retrieval import nearest, parallel
from vidzoo.retrieval.normalization import l2

PROGRAM = "benchmarks.retrieval_scale"
TOP = 10
_MEGABYTE = 2**20
NUM_PROBES = (1, 4, 16, 64)  # lists of IVF that are looked into
NUM_LINKS, EF_CONSTRUCTION = 32, 80
EF_SEARCH = (16, 64, 256)


def main(argv=None) -> int:
    """Runs the benchmark and prints recall and times."""
    args = _parse(argv)
    database, queries = vectors(args)
    places, _ = nearest(database, queries, TOP)
    rows = [_row("vidzoo, exact", lambda: nearest(database, queries, TOP)[0], args)]
    faiss = _faiss()
    if faiss is None:
        sys.stderr.write(
            f"{PROGRAM}: faiss is not installed, so nothing is compared. In vidzoo's "
            "checkout run: pip install '.[faiss]'\n"
        )
    else:
        rows += _by_faiss(faiss, args, database, queries)
    for row in rows:
        row["recall"] = recall(row.pop("places"), places)
    measured = {
        "rows": rows,
        "num_vectors": args.num_vectors,
        "num_queries": args.num_queries,
        "dimension": args.dimension,
        "spread": args.spread,
        "repetitions": args.repetitions,
        "seed": args.seed,
        "faiss": None if faiss is None else faiss.__version__,
        "environment": environment.describe(),
        "command": f"python -m {PROGRAM} {shlex.join(sys.argv[1:])}".rstrip(),
    }
    text = json.dumps(measured, indent=1) + "\n"
    if args.out:
        args.out.write_text(text, encoding="utf-8")
    sys.stdout.write(text if args.json else _table(measured))
    return 0


def vectors(args) -> tuple[np.ndarray, np.ndarray]:
    """A database and queries about the same centres, of unit length."""
    rng = np.random.default_rng(args.seed)
    centres = l2(_normal(rng, (args.num_centres, args.dimension)))

    def about_centres(number):
        rows = centres[rng.integers(0, len(centres), number)]
        noise = _normal(rng, (number, args.dimension)) / np.sqrt(args.dimension)
        return l2(rows + np.float32(args.spread) * noise)

    return about_centres(args.num_vectors), about_centres(args.num_queries)


def recall(found: np.ndarray, true: np.ndarray) -> float:
    """The share of the true nearest that are among those found, both `(Q, top)`."""
    shared = (found[:, :, None] == true[:, None, :]).any(axis=1)
    return float(shared.mean())


def _normal(rng, shape):
    return rng.standard_normal(shape, dtype=np.float32)


def _faiss():
    try:
        import faiss
    except ModuleNotFoundError:
        return None
    return faiss


def _by_faiss(faiss, args, database, queries):
    faiss.omp_set_num_threads(parallel.num_workers())
    dimension = args.dimension
    flat = faiss.IndexFlatL2(dimension)
    yield from _searched("faiss, flat", flat, args, database, queries, [{}])

    ivf = faiss.IndexIVFFlat(faiss.IndexFlatL2(dimension), dimension, args.num_lists)
    ivf.cp.seed = args.seed
    probes = [{"nprobe": number} for number in NUM_PROBES if number <= args.num_lists]
    name = f"faiss, IVF of {args.num_lists} lists"
    yield from _searched(name, ivf, args, database, queries, probes)

    hnsw = faiss.IndexHNSWFlat(dimension, NUM_LINKS)
    hnsw.hnsw.efConstruction = EF_CONSTRUCTION
    candidates = [{"efSearch": number} for number in EF_SEARCH]
    name = f"faiss, HNSW of {NUM_LINKS} links"
    yield from _searched(name, hnsw, args, database, queries, candidates)


def _searched(name, index, args, database, queries, settings):
    """Builds one of faiss' indexes once, and searches it with each of its settings."""
    started = time.perf_counter()
    if not index.is_trained:
        index.train(database)
    index.add(database)
    seconds = time.perf_counter() - started
    for setting in settings:
        for key, value in setting.items():
            setattr(index.hnsw if key == "efSearch" else index, key, value)
        listed = "".join(f", {key} {value}" for key, value in setting.items())
        row = _row(name + listed, lambda: index.search(queries, TOP)[1], args)
        yield row | {"build_seconds": seconds}


def _row(name, search, args):
    timed = timing.measure(search, warmup=1, steps=args.repetitions)
    each = np.array(timed.milliseconds) / args.num_queries
    row = {"name": name, "milliseconds_per_query": timing.spread(each)}
    return row | {"places": search(), "build_seconds": 0.0}


def _table(measured):
    vector_bytes = 4 * measured["dimension"] * measured["num_vectors"]
    lines = [
        f"{measured['num_vectors']} vectors of {measured['dimension']} "
        f"({vector_bytes / _MEGABYTE:.0f} MB), {measured['num_queries']} queries at "
        "once",
        f"{'':34}{'recall@10':>10}{'ms a query':>12}{'least':>10}{'build s':>10}",
    ]
    for row in measured["rows"]:
        took = row["milliseconds_per_query"]
        lines.append(
            f"{row['name']:34}{row['recall']:10.3f}{took['median']:12.4f}"
            f"{took['min']:10.4f}{row['build_seconds']:10.1f}"
        )
    about = measured["environment"]
    lines += [
        f"{measured['repetitions']} repetitions, seed {measured['seed']}, spread "
        f"{measured['spread']}; {about['processor']}, {about['num_cpus']} cores; faiss "
        f"{measured['faiss']}; commit {about['commit']}",
        measured["command"],
    ]
    return "\n".join(lines) + "\n"


def _parse(argv):
    parser = argparse.ArgumentParser(prog=PROGRAM, allow_abbrev=False)
    parser.add_argument(
        "--num_vectors", type=count, default=100_000, help="searched (100000)"
    )
    parser.add_argument("--num_queries", type=count, default=1000, help="(1000)")
    parser.add_argument("--dimension", type=count, default=128, help="(128)")
    parser.add_argument(
        "--num_centres", type=count, default=2000, help="that vectors lie about (2000)"
    )
    parser.add_argument(
        "--spread", type=float, default=1.0, help="about their centres (1)"
    )
    parser.add_argument("--num_lists", type=count, default=1024, help="of IVF (1024)")
    parser.add_argument("--repetitions", type=count, default=5, help="of each (5)")
    parser.add_argument("--seed", type=int, default=0, help="of the data (0)")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    parser.add_argument("--out", type=Path, help="file to write the JSON to")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
