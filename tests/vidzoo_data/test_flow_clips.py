"""Clips of RGB and flow: one draw for both, and vectors that stay true."""

import numpy as np
import pytest
import tensorflow as tf

from tests.records import coordinate_frames, record, write_records
from tests.vidzoo_data.test_stored_flow import OPTIONS, write_video
from vidzoo.errors import RecordError
from vidzoo_data import clips, sources
from vidzoo_data import flow as flows
from vidzoo_data.clips import CornerCrop, RandomCrop, Segments
from vidzoo_data.records import write
from vidzoo_data.records.read import Records

BOTH = {"rgb": 1, "flow": 5}


def coordinate_flow(num_fields, height=48, width=64):
    """Fields that say where each pixel lies: x 3x, y its row + 16 x field."""
    fields = np.zeros((num_fields, height, width, 2), np.uint8)
    fields[..., 0] = 3 * np.arange(width)
    fields[..., 1] = (
        np.arange(height)[:, None] + 16 * np.arange(num_fields)[:, None, None]
    )
    return fields


@pytest.fixture(scope="module")
def coordinates(tmp_path_factory):
    videos = [
        record(f"v{i}", coordinate_frames(12), (i % 2,), coordinate_flow(11))
        for i in range(4)
    ]
    return write_records(tmp_path_factory.mktemp("coordinates") / "out", videos)


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    """Two that move right, by 2 and 3 pixels a frame, to train on; one left, by 4."""
    root = tmp_path_factory.mktemp("moving")
    for i in range(2):
        path = root / "videos" / "train" / "ab"[i] / "v.avi"
        write_video(path, num_frames=10, shift=2 + i, seed=i)
    write_video(root / "videos/test/a/v.avi", num_frames=10, shift=-4, seed=2)
    source = sources.read("folder", root / "videos")
    settings = flows.FlowSettings("dis")
    write.prepare(source, root / "records", flow=settings, **OPTIONS)
    return Records(root / "records")


def batches(records, crop, modalities, sampling=None, num_steps=4, **options):
    return clips.training_batches(
        records,
        "train",
        sampling=sampling or Segments(2, snippet_length=max(modalities.values())),
        crop=crop,
        modalities=modalities,
        **{"batch_size": 2, "num_steps": num_steps, "seed": 3} | options,
    )


# RGB and flow of one clip


@pytest.mark.parametrize("crop", [RandomCrop(20), CornerCrop(20)])
def test_one_draw_serves_rgb_and_flow(coordinates, crop):
    flips = []
    for batch in batches(coordinates, crop, BOTH, num_steps=8):
        assert batch["rgb"].shape == (2, 2, 20, 20, 3)
        assert batch["flow"].shape == (2, 2, 20, 20, 10)
        rgb = batch["rgb"].numpy().astype(float)
        flow = batch["flow"].numpy().astype(float)
        for n in range(2):
            red = rgb[n, 0, :, :, 0].mean(0)
            x = flow[n, 0, :, :, 0].mean(0)
            flipped = red[0] > red[-1]
            flips.append(flipped)
            np.testing.assert_allclose(255 - x if flipped else x, red, atol=3)
            rows = flow[n, 0, :, :, 1].mean(1)
            green = rgb[n, 0, :, :, 1].mean(1)
            np.testing.assert_allclose(rows - rows[0], (green - green[0]) / 4, atol=2)
            # The field is that of the frame: one counts in 16s, the other in 8s.
            for t in range(2):
                frame = round(rgb[n, t, :, :, 2].mean() / 8)
                field = flow[n, t, :, :, 1].mean() - green.mean() / 4
                assert field == pytest.approx(16 * frame, abs=2)
    assert 0 < sum(flips) < len(flips)


def test_a_snippet_is_x1_y1_to_x5_y5(coordinates):
    (batch,) = batches(
        coordinates, RandomCrop(48, flip=False), {"flow": 5}, num_steps=1
    )
    flow = batch["flow"].numpy().astype(int)
    for pair in range(1, 5):
        step = flow[..., 2 * pair : 2 * pair + 2] - flow[..., :2]
        np.testing.assert_array_equal(step[..., 0], 0)
        np.testing.assert_array_equal(step[..., 1], 16 * pair)


def test_rgb_alone_is_as_ever(coordinates):
    sampling = Segments(2)
    (one,) = batches(coordinates, CornerCrop(20), {"rgb": 1}, sampling, num_steps=1)
    (other,) = clips.training_batches(
        coordinates,
        "train",
        sampling=sampling,
        crop=CornerCrop(20),
        **{"batch_size": 2, "num_steps": 1, "seed": 3},
    )
    np.testing.assert_array_equal(one["rgb"], other["rgb"])
    assert "flow" not in one and "flow" not in other


def test_test_clips_and_views(coordinates):
    options = {"sampling": Segments(2, 5), "modalities": BOTH, "batch_size": 4}
    (center,) = clips.center_batches(
        coordinates, "train", crop=clips.CenterCrop(32), **options
    )
    assert center["flow"].shape == (4, 2, 32, 32, 10)
    x = center["flow"][0, 0, 0, :, 0].numpy()
    np.testing.assert_array_equal(x, 3 * np.arange(16, 48))
    options["batch_size"] = 10
    views = clips.view_batches(
        coordinates, "train", size=32, num_clips=2, num_crops=10, **options
    )
    count = 0
    for batch in views:
        flow, rgb = batch["flow"].numpy(), batch["rgb"].numpy()
        np.testing.assert_array_equal(
            flow[5:, ..., ::2], 255 - flow[:5, ..., ::-1, ::2]
        )
        np.testing.assert_array_equal(flow[5:, ..., 1::2], flow[:5, ..., ::-1, 1::2])
        np.testing.assert_array_equal(rgb[5:], rgb[:5, ..., ::-1, :])
        lefts = flow[:5, 0, 0, 0, 0].tolist()
        assert lefts == [0, 96, 0, 96, 48]  # corners, then the centre
        count += len(flow)
    assert count == 4 * 2 * 10


# What the flow says


def mean_x(clip, bound=20):
    return flows.from_bytes(clip[..., ::2].numpy(), bound).mean(dtype=np.float64)


def test_a_mirrored_motion_is_opposite(moving):
    class Fixed:
        size = 40

        def __init__(self, flip):
            self.flip = flip

        def window(self, height, width, seed):
            return tf.constant([2, 10, 40, 40]), tf.constant(self.flip)

    options = {"sampling": Segments(2, 5), "modalities": {"flow": 5}, "batch_size": 2}
    right, left = (
        next(iter(clips.center_batches(moving, "train", crop=Fixed(flip), **options)))
        for flip in (False, True)
    )
    assert mean_x(right["flow"]) > 1.5
    assert mean_x(left["flow"]) == pytest.approx(-mean_x(right["flow"]), abs=1e-6)
    y = right["flow"][..., 1::2]
    np.testing.assert_array_equal(left["flow"][..., 1::2], y[:, :, :, ::-1])


@pytest.mark.parametrize("crop", [RandomCrop(40), CornerCrop(32)])
def test_frames_and_flow_of_a_batch_belong_together(moving, crop):
    """Frame t+1 warped by flow t is frame t, better than unwarped or by another's."""
    modalities = {"rgb": 2, "flow_target": 1}
    errors = []
    for batch in clips.training_batches(
        moving,
        "train",
        sampling=Segments(2, 2),
        crop=crop,
        modalities=modalities,
        **{"batch_size": 8, "num_steps": 2, "seed": 1},
    ):
        others = clips.training_batches(
            moving,
            "test",
            sampling=Segments(2, 2),
            crop=crop,
            modalities=modalities,
            **{"batch_size": 8, "num_steps": 1, "seed": 2},
        )
        (other,) = others
        for n in range(8):
            frame, next_frame = np.split(batch["rgb"][n, 0].numpy(), 2, axis=-1)
            found = []
            for flow in (batch["flow_target"][n, 0], other["flow_target"][n, 0]):
                warped, inside = flows.warp(next_frame, flow.numpy())
                inside[:, -8:] = inside[:, :8] = False  # what enters and leaves
                found.append(flows.photometric_error(frame, warped, inside))
            found.append(flows.photometric_error(frame, next_frame, inside))
            errors.append(found)
    own, others, unwarped = np.transpose(errors)
    assert len(own) == 16
    assert np.mean(own < others) > 0.9 and np.mean(own < unwarped) > 0.9
    assert own.mean() < 0.6 * min(others.mean(), unwarped.mean())


def test_flow_to_predict_is_in_pixels_of_the_clip(tmp_path):
    bound = 10.0
    stored = np.full((3, 48, 64, 2), (200, 60), np.uint8)
    video = record("v", coordinate_frames(4), flow=stored, bound=bound)
    records = write_records(tmp_path / "out", [video])
    u, v = flows.from_bytes(np.array([200, 60], np.uint8), bound)

    class Fixed:
        size = 24

        def __init__(self, flip):
            self.flip = flip

        def window(self, height, width, seed):
            return tf.constant([0, 0, 48, 16]), tf.constant(self.flip)

    for flip in (False, True):
        (batch,) = clips.center_batches(
            records,
            "train",
            sampling=Segments(1),
            crop=Fixed(flip),
            modalities={"rgb": 1, "flow_target": 1},
            batch_size=1,
        )
        target = batch["flow_target"].numpy()
        assert target.dtype == np.float32 and target.shape == (1, 1, 24, 24, 2)
        sign = -1 if flip else 1
        np.testing.assert_allclose(target[..., 0], sign * u * 24 / 16, rtol=1e-5)
        np.testing.assert_allclose(target[..., 1], v * 24 / 48, rtol=1e-5)


def test_short_videos_are_looped(tmp_path):
    flow = coordinate_flow(1)
    video = record("v", coordinate_frames(2), flow=flow)
    records = write_records(tmp_path / "out", [video])
    (batch,) = batches(records, RandomCrop(48, flip=False), BOTH, num_steps=1)
    images = np.split(batch["flow"].numpy()[0, 0], 5, axis=-1)
    assert all((image == images[0]).all() for image in images)


def test_color_jitter_leaves_flow(coordinates):
    options = {"crop": RandomCrop(48, flip=False), "modalities": BOTH, "num_steps": 1}
    (plain,) = batches(coordinates, **options)
    (jittered,) = batches(coordinates, color=clips.ColorJitter(), **options)
    np.testing.assert_array_equal(plain["flow"], jittered["flow"])
    assert (plain["rgb"].numpy() != jittered["rgb"].numpy()).any()


# What is refused


def test_records_without_flow(tmp_path):
    records = write_records(tmp_path / "out", [record("v", coordinate_frames(4))])
    message = "out: these records hold no flow. Add it with `vidzoo flow .*out OUT`"
    with pytest.raises(RecordError, match=message):
        batches(records, RandomCrop(20), {"flow": 5})


@pytest.mark.parametrize(
    "modalities, message",
    [
        (
            {"depth": 1},
            r"of \('rgb', 'flow', 'flow_target', 'features'\). Received: 'depth'",
        ),
        ({"flow": 6}, "1 to 5 images of flow, as many as Segments.* Received: 6"),
        ({}, "must name one or more"),
    ],
)
def test_modalities_that_cannot_be(coordinates, modalities, message):
    with pytest.raises(ValueError, match=message):
        clips.training_batches(
            coordinates,
            "train",
            sampling=Segments(2, 5),
            crop=RandomCrop(20),
            modalities=modalities,
            **{"batch_size": 2, "num_steps": 1},
        )
