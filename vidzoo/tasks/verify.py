"""`vidzoo verify FILE --model=NAME`: whether weights are whole, fit, answer right."""

import math

import numpy as np

from vidzoo.errors import UsageError
from vidzoo.tasks import known_clip, known_network, photographs
from vidzoo.weights import PRESETS, WeightsFile, pattern

# Rounding differs between machines by some 1e-6; a mean colour that is off by one level
# of 255 changes an answer by some 5e-4.
_TOLERANCE = 1e-4


def run(file, *, model: str, input=None, accept_license: bool = False) -> dict:
    """Checks a weights file against the network that it is said to be of.

    Names, shapes, variant and finite values are checked in reading and setting; what is
    left is whether the network answers as it does at the origin.

    Args:
        file: a weights file, or a preset's name.
        model: a key of `vidzoo.models.catalogue.NETWORKS`.
        input: what the origin publishes an answer to: of I3D its clip, a NumPy file; of
            networks on ImageNet a folder of photographs (`photographs.read`).
        accept_license: accept a preset's licence that forbids commercial use.

    Returns:
        What was found, JSON-ready. `expected` and `answer` are the network's to the
        test pattern, None where its own is not known; `input` is the same about the
        input, or None. `passed` is true where what was asked was answered as expected,
        false where anything was not, and None, with a `reason`, where nothing could be
        asked: that the weights fit is all there is to say.

    Raises:
        UsageError: there is no such network, or no known answer to any input.
        WeightsError: the file is damaged, of another network or variant, or its names
            or shapes differ; the message lists them on both sides.
        VideoError: `input` is not the origin's clip.
        SourceError: `input` is no folder of photographs with labels.
    """
    network = known_network.find(model)
    weights_file = known_network.open_file(file, network, accept_license=accept_license)
    preset = PRESETS.get(weights_file.preset)
    if input is not None:
        _check_has_an_answer(file, preset)
    clip, changes = None, {}
    if input is not None and preset.clip is not None:
        clip = known_clip.read(input, preset.clip)
        changes = {"num_frames": clip.shape[1], "frame_size": clip.shape[2:4]}
    built = known_network.build(weights_file, file, network, **changes)
    expected = None if preset is None else preset.expected
    answer = None if expected is None else _answer(built)
    passed = [] if expected is None else [_agree(answer, expected)]
    about = None
    if clip is not None:
        about = _about_clip(known_network.logits(built, clip)[0], file, preset)
    elif input is not None:
        about = photographs.compared(built, input, preset.accuracy)
    if about is not None:
        about |= {"file": str(input)}
        passed.append(about["passed"])
    return describe(built, weights_file) | {
        "expected": None if expected is None else vars(expected).copy(),
        "answer": answer,
        "input": about,
        "passed": all(passed) if passed else None,
        "reason": None if passed else _reason(preset),
    }


def describe(model, weights_file: WeightsFile) -> dict:
    """What a model got from a weights file, JSON-ready."""
    arrays = weights_file.arrays.values()
    return {
        "file": str(weights_file.path),
        "network": weights_file.network,
        "backbone": weights_file.backbone,
        "variant": weights_file.variant,
        "preset": weights_file.preset,
        "num_arrays": len(weights_file.arrays),
        "num_values": sum(math.prod(array.shape) for array in arrays),
        "dtypes": sorted({str(array.dtype) for array in arrays}),
        "preprocess": model.get_layer("preprocess").settings(),
        "outputs": {
            name: output.shape[-1]
            for name, output in known_network.named(model.output).items()
        },
    }


def _check_has_an_answer(file, preset):
    if preset is None or (preset.clip is None and preset.accuracy is None):
        raise UsageError(f"--input: {file}: {_reason(preset)}. Leave --input out.")


def _reason(preset):
    """Why nothing tells whether a preset's weights, or others, answer right."""
    if preset is None:
        return "these are no public weights, so that no answer of theirs is published"
    if preset.clip is not None:
        return f"give --input={preset.clip.name}, from {preset.clip.url}"
    if preset.accuracy is not None:
        return "give --input=FOLDER, of photographs of ImageNet's classes"
    return (
        "no answer to a clip is published, only a score that takes a whole data set: "
        f"{preset.scores}"
    )


def _about_clip(logits, file, preset):
    """Several trainings have one preset's names and shapes: the answer tells which."""
    names = [preset.name]
    if file not in PRESETS:
        names += [
            other.name
            for other in PRESETS.values()
            if (other.network, other.variant) == (preset.network, preset.variant)
        ]
    found = {name: known_clip.compared(logits, PRESETS[name].clip) for name in names}
    name = next((name for name in names if found[name]["passed"]), preset.name)
    return found[name] | {"preset": name}


def _answer(model):
    clip = pattern.draw(tuple(model.input.shape[1:]))[None]
    logits = known_network.logits(model, clip)[0]
    if not np.isfinite(logits).all():
        return {"label": None, "logit": None, "norm": None}
    return {
        "label": int(logits.argmax()),
        "logit": float(logits.max()),
        "norm": float(np.linalg.norm(logits)),
    }


def _agree(answer, expected):
    return answer["label"] == expected.label and all(
        math.isclose(answer[name], getattr(expected, name), rel_tol=_TOLERANCE)
        for name in ("logit", "norm")
    )
