"""A network trained on stored features, joined to the backbone that made them."""

from dataclasses import replace

from vidzoo.errors import WeightsError
from vidzoo.models import backbones
from vidzoo.weights.weights_file import WeightsFile

FEATURES = "features"  # what weights files call the backbone of a network without one
_OUTPUT = "image_output"  # of a backbone whose own classifier's answers are features


def with_backbone(
    weights_file: WeightsFile, backbone_file: WeightsFile, layer: str | None = None
) -> WeightsFile:
    """A network of full-length video on frames, of one on features and their backbone.

    It answers to frames what the one on features answers to what the backbone has of
    them: the dissertation's "(fc)" models (table 3.2) as networks to be served, or to
    be fine-tuned whole.

    Args:
        weights_file: of a `FeaturePooling`, `LSTMClassifier` or `SingleFrame` on
            features (`backbone=None`).
        backbone_file: of the backbone alone, as it made the features.
        layer: the hidden layer that the features are of; None for the backbone's
            `frame_features`.

    Raises:
        WeightsError: the first is of a network on frames, or the second is not of a
            backbone alone.
    """
    if weights_file.backbone != FEATURES:
        raise WeightsError(
            f"{weights_file.path}: holds weights of a network on frames; weights of "
            "one that was trained on features were wanted."
        )
    if backbone_file.network != backbone_file.backbone:
        raise WeightsError(
            f"{backbone_file.path}: holds weights of {backbone_file.network}; weights "
            f"of {backbone_file.backbone} alone were wanted."
        )
    (backbone,) = {
        each.name: each
        for each in backbones.BACKBONES.values()
        if (each.name, each.variant) == (backbone_file.backbone, backbone_file.variant)
    }.values()
    arrays = dict(weights_file.arrays)
    for name, array in backbone_file.arrays.items():
        owner, _, variable = name.rpartition("/")
        if owner in backbone.hidden:
            if layer is not None:
                arrays[name] = array
        elif owner != "head":
            arrays[f"image_{name}"] = array
        elif backbone.frame_features == "output":
            arrays[f"{_OUTPUT}/{variable}"] = array
    return replace(
        weights_file,
        backbone=backbone_file.backbone,
        variant=backbone_file.variant,
        preprocess=backbone_file.preprocess,
        arrays=arrays,
        preset=None,
    )
