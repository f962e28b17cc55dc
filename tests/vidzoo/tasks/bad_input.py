"""Command lines that must fail: by case, the exit code, what the error says, and words.

`{name}` in a word stands for a place of the fixture `places`, or of `tmp_path`.
"""

TOY = (
    "--model=tdn",
    "--backbone=toy",
    "--frame_size=32",
    "--recipe=motion-shapes",
    "--batch_size=6",
)

BAD = {
    "missing folder": (1, "no-such", ("prepare", "{tmp}/no-such", "{tmp}/out")),
    "unknown layout": (2, "folder", ("prepare", "{videos}", "{tmp}/o", "--layout=x")),
    "size too small": (2, "size", ("prepare", "{videos}", "{tmp}/o", "--size=1")),
    "unknown model": (
        2,
        "tsn, tdn",
        ("train", "{records}", "--model=c3po", "--out={tmp}/run"),
    ),
    "unknown backbone": (
        2,
        "no backbone 'vgg'. Choose one of: resnet18, resnet34, resnet50",
        ("train", "{records}", "--model=tsn", "--backbone=vgg", "--out={tmp}/run"),
    ),
    "unknown recipe": (
        2,
        "finetune, scratch, motion-shapes, hmdb51, act, ucf101, fcvid",
        ("train", "{records}", "--model=tsn", "--recipe=soup", "--out={tmp}/run"),
    ),
    "unknown split": (
        2,
        "train, test",
        ("train", "{records}", *TOY, "--split=val", "--out={tmp}/run"),
    ),
    "test fraction out of range": (
        2,
        "--test_fraction",
        ("prepare", "{videos}", "{tmp}/o", "--test_fraction=2"),
    ),
    "unknown label": (
        1,
        "line 4: unknown label jumpp",
        ("prepare", "{csv}", "{tmp}/o", "--layout=csv", "--classes={classes}"),
    ),
    "negative seed": (
        2,
        "--seed",
        ("train", "{records}", *TOY, "--seed=-1", "--out={tmp}/run"),
    ),
    "batch of none": (
        2,
        "batch_size",
        ("train", "{records}", *TOY, "--dropout=1.5", "--out={tmp}/run"),
    ),
    "out is a file": (
        1,
        "is a file",
        ("train", "{records}", *TOY, "--out={records}/dataset.json"),
    ),
    "scores nowhere": (
        2,
        ".npz",
        ("evaluate", "{run}", "{records}", "--out={tmp}/no/scores.npz"),
    ),
    "scores over weights": (
        1,
        "not a scores file",
        ("evaluate", "{run}", "{records}", "--out={run}/weights.npz"),
    ),
    "metrics over something else": (
        2,
        "run.json: exists",
        ("evaluate", "{run}", "{records}", "--out={run}/run.npz"),
    ),
    "damaged run": (1, "damaged", ("evaluate", "{damaged}", "{records}")),
    "frames too small": (
        2,
        "--frame_size is 4",
        ("train", "{records}", *TOY, "--frame_size=4", "--out={tmp}/run"),
    ),
    "learning rate is no number": (
        2,
        "learning_rate",
        ("train", "{records}", *TOY, "--learning_rate=nan", "--out={tmp}/run"),
    ),
    "records of another size": (
        1,
        "made with size 48",
        ("evaluate", "{run}", "{larger}"),
    ),
    "weights of another variant": (
        1,
        "holds toy v0, but this network is toy v1",
        ("train", "{records}", *TOY, "--weights={variant}", "--out={tmp}/run"),
    ),
    "resume on other records": (
        1,
        "another data",
        ("train", "{larger}", *TOY, "--epochs=6", "--out={run}", "--resume"),
    ),
    "one segment": (
        2,
        "num_segments",
        ("train", "{records}", *TOY, "--num_segments=1", "--out={tmp}/run"),
    ),
    "records missing": (
        1,
        "vidzoo prepare",
        ("train", "{tmp}/no", *TOY, "--out={tmp}/r"),
    ),
    "weights missing": (
        1,
        "no such weights",
        ("train", "{records}", *TOY, "--weights={tmp}/w.npz", "--out={tmp}/run"),
    ),
    "weights of no preset": (
        1,
        "neither a preset nor a file. Presets: googlenet_bvlc",
        ("train", "{records}", *TOY, "--weights=googlenet", "--out={tmp}/run"),
    ),
    "weights of another network's preset": (
        1,
        "holds weights of c3d sports1m, not of toy v1",
        (
            *("train", "{records}", *TOY, "--weights=c3d_sports1m"),
            *("--accept-license", "--out={tmp}/run"),
        ),
    ),
    "no weights on ImageNet": (
        1,
        "no weights of toy v1 that were trained on ImageNet",
        ("train", "{records}", *TOY, "--weights=imagenet", "--out={tmp}/run"),
    ),
    "weights of another backbone": (
        1,
        "built on resnet18",
        (
            "train",
            "{records}",
            "--model=tdn",
            "--backbone=resnet18",
            "--frame_size=32",
            "--weights={run}/weights.npz",
            "--out={tmp}/run",
        ),
    ),
    "run folder taken": (1, "--resume", ("train", "{records}", *TOY, "--out={run}")),
    "resume another model": (
        1,
        "another model",
        (
            "train",
            "{records}",
            "--model=tsn",
            *TOY[1:],
            "--out={run}",
            "--resume",
        ),
    ),
    "evaluate no run": (1, "no run folder", ("evaluate", "{tmp}", "{records}")),
    "evaluate other classes": (1, "classes", ("evaluate", "{run}", "{other}")),
    "unknown protocol": (
        2,
        "center",
        ("evaluate", "{run}", "{records}", "--protocol=x"),
    ),
    "crops that there are not": (
        2,
        "one of 1, 2, 5, 10 crops",
        ("evaluate", "{run}", "{records}", "--protocol=25x3"),
    ),
    "more devices than there are": (
        2,
        "--devices is 64; TensorFlow sees 1 of kind CPU",
        ("train", "{records}", *TOY, "--devices=64", "--out={tmp}/run"),
    ),
    "resume another recipe": (
        1,
        "another recipe (name): motion-shapes, not scratch",
        (
            *("train", "{records}", *TOY, "--epochs=6", "--recipe=scratch"),
            *("--out={run}", "--resume"),
        ),
    ),
    "resume another length": (
        1,
        "another recipe (phases)",
        ("train", "{records}", *TOY, "--epochs=7", "--out={run}", "--resume"),
    ),
    "epochs of a recipe that counts steps": (
        2,
        "Give --steps",
        ("train", "{records}", "--model=tdn", "--backbone=toy", "--recipe=hmdb51")
        + ("--epochs=3", "--out={tmp}/run"),
    ),
    "more lengths than phases": (
        2,
        "`epochs` has 3 values, the recipe 1 phases",
        ("train", "{records}", *TOY, "--epochs=3,4,5", "--out={tmp}/run"),
    ),
    "difference layers that are no prefix": (
        2,
        "`difference_layers`",
        ("train", "{records}", *TOY, "--difference_layers=res3", "--out={tmp}/run"),
    ),
    "difference layers of a TSN": (
        2,
        "--difference_merge is no option of tsn",
        (
            *("train", "{records}", "--model=tsn", *TOY[1:]),
            *("--difference_merge=conv", "--out={tmp}/run"),
        ),
    ),
    "a shard missing": (1, "the shard is missing", ("evaluate", "{run}", "{short}")),
    "a shard too many": (1, "not listed", ("evaluate", "{run}", "{long}")),
    "a shard altered": (
        1,
        "damaged: its SHA-256 is",
        ("train", "{altered}", *TOY, "--out={tmp}/run"),
    ),
    "a label beyond the classes": (
        1,
        "has the label 3; dataset.json lists 3 classes",
        ("train", "{beyond}", *TOY, "--out={tmp}/run"),
    ),
    "several labels under softmax": (
        1,
        "labels",
        ("train", "{several}", *TOY, "--out={tmp}/run"),
    ),
    "splits of one run": (
        2,
        "--split is for one run",
        ("evaluate", "{runs}", "{records}", "--split=test"),
    ),
    "export over something": (1, "exists", ("export", "{run}", "{tmp}")),
    "predict with no model": (
        1,
        "vidzoo export",
        ("predict", "x.avi", "--model={tmp}"),
    ),
}
