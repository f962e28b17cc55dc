"""The command line: flags to tasks.

A task, and with it TensorFlow, is imported only when its verb runs, so that
`vidzoo --help` answers at once. Exit codes: 0 done; 1 failed; 2 usage; 3 done, but
inputs were skipped; 130 interrupted; 143 stopped by SIGTERM.
"""

import argparse
import importlib
import os
import signal
import sys

from absl import app
from absl.flags import argparse_flags

from vidzoo.errors import UsageError, VidzooError
from vidzoo.quiet import show_vidzoo_logs_only, without_greetings
from vidzoo.stopping import INTERRUPTED, TERMINATED

DONE, FAILED, USAGE, SKIPPED = 0, 1, 2, 3

_EPILOG = """A folder of videos to a served classifier, in four commands:
  vidzoo prepare VIDEOS RECORDS
  vidzoo train RECORDS --model=tdn --backbone=googlenet --weights=imagenet --out=RUN
  vidzoo evaluate RUN RECORDS
  vidzoo export RUN MODEL    (then: vidzoo predict VIDEO --model=MODEL)"""


def main() -> None:
    """The console script `vidzoo`."""
    app.run(_run, flags_parser=_parse)


def _parse(argv):
    parser = argparse_flags.ArgumentParser(
        prog="vidzoo",
        description="Video understanding on Keras 3: prepare, train, evaluate, serve.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    verbs_of_a_run = (_demo, _prepare, _train, _evaluate, _export, _predict)
    for add in (*verbs_of_a_run, _models, _convert, _verify):
        add(verbs)
    return parser.parse_args(argv[1:])


def _run(args):
    show_vidzoo_logs_only()
    signal.signal(signal.SIGTERM, _terminate)
    try:
        with without_greetings():
            importlib.import_module("tensorflow")
        code = args.function(args)
    except ModuleNotFoundError as error:
        if error.name not in ("tensorflow", "keras"):
            raise
        code = _say(
            f"vidzoo {args.verb}: {error.name} is not installed. "
            "In vidzoo's checkout run: pip install '.[cpu]', or '.[gpu]' for CUDA.",
            FAILED,
        )
    except UsageError as error:
        code = _say(f"vidzoo {args.verb}: {error}", USAGE)
    except VidzooError as error:
        code = _say(f"vidzoo {args.verb}: {error}", FAILED)
    except BrokenPipeError:
        # Whoever read our output (head, less) has gone; nothing is left to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = FAILED
    except OSError as error:
        if error.filename is None:
            raise
        code = _say(
            f"vidzoo {args.verb}: {error.filename}: {error.strerror}. "
            "Choose a place that can be read and written.",
            FAILED,
        )
    except KeyboardInterrupt:
        code = _say(f"vidzoo {args.verb}: interrupted", INTERRUPTED)
    sys.stdout.flush()
    return code


def _say(message, code):
    sys.stderr.write(f"{message}\n")
    return code


def _terminate(signum, frame):
    sys.stderr.write("vidzoo: stopped by SIGTERM\n")
    raise SystemExit(TERMINATED)


# Each verb: its flags, then what runs it.


def _demo(verbs):
    verb = verbs.add_parser("demo", help="the whole way on made-up videos, in minutes")
    verb.add_argument("--out", default="runs/demo", help="folder for all that is made")
    verb.add_argument("--full", action="store_true", help="more videos, more epochs")
    verb.add_argument("--json", action="store_true", help="print the results as JSON")
    verb.set_defaults(function=_run_demo)


def _run_demo(args):
    from vidzoo.tasks import demo, show

    results = demo.run(args.out, full=args.full)
    show.demo_results(results, as_json=args.json)
    return DONE if results["passed"] else FAILED


def _prepare(verbs):
    verb = verbs.add_parser("prepare", help="videos to records")
    verb.add_argument("source", metavar="SOURCE", help="folder of videos, or a CSV")
    verb.add_argument("out", metavar="OUT", help="folder of records to make")
    verb.add_argument(
        "--layout",
        default="folder",
        help="how SOURCE is laid out: folder, csv, ucf101 or hmdb51",
    )
    verb.add_argument(
        "--size",
        type=_size,
        default=256,
        help="short side in pixels, or HEIGHTxWIDTH (256)",
    )
    verb.add_argument("--fps", type=float, help="frames per second to keep (all)")
    verb.add_argument("--quality", type=int, default=95, help="of JPEG, 1..100 (95)")
    verb.add_argument("--root", help="csv: folder that paths are relative to")
    verb.add_argument("--classes", help="csv: file with one class name per line")
    verb.add_argument(
        "--splits_dir", help="ucf101, hmdb51: folder of the official split files"
    )
    verb.add_argument(
        "--allow_missing",
        action="store_true",
        help="quarantine videos that are listed but not there",
    )
    verb.add_argument(
        "--test_fraction",
        type=float,
        help="folder without train/ and test/: share of videos to test on (0.2)",
    )
    verb.add_argument("--seed", type=int, help="of that split (0)")
    verb.add_argument("--workers", type=int, help="processes (one per core)")
    verb.add_argument("--json", action="store_true", help="print the result as JSON")
    verb.set_defaults(function=_run_prepare)


def _run_prepare(args):
    from vidzoo.tasks import prepare, show

    summary = prepare.run(
        args.source,
        args.out,
        layout=args.layout,
        size=args.size,
        fps=args.fps,
        quality=args.quality,
        root=args.root,
        classes=args.classes,
        splits_dir=args.splits_dir,
        allow_missing=args.allow_missing,
        test_fraction=args.test_fraction,
        seed=args.seed,
        workers=args.workers,
    )
    show.prepared(summary, args.out, as_json=args.json)
    return SKIPPED if summary.quarantined else DONE


def _train(verbs):
    verb = verbs.add_parser("train", help="records to a trained run")
    verb.add_argument("records", metavar="RECORDS", help="folder of records")
    verb.add_argument("--out", required=True, help="run folder to make")
    verb.add_argument("--model", required=True, help="tsn or tdn")
    verb.add_argument(
        "--backbone",
        default="resnet50",
        help="resnet18, 34, 50 (the default), 101 or 152; resnet50_v1, 101 or 152; "
        "vgg16, alexnet_caffe, _paper or _torchvision; googlenet, bn_inception or tiny",
    )
    verb.add_argument(
        "--weights",
        help="initial weights: imagenet, a preset's name or a file (docs/weights.md)",
    )
    _add_accept_license(verb)
    verb.add_argument(
        "--recipe",
        help="finetune (default with --weights), scratch (without), motion-shapes, or "
        "the paper's: hmdb51, act, ucf101, fcvid",
    )
    verb.add_argument(
        "--split",
        default="train",
        help="videos to train on (train); train1,train2,train3 trains a run for each",
    )
    verb.add_argument(
        "--num_segments", type=_count, help="snippets, in place of the recipe's"
    )
    verb.add_argument(
        "--frame_size", type=_count, default=224, help="pixels of a clip's side (224)"
    )
    verb.add_argument(
        "--difference_layers",
        type=_names,
        help="tdn: where differences enter, the first of input,conv1,res2,... (all)",
    )
    verb.add_argument("--difference_merge", help="tdn: sum (the default), conv or gate")
    verb.add_argument(
        "--epochs",
        type=_list_of(_count),
        help="in place of the recipe's; 8,4 gives each of two phases its own",
    )
    verb.add_argument(
        "--steps",
        type=_list_of(_count),
        help="likewise, for recipes that are counted in steps",
    )
    verb.add_argument("--batch_size", type=_count, help="in place of the recipe's")
    verb.add_argument(
        "--learning_rate",
        type=_list_of(float),
        help="in place of the recipe's, likewise; its multipliers stay",
    )
    verb.add_argument("--dropout", type=float, help="in place of the recipe's")
    verb.add_argument(
        "--loss", help="softmax or, for videos with several labels, sigmoid"
    )
    verb.add_argument(
        "--crop", help="corner, multi-scale or random, in place of the recipe's"
    )
    verb.add_argument(
        "--noflip",
        dest="flip",
        action="store_false",
        default=None,
        help="never mirror clips: where left and right are classes",
    )
    verb.add_argument("--seed", type=int, default=0, help="of everything random (0)")
    verb.add_argument(
        "--devices",
        type=_count,
        dest="num_devices",
        help="GPUs, or CPU devices without any, that share each batch (all)",
    )
    verb.add_argument(
        "--mixed_precision", action="store_true", help="compute in bfloat16"
    )
    verb.add_argument("--workers", type=_count, help="clips decoded at once")
    verb.add_argument("--jit_compile", action="store_true", help="compile with XLA")
    verb.add_argument(
        "--resume", action="store_true", help="go on with a run that was cut short"
    )
    verb.set_defaults(function=_run_train)


def _run_train(args):
    from vidzoo.tasks import train

    train.run(
        args.records,
        args.out,
        changes=_given(
            args,
            *("epochs", "steps", "batch_size", "learning_rate", "dropout", "loss"),
            *("crop", "flip"),
        ),
        model_options=_given(args, "difference_layers", "difference_merge"),
        **_taken(
            args,
            *("model", "backbone", "recipe", "num_segments", "frame_size", "weights"),
            *("split", "seed", "num_devices", "mixed_precision", "workers"),
            *("jit_compile", "resume", "accept_license"),
        ),
    )
    return DONE


def _evaluate(verbs):
    verb = verbs.add_parser("evaluate", help="a run's scores and metrics on a split")
    verb.add_argument("run", metavar="RUN", help="run folder, or a folder of several")
    verb.add_argument("records", metavar="RECORDS", help="folder of records")
    verb.add_argument(
        "--protocol",
        default="center",
        help="center, or CLIPSxCROPS with 1, 2, 5 or 10 crops, such as 25x10",
    )
    verb.add_argument(
        "--split", help="videos to score (the run's own: test2 for train2)"
    )
    verb.add_argument("--out", help="scores file (RUN/scores-SPLIT-PROTOCOL.npz)")
    verb.add_argument("--seed", type=int, default=0, help="of the random clips (0)")
    verb.add_argument("--batch_size", type=_count, default=16, help="views (16)")
    verb.add_argument("--workers", type=_count, help="clips decoded at once")
    verb.add_argument(
        "--confusion",
        action="store_true",
        help="also write the confusion matrix, as JSON and PNG, beside the scores",
    )
    verb.add_argument("--json", action="store_true", help="print metrics as JSON")
    verb.set_defaults(function=_run_evaluate)


def _run_evaluate(args):
    from vidzoo.tasks import evaluate, run_folder, show

    options = _taken(args, "protocol", "seed", "batch_size", "workers", "confusion")
    if run_folder.is_single(args.run):
        scores, measured = evaluate.run(
            args.run, args.records, split=args.split, out=args.out, **options
        )
        show.metrics(measured, as_json=args.json)
    else:
        _refuse_for_several_runs(args)
        result = evaluate.run_splits(args.run, args.records, **options)
        show.split_metrics(result, as_json=args.json)
    return DONE


def _refuse_for_several_runs(args):
    for flag, value in (("--split", args.split), ("--out", args.out)):
        if value is not None:
            raise UsageError(
                f"{flag} is for one run; {args.run} holds several, each scored on its "
                "own test split."
            )


def _export(verbs):
    verb = verbs.add_parser("export", help="a run as a SavedModel")
    verb.add_argument("run", metavar="RUN", help="run folder")
    verb.add_argument("out", metavar="OUT", help="folder to make")
    verb.set_defaults(function=_run_export)


def _run_export(args):
    from vidzoo.tasks import export

    export.run(args.run, args.out)
    return DONE


def _predict(verbs):
    verb = verbs.add_parser("predict", help="classify video files")
    verb.add_argument("videos", metavar="VIDEO", nargs="+", help="video files")
    verb.add_argument("--model", required=True, help="folder that export made")
    verb.add_argument("--top", type=_count, default=5, help="classes to show (5)")
    verb.add_argument("--json", action="store_true", help="print as JSON")
    verb.set_defaults(function=_run_predict)


def _run_predict(args):
    from vidzoo.tasks import predict, show

    answers = predict.run(args.videos, args.model, top=args.top)
    show.predictions(answers, as_json=args.json)
    failed = sum("error" in answer for answer in answers)
    if failed == len(answers):
        return FAILED
    return SKIPPED if failed else DONE


def _models(verbs):
    verb = verbs.add_parser("models", help="networks and public weights, their cost")
    verb.add_argument("--json", action="store_true", help="print as JSON")
    verb.set_defaults(function=_run_models)


def _run_models(args):
    from vidzoo.tasks import models, show_weights

    show_weights.models(models.run(), as_json=args.json)
    return DONE


def _convert(verbs):
    verb = verbs.add_parser("convert", help="public weights to vidzoo's or Keras's")
    verb.add_argument("file", metavar="FILE", help="weights file, or a preset's name")
    verb.add_argument("--model", required=True, help="its network: see vidzoo models")
    _add_accept_license(verb)
    verb.add_argument(
        "--out", required=True, help="file to make: .npz, .weights.h5 or .keras"
    )
    verb.add_argument("--json", action="store_true", help="print the result as JSON")
    verb.set_defaults(function=_run_convert)


def _run_convert(args):
    from vidzoo.tasks import convert, show_weights

    options = _taken(args, "model", "accept_license")
    result = convert.run(args.file, args.out, **options)
    show_weights.converted(result, as_json=args.json)
    return DONE


def _verify(verbs):
    verb = verbs.add_parser("verify", help="whether weights fit and answer right")
    verb.add_argument("file", metavar="FILE", help="weights file, or a preset's name")
    verb.add_argument("--model", required=True, help="its network: see vidzoo models")
    _add_accept_license(verb)
    verb.add_argument("--json", action="store_true", help="print the result as JSON")
    verb.set_defaults(function=_run_verify)


def _run_verify(args):
    from vidzoo.tasks import show_weights, verify

    result = verify.run(args.file, **_taken(args, "model", "accept_license"))
    show_weights.verified(result, as_json=args.json)
    return DONE if result["passed"] else FAILED


def _add_accept_license(verb):
    verb.add_argument(
        *("--accept_license", "--accept-license"),
        action="store_true",
        help="accept a preset's licence that forbids commercial use",
    )


def _taken(args, *names):
    """Flags by name."""
    return {name: getattr(args, name) for name in names}


def _given(args, *names):
    """Flags by name, without those that were left out."""
    return {k: v for k, v in _taken(args, *names).items() if v is not None}


def _names(text):
    return tuple(text.split(","))


def _list_of(kind):
    """A flag's type: values with commas between them."""

    def parse(text):
        try:
            return [kind(part) for part in text.split(",")]
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"'{text}': give a number, or several with commas between them"
            ) from None

    return parse


def _size(text):
    """`160` or `128x171` (height x width)."""
    try:
        numbers = tuple(int(part) for part in text.split("x"))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, 2):
        raise argparse.ArgumentTypeError(
            f"'{text}': give 160, or 128x171 (height x width)"
        )
    return numbers[0] if len(numbers) == 1 else numbers


def _count(text):
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"'{text}': give a number of 1 or more")
    return number


if __name__ == "__main__":
    main()
