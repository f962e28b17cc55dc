"""The verbs that put a run to use: export, predict, explain."""

from vidzoo.cli import flags
from vidzoo.cli.codes import DONE, FAILED, SKIPPED
from vidzoo.errors import UsageError


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


def explain(verbs):
    """Adds the flags of `vidzoo explain`."""
    verb = verbs.add_parser("explain", help="a picture of what a run sees in a video")
    verb.add_argument("run", metavar="RUN", help="run folder")
    verb.add_argument(
        "video", metavar="VIDEO", help="video file; with --records, a video's id"
    )
    verb.add_argument("out", metavar="OUT", help="picture to make, .png")
    verb.add_argument(
        "--picture",
        required=True,
        help="occlusion: where it looks to classify; flow: the flow that it predicts",
    )
    verb.add_argument(
        "--beside", type=flags.names, help="more runs to see beside it: RUN,RUN"
    )
    verb.add_argument("--records", help="folder of records that VIDEO is in (a file)")
    verb.add_argument(
        "--class", dest="class_name", help="occlusion: whose confidence (its answer's)"
    )
    verb.add_argument(
        "--size", type=flags.count, help="occlusion: pixels of the square (a fifth)"
    )
    verb.add_argument(
        "--stride", type=flags.count, help="occlusion: pixels between places (size / 2)"
    )
    verb.add_argument(
        "--batch_size", type=flags.count, help="occlusion: clips at once (16)"
    )
    verb.add_argument(
        "--frames",
        type=flags.count,
        dest="num_frames",
        help="flow: so many of the last ones (8); 1 for a pair, the flow beside it",
    )
    verb.add_argument(
        "--reference",
        help="flow: also tvl1, dis, farneback or rlof-epic, or stored, of the records",
    )
    verb.add_argument("--json", action="store_true", help="print the numbers as JSON")
    verb.set_defaults(function=_run_explain)


# By picture: its own flags, as they are spelled, and by the tasks' names.
_PICTURES = {
    "occlusion": {
        "class": "class_name",
        "size": "size",
        "stride": "stride",
        "batch_size": "batch_size",
    },
    "flow": {"frames": "num_frames", "reference": "reference"},
}


def _run_explain(args):
    if args.picture not in _PICTURES:
        raise UsageError(
            f"no picture '{args.picture}'. Choose one of: {', '.join(_PICTURES)} "
            "(--picture)."
        )
    for picture, names in _PICTURES.items():
        for flag, name in names.items():
            if picture != args.picture and getattr(args, name) is not None:
                raise UsageError(f"--{flag} is for --picture={picture}. Leave it out.")
    from vidzoo.tasks import flow_picture, occlusion, show

    task = {"occlusion": occlusion, "flow": flow_picture}[args.picture]
    own = flags.given(args, *_PICTURES[args.picture].values())
    runs = [args.run, *(args.beside or ())]
    made = task.run(runs, args.video, args.out, records=args.records, **own)
    show.explained(made, as_json=args.json)
    return DONE
