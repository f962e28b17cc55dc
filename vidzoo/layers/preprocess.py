"""The preprocessing that a network's weights expect, as its first layer."""

import keras
from keras import ops

CHANNEL_ORDERS = ("rgb", "bgr")


@keras.saving.register_keras_serializable(package="vidzoo")
class Preprocess(keras.layers.Layer):
    """Turns pixels 0..255 into what the weights were trained on.

    Computes `(pixels * scale - mean) / std` for each channel, after reversing the
    channels of every image for weights that want blue first. A snippet's stacked
    images are normalised one by one.

    Args:
        channel_order: `"rgb"`, or `"bgr"` for weights from Caffe.
        scale: factor on pixels, e.g. 1/255.
        mean: one value per channel of an image, in the weights' channel order,
            after scaling.
        std: likewise.

    Input: `(..., C)`, RGB pixels 0..255, uint8 or float, with C a multiple of
    `len(mean)`.

    Output: the same shape, in the layer's compute dtype.

    Raises:
        ValueError: `channel_order` is unknown, `mean` and `std` differ in length,
            or C is not a multiple of that length.

    Example:
        >>> layer = Preprocess("bgr", mean=(104, 117, 123))
        >>> ops.convert_to_numpy(layer(ops.array([[255, 0, 0]]))).tolist()
        [[-104.0, -117.0, 132.0]]
    """

    def __init__(
        self,
        channel_order: str = "rgb",
        scale: float = 1.0,
        mean: tuple[float, ...] = (0.0, 0.0, 0.0),
        std: tuple[float, ...] = (1.0, 1.0, 1.0),
        **kwargs,
    ):
        super().__init__(**kwargs)
        if channel_order not in CHANNEL_ORDERS:
            raise ValueError(
                f"`channel_order` must be one of {CHANNEL_ORDERS}. "
                f"Received: {channel_order!r}."
            )
        if len(mean) != len(std):
            raise ValueError(
                "`mean` and `std` must have one length. "
                f"Received: {len(mean)} and {len(std)} values."
            )
        self.channel_order = channel_order
        self.scale = float(scale)
        self.mean = tuple(float(value) for value in mean)
        self.std = tuple(float(value) for value in std)

    def build(self, input_shape):
        """Checks that the channels are whole images."""
        if input_shape[-1] % len(self.mean):
            raise ValueError(
                f"The channels must be a multiple of {len(self.mean)}. "
                f"Received shape: {tuple(input_shape)}."
            )

    def call(self, frames):
        """Normalises `(..., C)` pixels."""
        x = ops.cast(frames, self.compute_dtype)
        num_images = x.shape[-1] // len(self.mean)
        if self.channel_order == "bgr":
            image_shape = (*ops.shape(x)[:-1], num_images, len(self.mean))
            x = ops.reshape(ops.flip(ops.reshape(x, image_shape), -1), ops.shape(x))
        factor = [self.scale / std for std in self.std] * num_images
        offset = [-m / s for m, s in zip(self.mean, self.std, strict=True)] * num_images
        return x * ops.array(factor, x.dtype) + ops.array(offset, x.dtype)

    def compute_output_shape(self, input_shape):
        """Shape in, shape out."""
        return input_shape

    def settings(self) -> dict:
        """The arguments that rebuild this preprocessing, JSON-ready."""
        return {
            "channel_order": self.channel_order,
            "scale": self.scale,
            "mean": list(self.mean),
            "std": list(self.std),
        }

    def get_config(self):
        """See `keras.layers.Layer.get_config`."""
        return super().get_config() | self.settings()
