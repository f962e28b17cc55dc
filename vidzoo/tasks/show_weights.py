"""What the verbs on networks and weights print; see `vidzoo.tasks.show`."""

from rich.table import Table

from vidzoo.tasks.show import console, lines, write_json


def models(networks, *, as_json: bool) -> None:
    """What networks and public weights there are."""
    if as_json:
        write_json(networks)
        return
    table = Table(title="networks (--model of verify and convert)")
    table.add_column("network", no_wrap=True)
    table.add_column("backbone")
    table.add_column("input", justify="right")
    for name in ("classes", "parameters, M", "GFLOPs"):
        table.add_column(name, justify="right")
    table.add_column("presets (--weights)")
    for network in networks:
        table.add_row(
            network["name"],
            "yes" if network["is_backbone"] else "",
            "x".join(map(str, network["shape"])),
            str(network["num_classes"] or "flow"),
            f"{network['num_parameters'] / 1e6:.2f}",
            f"{network['multiply_adds'] / 1e9:.2f}",
            ", ".join(
                preset["name"] + ("*" if preset["is_imagenet"] else "")
                for preset in network["presets"]
            ),
        )
    console().print(table)
    lines(
        [
            "Backbone: --backbone of train, for its models tsn and tdn, here on "
            "resnet50. Input: (frames x) height x width x",
            "channels. Parameters: trainable. GFLOPs: 1e9 multiply-adds of "
            "convolutions and dense layers, for one such input.",
            "*: what --weights=imagenet means for that network.",
        ]
    )
    table = Table(title="presets: public weights")
    table.add_column("preset", no_wrap=True)
    for name in ("licence", "score, as its origin states it"):
        table.add_column(name)
    for network in networks:
        for preset in network["presets"]:
            table.add_row(preset["name"], preset["licence"], preset["scores"])
    console().print(table)


def converted(result, *, as_json: bool) -> None:
    """What `convert` wrote."""
    if as_json:
        write_json(result)
        return
    lines([f"{result['out']}: {_described(result)}, from {result['file']}"])


def verified(result, *, as_json: bool) -> None:
    """What `verify` found."""
    if as_json:
        write_json(result)
        return
    dtypes = ", ".join(result["dtypes"])
    lines([f"{result['file']}: {_described(result)}, {dtypes}"])
    lines(["names, shapes and variant fit; all values are finite"])
    settings = result["preprocess"]
    lines(
        [
            f"preprocessing: {settings['channel_order']}, scale {settings['scale']:.6g}"
            f", mean {_numbers(settings['mean'])}, std {_numbers(settings['std'])}"
        ]
    )
    expected, answer = result["expected"], result["answer"]
    if result["input"] is not None:
        show = {"clip": _about_clip, "photographs": _about_photographs}
        lines(show[result["input"]["kind"]](result["input"], result))
    if expected is None:
        if result["passed"] is None:
            lines([f"answer: NOT CHECKED: {result['reason']}"])
    elif result["passed"]:
        lines([f"answer to the test pattern: {_answer(answer)}, as expected"])
    else:
        lines(
            [
                f"answer to the test pattern: {_answer(answer)}; EXPECTED "
                f"{_answer(expected)}. These are not {result['preset']}'s weights, but "
                "another training of that network, or a damaged file."
            ]
        )


def _described(result):
    outputs = ", ".join(
        f"{count} {'classes' if name == 'logits' else name}"
        for name, count in result["outputs"].items()
    )
    where = result["network"]
    if result["backbone"] != result["network"]:
        where += f" on {result['backbone']}"
    return (
        f"{where} {result['variant']}, {outputs}; {result['num_arrays']} arrays, "
        f"{result['num_values']:,} values"
    )


def _answer(answer):
    if answer["label"] is None:
        return "numbers that are not finite"
    return (
        f"class {answer['label']}, logit {answer['logit']:.4f}, "
        f"norm of all {answer['norm']:.4f}"
    )


def _about_clip(about, result):
    """The answer to the origin's clip, beside the published one."""
    best = about["expected"]["logits"][0]
    expected = (
        f"class {best['label']}, logit {best['logit']:.4f}, norm of all "
        f"{about['expected']['norm']:.4f}"
    )
    answer = about["answer"]
    if about["passed"]:
        return [
            f"answer to {about['file']}: as {about['preset']}'s origin publishes it: "
            f"{expected}; {len(about['expected']['logits'])} logits within "
            f"{answer['largest_difference']:.1g}"
        ]
    found = "numbers that are not finite"
    if answer is not None:
        found = (
            f"class {answer['label']}, norm of all {answer['norm']:.4f}, logits up to "
            f"{answer['largest_difference']:.4g} off"
        )
    return [
        f"answer to {about['file']}: {found}; EXPECTED {expected}. These are not "
        f"{result['preset']}'s weights, or this is another clip."
    ]


def _about_photographs(about, result):
    """Counts beside the published score, and what differs from its protocol."""
    answer, expected = about["answer"], about["expected"]
    total = answer["num_photographs"]
    lines = [f"answers to {total} photographs in {about['file']}:"]
    for name, score in (("top-1", expected["top1"]), ("top-5", expected["top5"])):
        key = name.replace("-", "")
        line = f"  {name}: {answer[key]} of {total} correct"
        if score is not None:
            line += (
                f"; published {score:g} % ({expected['source']}), under which so few "
                f"have a probability of {answer['chances'][key]:.2g}"
                + _verdict(key, about)
            )
        lines.append(line)
    for name, count in answer["better_if_wrong"].items():
        lines.append(
            f"  with {name}: {count} of {total} answered better{_verdict(name, about)}"
        )
    how = "warped to 256x256" if expected["resize"] == "warp" else "short side 256"
    lines.append(
        f"  (photographs {how}, middle crop; the score is of ImageNet's 50,000 "
        "validation photographs. Those trained on are answered better.)"
    )
    if not about["passed"]:
        lines.append(
            f"These are not {result['preset']}'s weights in the right network and "
            "preprocessing, or the photographs are not of ImageNet's classes."
        )
    return lines


def _verdict(name, about):
    return ": TOO UNLIKELY" if name in about["unlikely"] else ""


def _numbers(values):
    return " ".join(f"{value:g}" for value in values)
