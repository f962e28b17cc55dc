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

from vidzoo.cli import data, results, retrieval, runs, serving, study, weights
from vidzoo.cli.codes import FAILED, USAGE
from vidzoo.errors import UsageError, VidzooError
from vidzoo.quiet import show_vidzoo_logs_only, without_greetings
from vidzoo.stopping import INTERRUPTED, TERMINATED

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
    # A package to import, without a word; or a function that tells it by the flags.
    parser.set_defaults(needs="tensorflow")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for add in (
        runs.demo,
        *(data.prepare, data.flow, data.features),
        *(runs.train, runs.evaluate, runs.flow_error),
        *(results.fuse, results.compare),
        *(serving.export, serving.predict, serving.explain),
        *(retrieval.index, retrieval.index_remove, retrieval.search),
        *(study.retrieval_study, study.retrieval_pictures),
        *(weights.models, weights.convert, weights.verify),
    ):
        add(verbs)
    return parser.parse_args(argv[1:])


def _run(args):
    show_vidzoo_logs_only()
    signal.signal(signal.SIGTERM, _terminate)
    try:
        needs = args.needs(args) if callable(args.needs) else args.needs
        if needs is not None:
            with without_greetings():
                importlib.import_module(needs)
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
