"""ActionFlowNet: learns to see motion while it learns actions.

Source: dissertation, chapter 4 (Ng, Choi, Neumann & Davis, WACV 2018). One network that
classifies from raw pixels and predicts optical flow beside it, over 16 frames
(section 4.3.2) or two (section 4.3.3.2). For inference the decoder is dropped:
`classifier(model)`.
"""

import keras

from vidzoo.models import backbones, flow_network
from vidzoo.weights.weights_file import WeightsFile


def ActionFlowNet(
    num_classes: int,
    *,
    num_frames: int = 16,
    frame_shape: tuple[int, int, int] = (224, 224, 3),
    backbone: str = "resnet3d",
    decoder: bool = True,
    dropout: float = 0.5,
    weights: str | WeightsFile | None = None,
    name: str = "actionflownet",
) -> keras.Model:
    """Builds an ActionFlowNet: `(N, T, H, W, 3)` clips to logits and flow.

    Args:
        num_classes: K.
        num_frames: T consecutive frames, a multiple of 8.
        frame_shape: `(H, W, 3)`, multiples of 32.
        backbone: a key of `vidzoo.models.backbones.BACKBONES_3D`.
        decoder: false for the encoder and its classifier alone: with weights of a
            `FlowNet3D` the row "Multi-frame FlowNet fine-tune" of table 4.1, without
            any the same network from scratch.
        dropout: rate before the classifier.
        weights: None, or a weights file or weights already read: of this network, with
            or without its decoder; of a `FlowNet3D`, the classifier then starts afresh;
            or of the encoder alone (`vidzoo.weights.initialize`:
            `actionflownet_encoder_from_r3d18`, `inflate`).
        name: the model's name.

    Returns:
        A model on RGB pixels 0..255 with the outputs `logits`, `(N, K)`, and `flow`,
        `(N, T, H/4, W/4, 2)`: see `FlowNet3D`. Without a decoder: `logits` alone.

    Raises:
        ValueError: `backbone` is unknown, or T, H or W does not fit.
        WeightsError: the weights are of another network, variant or K.
    """
    parts = backbones.get(backbone, backbones.BACKBONES_3D)
    encoded = flow_network.encode_clip(parts, num_frames, frame_shape, weights)
    outputs = {"logits": flow_network.classify(encoded.last, num_classes, dropout)}
    if decoder:
        outputs |= flow_network.decode_clip(encoded)
    relatives = ("flownet3d",)
    return flow_network.finished(encoded, outputs, "actionflownet", relatives, name)


def ActionFlowNet2F(
    num_classes: int,
    *,
    frame_shape: tuple[int, int, int] = (224, 224, 6),
    backbone: str = "resnet18",
    decoder: bool = True,
    dropout: float = 0.5,
    weights: str | WeightsFile | None = None,
    name: str = "actionflownet2f",
) -> keras.Model:
    """Builds an ActionFlowNet on two frames: `(N, 1, H, W, 6)` to logits and flow.

    Args:
        num_classes: K.
        frame_shape: `(H, W, 6)`, two RGB frames side by side on channels; H and W
            multiples of 32.
        backbone: as `FlowNet2F` takes it.
        decoder: false for the encoder and its classifier alone: the rows "Scratch" and,
            with weights of a `FlowNet2F`, "FlowNet fine-tune" of table 4.1.
        dropout: rate before the classifier.
        weights: as `FlowNet2F` takes them, of which the classifier starts afresh; or of
            this network, with or without its decoder.
        name: the model's name.

    Returns:
        A model on RGB pixels 0..255 with the outputs `logits`, `(N, K)`, and those of
        `FlowNet2F`. Without a decoder: `logits` alone.

    Raises:
        ValueError: `backbone` is unknown or has other stages, or H or W does not fit.
        WeightsError: the weights are of another network, variant or K.
    """
    parts = backbones.get(backbone)
    encoded = flow_network.encode_pair(parts, frame_shape, weights)
    outputs = {"logits": flow_network.classify(encoded.last, num_classes, dropout)}
    if decoder:
        outputs |= flow_network.decode_pair(encoded)
    relatives = ("flownet2f",)
    return flow_network.finished(encoded, outputs, "actionflownet2f", relatives, name)


def classifier(model: keras.Model) -> keras.Model:
    """The part of a network that classifies: what is used of it for inference.

    Source: section 4.3.2, "ActionFlowNet Inference". It shares its weights with
    `model`, and has none of a decoder's.

    Args:
        model: of this file, or any other with an output `logits`.

    Returns:
        A model with the same input; its output is the logits `(N, K)`.

    Raises:
        ValueError: the model has no such output.
    """
    outputs = model.output
    if not isinstance(outputs, dict) or "logits" not in outputs:
        raise ValueError(
            "`model` must have an output `logits`, as an ActionFlowNet has. Received: "
            f"{sorted(outputs) if isinstance(outputs, dict) else 'one output'}."
        )
    return keras.Model(model.input, outputs["logits"], name=model.name)
