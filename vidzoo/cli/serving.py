"""The verbs that put a run to use: export, predict."""

from vidzoo.cli import flags
from vidzoo.cli.codes import DONE, FAILED, SKIPPED


def export(verbs):
    """Adds the flags of `vidzoo export`."""
    verb = verbs.add_parser("export", help="a run as a SavedModel")
    verb.add_argument("run", metavar="RUN", help="run folder")
    verb.add_argument("out", metavar="OUT", help="folder to make")
    flags.add_fusion(verb)
    verb.add_argument(
        "--backbone_weights",
        help="of a run on stored features: the weights that made them",
    )
    verb.set_defaults(function=_run_export)


def _run_export(args):
    from vidzoo.tasks import export

    names = ("weights", "normalize", "backbone_weights")
    export.run(args.run, args.out, **flags.taken(args, *names))
    return DONE


def predict(verbs):
    """Adds the flags of `vidzoo predict`."""
    verb = verbs.add_parser("predict", help="classify video files")
    verb.add_argument("videos", metavar="VIDEO", nargs="+", help="video files")
    verb.add_argument("--model", required=True, help="folder that export made")
    verb.add_argument("--top", type=flags.count, default=5, help="classes to show (5)")
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
