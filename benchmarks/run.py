"""`python -m benchmarks.run --mode=train|infer|input`: how fast, on what, with what.

`train` and `infer` time one step of a network on random clips; they run on any of
Keras' backends (`KERAS_BACKEND`). `input` times the clips that training reads from
records. Every step is waited for; warm-up steps, the first of which compiles, are not
measured. Exit codes: 0 done; 1 failed; 2 usage.
"""

import argparse
import contextlib
import json
import shlex
import sys
import tempfile
from pathlib import Path

from benchmarks import timing
from benchmarks.arguments import count
from vidzoo.atomic import write_text
from vidzoo.errors import UsageError, VidzooError
from vidzoo.quiet import without_greetings

DONE, FAILED, USAGE = 0, 1, 2
MODES = ("train", "infer", "input")
NUM_CLASSES = 51
PROGRAM = "python -m benchmarks.run"


def main(argv: list[str] | None = None) -> int:
    """Measures once and shows the result; returns the exit code.

    Args:
        argv: flags; those of the command line unless given.
    """
    argv = sys.argv[1:] if argv is None else argv
    try:
        with without_greetings():
            import keras  # noqa: F401
        args = _parse(argv)
        measured = measure(args) | {"command": f"{PROGRAM} {shlex.join(argv)}"}
    except ModuleNotFoundError as error:
        if error.name not in ("tensorflow", "jax", "torch", "cv2"):
            raise
        return _say(f"{error.name} is not installed, and this measurement needs it.")
    except UsageError as error:
        return _say(f"{error} {_known()}", USAGE)
    except VidzooError as error:
        return _say(str(error))
    if args.out:
        write_text(args.out, _as_json(measured))
    if args.json:
        sys.stdout.write(_as_json(measured))
    else:
        _print_table(measured)
    return DONE


def measure(args: argparse.Namespace) -> dict:
    """Runs what the flags ask for; returns a JSON-ready record.

    Raises:
        UsageError: a model or backbone is unknown, or cannot be built so.
        RecordError: the records are missing or damaged.
    """
    import keras

    from benchmarks import environment

    keras.utils.set_random_seed(args.seed)
    is_input = args.mode == "input"
    with contextlib.ExitStack() as stack:
        precision = stack.enter_context(_precision(args.mixed_precision))
        if is_input:
            scratch = tempfile.TemporaryDirectory(prefix="vidzoo-benchmark-")
            workload = _input_workload(args, Path(stack.enter_context(scratch)))
        else:
            workload = _step_workload(args)
        timed = timing.measure(workload.step, warmup=args.warmup, steps=args.steps)
    return {
        "mode": args.mode,
        "model": None if is_input else args.model,
        "backbone": None if is_input else args.backbone,
        "num_classes": None if is_input else NUM_CLASSES,
        "num_parameters": workload.num_parameters,
        "num_segments": args.num_segments,
        "frame_size": args.frame_size,
        "batch_size": args.batch_size,
        "loop": workload.loop,
        "data": workload.data,
        "jit_compile": args.jit_compile,
        "precision": None if is_input else precision,
        "workers": args.workers,
        "seed": args.seed,
        "warmup": args.warmup,
        "steps": args.steps,
        **timed.as_dict(args.batch_size),
        "peak_memory_bytes": environment.peak_memory_bytes(),
        **environment.describe(),
    }


class _Parser(argparse.ArgumentParser):
    """An `ArgumentParser` whose errors are ours: one line, by `main`."""

    def error(self, message):
        raise UsageError(f"{message}.")


def _parse(argv):
    parser = _Parser(
        prog=PROGRAM,
        description="Measures a network's steps, or the clips that feed it.",
        allow_abbrev=False,
    )
    parser.add_argument("--mode", choices=MODES, required=True, help=_choice(MODES))
    parser.add_argument("--model", help="tsn or tdn; needed unless --mode=input")
    parser.add_argument(
        "--backbone",
        default="resnet50",
        help="resnet18, 34, 50 (the default), 101 or 152; resnet50_v1, 101 or 152; "
        "vgg16, alexnet_caffe, _paper or _torchvision; googlenet, bn_inception or tiny",
    )
    parser.add_argument("--batch_size", type=count, required=True, help="clips")
    parser.add_argument(
        "--num_segments", type=count, default=3, help="snippets, or frames (3)"
    )
    parser.add_argument(
        "--frame_size", type=count, default=224, help="pixels of a clip's side (224)"
    )
    parser.add_argument("--steps", type=count, default=20, help="measured (20)")
    parser.add_argument("--warmup", type=count, default=3, help="unmeasured (3)")
    parser.add_argument(
        "--jit_compile",
        action="store_true",
        help="compile with XLA (TensorFlow, JAX) or torch.compile; off unless given",
    )
    parser.add_argument(
        "--nojit_compile", action="store_false", dest="jit_compile", help="the default"
    )
    parser.set_defaults(jit_compile=False)
    parser.add_argument(
        "--mixed_precision", action="store_true", help="compute in bfloat16"
    )
    parser.add_argument("--records", help="for --mode=input; a synthetic set if absent")
    parser.add_argument("--workers", type=count, help="clips decoded at once")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (0)")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    parser.add_argument("--out", type=Path, help="file to write the JSON to")
    args = parser.parse_args(argv)
    _check(args)
    return args


def _check(args):
    """Refuses flags that would have no effect, and an `--out` that cannot be made."""
    if args.mode == "input":
        idle = {
            "--jit_compile": args.jit_compile,
            "--mixed_precision": args.mixed_precision,
        }
    else:
        idle = {"--records": args.records, "--workers": args.workers}
        if args.model is None:
            raise UsageError(f"--mode={args.mode} needs --model.")
    for flag, value in idle.items():
        if value:
            raise UsageError(f"{flag} has no effect with --mode={args.mode}.")
    if args.out and not args.out.parent.is_dir():
        raise UsageError(f"--out: no such folder: {args.out.parent}.")


def _step_workload(args):
    from benchmarks import step
    from vidzoo.tasks import run_folder

    frame_shape = (args.frame_size, args.frame_size, 3)
    is_full_length = run_folder.is_full_length(args.model)
    arguments = {
        "num_classes": NUM_CLASSES,
        "num_frames" if is_full_length else "num_segments": args.num_segments,
        "backbone": args.backbone,
        "frame_shape": frame_shape,
    }
    if args.model in run_folder.MODELS and not run_folder.has_backbone(args.model):
        del arguments["backbone"]
    model = run_folder.build_model(args.model, arguments)
    measured = {"train": step.train, "infer": step.infer}[args.mode]
    clip_shape = (args.batch_size, args.num_segments, *frame_shape)
    return measured(model, clip_shape, jit_compile=args.jit_compile, seed=args.seed)


def _input_workload(args, scratch):
    from benchmarks import input_pipeline

    return input_pipeline.workload(
        args.records,
        scratch,
        num_segments=args.num_segments,
        frame_size=args.frame_size,
        batch_size=args.batch_size,
        num_steps=args.warmup + args.steps,
        seed=args.seed,
        workers=args.workers,
    )


@contextlib.contextmanager
def _precision(mixed):
    """The dtype policy for models built inside; bfloat16 needs no loss scaling."""
    import keras

    before = keras.config.dtype_policy()
    name = "mixed_bfloat16" if mixed else "float32"
    keras.config.set_dtype_policy(name)
    try:
        yield name
    finally:
        keras.config.set_dtype_policy(before)


def _print_table(measured):
    from rich.console import Console
    from rich.table import Table

    table = Table(title=_title(measured), show_header=False, title_justify="left")
    table.add_column("what", no_wrap=True)
    table.add_column("value", overflow="fold")
    for name, value in _rows(measured):
        table.add_row(name, value)
    width = None if sys.stdout.isatty() else 100
    Console(file=sys.stdout, width=width, markup=False, highlight=False).print(table)


def _title(measured):
    if measured["mode"] == "input":
        return "input"
    return f"{measured['mode']}: {measured['model']} on {measured['backbone']}"


def _rows(measured):
    """The table's rows, the measured numbers first."""
    ms = measured["ms_per_step"]
    versions = {k: v for k, v in measured["versions"].items() if v is not None}
    shown = {
        "clips/s": f"{measured['clips_per_second']:.4g}",
        "ms/step, median": f"{ms['median']:.4g}",
        "ms/step, 10th to 90th percentile": f"{ms['p10']:.4g} to {ms['p90']:.4g}",
        "ms/step, mean": f"{ms['mean']:.4g}",
        "first step, compiling included": f"{measured['first_step_seconds']:.3g} s",
        "peak memory of the process": _mebibytes(measured["peak_memory_bytes"]),
        "parameters": _number(measured["num_parameters"]),
        "batch": (
            f"{measured['batch_size']} clips of {measured['num_segments']} snippets, "
            f"{measured['frame_size']} px"
        ),
        "steps": f"{measured['steps']} after {measured['warmup']} of warm-up",
        "loop": measured["loop"],
        "data": measured["data"],
        "jit": "on" if measured["jit_compile"] else "off",
        "precision": measured["precision"] or "-",
        "backend": measured["backend"],
        "versions": ", ".join(f"{name} {value}" for name, value in versions.items()),
        "devices": ", ".join(measured["devices"]),
        "processor": f"{measured['processor']}, {measured['num_cpus']} cores",
        "seed": str(measured["seed"]),
        "commit": measured["commit"] or "not a checkout",
        "command": measured["command"],
    }
    return shown.items()


def _number(value):
    return "-" if value is None else f"{value:,}"


def _mebibytes(count):
    return f"{count / 2**20:.0f} MiB"


def _known():
    """The names there are, for whoever mistyped one."""
    from vidzoo.models import backbones
    from vidzoo.tasks import run_folder

    return (
        f"Models: {_choice(run_folder.MODELS)}. "
        f"Backbones: {_choice(backbones.BACKBONES)}. Modes: {_choice(MODES)}."
    )


def _choice(names):
    return ", ".join(names)


def _as_json(measured):
    return json.dumps(measured, indent=1) + "\n"


def _say(message, code=FAILED):
    sys.stderr.write(f"{PROGRAM}: {message}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
