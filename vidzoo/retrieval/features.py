"""Local features: the maps of a network's layers, all from one pass over an image.

Source: dissertation, section 2.3.2. Every position of a layer's map is one descriptor.
"""

from collections.abc import Sequence
from dataclasses import replace

import keras
import numpy as np
from keras import ops

from vidzoo.layers import Preprocess
from vidzoo.retrieval import layers as named_layers
from vidzoo.retrieval.digest import arrays_sha256
from vidzoo.weights import WeightsFile, assign, initialize, load

SIZE = 224  # pixels of an image's side at scale 1, the network's own
# What classifies frames one by one holds a backbone's weights, trained on videos.
_ON_FRAMES = ("tsn", "single_frame")


def feature_maps(
    network: str,
    layers: Sequence[str] | None = None,
    *,
    size: int = SIZE,
    weights: str | WeightsFile | None = None,
    name: str = "feature_maps",
) -> keras.Model:
    """Builds images, warped to squares, to the maps of some layers.

    Only the convolutional part is built, up to the highest of the layers, so that any
    size works; 448 is the paper's scale 2.

    Args:
        network: a key of `vidzoo.models.backbones.BACKBONES`.
        layers: names from `layer_names(network)`; None for all.
        size: height and width of an image, pixels.
        weights: of the network, or of a TSN or `SingleFrame` on it, as
            `vidzoo.weights.open_weights` takes them; None for random ones.
        name: the model's name.

    Returns:
        A model from `(N, size, size, 3)`, RGB pixels 0..255, to a dictionary: layer ->
        float32 `(N, h, w, D)`.

    Raises:
        ValueError: the network or a layer is unknown, or an image too small for it.
        WeightsError: the weights are of another network or variant.
    """
    trunk, tensors = _trunk(network, size, weights)
    layers = _checked(network, layers)
    outputs = {layer: ops.cast(tensors[layer], "float32") for layer in layers}
    return keras.Model(trunk.input, outputs, name=name)


def descriptors(maps):
    """`(N, h, w, D)` maps to `(N, h*w, D)` descriptors of unit length.

    A position at which every value is zero stays zero.

    Args:
        maps: a tensor or array.
    """
    flat = ops.reshape(maps, (maps.shape[0], -1, maps.shape[-1]))
    return ops.normalize(flat, axis=-1, epsilon=1e-12)


class Features:
    """Descriptors of some layers at some scales, one pass over an image at each scale.

    Args:
        network: as `feature_maps`.
        layers: likewise.
        scales: an image's side in multiples of `size`: 1 and 2 are the paper's.
        size: pixels of an image's side at scale 1.
        weights: as `feature_maps`.

    Attributes:
        keys: `(layer, scale)` of all descriptors, by scale and then by layer.
        image_sizes: the side of its images, for each scale.

    Raises:
        ValueError: as `feature_maps`, or there is no scale, or one twice.
        WeightsError: as `feature_maps`.
    """

    def __init__(
        self,
        network: str,
        layers: Sequence[str] | None = None,
        *,
        scales: Sequence[int] = (1,),
        size: int = SIZE,
        weights: str | WeightsFile | None = None,
    ):
        if not scales or len(set(scales)) < len(scales) or min(scales) < 1:
            raise ValueError(
                "`scales` must be different numbers of 1 or more. "
                f"Received: {tuple(scales)}."
            )
        self.network, self.scales, self.size = network, tuple(scales), size
        self.layers = _checked(network, layers)
        self.image_sizes = tuple(size * scale for scale in self.scales)
        self.keys = tuple((name, s) for s in self.scales for name in self.layers)
        first = feature_maps(
            network, self.layers, size=self.image_sizes[0], weights=weights
        )
        self._models = [first]
        for side in self.image_sizes[1:]:
            other = feature_maps(network, self.layers, size=side)
            other.set_weights(first.get_weights())
            self._models.append(other)

    def __call__(self, images) -> dict[tuple[str, int], np.ndarray]:
        """Describes a batch of images.

        Args:
            images: one `(N, H, W, 3)` array of RGB pixels 0..255 for each scale, of the
                sides `image_sizes`; with one scale also the array itself.

        Returns:
            `(layer, scale)` -> float32 `(N, L, D)`, of unit length.

        Raises:
            ValueError: the images are not of these sizes.
        """
        found = {}
        batch = self._checked_images(images)
        for scale, model, pixels in zip(self.scales, self._models, batch, strict=True):
            maps = model.predict_on_batch(pixels)
            for layer in self.layers:
                vectors = ops.convert_to_numpy(descriptors(maps[layer]))
                found[layer, scale] = vectors
        return found

    def _checked_images(self, images):
        batch = [images] if hasattr(images, "shape") else list(images)
        found = [tuple(pixels.shape) for pixels in batch]
        wanted = [(side, side, 3) for side in self.image_sizes]
        counts = {shape[0] for shape in found}
        if [shape[1:] for shape in found] != wanted or len(counts) != 1:
            text = ", ".join(f"(N, {side}, {side}, 3)" for side in self.image_sizes)
            raise ValueError(f"`images` must be {text}. Received: {found}.")
        return batch

    def map_size(self, layer: str, scale: int) -> tuple[int, int, int]:
        """`(h, w, D)` of a layer's map.

        Args:
            layer: one of `layers`.
            scale: one of `scales`.
        """
        model = self._models[self.scales.index(scale)]
        return tuple(model.output[layer].shape[1:])

    def description(self) -> dict:
        """What the descriptors depend on, JSON-ready."""
        parts = named_layers.find(self.network)
        model = self._models[0]
        return {
            "network": self.network,
            "variant": parts.variant,
            "weights_sha256": _digest(model),
            "preprocess": model.get_layer("preprocess").settings(),
            "layers": list(self.layers),
            "scales": list(self.scales),
            "size": self.size,
        }


def _trunk(network, size, weights):
    """The convolutional part with its weights, and all named layers' tensors."""
    parts = named_layers.find(network)
    weights_file = load.open_weights(weights, parts.name, parts.variant)
    settings = load.preprocess_settings(weights_file, parts.preprocess)
    image = keras.Input((size, size, 3), name="image")
    x = Preprocess(**settings, name="preprocess")(image)
    tensors = {}
    try:
        for name, stage in parts.stages.items():
            x = tensors[name] = stage(x)
    except ValueError as error:
        raise ValueError(
            f"`size` is too small for {network}. Received: {size} pixels ({error})."
        ) from error
    model = keras.Model(image, x)
    if weights_file is not None:
        alone = _convolutions(parts, weights_file)
        assign.assign_network(model, alone, parts.name, parts.variant)
    return model, {
        name: tensors[source] if source in tensors else model.get_layer(source).output
        for name, source in named_layers.sources(network).items()
    }


def _convolutions(parts, weights_file):
    """The weights of a network without those behind its last map."""
    if weights_file.network in _ON_FRAMES:
        weights_file = initialize.backbone_alone(weights_file)
    weights_file = parts.without_hidden(weights_file)
    arrays = {
        name: array
        for name, array in weights_file.arrays.items()
        if not name.startswith("head/")
    }
    return replace(weights_file, arrays=arrays, left_out={})


def _checked(network, layers):
    names = named_layers.layer_names(network)
    if layers is None:
        return names
    if isinstance(layers, str):
        layers = (layers,)
    unknown = [layer for layer in layers if layer not in names]
    if unknown or not layers:
        raise ValueError(f"`layers` must be some of {names}. Received: {layers}.")
    return tuple(layers)


def _digest(model):
    """SHA-256 of a model's weights."""
    return arrays_sha256(
        {
            name: ops.convert_to_numpy(ops.cast(variable, "float32"))
            for name, variable in assign.named_variables(model).items()
        }
    )
