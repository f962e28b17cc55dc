"""The verbs that find pictures and frames of videos: index, index-remove, search."""

import argparse

from vidzoo.cli import flags
from vidzoo.cli.codes import DONE, FAILED, SKIPPED


def index(verbs):
    """Adds the flags of `vidzoo index`."""
    verb = verbs.add_parser("index", help="pictures and videos to a file to search in")
    verb.add_argument(
        "folder", metavar="FOLDER", help="of pictures and videos; or a CSV file"
    )
    verb.add_argument("index", metavar="INDEX", help="file to make")
    verb.add_argument(
        "--add",
        action="store_true",
        help="add what INDEX lacks, encoded as INDEX was made",
    )
    verb.add_argument(
        "--layout",
        default="folder",
        help="how FOLDER is laid out: folder (the default), csv, holidays, oxford or "
        "paris",
    )
    verb.add_argument("--root", help="csv: folder that paths are relative to")
    verb.add_argument("--group_column", help="csv: column of what shows the same")
    verb.add_argument(
        "--ground_truth", help="oxford, paris: folder of the queries' files"
    )
    verb.add_argument("--network", help="googlenet (the default) or another backbone")
    _add_weights(verb, "imagenet (the default), a preset's name or a file")
    verb.add_argument(
        "--layer",
        type=flags.names,
        help="one or more, LAYER,LAYER (of googlenet and vgg16 the paper's best for "
        "the layout)",
    )
    verb.add_argument(
        "--scales", type=flags.list_of(int), help="of the images, such as 1 (1,2)"
    )
    verb.add_argument(
        "--size", type=flags.count, help="pixels of an image's side at scale 1 (224)"
    )
    verb.add_argument("--aggregation", help="vlad (the default), bow or fisher")
    verb.add_argument("--num_words", type=flags.count, help="in each vocabulary (100)")
    verb.add_argument(
        "--normalization", help="intra, ssr or none (vlad intra, bow none, fisher ssr)"
    )
    verb.add_argument(
        "--dimension",
        type=_count_or_none,
        help="of vectors, by PCA and whitening, or none (128; none of few vectors)",
    )
    _add_frames(verb, "1")
    verb.add_argument(
        "--sample", type=flags.count, help="files that words are learned of (10000)"
    )
    verb.add_argument("--seed", type=int, help="of what is drawn at random (0)")
    verb.add_argument("--batch_size", type=flags.count, default=8, help="images (8)")
    verb.add_argument(
        "--workers", type=flags.count, default=2, help="threads that decode (2)"
    )
    verb.add_argument("--json", action="store_true", help="print the result as JSON")
    verb.set_defaults(function=_run_index)


def _add_weights(verb, text):
    verb.add_argument("--weights", help=text)
    flags.add_accept_license(verb)


def _add_frames(verb, default):
    verb.add_argument(
        "--fps", type=float, help=f"videos: frames per second ({default})"
    )
    verb.add_argument(
        "--num_frames", type=flags.count, help="videos: evenly spaced ones, not --fps"
    )


def _count_or_none(text):
    """A flag's type: a number of 1 or more, or `none`."""
    if text == "none":
        return text
    try:
        return flags.count(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}, or none") from None


_SETTINGS = (
    *("add", "layout", "root", "group_column", "ground_truth", "network", "weights"),
    *("layer", "scales", "size", "aggregation", "num_words", "normalization"),
    *("dimension", "fps", "num_frames", "sample", "seed", "batch_size", "workers"),
    "accept_license",
)


def _run_index(args):
    from vidzoo.tasks import index, show_retrieval

    summary = index.run(args.folder, args.index, **flags.taken(args, *_SETTINGS))
    show_retrieval.indexed(summary, as_json=args.json)
    return SKIPPED if summary["quarantined"] else DONE


def index_remove(verbs):
    """Adds the flags of `vidzoo index-remove`."""
    verb = verbs.add_parser("index-remove", help="take pictures out of an index")
    verb.add_argument("index", metavar="INDEX", help="file that vidzoo index made")
    verb.add_argument(
        "names",
        metavar="PICTURE",
        nargs="+",
        help="path or id of a picture, of a video (all of it), or of a frame (VIDEO#9)",
    )
    verb.add_argument("--json", action="store_true", help="print the result as JSON")
    verb.set_defaults(function=_run_index_remove, needs=None)


def _run_index_remove(args):
    from vidzoo.tasks import index_remove, show_retrieval

    summary = index_remove.run(args.index, args.names)
    show_retrieval.removed(summary, as_json=args.json)
    return DONE


def search(verbs):
    """Adds the flags of `vidzoo search`."""
    verb = verbs.add_parser("search", help="what in an index looks like a picture")
    verb.add_argument("index", metavar="INDEX", help="file that vidzoo index made")
    verb.add_argument(
        "queries",
        metavar="QUERY",
        nargs="*",
        help="pictures; videos, of which every frame that is taken is a query",
    )
    verb.add_argument(
        "--query_ids",
        type=flags.names,
        default=(),
        help="what is in INDEX, by id or path: NAME,NAME",
    )
    verb.add_argument("--top", type=flags.count, default=10, help="to show (10)")
    verb.add_argument(
        "--expand",
        type=flags.count,
        help="average query expansion, by so many neighbours (none)",
    )
    verb.add_argument("--html", help="page with thumbnails to make, .html (none)")
    _add_weights(verb, "of INDEX's network, if they are not where they were")
    _add_frames(verb, "as INDEX")
    verb.add_argument("--json", action="store_true", help="print as JSON")
    verb.set_defaults(function=_run_search, needs=_network_of_queries)


def _network_of_queries(args):
    """Entries of the index, as queries, need no network."""
    return "tensorflow" if args.queries else None


def _run_search(args):
    from vidzoo.tasks import search, show_retrieval

    names = (
        *("query_ids", "top", "expand", "html", "weights", "fps", "num_frames"),
        "accept_license",
    )
    results = search.run(args.index, args.queries, **flags.taken(args, *names))
    show_retrieval.found(results, args.html, as_json=args.json)
    if not results["queries"]:
        return FAILED
    return SKIPPED if results["failed"] else DONE
