"""Several devices give what one gives; logical CPU devices stand in for GPUs.

Logical devices are fixed before TensorFlow starts, so the cases have a process of their
own; it trains one network after the other, as a command of several splits does.
"""

import json

import numpy as np
import pytest

from tests.other_process import answering

_PREAMBLE = """
import contextlib, io, json, sys, traceback
import keras, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
logical = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, logical)
from pathlib import Path
from tests import toy_backbones
from vidzoo import models
from vidzoo.errors import UsageError
from vidzoo.training import Phase, Recipe, devices, train
"""

_RUN_SCRIPTS = """
for line in sys.stdin:
    script, *sys.argv[1:] = json.loads(line)
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            exec(script, dict(globals()))
        answer = {"said": said.getvalue()}
    except Exception:
        answer = {"failed": traceback.format_exc()}
    print(json.dumps(answer), flush=True)
"""

_TRAIN = """
out, batch_norm = Path(sys.argv[1]), sys.argv[2]
random = np.random.default_rng(5)
made = [
    {
        "rgb": tf.constant(random.integers(0, 256, (16, 2, 32, 32, 3), dtype=np.uint8)),
        "label": tf.constant(random.integers(0, 3, 16).astype(np.int32)),
    }
    for _ in range(10)
]
phase = Phase(
    10, 0.02, weight_decay=5e-4, clip_norm=1.0, batch_norm=batch_norm,
    multipliers={"head": 3.0},
)
for count in (1, 2):
    strategy = devices.strategy(count)
    assert strategy.num_replicas_in_sync == count
    keras.utils.set_random_seed(1)
    with strategy.scope():
        model = models.TDN(
            3, num_segments=2, backbone="toy", frame_shape=(32, 32, 3), dropout=0.0
        )
    run = out / str(count)
    train(
        model, lambda first, last: made[first:last], Recipe((phase,), batch_size=16),
        num_videos=16, run_folder=run, strategy=strategy,
    )
    arrays = {v.path: np.array(v) for v in model.variables}
    np.savez(out / f"{count}.npz", **arrays)
"""

_TRAIN_FLOW = """
out = Path(sys.argv[1])
random = np.random.default_rng(5)
made = []
for _ in range(3):
    flow = random.normal(0, 2, (4, 1, 32, 32, 2)).astype(np.float32)
    flow[0], flow[1], flow[2, :, :11] = np.nan, np.nan, np.nan  # the first device's all
    made.append({
        "rgb": tf.constant(random.integers(0, 256, (4, 1, 32, 32, 6), dtype=np.uint8)),
        "label": tf.constant(random.integers(0, 3, 4).astype(np.int32)),
        "flow_target": tf.constant(flow),
    })
for count in (1, 2):
    strategy = devices.strategy(count)
    keras.utils.set_random_seed(1)
    with strategy.scope():
        model = models.ActionFlowNet2F(
            3, backbone="toy", frame_shape=(32, 32, 6), dropout=0.0
        )
    train(
        model, lambda first, last: made[first:last],
        Recipe((Phase(3, 0.02, batch_norm="frozen"),), batch_size=4),
        num_videos=4, run_folder=out / str(count), strategy=strategy,
    )
"""

_RESUME = """
from tests.vidzoo.training.toy import as_in_a_new_process, batches, toy_model
from vidzoo.training import Stopped

out, strategy = Path(sys.argv[1]), devices.strategy(2)
recipe = Recipe((Phase(1, 0.05), Phase(1, 0.05)), 4)  # of two steps each

def run(folder, stop_after=None, resume=False):
    as_in_a_new_process(9 if resume else 1)
    with strategy.scope():
        model = toy_model(dropout=0.5)
    steps = []
    def stop():
        steps.append(0)
        return len(steps) == stop_after
    try:
        train(
            model, batches(), recipe, num_videos=8, run_folder=out / folder,
            strategy=strategy, resume=resume, should_stop=stop,
        )
    except Stopped:
        assert len(steps) == stop_after
    return model

whole, equal = run("whole"), {}
for stop_after in (1, 2, 3):
    folder = f"cut{stop_after}"
    run(folder, stop_after)
    resumed = run(folder, resume=True)
    equal[stop_after] = all(
        np.array_equal(one, two)
        for one, two in zip(whole.variables, resumed.variables, strict=True)
    )
seeds = [v for v in whole.variables if v.name == "seed_generator_state"]
copies = strategy.experimental_local_results(seeds[0].value)
print(json.dumps({"equal": equal, "seeds": [c.numpy().tolist() for c in copies]}))
"""

_TOO_MANY = """
try:
    devices.strategy(3)
except UsageError as error:
    print(error)
try:
    devices.check_batch_size(5, devices.strategy())
except UsageError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def on_two_devices():
    """What a script says there: a function of it and its arguments."""
    with answering(_PREAMBLE + _RUN_SCRIPTS) as ask:

        def run(script, *arguments):
            answer = ask(script, *map(str, arguments))
            assert "failed" not in answer, answer["failed"]
            return answer["said"]

        yield run


@pytest.mark.parametrize("batch_norm", ["train", "frozen"])
def test_two_devices_train_as_one(batch_norm, tmp_path, on_two_devices):
    """Batch 16 on one device, 8 on each of two: ten steps, equal to 1e-4."""
    on_two_devices(_TRAIN, tmp_path, batch_norm)
    logs = [(tmp_path / count / "log.jsonl").read_text() for count in ("1", "2")]
    losses = [[json.loads(x)["loss"] for x in log.splitlines()] for log in logs]
    assert len(losses[0]) == 10 and np.ptp(losses[0]) > 0.1
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    with np.load(tmp_path / "1.npz") as one, np.load(tmp_path / "2.npz") as two:
        assert set(one.files) == set(two.files)
        for name in one.files:
            scale = np.abs(one[name]).max()
            np.testing.assert_allclose(
                two[name], one[name], rtol=1e-4, atol=1e-4 * scale, err_msg=name
            )


def test_unknown_flow_counts_as_little_on_two_devices(tmp_path, on_two_devices):
    """However the places that are known are spread over them."""
    on_two_devices(_TRAIN_FLOW, tmp_path)
    one, two = (
        [json.loads(x) for x in (tmp_path / n / "log.jsonl").read_text().splitlines()]
        for n in ("1", "2")
    )
    assert len(one) == 3
    for name in ("loss", "epe", "accuracy", "unknown"):
        ours, theirs = ([line[name] for line in log] for log in (two, one))
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, err_msg=name)
    assert two[0]["unknown"] == pytest.approx((2 + 11 / 32) / 4)


def test_dropout_differs_between_devices_and_resumes_exactly(tmp_path, on_two_devices):
    answer = json.loads(on_two_devices(_RESUME, tmp_path).splitlines()[-1])
    assert answer["equal"] == {"1": True, "2": True, "3": True}
    (first, count), (second, other_count) = answer["seeds"]
    assert second == first + 1 and count == other_count == 4  # one draw a step


def test_more_devices_than_there_are(on_two_devices):
    lines = on_two_devices(_TOO_MANY).splitlines()
    assert lines[0] == (
        "--devices is 3; TensorFlow sees 2 of kind CPU here. "
        "Give so many or fewer, or leave --devices out for all."
    )
    assert lines[1] == (
        "--batch_size is 5, which 2 devices cannot share evenly. "
        "Give a multiple of 2, or other --devices."
    )
