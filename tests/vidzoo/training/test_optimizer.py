"""Learning rates by hand."""

import math

import numpy as np
import pytest

from vidzoo.training import Phase
from vidzoo.training.optimizer import Schedule


def rates(phase, steps, steps_per_epoch=4, **kwargs):
    schedule = Schedule(phase, steps_per_epoch, **kwargs)
    return [float(schedule(step)) for step in steps]


def test_constant():
    assert rates(Phase(2, 0.1), range(8)) == pytest.approx([0.1] * 8)


def test_factor():
    assert rates(Phase(2, 0.1), [5], factor=3.0) == pytest.approx([0.3])


def test_step_divides_by_ten_at_each_boundary():
    phase = Phase(4, 1.0, schedule="step", decay_epochs=(1, 2.5))
    found = rates(phase, [0, 3, 4, 9, 10, 15])
    assert found == pytest.approx([1.0, 1.0, 0.1, 0.1, 0.01, 0.01])


@pytest.mark.parametrize("steps_per_epoch", [3, 7, 13, 69])
def test_step_falls_on_the_first_step_of_its_epoch(steps_per_epoch):
    phase = Phase(40, 1.0, schedule="step", decay_epochs=(11, 29))
    steps = [11 * steps_per_epoch - 1, 11 * steps_per_epoch, 29 * steps_per_epoch]
    found = rates(phase, steps, steps_per_epoch)
    assert found == pytest.approx([1.0, 0.1, 0.01])


def test_cosine_goes_down_to_zero():
    phase = Phase(2, 0.5, schedule="cosine")
    expected = [0.25 * (1 + math.cos(math.pi * step / 8)) for step in range(9)]
    assert rates(phase, range(9)) == pytest.approx(expected, abs=1e-7)
    assert expected[0] == 0.5
    assert rates(phase, [8, 100]) == pytest.approx([0.0, 0.0], abs=1e-7)


def test_exponential_decay_is_by_a_factor_an_epoch():
    phase = Phase(3, 0.5, schedule="exponential", decay_rate=0.81)
    expected = [0.5 * 0.81 ** (step / 4) for step in range(12)]
    assert expected[2] == pytest.approx(0.45)  # half an epoch
    assert rates(phase, range(12)) == pytest.approx(expected, rel=1e-5)


def test_warm_up_rises_linearly_and_multiplies():
    phase = Phase(2, 0.8, warmup_epochs=1.0)
    assert rates(phase, range(6)) == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8, 0.8])
    cosine = Phase(2, 0.8, schedule="cosine", warmup_epochs=0.5)
    ramp = np.minimum((np.arange(8) + 1) / 2, 1)
    expected = ramp * 0.4 * (1 + np.cos(np.pi * np.arange(8) / 8))
    assert rates(cosine, range(8)) == pytest.approx(list(expected), rel=1e-5)


def test_decay_in_steps_falls_on_its_step():
    phase = Phase(None, 1.0, steps=50, schedule="step", decay_steps=(20, 40))
    found = rates(phase, [0, 19, 20, 39, 40, 49], steps_per_epoch=7)
    assert found == pytest.approx([1.0, 1.0, 0.1, 0.1, 0.01, 0.01])


def test_cosine_over_a_phase_of_steps():
    phase = Phase(None, 0.5, steps=10, schedule="cosine")
    expected = [0.25 * (1 + math.cos(math.pi * step / 10)) for step in range(11)]
    found = rates(phase, range(11), steps_per_epoch=7)
    assert found == pytest.approx(expected, abs=1e-7)
