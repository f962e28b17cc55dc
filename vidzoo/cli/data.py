"""The verbs that make records: prepare, flow and features."""

from vidzoo.cli import flags
from vidzoo.cli.codes import DONE, SKIPPED


def prepare(verbs):
    """Adds the flags of `vidzoo prepare`."""
    verb = verbs.add_parser("prepare", help="videos to records")
    verb.add_argument("source", metavar="SOURCE", help="folder of videos, or a CSV")
    _add_source(verb)
    verb.set_defaults(function=_run_prepare)


def _add_source(verb):
    """Adds what `prepare` and `flow` share."""
    verb.add_argument("out", metavar="OUT", help="folder of records to make")
    verb.add_argument(
        "--layout",
        help="how SOURCE is laid out: folder (the default), csv, ucf101, hmdb51, act, "
        "fcvid or sports1m",
    )
    verb.add_argument(
        "--size",
        type=flags.size,
        help="short side in pixels, or HEIGHTxWIDTH (256; fcvid, sports1m 256x256)",
    )
    verb.add_argument(
        "--fps",
        type=flags.rate,
        help="frames per second to keep, or all (all; fcvid one every 3 seconds, "
        "sports1m one a second)",
    )
    verb.add_argument(
        "--seconds",
        type=flags.seconds,
        help="of each video to keep, from its start, or all (all; sports1m 300)",
    )
    verb.add_argument("--quality", type=int, help="of JPEG, 1..100 (95)")
    verb.add_argument("--root", help="csv: folder that paths are relative to")
    verb.add_argument("--classes", help="csv, fcvid: file with one class name per line")
    verb.add_argument(
        "--splits_dir",
        help="ucf101, hmdb51, act, fcvid, sports1m: folder of the official files",
    )
    verb.add_argument(
        "--allow_missing",
        action="store_true",
        default=None,
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


_SOURCE_FLAGS = (
    *("layout", "size", "fps", "seconds", "quality", "root", "classes", "splits_dir"),
    *("allow_missing", "test_fraction", "seed"),
)


def _run_prepare(args):
    from vidzoo.tasks import prepare, show

    options = flags.given(args, *_SOURCE_FLAGS, "workers")
    summary = prepare.run(args.source, args.out, **options)
    show.prepared(summary, args.out, as_json=args.json)
    return SKIPPED if summary.quarantined else DONE


def flow(verbs):
    """Adds the flags of `vidzoo flow`."""
    verb = verbs.add_parser("flow", help="videos or records to records with flow")
    verb.add_argument(
        "source", metavar="SOURCE", help="folder of records, or of videos, or a CSV"
    )
    _add_source(verb)
    verb.add_argument(
        "--method",
        default="tvl1",
        help="tvl1 (the default), dis, farneback or rlof-epic (docs/flow.md)",
    )
    verb.add_argument(
        "--bound", type=float, help="pixels at which flow is clipped (20)"
    )
    verb.add_argument(
        "--flow_fps",
        type=float,
        help="flow to the frame 1/flow_fps s later (to the next one)",
    )
    verb.add_argument("--image_format", default="png", help="png (the default) or jpeg")
    verb.set_defaults(function=_run_flow)


def _run_flow(args):
    from vidzoo.tasks import flow, show

    names = ("method", "bound", "flow_fps", "image_format", "workers")
    options = flags.given(args, *names, *_SOURCE_FLAGS)
    summary = flow.run(args.source, args.out, **options)
    show.prepared(summary, args.out, as_json=args.json)
    return SKIPPED if summary.quarantined else DONE


def features(verbs):
    """Adds the flags of `vidzoo features`."""
    verb = verbs.add_parser(
        "features", help="frames to features of a frozen network, to train on"
    )
    verb.add_argument("records", metavar="RECORDS", help="folder of records")
    verb.add_argument("out", metavar="OUT", help="folder of records to make")
    verb.add_argument(
        "--weights",
        required=True,
        help="of the backbone: imagenet, a preset's name or a file (docs/weights.md)",
    )
    flags.add_accept_license(verb)
    verb.add_argument("--backbone", default="googlenet", help="as in train (googlenet)")
    verb.add_argument(
        "--layer", help="fc6 or fc7 of vgg16 or an alexnet (the last feature map)"
    )
    verb.add_argument(
        "--modality", default="rgb", help="rgb (the default) or flow_image"
    )
    verb.add_argument(
        "--frame_size", type=flags.count, help="pixels of a frame's side (220)"
    )
    verb.add_argument(
        "--fps", type=float, help="frames per second (all that are stored)"
    )
    verb.add_argument("--json", action="store_true", help="print the result as JSON")
    verb.set_defaults(function=_run_features)


def _run_features(args):
    from vidzoo.tasks import features, show

    names = ("layer", "frame_size", "fps")
    options = flags.taken(args, "weights", "backbone", "modality", "accept_license")
    summary = features.run(
        args.records, args.out, **options, **flags.given(args, *names)
    )
    show.prepared(summary, args.out, as_json=args.json)
    return DONE
