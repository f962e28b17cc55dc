"""How much work a network does, counted rather than timed."""

import math

import keras
from keras import layers

from vidzoo.layers import PeepholeLSTM


def multiply_adds(model: keras.Model) -> int:
    """Multiply-adds of one clip, of convolutions (transposed too) and dense layers.

    This is what torchvision lists as a network's FLOPs. A layer counts as often as it
    is applied: a backbone once for every snippet, an LSTM's two kernels for every step.

    Args:
        model: a functional model of one input whose shape is known but for the batch.

    Raises:
        ValueError: another layer has kernels, such as a recurrent one or a model.
    """
    counts = []

    def call(layer, *inputs, **options):
        outputs = layer(*inputs, **options)
        if isinstance(layer, (layers.Conv2D, layers.Conv3D)):
            # Each output value sums over a kernel's window and its input channels.
            counts.append(math.prod(outputs.shape) * math.prod(layer.kernel.shape[:-1]))
        elif isinstance(layer, layers.Dense):
            counts.append(math.prod(outputs.shape) * layer.kernel.shape[0])
        elif isinstance(layer, (layers.Conv2DTranspose, layers.Conv3DTranspose)):
            # Each input value is spread over a window of each filter.
            spread = math.prod(layer.kernel.shape[:-1])
            counts.append(math.prod(inputs[0].shape) * spread)
        elif isinstance(layer, PeepholeLSTM):
            kernels = (layer.cell.kernel, layer.cell.recurrent_kernel)
            of_a_step = sum(math.prod(kernel.shape) for kernel in kernels)
            counts.append(math.prod(inputs[0].shape[:2]) * of_a_step)
        elif any(len(v.shape) > 1 for v in getattr(layer, "weights", ())):
            raise ValueError(
                f"Cannot count a {type(layer).__name__}. Received: {layer.name}."
            )
        return outputs

    # Networks fold snippets into the batch, whose size is therefore made known.
    keras.models.clone_model(
        model,
        input_tensors=keras.Input(batch_shape=(1, *model.input.shape[1:])),
        clone_function=lambda layer: layer,
        call_function=call,
    )
    return sum(counts)
