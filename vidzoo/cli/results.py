"""The verbs on what was measured: fuse, compare."""

from vidzoo.cli import flags
from vidzoo.cli.codes import DONE


def fuse(verbs):
    """Adds the flags of `vidzoo fuse`."""
    verb = verbs.add_parser("fuse", help="several networks' scores as one")
    verb.add_argument(
        "files", metavar="SCORES", nargs="+", help="scores files of the same videos"
    )
    verb.add_argument(
        "--weights",
        type=flags.list_of(float),
        help="one per file, such as 1,1.5, the paper's for RGB and flow (all 1)",
    )
    verb.add_argument(
        "--normalize",
        default="l1",
        help="each video's logits: l1, as in the paper (the default), softmax or none",
    )
    verb.add_argument(
        "--method",
        default="average",
        help="average (the default), or svm: a linear support vector machine",
    )
    verb.add_argument(
        "--fit",
        type=flags.names,
        help="svm: scores of other videos to learn from, FILE,FILE, in SCORES' order",
    )
    verb.add_argument("--out", help="scores file to make (none)")
    verb.add_argument(
        "--confusion",
        action="store_true",
        help="also write the confusion matrix, as JSON and PNG, beside --out",
    )
    verb.add_argument("--json", action="store_true", help="print metrics as JSON")
    verb.set_defaults(function=_run_fuse, needs=None)


def _run_fuse(args):
    from vidzoo.tasks import fuse, show

    names = ("weights", "normalize", "method", "fit", "out", "confusion")
    _, measured = fuse.run(args.files, **flags.taken(args, *names))
    show.fused(measured, as_json=args.json)
    return DONE


def compare(verbs):
    """Adds the flags of `vidzoo compare`."""
    verb = verbs.add_parser(
        "compare", help="two networks' scores, over all and class by class"
    )
    verb.add_argument("a", metavar="A", help="scores file")
    verb.add_argument("b", metavar="B", help="scores file of the same videos")
    verb.add_argument("--plot", help="picture to make, .png: one bar a class (none)")
    verb.add_argument("--json", action="store_true", help="print all of it as JSON")
    verb.set_defaults(function=_run_compare, needs=None)


def _run_compare(args):
    from vidzoo.tasks import compare, show

    found = compare.run(args.a, args.b, plot=args.plot)
    show.compared(found, as_json=args.json)
    return DONE
