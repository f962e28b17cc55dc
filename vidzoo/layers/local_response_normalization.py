"""Local response normalisation across channels, which Keras has not."""

from keras import ops


def local_response_normalization(
    x, size: int = 5, alpha: float = 1e-4, bias: float = 1.0, beta: float = 0.75
):
    """Divides each value by the energy of its neighbouring channels.

    `x / (bias + alpha / size * sum of squares over size channels) ** beta`: alpha is
    divided by the size, as Caffe does and TensorFlow's op does not.

    Source: Krizhevsky et al. 2012, section 3.3; constants of Caffe's GoogLeNet. (Those
    of the paper, whose alpha is not divided, are alpha 5e-4 and bias 2.)

    Args:
        x: `(..., C)`.
        size: odd number of channels in the window.
        alpha: strength.
        bias: what is added to the energy, the paper's k.
        beta: the power.

    Returns:
        Same shape and dtype as `x`; squares are taken in float32, since those of
        ordinary activations overflow float16.
    """
    num_channels = x.shape[-1]
    half = size // 2
    squares = ops.square(ops.cast(x, "float32"))
    others = [(0, 0)] * (len(x.shape) - 1)
    squares = ops.pad(squares, [*others, (half, half)])
    energy = squares[..., :num_channels]
    for shift in range(1, size):
        energy = energy + squares[..., shift : shift + num_channels]
    base = bias + (alpha / size) * energy
    # By square roots, which are faster than a power, where that is 3/4.
    factor = (
        ops.rsqrt(base * ops.sqrt(base)) if beta == 0.75 else ops.power(base, -beta)
    )
    return x * ops.cast(factor, x.dtype)
