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
    if expected is None:
        lines(["answer to the test pattern: not checked, none is known"])
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


def _numbers(values):
    return " ".join(f"{value:g}" for value in values)
