"""On which devices a network trains: one, or several that share each batch."""

import functools

import tensorflow as tf

from vidzoo.errors import UsageError


def strategy(num_devices: int | None = None) -> tf.distribute.Strategy:
    """Spreads training over the visible GPUs, or CPU devices where there is no GPU.

    Args:
        num_devices: how many of them; all by default.

    Returns:
        TensorFlow's default strategy for one device, else a `MirroredStrategy`.

    Raises:
        UsageError: there are not so many devices.
    """
    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    found = [device.name for device in tf.config.list_logical_devices(kind)]
    count = len(found) if num_devices is None else num_devices
    if not 1 <= count <= len(found):
        raise UsageError(
            f"--devices is {count}; TensorFlow sees {len(found)} of kind {kind} here. "
            "Give so many or fewer, or leave --devices out for all."
        )
    if count == 1:
        return tf.distribute.get_strategy()
    return _mirrored(tuple(found[:count]))


@functools.cache
def _mirrored(names):
    # One in all: TensorFlow numbers the sums over devices for each strategy from 100,
    # and a process in which two sums have one number fails.
    return tf.distribute.MirroredStrategy(names)


def onednn() -> bool | None:
    """Whether TensorFlow runs oneDNN's kernels on the CPU; None if it does not tell."""
    try:
        from tensorflow.python.util import _pywrap_util_port as built
    except ImportError:  # it is nowhere public
        return None
    return built.IsMklEnabled()


def check_batch_size(batch_size: int, devices: tf.distribute.Strategy) -> None:
    """Checks that devices can share a batch evenly.

    Raises:
        UsageError: they cannot.
    """
    count = devices.num_replicas_in_sync
    if batch_size % count:
        raise UsageError(
            f"--batch_size is {batch_size}, which {count} devices cannot share evenly. "
            f"Give a multiple of {count}, or other --devices."
        )


def shares(batch, devices: tf.distribute.Strategy):
    """A batch's equal shares, one for each device, for `Strategy.run`.

    Args:
        batch: a tuple of tensors `(N, ...)`, N a multiple of the number of devices.
        devices: the strategy.
    """
    count = devices.num_replicas_in_sync
    if count == 1:
        return batch
    size = len(batch[0]) // count

    def share(context):
        first = context.replica_id_in_sync_group * size
        return tuple(tensor[first : first + size] for tensor in batch)

    return devices.experimental_distribute_values_from_function(share)


def spread_random_states(model, devices: tf.distribute.Strategy) -> None:
    """Gives each device random numbers of its own, told from those of the first.

    Mirrored variables start equal, so that every device would drop the same units.
    """
    if devices.num_replicas_in_sync == 1:
        return
    for variable in model.variables:
        if variable.name == "seed_generator_state":
            copies = devices.experimental_local_results(variable.value)
            seed, count = copies[0].numpy()
            for number, copy in enumerate(copies):
                copy.assign([seed + number, count])
