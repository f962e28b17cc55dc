"""`vidzoo verify FILE --model=NAME`: whether weights are whole, fit, answer right."""

import math

import numpy as np
from keras import ops

from vidzoo.tasks import known_network
from vidzoo.weights import PRESETS, WeightsFile, pattern

# Rounding differs between machines by some 1e-6; a mean colour that is off by one level
# of 255 changes an answer by some 5e-4.
_TOLERANCE = 1e-4


def run(file, *, model: str, accept_license: bool = False) -> dict:
    """Checks a weights file against the network that it is said to be of.

    Names, shapes, variant and finite values are checked in reading and setting; what is
    left is whether the network answers as it does at the origin.

    Args:
        file: a weights file, or a preset's name.
        model: a key of `vidzoo.models.catalogue.NETWORKS`.
        accept_license: accept a preset's licence that forbids commercial use.

    Returns:
        What was found, JSON-ready. `passed` is true where the network's `answer` is the
        `expected` one, false where the two differ. All three are None where no answer
        of these weights is known: that they fit is all there is to say.

    Raises:
        UsageError: there is no such network.
        WeightsError: the file is damaged, of another network or variant, or its names
            or shapes differ; the message lists them on both sides.
    """
    network = known_network.find(model)
    built, weights_file = known_network.open_and_build(
        file, network, accept_license=accept_license
    )
    found = describe(built, weights_file)
    expected = _expected(weights_file)
    answer = None if expected is None else _answer(built)
    return found | {
        "expected": None if expected is None else vars(expected).copy(),
        "answer": answer,
        "passed": None if expected is None else _agree(answer, expected),
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
            name: output.shape[-1] for name, output in _named(model.output).items()
        },
    }


def _named(outputs):
    return outputs if isinstance(outputs, dict) else {"logits": outputs}


def _expected(weights_file):
    preset = PRESETS.get(weights_file.preset)
    return None if preset is None else preset.expected


def _answer(model):
    clip = pattern.draw(tuple(model.input.shape[1:]))[None]
    logits = ops.convert_to_numpy(_named(model(clip, training=False))["logits"])[0]
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
