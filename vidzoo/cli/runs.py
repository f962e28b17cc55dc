"""The verbs from records to a measured run, and all of it: train, evaluate, demo."""

from pathlib import Path

from vidzoo.cli import flags
from vidzoo.cli.codes import DONE, FAILED
from vidzoo.errors import UsageError


def demo(verbs):
    """Adds the flags of `vidzoo demo`."""
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


def train(verbs):
    """Adds the flags of `vidzoo train`."""
    verb = verbs.add_parser("train", help="records to a trained run")
    verb.add_argument(
        "records",
        metavar="RECORDS",
        help="folder of records; with --layout, of a data set of flow",
    )
    verb.add_argument(
        "--layout",
        help="flownet2f: flying_chairs, sintel or sintel_final, in place of records",
    )
    verb.add_argument("--out", required=True, help="run folder to make")
    verb.add_argument(
        "--model",
        required=True,
        help="tsn, tdn or cnn_m_2048; of full-length video feature_pooling, "
        "lstm_classifier, single_frame or slow_fusion; that learn flow actionflownet, "
        "actionflownet2f, flownet3d, flownet2f or stacked_flow",
    )
    verb.add_argument(
        "--modality",
        default="rgb",
        help="rgb (the default), flow, flow_image, or two-stream: one network on rgb "
        "and one on flow (docs/models/two_stream.md)",
    )
    verb.add_argument(
        "--backbone",
        help="resnet18, 34, 50 (the default), 101 or 152; resnet50_v1, 101 or 152; "
        "vgg16, alexnet_caffe, _paper (the default for full-length video) or "
        "_torchvision; googlenet, bn_inception or tiny; of actionflownet and flownet3d "
        "resnet3d or tiny3d",
    )
    verb.add_argument(
        "--weights",
        help="initial weights: imagenet, a preset's name or a file (docs/weights.md)",
    )
    verb.add_argument(
        "--image_weights",
        help="tdn: the run folder of a trained TSN, for its image subnetwork",
    )
    flags.add_accept_license(verb)
    verb.add_argument(
        "--recipe",
        help="finetune (default with --weights), scratch (without), features (on "
        "stored features), motion-shapes, or the papers': hmdb51, act, ucf101, fcvid, "
        "sports1m; two-stream for cnn_m_2048",
    )
    verb.add_argument(
        "--split",
        default="train",
        help="videos to train on (train); train1,train2,train3 trains a run for each",
    )
    verb.add_argument(
        "--num_segments", type=flags.count, help="snippets, in place of the recipe's"
    )
    verb.add_argument(
        "--frame_size",
        type=flags.count,
        help="pixels of a clip's side (224; for full-length video 220)",
    )
    _add_full_length(verb)
    verb.add_argument(
        "--difference_layers",
        type=flags.names,
        help="tdn: where differences enter, the first of input,conv1,res2,... (all)",
    )
    verb.add_argument(
        "--flow_weight",
        type=float,
        help="actionflownet: lambda of the flow loss (the recipe's); 0 trains the "
        "classifier alone, without a decoder",
    )
    verb.add_argument(
        "--upsample",
        action="store_true",
        default=None,
        help="stacked_flow: enlarge the flow and keep the classifier's first stage",
    )
    verb.add_argument("--difference_merge", help="tdn: sum (the default), conv or gate")
    verb.add_argument(
        "--epochs",
        type=flags.list_of(flags.count),
        help="in place of the recipe's; 8,4 gives each of two phases its own",
    )
    verb.add_argument(
        "--steps",
        type=flags.list_of(flags.count),
        help="likewise, for recipes that are counted in steps",
    )
    verb.add_argument("--batch_size", type=flags.count, help="in place of the recipe's")
    verb.add_argument(
        "--learning_rate",
        type=flags.list_of(float),
        help="in place of the recipe's, likewise; its multipliers stay",
    )
    verb.add_argument("--dropout", type=float, help="in place of the recipe's")
    verb.add_argument(
        "--loss",
        help="softmax or, for videos with several labels, sigmoid or shared-softmax",
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
        type=flags.count,
        dest="num_devices",
        help="GPUs, or CPU devices without any, that share each batch (all)",
    )
    verb.add_argument(
        "--mixed_precision", action="store_true", help="compute in bfloat16"
    )
    verb.add_argument("--workers", type=flags.count, help="clips decoded at once")
    verb.add_argument("--jit_compile", action="store_true", help="compile with XLA")
    verb.add_argument(
        "--resume", action="store_true", help="go on with a run that was cut short"
    )
    verb.set_defaults(function=_run_train)


def _add_full_length(verb):
    """Adds what networks of full-length video alone have."""
    verb.add_argument(
        "--num_frames",
        type=flags.list_of(flags.count),
        help="frames in a clip, in place of the recipe's; 1,30,120 trains networks for "
        "so many in turn, each expanded from the one before",
    )
    verb.add_argument(
        "--fps", type=flags.rate, help="frames per second to see, or all (the recipe's)"
    )
    verb.add_argument(
        "--first",
        type=flags.count_or_all,
        help="frames of each video to see at most, shorter ones repeated, or all; 300 "
        "at 1 fps are the first 5 minutes (the recipe's)",
    )
    verb.add_argument(
        "--pooling",
        help="feature_pooling: conv (the default), late, slow, local, time_domain_conv",
    )
    verb.add_argument(
        "--aggregate", help="feature_pooling: max (the default), average or fc"
    )
    verb.add_argument(
        "--inference",
        help="lstm_classifier: weighted (the default), sum, max or last",
    )
    verb.add_argument(
        "--num_layers", type=flags.count, help="lstm_classifier: of LSTM (5)"
    )
    verb.add_argument(
        "--num_cells", type=flags.count, help="lstm_classifier: in each layer (512)"
    )
    verb.add_argument(
        "--fc_size", type=flags.count, help="units of fully connected layers (4096)"
    )


_MODEL_OPTIONS = (
    *("difference_layers", "difference_merge", "pooling", "aggregate", "inference"),
    *("num_layers", "num_cells", "fc_size", "upsample"),
)
_CHANGES = (
    *("epochs", "steps", "batch_size", "learning_rate", "dropout", "loss", "crop"),
    *("flip", "flow_weight"),
)


def _run_train(args):
    from vidzoo.tasks import expansion, train, two_stream

    changes = flags.given(args, *_CHANGES)
    for name in ("fps", "first"):
        if (value := getattr(args, name)) is not None:
            changes[name] = None if value == "all" else value
    function, options = train.run, flags.taken(args, "modality")
    num_frames = args.num_frames or []
    if len(num_frames) > 1:
        function, options["num_frames"] = expansion.train, num_frames
    elif num_frames:
        changes["num_frames"] = num_frames[0]
    if args.layout is not None:
        options["layout"] = args.layout
    if args.modality == "two-stream":
        if len(num_frames) > 1:
            raise UsageError(
                "--num_frames: give one number for two streams; expand each stream by "
                "itself (--modality=rgb, --modality=flow_image)."
            )
        function, options = two_stream.train, {}
    function(
        args.records,
        args.out,
        changes=changes,
        model_options=flags.given(args, *_MODEL_OPTIONS),
        **options,
        **flags.taken(
            args,
            *("model", "backbone", "recipe", "num_segments", "frame_size", "weights"),
            *("image_weights", "split", "seed", "num_devices", "mixed_precision"),
            *("workers", "jit_compile", "resume", "accept_license"),
        ),
    )
    return DONE


def evaluate(verbs):
    """Adds the flags of `vidzoo evaluate`."""
    verb = verbs.add_parser("evaluate", help="a run's scores and metrics on a split")
    verb.add_argument("run", metavar="RUN", help="run folder, or a folder of several")
    verb.add_argument("records", metavar="RECORDS", help="folder of records")
    verb.add_argument(
        "--protocol",
        default="center",
        help="center; CLIPSxCROPS with 1, 2, 5 or 10 crops, such as 25x10; for "
        "full-length video CLIPS-random, such as 240-random, or whole-video",
    )
    verb.add_argument(
        "--split", help="videos to score (the run's own: test2 for train2)"
    )
    verb.add_argument("--out", help="scores file (RUN/scores-SPLIT-PROTOCOL.npz)")
    verb.add_argument("--seed", type=int, default=0, help="of the random clips (0)")
    verb.add_argument("--batch_size", type=flags.count, default=16, help="views (16)")
    verb.add_argument("--workers", type=flags.count, help="clips decoded at once")
    verb.add_argument(
        "--confusion",
        action="store_true",
        help="also write the confusion matrix, as JSON and PNG, beside the scores",
    )
    flags.add_fusion(verb)
    verb.add_argument("--json", action="store_true", help="print metrics as JSON")
    verb.set_defaults(function=_run_evaluate)


def _run_evaluate(args):
    from vidzoo.tasks import evaluate, run_folder, show, two_stream

    names = ("protocol", "seed", "batch_size", "workers", "confusion")
    options = flags.taken(args, *names)
    fusion = flags.given(args, "weights", "normalize")
    runs = run_folder.runs_in(Path(args.run))
    score, shown = evaluate.run, show.metrics
    if run_folder.is_two_stream(runs[0]):
        score, shown, options = two_stream.evaluate, show.fused, options | fusion
    elif fusion:
        raise UsageError(
            f"--{min(fusion)} is for two-stream runs; {args.run} has one stream. "
            "Leave it out, or use `vidzoo fuse`."
        )
    if runs == [Path(args.run)]:
        _, measured = score(
            args.run, args.records, split=args.split, out=args.out, **options
        )
        shown(measured, as_json=args.json)
    else:
        _refuse_for_several_runs(args)
        result = evaluate.run_splits(args.run, args.records, score=score, **options)
        show.split_metrics(result, as_json=args.json)
    return DONE


def flow_error(verbs):
    """Adds the flags of `vidzoo flow-error`."""
    verb = verbs.add_parser(
        "flow-error", help="how far a run's flow is from the true one"
    )
    verb.add_argument(
        "run", metavar="RUN", help="run folder of a network on two frames"
    )
    verb.add_argument("folder", metavar="FOLDER", help="of FlyingChairs or Sintel")
    verb.add_argument(
        "--layout", required=True, help="flying_chairs, sintel or sintel_final"
    )
    verb.add_argument(
        "--split",
        default="all",
        help="of FlyingChairs: all (the default), train or val",
    )
    verb.add_argument("--out", help="file to write (RUN/flow-LAYOUT-SPLIT.json)")
    verb.add_argument("--json", action="store_true", help="print the result as JSON")
    verb.set_defaults(function=_run_flow_error)


def _run_flow_error(args):
    from vidzoo.tasks import flow_error, show

    options = flags.taken(args, "layout", "split", "out")
    found = flow_error.run(args.run, args.folder, **options)
    show.flow_errors(found, as_json=args.json)
    return DONE


def _refuse_for_several_runs(args):
    for flag, value in (("--split", args.split), ("--out", args.out)):
        if value is not None:
            raise UsageError(
                f"{flag} is for one run; {args.run} holds several, each scored on its "
                "own test split."
            )
