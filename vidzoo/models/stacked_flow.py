"""The stacked model: a classifier on top of the flow that a FlowNet predicts.

Source: dissertation, section 4.3.3.1, figure 4.2. The FlowNet stays as it was trained:
a recipe's phase names it in `frozen`, as the recipes by name do.
"""

from dataclasses import replace

import keras
from keras import layers, ops

from vidzoo.models import backbones, flow_network, resnet
from vidzoo.weights import assign
from vidzoo.weights.weights_file import WeightsFile

_FLOWNET, _CLASSIFIER = "flownet", "classifier"
_SEE_FLOW = ("flownet2f", "actionflownet2f")
_ENLARGEMENT = 4  # of flow to the resolution of the frames


def StackedFlowClassifier(
    num_classes: int,
    *,
    frame_shape: tuple[int, int, int] = (224, 224, 6),
    backbone: str = "resnet18",
    upsample: bool = False,
    dropout: float = 0.5,
    weights: str | WeightsFile | None = None,
    name: str = "stacked_flow",
) -> keras.Model:
    """Builds the stacked model: `(N, 1, H, W, 6)` pairs of frames to `(N, K)` logits.

    The flow, at a quarter of the resolution, enters the classifier behind its first
    stage (conv1 and pool1, which are left out). Our decision: through a 1x1 convolution
    with batch norm and ReLU to as many channels as that stage has, 64 in ResNet-18.

    Args:
        num_classes: K.
        frame_shape: as `FlowNet2F` takes it.
        backbone: of both networks, as `FlowNet2F` takes it.
        upsample: whether the flow is enlarged, bilinearly, to the frames' resolution
            and enters the classifier at its beginning: the source's other form,
            "slightly worse and computationally more expensive".
        dropout: rate before the classifier.
        weights: None, or a weights file or weights already read: of this network, or of
            a `FlowNet2F` or `ActionFlowNet2F`, for its FlowNet; the classifier then
            starts afresh.
        name: the model's name.

    Returns:
        A model on RGB pixels 0..255.

    Raises:
        ValueError: `backbone` is unknown or has other stages, or H or W does not fit.
        WeightsError: the weights are of another network, variant or K.
    """
    parts = backbones.get(backbone)
    prefix = f"{_FLOWNET}_"
    encoded = flow_network.encode_pair(parts, frame_shape, weights, prefix)
    flows = flow_network.decode_pair(encoded, prefix)
    x = ops.squeeze(flows[flow_network.FLOW], axis=1)  # (N, 1, h, w, 2) -> (N, h, w, 2)
    first, *rest = parts.stages.values()
    if upsample:
        enlarge = layers.UpSampling2D(
            _ENLARGEMENT, interpolation="bilinear", name=f"{_FLOWNET}_upsample"
        )
        x = first(enlarge(x), f"{_CLASSIFIER}_")
    else:
        num_channels = next(iter(encoded.stages.values())).shape[-1]
        x = resnet.conv_bn(x, num_channels, 1, 1, f"{_CLASSIFIER}_projection")
        x = layers.ReLU(name=f"{_CLASSIFIER}_projection_relu")(x)
    for stage in rest:
        x = stage(x, f"{_CLASSIFIER}_")
    logits = flow_network.classify(x, num_classes, dropout)
    model = keras.Model(encoded.clip, logits, name=name)
    if encoded.weights_file is not None:
        _assign(model, encoded.weights_file, parts)
    return model


def _assign(model, weights_file, parts):
    if weights_file.network in _SEE_FLOW:
        weights_file = _as_flownet(weights_file)
    own = ("stacked_flow", *_SEE_FLOW)
    assign.assign_parts(model, weights_file, own, parts.name, parts.variant)


def _as_flownet(weights_file):
    """A FlowNet's arrays, or an ActionFlowNet's, as the stacked model names them."""
    arrays = {
        f"{_FLOWNET}_{name}": array
        for name, array in weights_file.arrays.items()
        if name.startswith((flow_network.ENCODER, flow_network.DECODER))
    }
    return replace(weights_file, arrays=arrays, preset=None)
