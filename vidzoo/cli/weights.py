"""The verbs on networks and weights: models, convert, verify."""

from vidzoo.cli import flags
from vidzoo.cli.codes import DONE, FAILED


def models(verbs):
    """Adds the flags of `vidzoo models`."""
    verb = verbs.add_parser("models", help="networks and public weights, their cost")
    verb.add_argument("--json", action="store_true", help="print as JSON")
    verb.set_defaults(function=_run_models, needs=None)


def _run_models(args):
    from vidzoo.tasks import models, show_weights

    show_weights.models(models.run(), as_json=args.json)
    return DONE


def convert(verbs):
    """Adds the flags of `vidzoo convert`."""
    verb = verbs.add_parser("convert", help="public weights to vidzoo's or Keras's")
    verb.add_argument("file", metavar="FILE", help="weights file, preset or imagenet")
    verb.add_argument("--model", required=True, help="its network: see vidzoo models")
    flags.add_accept_license(verb)
    verb.add_argument(
        "--out", required=True, help="file to make: .npz, .weights.h5 or .keras"
    )
    verb.add_argument("--json", action="store_true", help="print the result as JSON")
    verb.set_defaults(function=_run_convert, needs="keras")


def _run_convert(args):
    from vidzoo.tasks import convert, show_weights

    options = flags.taken(args, "model", "accept_license")
    result = convert.run(args.file, args.out, **options)
    show_weights.converted(result, as_json=args.json)
    return DONE


def verify(verbs):
    """Adds the flags of `vidzoo verify`."""
    verb = verbs.add_parser("verify", help="whether weights fit and answer right")
    verb.add_argument("file", metavar="FILE", help="weights file, preset or imagenet")
    verb.add_argument("--model", required=True, help="its network: see vidzoo models")
    verb.add_argument(
        "--input",
        help="what the origin publishes an answer to: I3D's clip as .npy; of networks "
        "on ImageNet a folder of photographs with labels.csv",
    )
    flags.add_accept_license(verb)
    verb.add_argument("--json", action="store_true", help="print the result as JSON")
    verb.set_defaults(function=_run_verify, needs="keras")


def _run_verify(args):
    from vidzoo.tasks import show_weights, verify

    options = flags.taken(args, "model", "input", "accept_license")
    result = verify.run(args.file, **options)
    show_weights.verified(result, as_json=args.json)
    return FAILED if result["passed"] is False else DONE
