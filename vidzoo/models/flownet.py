"""FlowNets: frames to optical flow, on the encoders that later classify actions.

Source: dissertation, section 4.3.1 (`FlowNet3D`: a 3D-ResNet-18 with a decoder, for
the flow of 16 frames) and section 4.3.3 (`FlowNet2F`: a ResNet-18 on two frames with
FlowNet-S's decoder, Eq. 4.3).
"""

import keras

from vidzoo.models import backbones, flow_network
from vidzoo.weights.weights_file import WeightsFile


def FlowNet3D(
    *,
    num_frames: int = 16,
    frame_shape: tuple[int, int, int] = (224, 224, 3),
    backbone: str = "resnet3d",
    weights: str | WeightsFile | None = None,
    name: str = "flownet3d",
) -> keras.Model:
    """Builds a FlowNet over time: `(N, T, H, W, 3)` clips to the flow of each frame.

    Field t leads from frame t to frame t+1; the last one is the **future** flow, to a
    frame that the network does not see (section 4.3.1).

    Our decisions, where the source is silent: three deconvolutions with as many filters
    as the encoder's maps that join them (256, 128 and 64), leaky ReLUs of 0.1, and a
    3x3x3 convolution to the flow, in pixels of the input.

    Args:
        num_frames: T, a multiple of 8.
        frame_shape: `(H, W, 3)`, multiples of 32.
        backbone: a key of `vidzoo.models.backbones.BACKBONES_3D`.
        weights: None, or a weights file or weights already read: of this network, of an
            ActionFlowNet, whose classifier is then left out, or of the encoder alone.
        name: the model's name.

    Returns:
        A model on RGB pixels 0..255 with the output `flow`, `(N, T, H/4, W/4, 2)`.

    Raises:
        ValueError: `backbone` is unknown, or T, H or W does not fit.
        WeightsError: the weights are of another network or variant.
    """
    parts = backbones.get(backbone, backbones.BACKBONES_3D)
    encoded = flow_network.encode_clip(parts, num_frames, frame_shape, weights)
    outputs = flow_network.decode_clip(encoded)
    relatives = ("actionflownet",)
    return flow_network.finished(encoded, outputs, "flownet3d", relatives, name)


def FlowNet2F(
    *,
    frame_shape: tuple[int, int, int] = (224, 224, 6),
    backbone: str = "resnet18",
    weights: str | WeightsFile | None = None,
    name: str = "flownet2f",
) -> keras.Model:
    """Builds a FlowNet on two frames: `(N, 1, H, W, 6)` to flow at four resolutions.

    Our decisions, where the source is silent: the outputs are at the sizes of the
    encoder's maps, 7, 14, 28 and 56 of 224 pixels, and the decoder's deconvolutions
    have as many filters as the maps that join them (256, 128 and 64).

    Args:
        frame_shape: `(H, W, 6)`, two RGB frames side by side on channels; H and W
            multiples of 32.
        backbone: a key of `vidzoo.models.backbones.BACKBONES` with stages at 1/4, 1/8,
            1/16 and 1/32 of the resolution.
        weights: None, or a weights file or weights already read: of this network, of an
            ActionFlowNet2F, whose classifier is then left out, or of the backbone
            alone, also on one frame (`initialize.multi_frame_from_single`); or
            `"imagenet"`, or the name of a preset of the backbone.
        name: the model's name.

    Returns:
        A model on RGB pixels 0..255 with the outputs `flow_<stage>`, e.g. `flow_res5`,
        `flow_res4`, `flow_res3`, `(N, 1, h, w, 2)`, and `flow`, `(N, 1, H/4, W/4, 2)`.

    Raises:
        ValueError: `backbone` is unknown or has other stages, or H or W does not fit.
        WeightsError: the weights are of another network or variant.
    """
    parts = backbones.get(backbone)
    encoded = flow_network.encode_pair(parts, frame_shape, weights)
    outputs = flow_network.decode_pair(encoded)
    relatives = ("actionflownet2f",)
    return flow_network.finished(encoded, outputs, "flownet2f", relatives, name)
