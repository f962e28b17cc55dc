"""Which layers of a network train in a phase, and how their batch norm works."""

import keras

from vidzoo.training.recipes import Phase


def parts_of(layer_name: str) -> tuple[str, ...]:
    """The parts that a layer belongs to, the most specific first; see `Phase`.

    Example:
        >>> parts_of("image_res2_block1_conv1"), parts_of("difference_head")
        (('image',), ('difference_head', 'head'))
    """
    if layer_name.endswith("head"):
        return tuple(dict.fromkeys((layer_name, "head")))
    return (layer_name.partition("_")[0],)


def learning_rate_factor(layer_name: str, phase: Phase) -> float:
    """The factor on a layer's learning rate in a phase."""
    for part in parts_of(layer_name):
        if part in phase.multipliers:
            return phase.multipliers[part]
    return 1.0


def prepare(model, phase: Phase, *, synchronized: bool = False) -> list:
    """Sets a model's layers up for a phase and returns what trains, layer by layer.

    Frozen layers, and batch norms whose statistics are fixed, get
    `layer.trainable = False`, with which Keras uses moving statistics even in training.
    The scales and offsets of the latter are among the variables returned all the same.

    Args:
        model: a functional model as `vidzoo.models` builds them.
        phase: which parts are frozen, and how batch norm works.
        synchronized: whether batch norm takes its statistics over all devices.

    Returns:
        `(variable, factor)` pairs: a Keras variable and its learning rate's multiplier.

    Raises:
        ValueError: the phase names a part that the model has not, or nothing trains.
    """
    reset(model)
    _check_names(model, phase)
    trained, seen = [], set()
    for layer in model.layers:
        if _is_frozen(layer.name, phase):
            layer.trainable = False
            continue
        factor = learning_rate_factor(layer.name, phase)
        trained += [(variable, factor) for variable in layer.trainable_variables]
        if isinstance(layer, keras.layers.BatchNormalization):
            part = parts_of(layer.name)[0]
            is_first = part not in seen
            seen.add(part)
            layer.trainable = phase.batch_norm == "train" or (
                phase.batch_norm == "partial" and is_first
            )
            layer.synchronized = synchronized
    if not trained:
        raise ValueError(f"`frozen` leaves nothing to train. Received: {phase.frozen}.")
    return trained


def reset(model) -> None:
    """Makes every layer trainable again; a model's own flag does not reach them."""
    for layer in model.layers:
        layer.trainable = True


def _is_frozen(layer_name, phase):
    return any(part in phase.frozen for part in parts_of(layer_name))


def _check_names(model, phase):
    known = {part for x in model.layers if x.weights for part in parts_of(x.name)}
    for argument in ("frozen", "multipliers"):
        unknown = [part for part in getattr(phase, argument) if part not in known]
        if unknown:
            raise ValueError(
                f"`{argument}` must name parts of the model, {sorted(known)}. "
                f"Received: {unknown}."
            )
