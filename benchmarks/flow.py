"""`python -m benchmarks.flow [FOLDER]`: the endpoint error of every flow method.

On pairs of motion shapes, whose flow is exact and whose pixels are known to be visible
in both frames or not: of all visible pixels, and of the visible ones that move; what
storing the flow as 8-bit images adds; and the part of the error that zero flow has.
Where a folder is given, also on its pairs with ground truth:

- `NAME-img0.ppm`, `NAME-img1.ppm`, `NAME-gt.flo`, as FlyingChairs has them;
- `frame10.png`, `frame11.png`, `flow10.flo` in a folder of their own, as Middlebury's;

with the photometric error before and after warping by the ground truth.
`--flying_chairs` and `--sintel` measure these data sets as a whole: FlyingChairs'
validation pairs where its split file is there, else all; both passes of Sintel's
training scenes, all pixels that count, and of them those that the next frame shows
(matched) and those that it does not. Nothing is timed. Exit codes: 0 done; 1 failed;
2 usage.
"""

import argparse
import json
import math
import shlex
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.arguments import count
from vidzoo import metrics
from vidzoo.atomic import write_text
from vidzoo.errors import FlowError, VidzooError
from vidzoo.quiet import without_greetings
from vidzoo_data import flow as flows
from vidzoo_data import synthetic

PROGRAM = "python -m benchmarks.flow"
ZERO = "zero flow"


class Pair(NamedTuple):
    """Two frames, their flow, and where it is known (and visible in both)."""

    name: str
    frame: np.ndarray
    next_frame: np.ndarray
    flow: np.ndarray
    valid: np.ndarray


def main(argv: list[str] | None = None) -> int:
    """Measures and shows the result; returns the exit code.

    Args:
        argv: flags; those of the command line unless given.
    """
    argv = sys.argv[1:] if argv is None else argv
    args = _parse(argv)
    try:
        with without_greetings():
            measured = measure(args)
    except VidzooError as error:
        sys.stderr.write(f"{PROGRAM}: {error}\n")
        return 1
    measured["command"] = f"{PROGRAM} {shlex.join(argv)}".strip()
    text = json.dumps(measured, indent=1) + "\n"
    if args.out:
        write_text(args.out, text)
    sys.stdout.write(text if args.json else _table(measured))
    return 0


def measure(args: argparse.Namespace) -> dict:
    """Runs what the flags ask for; returns a JSON-ready record.

    Raises:
        FlowError: a file is damaged, the folder holds no pair, or a method fails.
    """
    from benchmarks import environment

    real = real_pairs(args.folder) if args.folder else []
    shapes = motion_shapes(args.pairs, args.size, args.seed)
    if args.pictures:
        args.pictures.mkdir(parents=True, exist_ok=True)
    methods = {ZERO: lambda frame, _: np.zeros((*frame.shape[:2], 2), np.float32)}
    methods |= flows.METHODS
    sets = _datasets(args)  # before hours of measuring
    return {
        "motion_shapes": {
            name: _on_shapes(method, shapes, args.bound)
            for name, method in methods.items()
        },
        "pairs": {pair.name: _on_pair(methods, pair, args.pictures) for pair in real},
        "datasets": {
            each.name: _on_dataset(methods, each, args.max_pairs) for each in sets
        },
        "num_shapes": len(shapes),
        "size": args.size,
        "bound": args.bound,
        "seed": args.seed,
        **environment.describe(),
    }


def motion_shapes(num_pairs: int, size: int, seed: int) -> list[Pair]:
    """The middle two frames of clips of 8, all motions and shapes in turn."""
    pairs = []
    for index in range(num_pairs):
        scene = synthetic.draw_scene(
            np.random.default_rng([seed, index]),
            synthetic.MOTIONS[index % len(synthetic.MOTIONS)],
            synthetic.SHAPES[index // 2 % len(synthetic.SHAPES)],
            size=size,
        )
        frames = synthetic.render(scene)
        flow, visible = synthetic.exact_flow(scene)
        t = scene.num_frames // 2 - 1
        name = f"{index} {scene.motion} {scene.shape}"
        pairs.append(Pair(name, frames[t], frames[t + 1], flow[t], visible[t]))
    return pairs


def real_pairs(folder: Path) -> list[Pair]:
    """All pairs with ground truth below a folder, by name.

    Raises:
        FlowError: there is none, or a file is missing or damaged.
    """
    pairs = []
    for path in sorted(folder.rglob("*.flo")):
        if path.name.endswith("-gt.flo"):
            stem = path.name.removesuffix("-gt.flo")
            frames = [path.with_name(f"{stem}-img{t}.ppm") for t in range(2)]
        elif path.name == "flow10.flo":
            frames = [path.with_name(f"frame{t}.png") for t in (10, 11)]
            stem = path.parent.name
        else:
            continue
        sample = flows.read_sample(flows.FlowPair(stem, *frames, path))
        pairs.append(Pair(stem, *sample[:4]))
    if not pairs:
        raise FlowError(
            f"{folder}: no pair with ground truth (NAME-gt.flo beside NAME-img0.ppm, "
            f"or flow10.flo beside frame10.png); give the folder that holds them."
        )
    return pairs


def _datasets(args):
    """The data sets that the flags ask for."""
    sets = []
    if args.flying_chairs:
        split = "val" if flows.chairs_split_file(args.flying_chairs) else "all"
        sets.append(flows.flying_chairs(args.flying_chairs, split))
    if args.sintel:
        sets += [flows.sintel(args.sintel, pass_) for pass_ in ("clean", "final")]
    return sets


def _on_dataset(methods, dataset, max_pairs):
    """Mean errors over the pixels of all pairs together, one pair in memory."""
    pairs = dataset.pairs
    if max_pairs and max_pairs < len(pairs):
        places = np.linspace(0, len(pairs) - 1, max_pairs).round().astype(int)
        pairs = [pairs[place] for place in places]
    sums = {name: {} for name in methods}
    for pair in pairs:
        sample = flows.read_sample(pair)
        parts = {"all": sample.valid}
        if sample.occluded is not None:
            parts["matched"] = sample.valid & ~sample.occluded
            parts["unmatched"] = sample.valid & sample.occluded
        for name, method in methods.items():
            flow = method(sample.frame, sample.next_frame)
            for part, mask in parts.items():
                total, count = sums[name].get(part, (0.0, 0))
                if mask.any():
                    lengths = metrics.endpoint_errors(flow, sample.flow, mask)
                    total, count = total + lengths.sum(), count + len(lengths)
                sums[name][part] = total, count
    return {
        "num_pairs": len(pairs),
        "num_listed": len(dataset.pairs),
        "notes": list(dataset.notes),
        "methods": {
            name: {
                part: float(total / count) if count else None
                for part, (total, count) in each.items()
            }
            for name, each in sums.items()
        },
    }


def _on_shapes(method, pairs, bound):
    """Errors over the pixels of all pairs together."""
    flow = np.stack([method(pair.frame, pair.next_frame) for pair in pairs])
    expected = np.stack([pair.flow for pair in pairs])
    visible = np.stack([pair.valid for pair in pairs])
    moving = visible & expected.any(axis=-1)
    errors = {"visible": _errors(flow, expected, visible)}
    errors["moving"] = _errors(flow, expected, moving)
    for kind in ("png", "jpeg"):
        stored = np.stack(
            [
                flows.from_images(*flows.to_images(one, bound, kind), bound)
                for one in flow
            ]
        )
        errors[kind] = _errors(stored, expected, visible)
    return errors


def _on_pair(methods, pair, pictures):
    warped, inside = flows.warp(pair.next_frame, pair.flow)
    mask = inside & pair.valid
    found = {
        "photometric": flows.photometric_error(pair.frame, pair.next_frame, mask),
        "photometric_warped": flows.photometric_error(pair.frame, warped, mask),
        "unknown": int((~pair.valid).sum()),
        "methods": {},
    }
    longest = float(np.hypot(*pair.flow[pair.valid].T).max())
    for name, method in methods.items():
        flow = method(pair.frame, pair.next_frame)
        found["methods"][name] = _errors(flow, pair.flow, pair.valid)
        if pictures:
            image = flows.strip(
                pair.frame, pair.next_frame, flow, max_length=longest or None
            )
            flows.write_png(
                pictures / f"{pair.name}-{name.replace(' ', '-')}.png", image
            )
    return found


def _errors(flow, expected, valid):
    lengths = metrics.endpoint_errors(flow, expected, valid)
    return {"mean": float(lengths.mean()), "median": float(np.median(lengths))}


def _table(measured):
    lines = [
        f"motion shapes, {measured['num_shapes']} pairs of {measured['size']} px; "
        f"endpoint error in pixels, mean (median)",
        f"{'':12}{'visible':>16}{'moving':>16}{'as PNG':>16}{'as JPEG':>16}",
    ]
    for name, errors in measured["motion_shapes"].items():
        cells = (errors[part] for part in ("visible", "moving", "png", "jpeg"))
        lines.append(f"{name:12}" + "".join(map(_cell, cells)))
    lines.append(f"PNG and JPEG: visible pixels, stored at +-{measured['bound']:g} px.")
    if measured["pairs"]:
        names = list(next(iter(measured["pairs"].values()))["methods"])
        lines += ["", f"{'':12}" + "".join(f"{name:>16}" for name in names)]
    for name, found in measured["pairs"].items():
        lines.append(f"{name:12}" + "".join(map(_cell, found["methods"].values())))
    for name, found in measured["pairs"].items():
        lines.append(
            f"{name}: photometric error {found['photometric']:.2f}, warped by the "
            f"ground truth {found['photometric_warped']:.2f}; {found['unknown']} "
            f"unknown pixels"
        )
    for name, found in measured["datasets"].items():
        lines += _dataset_lines(name, found)
    lines += [
        f"seed {measured['seed']}; OpenCV {measured['versions']['opencv']}; "
        f"{measured['processor']}, {measured['num_cpus']} cores; commit "
        f"{measured['commit']}",
        measured["command"],
    ]
    return "\n".join(lines) + "\n"


def _dataset_lines(name, found):
    parts = list(next(iter(found["methods"].values())))
    of = f" of {found['num_listed']}"
    of = of if found["num_pairs"] < found["num_listed"] else ""
    lines = ["", f"{name}, {found['num_pairs']}{of} pairs; mean endpoint error"]
    lines += found["notes"]
    lines.append(f"{'':12}" + "".join(f"{part:>12}" for part in parts))
    for method, errors in found["methods"].items():
        cells = ("-" if errors[p] is None else f"{errors[p]:.3f}" for p in parts)
        lines.append(f"{method:12}" + "".join(f"{cell:>12}" for cell in cells))
    return lines


def _cell(errors):
    return f"{errors['mean']:8.3f} ({errors['median']:.3f})".rjust(16)


def _parse(argv):
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Measures the endpoint error of every flow method.",
        allow_abbrev=False,
    )
    parser.add_argument("folder", nargs="?", type=Path, help="pairs with ground truth")
    parser.add_argument(
        "--flying_chairs", type=Path, metavar="ROOT", help="folder of FlyingChairs"
    )
    parser.add_argument(
        "--sintel", type=Path, metavar="ROOT", help="folder that holds training/"
    )
    parser.add_argument(
        "--max_pairs", type=count, help="of each data set, evenly spaced (all)"
    )
    parser.add_argument("--pairs", type=count, default=32, help="motion shapes (32)")
    parser.add_argument("--size", type=_size, default=128, help="of them, pixels (128)")
    parser.add_argument("--bound", type=_bound, default=flows.TSN_BOUND, help="px (20)")
    parser.add_argument("--seed", type=int, default=0, help="of motion shapes (0)")
    parser.add_argument("--pictures", type=Path, help="folder for strips of the pairs")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    parser.add_argument("--out", type=Path, help="file to write the JSON to")
    return parser.parse_args(argv)


def _bound(text):
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}': give more than 0 pixels")
    return number


def _size(text):
    number = int(text)
    if number < 32:
        raise argparse.ArgumentTypeError(f"'{text}': give 32 pixels or more")
    return number


if __name__ == "__main__":
    sys.exit(main())
