"""Initialisations: weights of one network turned into a start for another, by name.

Every function takes a `WeightsFile`, leaves it as it is, and returns another, which a
builder takes as `weights=`; so they compose, and loading checks every name and shape as
ever:

    flow = open_weights("flow_tsn/weights.npz")
    start = initialize.difference_from_image(flow)
    model = models.TDN(51, modality="flow", weights=start)

Kernels are `(h, w, in, out)`, or `(t, h, w, in, out)` in networks over time. Arrays
that an initialisation does not change are the file's own, not copies; those that it
does change are computed when they are read.
"""

import logging
import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from vidzoo.errors import WeightsError
from vidzoo.models import backbones
from vidzoo.weights import lazy, preprocessing
from vidzoo.weights.expansion import expanded as expanded  # these two are
from vidzoo.weights.joining import with_backbone as with_backbone  # of them
from vidzoo.weights.weights_file import WeightsFile

_HEAD = "head"
# network: prefixes of its subnetworks; a backbone alone has none
_PREFIXES = {"tsn": ("image_",), "tdn": ("image_", "difference_")}
# Networks over time; those on images say it themselves, see `Backbone`.
_FIRST_CONVOLUTIONS = {
    "c3d": "conv1a",
    "cnn_m_2048": "conv1",
    "i3d": "conv1",
    "resnet3d": "conv1",
}
_VARIANT_IS_MODALITY = ("cnn_m_2048", "i3d")
_log = logging.getLogger("vidzoo")


def first_convolution(
    weights_file: WeightsFile, num_channels: int, preprocess: Mapping | None = None
) -> WeightsFile:
    """Another number of input channels: the first kernel averaged over them, repeated.

    Every new channel gets the average, as it is: with C channels that are all alike the
    response is C/3 of the RGB network's to a grey image. (`multi_frame_from_single`
    keeps the channels apart and the response as it was.) A TDN's two subnetworks both
    change.

    Source: cross modality pre-training (Wang et al. 2016, section 3.2), to which the
    dissertation's section 5.3.4 refers.

    Args:
        weights_file: of a backbone, a TSN or TDN, C3D or ResNet3D.
        num_channels: C, of the new network's input.
        preprocess: arguments of `vidzoo.layers.Preprocess` for the new input. None
            keeps the weights' own, which normalises stacked images one by one; C is
            then a multiple of an image's channels.

    Raises:
        ValueError: `num_channels` is below 1, or no multiple of the channels that the
            preprocessing is for.
        WeightsError: the first convolution is not known, or not in the file.
    """
    settings = weights_file.preprocess if preprocess is None else preprocess
    image_channels = len(settings["mean"])
    if num_channels < 1 or num_channels % image_channels:
        raise ValueError(
            f"`num_channels` must be a multiple of {image_channels}, the channels "
            f"that the preprocessing is for. Received: {num_channels}; give "
            "`preprocess` for another kind of input."
        )

    def average(kernel):
        mean = kernel.mean(-2, keepdims=True, dtype=np.float64).astype(kernel.dtype)
        return np.repeat(mean, num_channels, axis=-2)

    changed = _with_first_kernels(weights_file, average, num_channels)
    return _changed(changed, preprocess=settings)


def flow_from_rgb(weights_file: WeightsFile, num_channels: int = 10) -> WeightsFile:
    """An RGB network to a flow network: `first_convolution`, and flow's preprocessing.

    Source: as `first_convolution`; the preprocessing is `preprocessing.flow`'s. A TSN's
    classifier comes along: drop it by `another_number_of_classes`.

    Args:
        weights_file: of a network on RGB: a backbone, TSN, TDN, CNN-M-2048, C3D,
            ResNet3D or I3D.
        num_channels: 2k for k flow fields stacked, x1 y1 x2 y2 ..., 8-bit images; 10 in
            TSN and the dissertation (section 5.3.4), 2 in I3D.

    Raises:
        ValueError: `num_channels` is odd or below 2.
        WeightsError: the weights are not for RGB, or as `first_convolution`.
    """
    if num_channels < 2 or num_channels % 2:
        raise ValueError(
            "`num_channels` must be even, x and y of every flow field. "
            f"Received: {num_channels}."
        )
    _check_rgb(weights_file)
    settings = preprocessing.flow(weights_file.preprocess)
    changed = first_convolution(weights_file, num_channels, settings)
    if weights_file.network in _VARIANT_IS_MODALITY:
        changed = _changed(changed, variant="flow")
    return changed


def flow_image_from_rgb(weights_file: WeightsFile) -> WeightsFile:
    """An RGB network to one on flow images `(x, y, 0)`: arrays as they are.

    Source: section 3.3.4, which feeds a network for frames with flow as colour images.
    What changes is the preprocessing, `preprocessing.flow_image`.

    Args:
        weights_file: of a network on RGB; its input has 3 channels.

    Raises:
        WeightsError: the weights are not for RGB.
    """
    _check_rgb(weights_file)
    settings = preprocessing.flow_image(weights_file.preprocess)
    return _changed(weights_file, preprocess=settings)


def for_modality(
    weights_file: WeightsFile | None, modality: str, num_channels: int
) -> WeightsFile | None:
    """Weights for a network on `modality`: its own as they are, RGB's as a start.

    RGB's become flow's by `flow_from_rgb` or `flow_image_from_rgb`, said aloud. Never
    the other way round: weights for flow know nothing of colours. Builders call this.

    Args:
        weights_file: of any network; None comes back.
        modality: `"rgb"`, `"flow"` or `"flow_image"`.
        num_channels: C, of the network's input.

    Raises:
        WeightsError: the weights are for another modality than this one and RGB.
    """
    if weights_file is None:
        return None
    found = preprocessing.modality(weights_file.preprocess)
    if found == modality:
        return weights_file
    if found != "rgb":
        wanted = "RGB" if modality == "rgb" else f"{modality} or RGB"
        build = f", or build it with modality={found!r}" if found else ""
        raise WeightsError(
            f"{weights_file.path}: holds weights for {_input(weights_file)}, but the "
            f"network is for {modality}. Give weights for {wanted}{build}."
        )
    if modality == "flow":
        changed = flow_from_rgb(weights_file, num_channels)
        how = f"the first kernel averaged over the colours, {num_channels} times"
    else:
        changed = flow_image_from_rgb(weights_file)
        how = "arrays as they are"
    _log.warning(
        "%s: weights for RGB start a network for %s: %s.",
        weights_file.path,
        modality,
        how,
    )
    return changed


def multi_frame_from_single(weights_file: WeightsFile, num_frames: int) -> WeightsFile:
    """One image to k images stacked on channels: the first kernel repeated, over k.

    k identical images get the answer that the one image got. Unlike
    `first_convolution`, the colours keep their own kernels, and the sum its size.

    Used for the two-frame networks of the dissertation's section 4.3.3 (6 channels).
    Source: as inflation in time (`inflate`), here over stacked images.

    Args:
        weights_file: of a backbone, TSN, TDN, C3D or ResNet3D.
        num_frames: k; the new network's input has k times the channels.

    Raises:
        ValueError: `num_frames` is below 1.
        WeightsError: as `first_convolution`.
    """
    _check_num_frames(num_frames)

    def stack(kernel):
        tiles = [1] * kernel.ndim
        tiles[-2] = num_frames
        return np.tile(kernel / num_frames, tiles).astype(kernel.dtype)

    return _with_first_kernels(weights_file, stack, times=num_frames)


def tsn_from_single_frame(weights_file: WeightsFile) -> WeightsFile:
    """A classifier of single images to a TSN of any number of segments, head and all.

    T identical frames get the answer that the one frame got. (Where the classifier is
    not wanted, a TSN takes the image classifier's weights as they are; and a TSN's
    weights fit any `num_segments`.)

    Source: network expansion (section 3.3.3): a network of single frames becomes one of
    many with the same parameters.

    Args:
        weights_file: of a backbone with its classifier.

    Raises:
        WeightsError: the weights are not a backbone's, or the classifier stands on
            hidden layers (AlexNet's and VGG's fc6 and fc7), which a TSN has not.
    """
    backbone = _backbone(weights_file)
    if weights_file.network != backbone.name:
        raise WeightsError(
            f"{weights_file.path}: holds weights of {weights_file.network}, "
            f"not of a classifier of images on {backbone.name}."
        )
    if backbone.hidden:
        raise WeightsError(
            f"{weights_file.path}: the classifier of {backbone.name} stands on "
            f"{' and '.join(backbone.hidden)}, which a TSN has not. Give the TSN these "
            "weights as they are: it leaves the classifier out."
        )
    return _changed(
        weights_file,
        network="tsn",
        arrays=_prefixed("image_", weights_file.arrays),
        left_out=_prefixed("image_", weights_file.left_out),
    )


def difference_from_image(weights_file: WeightsFile) -> WeightsFile:
    """A TSN to a TDN: the image subnetwork's arrays for the difference subnetwork too.

    But for the difference subnetwork's classifier, which starts afresh, as do a TDN's
    merges, if it has any.

    Source: section 5.3.4: the difference subnetwork's input has the spatial structure
    of the image subnetwork's.

    Args:
        weights_file: of a TSN, or of a TDN, whose image subnetwork is then taken.

    Returns:
        Weights of a TDN with any `difference_layers`.

    Raises:
        WeightsError: the weights are of another network.
    """
    return tdn_from_subnetworks(weights_file, weights_file)


def tdn_from_subnetworks(image: WeightsFile, difference: WeightsFile) -> WeightsFile:
    """A TDN of a trained TSN and of other weights for the difference subnetwork.

    The image subnetwork's classifier comes along; the difference subnetwork's and a
    TDN's merges, if it has any, start afresh.

    Source: section 5.3.4, flow: the "image" subnetwork is a TSN trained on flow, the
    difference subnetwork starts from ImageNet all the same:
    `tdn_from_subnetworks(flow_tsn, flow_from_rgb(imagenet))`.

    Args:
        image: weights of a TSN, or of a TDN, whose image subnetwork is then taken.
        difference: weights of the same backbone, alone or in a TSN or TDN, whose image
            subnetwork is then taken; for the same input.

    Returns:
        Weights of a TDN with any `difference_layers`, with the preprocessing of
        `image`. Means may differ: they cancel in a difference.

    Raises:
        WeightsError: `image` is of another network, or the two differ in backbone,
            variant, or what they make of pixels.
    """
    if image.network not in _PREFIXES:
        raise WeightsError(
            f"{image.path}: holds weights of {image.network}, not of tsn or tdn, "
            "whose image subnetwork was wanted."
        )
    backbone = _backbone(image)
    for what, one, other in (
        ("the backbone", image.backbone, difference.backbone),
        (f"{image.backbone}'s variant", image.variant, difference.variant),
    ):
        if one != other:
            raise WeightsError(
                f"{difference.path}: {what} is {other}, but {one} in {image.path}."
            )
    if not _same_but_mean(image.preprocess, difference.preprocess):
        raise WeightsError(
            f"{difference.path}: expects other pixels than {image.path}: "
            f"{difference.preprocess} there, {image.preprocess} here. Weights for RGB "
            "fit flow after `flow_from_rgb`."
        )
    if difference.network in _PREFIXES:
        difference = _image_subnetwork(difference)
    difference = _without_heads(backbone.without_hidden(difference))
    image = _image_subnetwork(image)
    return _changed(
        image,
        network="tdn",
        arrays=_prefixed("image_", image.arrays)
        | _prefixed("difference_", difference.arrays),
        differences=None,
        left_out=_prefixed("image_", image.left_out)
        | _prefixed("difference_", difference.left_out),
    )


def backbone_alone(weights_file: WeightsFile) -> WeightsFile:
    """The backbone of a network that classifies frames one by one, without the rest.

    So a network trained on single frames of videos starts another on these videos
    (section 3.3.3), whatever that has behind its backbone. Builders of networks of
    full-length video call this, and say it aloud.

    Args:
        weights_file: of a TSN, or of a `SingleFrame` on frames.

    Raises:
        WeightsError: the weights are of another network.
    """
    if weights_file.network not in ("tsn", "single_frame"):
        raise WeightsError(
            f"{weights_file.path}: holds weights of {weights_file.network}; those of "
            "tsn or single_frame were wanted."
        )
    alone = _image_subnetwork(weights_file)
    return _without_heads(alone)


def inflate(weights_file: WeightsFile) -> WeightsFile:
    """ResNet-18 on images to a 3D-ResNet-18, `ResNet3D(variant="actionflownet")`.

    Every kernel is inflated (`inflate_kernel`): 3 frames, or 1 for the 1x1 ones. A
    video of identical frames then gets, in every map, the image network's answer,
    except near its two ends, where the padding in time is not the video. The classifier
    comes along: drop it by `another_number_of_classes`.

    Source: Carreira & Zisserman 2017, section 2.4.

    Args:
        weights_file: of `resnet18`, the only network here with a counterpart over time
            of the same layers.

    Raises:
        WeightsError: the weights are of another network.
    """
    if weights_file.network != "resnet18":
        raise WeightsError(
            f"{weights_file.path}: holds weights of {weights_file.network}; only those "
            "of resnet18 can be inflated, to ResNet3D(variant='actionflownet')."
        )

    def inflated(array):
        if array.ndim != 4:  # a bias, a batch norm's, the classifier's
            return array
        frames = 1 if array.shape[0] == 1 else 3
        inflate_by = partial(inflate_kernel, num_frames=frames)
        return lazy.computed(array, (frames, *array.shape), inflate_by)

    return _changed(
        weights_file,
        network="resnet3d",
        backbone="resnet3d",
        variant="actionflownet",
        arrays={name: inflated(a) for name, a in weights_file.arrays.items()},
    )


def inflate_kernel(kernel: np.ndarray, num_frames: int) -> np.ndarray:
    """Repeats `(h, w, in, out)` in time and divides by t: `(t, h, w, in, out)`.

    The response to t identical frames is the response to one of them.

    Source: Carreira & Zisserman 2017, section 2.4.

    Args:
        kernel: of a convolution over images.
        num_frames: t.

    Raises:
        ValueError: `num_frames` is below 1.

    Example:
        >>> inflate_kernel(np.ones((7, 7, 3, 64)), 3).shape
        (3, 7, 7, 3, 64)
    """
    _check_num_frames(num_frames)
    return np.repeat(kernel[None] / num_frames, num_frames, 0).astype(kernel.dtype)


def actionflownet_encoder_from_r3d18(weights_file: WeightsFile) -> WeightsFile:
    """The r3d_18 of torchvision to ActionFlowNet's encoder: not the same network.

    An initialisation: names and shapes agree, so the arrays are as they are, but the
    answers do not, for the encoder has a max-pool behind its first convolution. The
    classifier is left out.

    Args:
        weights_file: of `ResNet3D(variant="torchvision")`.

    Returns:
        Weights of `ResNet3D(variant="actionflownet")` without its classifier.

    Raises:
        WeightsError: the weights are of another network or variant.
    """
    if (weights_file.network, weights_file.variant) != ("resnet3d", "torchvision"):
        raise WeightsError(
            f"{weights_file.path}: holds weights of {weights_file.network} "
            f"{weights_file.variant}, not of resnet3d torchvision (r3d_18)."
        )
    _log.warning(
        "%s: r3d_18's weights as an initialisation of ActionFlowNet's encoder, which "
        "is not the same network: it has a max-pool that r3d_18 has not.",
        weights_file.path,
    )
    return _changed(_without_heads(weights_file), variant="actionflownet")


def another_number_of_classes(weights_file: WeightsFile) -> WeightsFile:
    """Leaves out every classifier; a model keeps its own, fresh ones.

    The model may have any number of classes. Loading says both numbers, through the
    logger `vidzoo`.

    Args:
        weights_file: of any network.

    Raises:
        WeightsError: there is no classifier in it.
    """
    changed = _without_heads(weights_file)
    if not changed.left_out:
        raise WeightsError(
            f"{weights_file.path}: has no classifier, an array named {_HEAD}/kernel."
        )
    return changed


def _without_heads(weights_file):
    """The file without its classifiers, if it has any."""
    heads = {
        name.removesuffix("/kernel"): array.shape[-1]
        for name, array in weights_file.arrays.items()
        if name == f"{_HEAD}/kernel" or name.endswith(f"_{_HEAD}/kernel")
    }
    arrays = {
        name: array
        for name, array in weights_file.arrays.items()
        if name.rpartition("/")[0] not in heads
    }
    return _changed(
        weights_file, arrays=arrays, left_out={**weights_file.left_out, **heads}
    )


def _changed(weights_file, **changes):
    """What is changed is the public weights no longer, with their known answer."""
    return replace(weights_file, preset=None, **changes)


def _with_first_kernels(weights_file, change, num_channels=None, times=1):
    """The file with its first convolution's kernel changed, in every subnetwork.

    What `change` makes of it has so many input channels, or so many times its own.
    """
    layer = _FIRST_CONVOLUTIONS.get(weights_file.network)
    if layer is None:
        layer = _backbone(weights_file).first_convolution
    arrays = dict(weights_file.arrays)
    for prefix in _PREFIXES.get(weights_file.network, ("",)):
        name = f"{prefix}{layer}/kernel"
        if name not in arrays or arrays[name].ndim not in (4, 5):
            found = f"of shape {arrays[name].shape}" if name in arrays else "missing"
            raise WeightsError(
                f"{weights_file.path}: the first convolution's kernel, {name}, "
                f"is {found}."
            )
        *space, inputs, outputs = arrays[name].shape
        shape = (*space, num_channels or times * inputs, outputs)
        arrays[name] = lazy.computed(arrays[name], shape, change)
    return _changed(weights_file, arrays=arrays)


def _backbone(weights_file):
    for backbone in backbones.BACKBONES.values():
        if (backbone.name, backbone.variant) == (
            weights_file.backbone,
            weights_file.variant,
        ):
            return backbone
    raise WeightsError(
        f"{weights_file.path}: no backbone {weights_file.backbone} "
        f"{weights_file.variant}; there are {', '.join(backbones.BACKBONES)}."
    )


def _image_subnetwork(weights_file):
    """A TSN's or TDN's image subnetwork as weights of the backbone alone."""

    def own(items):
        return {
            name.removeprefix("image_"): item
            for name, item in items.items()
            if name.startswith("image_")
        }

    return _changed(
        weights_file,
        network=weights_file.backbone,
        arrays=own(weights_file.arrays),
        left_out=own(weights_file.left_out),
    )


def _prefixed(prefix, items):
    return {f"{prefix}{name}": item for name, item in items.items()}


def _check_rgb(weights_file):
    if preprocessing.modality(weights_file.preprocess) != "rgb":
        raise WeightsError(
            f"{weights_file.path}: expects {_input(weights_file)}, but weights for "
            "RGB, 3 channels, were wanted."
        )


def _input(weights_file):
    settings = weights_file.preprocess
    of_channels = f"images of {len(settings['mean'])} channels"
    return preprocessing.modality(settings) or of_channels


def _check_num_frames(num_frames):
    if num_frames < 1:
        raise ValueError(f"`num_frames` must be >= 1. Received: {num_frames}.")


def _same_but_mean(one, other):
    """Whether two preprocessings make the same of a difference of pixels."""
    factors = [[s["scale"] / std for std in s["std"]] for s in (one, other)]
    return (
        one["channel_order"] == other["channel_order"]
        and len(factors[0]) == len(factors[1])
        and all(map(math.isclose, *factors))
    )
