"""LSTM with peephole connections, which Keras has not: its gates see the cell state."""

import keras
from keras import layers, ops

_GATES = 4  # in the order of the kernels' columns: input, forget, cell, output


@keras.saving.register_keras_serializable(package="vidzoo")
class PeepholeLSTMCell(layers.Layer):
    """One time step of a peephole LSTM.

    The input and the forget gate see the cell state before the step, the output gate
    the one after it, each through one weight per cell (a diagonal matrix).

    Source: dissertation, equations 3.3 to 3.7; that its peepholes are diagonal is a
    decision of ours, as in Gers & Schmidhuber 2000.

    Weights, in this order: `kernel` `(D, 4U)` and `recurrent_kernel` `(U, 4U)`, columns
    of the gates i, f, c, o; `bias` `(4U,)`; `input_gate_peephole_weights`, then
    `forget_` and `output_`, `(U,)` each: as tensorflow-addons has them.

    Args:
        units: U, cells.
        unit_forget_bias: whether the forget gate's bias starts at 1, not at 0, so that
            the state is kept at first.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        ValueError: `units` is below 1.

    Example:
        >>> cell = PeepholeLSTMCell(6)
        >>> output, states = cell(ops.zeros((2, 11)), cell.get_initial_state(2))
        >>> tuple(output.shape), len(states)
        ((2, 6), 2)
    """

    def __init__(self, units: int, *, unit_forget_bias: bool = True, **kwargs):
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"`units` must be >= 1. Received: {units}.")
        self.units = units
        self.unit_forget_bias = unit_forget_bias
        self.state_size = [units, units]
        self.output_size = units

    def build(self, input_shape):
        """Makes the weights for inputs `(N, D)`."""
        width = _GATES * self.units
        self.kernel = self.add_weight(
            name="kernel", shape=(input_shape[-1], width), initializer="glorot_uniform"
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(self.units, width),
            initializer="orthogonal",
        )
        self.bias = self.add_weight(
            name="bias", shape=(width,), initializer=self._first_bias
        )
        self.peepholes = [
            self.add_weight(
                name=f"{gate}_gate_peephole_weights",
                shape=(self.units,),
                initializer="glorot_uniform",
            )
            for gate in ("input", "forget", "output")
        ]

    def _first_bias(self, shape, dtype=None):
        bias = ops.zeros((_GATES, self.units), dtype)
        if self.unit_forget_bias:
            is_forget = ops.cast(ops.arange(_GATES) == 1, dtype)
            bias = bias + is_forget[:, None]
        return ops.reshape(bias, shape)

    def call(self, inputs, states):
        """One step.

        Args:
            inputs: `(N, D)`.
            states: h and c before the step, `(N, U)` each.

        Returns:
            h after the step, and the list of h and c.
        """
        return self.step(self.project(inputs), states)

    def project(self, inputs):
        """What the gates get of the inputs: `(..., D)` to `(..., 4U)`.

        It needs no state, so a layer does it for all steps at once.
        """
        return ops.matmul(inputs, self.kernel) + self.bias

    def step(self, projected, states):
        """`call`, of inputs that went through `project`."""
        h, c = states
        gates = projected + ops.matmul(h, self.recurrent_kernel)
        i, f, new, o = ops.split(gates, _GATES, axis=-1)
        of_input, of_forget, of_output = (ops.cast(p, c.dtype) for p in self.peepholes)
        i = ops.sigmoid(i + c * of_input)
        f = ops.sigmoid(f + c * of_forget)
        c = f * c + i * ops.tanh(new)
        o = ops.sigmoid(o + c * of_output)
        h = o * ops.tanh(c)
        return h, [h, c]

    def get_initial_state(self, batch_size=None):
        """Zeros: h and c, `(N, U)` each."""
        return [
            ops.zeros((batch_size, self.units), dtype=self.compute_dtype)
            for _ in self.state_size
        ]

    def get_config(self):
        """See `keras.layers.Layer.get_config`."""
        return super().get_config() | {
            "units": self.units,
            "unit_forget_bias": self.unit_forget_bias,
        }


@keras.saving.register_keras_serializable(package="vidzoo")
class PeepholeLSTM(layers.RNN):
    """A layer of peephole LSTM cells over a sequence; see `PeepholeLSTMCell`.

    As `keras.layers.LSTM` otherwise. Where the mask is false, state and output stay
    as they were, so that what follows the end of a sequence changes nothing.

    Args:
        units: U, cells.
        unit_forget_bias: see the cell.
        return_sequences: whether the output is that of every step.
        return_state: whether h and c after the last step come too.
        go_backwards: whether the sequence is read from its end.
        stateful: whether a batch starts from the states that the one before left: for
            streams, which come piece by piece. `reset_state()` forgets them.
        **kwargs: of `keras.layers.Layer`.

    Input: `(N, T, D)`; as `mask`, bool `(N, T)`; as `initial_state`, h and c.

    Output: `(N, U)`, or `(N, T, U)`.

    Example:
        >>> tuple(PeepholeLSTM(6, return_sequences=True)(ops.zeros((2, 7, 11))).shape)
        (2, 7, 6)
    """

    def __init__(
        self,
        units: int,
        *,
        unit_forget_bias: bool = True,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        **kwargs,
    ):
        cell = PeepholeLSTMCell(
            units,
            unit_forget_bias=unit_forget_bias,
            dtype=kwargs.get("dtype"),
            name="cell",
        )
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            **kwargs,
        )

    def inner_loop(self, sequences, initial_state, mask, training=False):
        """All steps; called by `keras.layers.RNN`, which keeps the states.

        Returns:
            The last output, all outputs, and the states.
        """
        del training
        steps = self.cell.project(sequences)  # (N, T, 4U)
        width = steps.shape[-1]
        if mask is not None:  # beside them: of two tensors Keras must know T
            steps = ops.concatenate([steps, ops.cast(mask, steps.dtype)[..., None]], -1)
        steps = ops.swapaxes(steps, 0, 1)  # (T, N, ...)
        if self.go_backwards:
            steps = ops.flip(steps, axis=0)

        def step(states, inputs):
            _, new = self.cell.step(inputs[..., :width], states)
            if mask is not None:
                is_real = inputs[..., width:] > 0
                pairs = zip(new, states, strict=True)
                new = [ops.where(is_real, after, before) for after, before in pairs]
            return new, new

        states, (outputs, _) = ops.scan(step, list(initial_state), steps)
        return states[0], ops.swapaxes(outputs, 0, 1), states

    def get_config(self):
        """See `keras.layers.Layer.get_config`."""
        config = super().get_config()
        for of_other_cells in ("cell", "unroll", "zero_output_for_mask"):
            config.pop(of_other_cells, None)
        return config | {
            "units": self.cell.units,
            "unit_forget_bias": self.cell.unit_forget_bias,
        }

    @classmethod
    def from_config(cls, config):
        """See `keras.layers.Layer.from_config`."""
        return cls(**config)
