"""The verbs that study image retrieval: retrieval-study, retrieval-pictures."""

import argparse

from vidzoo.cli import flags
from vidzoo.cli.codes import DONE
from vidzoo.errors import UsageError


def retrieval_study(verbs):
    """Adds the flags of `vidzoo retrieval-study`."""
    verb = verbs.add_parser(
        "retrieval-study", help="which layer and scale of a network find pictures best"
    )
    verb.add_argument("path", metavar="PATH", help="data set, as its layout has it")
    verb.add_argument("out", metavar="OUT", help="folder of results")
    verb.add_argument("--layout", required=True, help="csv, holidays, oxford or paris")
    _add_layout_options(verb)
    verb.add_argument(
        "--networks",
        type=flags.names,
        default=("googlenet",),
        help="such as googlenet,vgg16 (googlenet)",
    )
    verb.add_argument(
        "--weights",
        help="NETWORK=WEIGHTS,…, or WEIGHTS of a single network: imagenet (the "
        "default), a preset's name or a file",
    )
    flags.add_accept_license(verb)
    verb.add_argument(
        "--layers", type=_names_or_all, help="names with commas between them (all)"
    )
    verb.add_argument(
        "--scales",
        type=flags.list_of(int),
        help="sides of an image, in multiples of 224 pixels (1,2)",
    )
    verb.add_argument(
        "--num_words", type=flags.list_of(int), help="sizes of vocabularies (100)"
    )
    verb.add_argument(
        "--vocabularies", type=flags.count, help="of each size, by as many seeds (3)"
    )
    verb.add_argument(
        "--dimensions",
        type=_dimensions,
        help="of PCA with whitening, or none (none,128)",
    )
    verb.add_argument("--aggregation", help="vlad (the default), bow or fisher")
    verb.add_argument(
        "--normalization", help="intra, ssr or none (vlad intra, bow none, fisher ssr)"
    )
    verb.add_argument("--size", type=flags.count, help="pixels at scale 1 (224)")
    verb.add_argument("--batch_size", type=flags.count, help="pictures at once (8)")
    verb.add_argument("--seed", type=int, help="of the first vocabulary (0)")
    verb.add_argument("--json", action="store_true", help="print the result as JSON")
    verb.set_defaults(function=_run_retrieval_study)


def _add_layout_options(verb):
    verb.add_argument("--root", help="csv: folder that paths are relative to (its own)")
    verb.add_argument("--group_column", help="csv: of what shows the same (group)")
    verb.add_argument(
        "--ground_truth", help="oxford, paris: folder of the queries' files (PATH)"
    )


def _run_retrieval_study(args):
    from vidzoo.tasks import retrieval_study, show_study

    names = ("layout", "networks", "root", "group_column", "ground_truth")
    options = flags.given(
        args,
        *(*names, "scales", "num_words", "vocabularies", "dimensions"),
        *("aggregation", "normalization", "size", "batch_size", "seed"),
        *("accept_license", "layers"),
    )
    options["weights"] = _weights_of(args.weights, args.networks)
    found = retrieval_study.run(args.path, args.out, **options)
    show_study.study(found, as_json=args.json)
    return DONE


def _weights_of(text, networks):
    """Network -> weights; a name alone is the only network's."""
    if text is None:
        return {}
    if "=" not in text and len(networks) == 1:
        return {networks[0]: text}
    pairs = [part.partition("=") for part in text.split(",")]
    given = {network: weights for network, _, weights in pairs}
    if not all(given.values()) or len(given) < len(pairs):
        raise UsageError(
            f"--weights: give NETWORK=WEIGHTS once for each network. Received: {text}."
        )
    return given


def _names_or_all(text):
    return None if text == "all" else flags.names(text)


def _dimensions(text):
    """A flag's type: numbers, or `none`, with commas between them."""
    parts = text.split(",")
    if not all(part == "none" or part.isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(
            f"'{text}': give numbers, or none, with commas between them"
        )
    return [None if part == "none" else int(part) for part in parts]


def retrieval_pictures(verbs):
    """Adds the flags of `vidzoo retrieval-pictures`."""
    verb = verbs.add_parser(
        "retrieval-pictures", help="a picture of what a network's layers take for alike"
    )
    verb.add_argument("path", metavar="PATH", help="pictures, as their layout has them")
    verb.add_argument("out", metavar="OUT", help="picture to make, .png")
    verb.add_argument(
        "--picture",
        required=True,
        help="correspondence: a picture, of patches of others; clusters: patches in "
        "rows of the nearest",
    )
    verb.add_argument(
        "--layers", type=flags.names, required=True, help="such as inception_4a"
    )
    verb.add_argument(
        "--scales",
        type=flags.list_of(int),
        help="sides of an image, in multiples of 224 pixels (1)",
    )
    verb.add_argument("--network", help="see vidzoo models (googlenet)")
    verb.add_argument(
        "--weights", help="imagenet (the default), a preset's name or a file"
    )
    flags.add_accept_license(verb)
    verb.add_argument(
        "--layout", help="folder (the default), csv, holidays, oxford or paris"
    )
    _add_layout_options(verb)
    verb.add_argument(
        "--query", help="correspondence: the name of one of the pictures, or a file"
    )
    verb.add_argument(
        "--neighbors",
        type=flags.list_of(int),
        help="correspondence: of how many patches the mean is shown (1,5)",
    )
    verb.add_argument("--rows", type=flags.count, help="clusters: how many (8)")
    verb.add_argument("--patches", type=flags.count, help="clusters: in a row (10)")
    verb.add_argument(
        "--num_words",
        type=flags.count,
        help="clusters: rows are words of a vocabulary of so many (sampled patches)",
    )
    verb.add_argument("--seed", type=int, help="clusters: of the sample (0)")
    verb.add_argument("--size", type=flags.count, help="pixels at scale 1 (224)")
    verb.add_argument("--batch_size", type=flags.count, help="pictures at once (8)")
    verb.add_argument("--json", action="store_true", help="print the numbers as JSON")
    verb.set_defaults(function=_run_retrieval_pictures)


# By picture: its own flags, as they are spelled, and by the task's names.
_PICTURES = {
    "correspondence": {"query": "query", "neighbors": "neighbors"},
    "clusters": {
        "rows": "num_rows",
        "patches": "num_patches",
        "num_words": "num_words",
        "seed": "seed",
    },
}


def _run_retrieval_pictures(args):
    if args.picture not in _PICTURES:
        raise UsageError(
            f"no picture '{args.picture}'. Choose one of: {', '.join(_PICTURES)} "
            "(--picture)."
        )
    for picture, names in _PICTURES.items():
        for flag in names:
            if picture != args.picture and getattr(args, flag) is not None:
                raise UsageError(f"--{flag} is for --picture={picture}. Leave it out.")
    if args.picture == "correspondence" and args.query is None:
        raise UsageError("--query: name a picture for --picture=correspondence.")
    from vidzoo.tasks import retrieval_pictures, show_study

    options = flags.given(
        args,
        *("layers", "scales", "network", "weights", "accept_license", "layout"),
        *("root", "group_column", "ground_truth", "size", "batch_size"),
    )
    for flag, value in flags.given(args, *_PICTURES[args.picture]).items():
        options[_PICTURES[args.picture][flag]] = value
    task = getattr(retrieval_pictures, args.picture)
    made = task(args.path, args.out, **options)
    show_study.pictures(made, as_json=args.json)
    return DONE
