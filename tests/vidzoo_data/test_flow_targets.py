"""Clips of frames and the flow that leads from each to the next, or to the future."""

import dataclasses

import numpy as np
import pytest

from tests.records import record, write_records
from tests.vidzoo_data.test_stored_flow import OPTIONS, write_video
from vidzoo.errors import RecordError
from vidzoo_data import clips, sources, synthetic
from vidzoo_data import flow as flows
from vidzoo_data.clips import CenterCrop, Excerpt, Segments, Whole, Window
from vidzoo_data.records import write
from vidzoo_data.records.read import Records

BOUND = 8.0
STEP = BOUND / 255  # half a step of stored flow
BOTH = {"rgb": 1, "flow_target": 1}
PAIR = {"rgb": 2, "flow_target": 1}


def scene_record(video_id, num_frames, motion="right"):
    """A rendered video of 32 pixels with its exact flow, and that flow."""
    scene = synthetic.draw_scene(
        np.random.default_rng(num_frames),
        motion,
        "disk",
        size=32,
        num_frames=num_frames,
    )
    flow, _ = synthetic.exact_flow(scene)
    stored = flows.to_bytes(flow, BOUND)
    return record(video_id, synthetic.render(scene), flow=stored, bound=BOUND), flow


def counting_record(video_id, num_frames, num_fields=None):
    """Field t of it is (t, -t) pixels everywhere; frame t has the grey level 10 t."""
    num_fields = num_frames - 1 if num_fields is None else num_fields
    frames = np.zeros((num_frames, 32, 32, 3), np.uint8)
    frames += (10 * np.arange(num_frames, dtype=np.uint8))[:, None, None, None]
    t = np.arange(num_fields, dtype=np.float32)[:, None, None]
    flow = np.broadcast_to(np.stack([t, -t], axis=-1), (num_fields, 1, 1, 2))
    flow = np.tile(flow, (1, 32, 32, 1))
    stored = flows.to_bytes(flow, 40)
    return record(video_id, frames, flow=stored, bound=40)


def written(tmp_path, *records):
    return write_records(tmp_path / "out", list(records))


def centered(records, sampling, modalities=BOTH, size=32):
    (batch,) = clips.center_batches(
        records,
        "train",
        sampling=sampling,
        crop=CenterCrop(size),
        modalities=modalities,
        batch_size=len(records.videos),
    )
    return {name: value.numpy() for name, value in batch.items()}


def shown(batch):
    """What `counting_record` has: numbers of frames, and of their fields or NaN."""
    frames = np.rint(batch["rgb"][0, ..., 0].mean((1, 2)) / 10).astype(int)
    target = batch["flow_target"][0]
    np.testing.assert_allclose(target[..., 0], -target[..., 1], atol=0.5)
    assert (np.isnan(target).any((1, 2, 3)) == np.isnan(target).all((1, 2, 3))).all()
    return frames.tolist(), np.round(target[..., 0].mean((1, 2))).tolist()


nan = pytest.approx(float("nan"), nan_ok=True)


# Every frame has its field


def test_sixteen_frames_have_sixteen_fields_the_last_of_them_future(tmp_path):
    video, flow = scene_record("v", 17)
    batch = centered(written(tmp_path, video), Window(16))
    assert batch["rgb"].shape == (1, 16, 32, 32, 3)
    assert batch["flow_target"].shape == (1, 16, 32, 32, 2)
    np.testing.assert_allclose(batch["flow_target"][0], flow, atol=1.001 * STEP)
    assert np.abs(flow[15]).max() > 0.5  # what leads to frame 16, which is not shown


def test_a_window_may_start_wherever_all_its_fields_are_stored(tmp_path):
    video, flow = scene_record("v", 20, "grow")
    starts = set()
    for batch in clips.training_batches(
        written(tmp_path, video),
        "train",
        sampling=Window(16),
        crop=clips.RandomCrop(32, flip=False),
        modalities=BOTH,
        **{"batch_size": 8, "num_steps": 4, "seed": 1},
    ):
        for target in batch["flow_target"].numpy():
            errors = [np.abs(target - flow[i : i + 16]).max() for i in range(4)]
            starts.add(int(np.argmin(errors)))
            assert min(errors) <= 1.001 * STEP
    assert starts == {0, 1, 2, 3}


def test_a_pair_of_frames_and_its_field(tmp_path):
    video, flow = scene_record("v", 17)
    batch = centered(written(tmp_path, video), Segments(1, 2), PAIR)
    assert batch["rgb"].shape == (1, 1, 32, 32, 6)
    assert batch["flow_target"].shape == (1, 1, 32, 32, 2)
    np.testing.assert_allclose(batch["flow_target"][0, 0], flow[8], atol=1.001 * STEP)


def test_the_last_field_of_a_video_has_its_pair_too(tmp_path):
    """Two frames are enough: the second one needs no field of its own."""
    batch = centered(written(tmp_path, counting_record("v", 2)), Segments(1, 2), PAIR)
    assert batch["rgb"][0, 0, 0, 0].tolist() == [0, 0, 0, 10, 10, 10]
    np.testing.assert_allclose(batch["flow_target"], 0, atol=1.001 * 40 / 255)
    three = written(tmp_path / "three", counting_record("v", 3))
    seen = {
        round(float(batch["flow_target"][0, 0, 0, 0, 0]))
        for batch in clips.training_batches(
            three,
            "train",
            sampling=Segments(1, 2),
            crop=CenterCrop(32),
            modalities=PAIR,
            **{"batch_size": 1, "num_steps": 20, "seed": 0},
        )
    }
    assert seen == {0, 1}


# Targets that are not known


def test_a_looped_window_has_no_field_back_to_the_start(tmp_path):
    records = written(tmp_path, counting_record("v", 6))
    frames, fields = shown(centered(records, Window(12)))
    assert frames == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]
    assert fields == [0, 1, 2, 3, nan, 0, 1, 2, 3, nan, 0, 1]


def test_a_window_with_a_stride_has_a_future_alone(tmp_path):
    records = written(tmp_path, counting_record("v", 12))
    frames, fields = shown(centered(records, Window(4, stride=2)))
    assert frames == [2, 4, 6, 8]
    assert fields == [nan, nan, nan, 8]


def test_flow_at_a_rate_of_its_own_leads_to_frames_at_that_rate(tmp_path):
    """25 frames a second, fields that are 2/25 s long: every other frame is next."""
    videos = [counting_record("v", 12, num_fields=10)]
    flow = dataclasses.replace(videos[0].flow, fps=12.5)
    records = written(tmp_path, dataclasses.replace(videos[0], flow=flow))
    records.flow["fps"] = 12.5
    assert shown(centered(records, Window(4, stride=2)))[1] == [2, 4, 6, 8]
    assert shown(centered(records, Window(3)))[1] == [nan, nan, 6]


def test_whole_videos_are_runs_and_padded_with_unknown_flow(tmp_path):
    records = written(tmp_path, counting_record("v", 4), counting_record("w", 6))
    batch = centered(records, Whole())
    np.testing.assert_array_equal(batch["mask"], [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    assert shown(batch) == ([0, 1, 2, 0, 0], [0, 1, 2, nan, nan])
    alone = written(tmp_path / "alone", counting_record("v", 6))
    assert shown(centered(alone, Whole(num_frames=7)))[1] == [0, 1, 2, 3, nan, 0, 1]
    excerpt = Excerpt(3, Whole())
    assert shown(centered(alone, excerpt)) == ([1, 2, 3], [1, 2, 3])


def test_snippets_do_not_lead_to_each_other(tmp_path):
    """Every snippet has a future of its own; where it is looped, what is before."""
    records = written(tmp_path, counting_record("v", 10))
    assert shown(centered(records, Segments(3)))[1] == [1, 4, 7]
    short = written(tmp_path / "short", counting_record("v", 3))
    batch = centered(short, Segments(1, 4), {"rgb": 4, "flow_target": 4})
    fields = batch["flow_target"][0, 0, 0, 0, ::2]
    assert np.round(fields).tolist() == [0, nan, 0, 1]  # frames 0 1 0 1


def test_a_looped_pair_is_unknown(tmp_path):
    """Three segments of two frames: the second pair would go from frame 1 to 0."""
    batch = centered(written(tmp_path, counting_record("v", 2)), Segments(3, 2), PAIR)
    levels = batch["rgb"][0, :, 0, 0, ::3].tolist()
    assert levels == [[0, 10], [10, 0], [0, 10]]
    unknown = np.isnan(batch["flow_target"]).all((0, 2, 3, 4))
    assert unknown.tolist() == [False, True, False]


def test_a_clip_in_memory_is_that_of_the_records(tmp_path):
    video = counting_record("v", 6)
    records = written(tmp_path, video)
    for sampling, modalities in (
        (Window(12), BOTH),
        (Segments(3, 2), PAIR),
        (Window(4, stride=2), BOTH),
    ):
        clip = clips.center_clip(
            video, sampling=sampling, crop=CenterCrop(32), modalities=modalities
        )
        batch = centered(records, sampling, modalities)
        for name in modalities:
            np.testing.assert_array_equal(clip[name], batch[name])


def test_views_have_unknown_targets_too(tmp_path):
    records = written(tmp_path, counting_record("v", 4))
    (batch,) = clips.view_batches(
        records,
        "train",
        sampling=Window(5),
        modalities=BOTH,
        **{"batch_size": 10, "size": 24, "num_clips": 1, "num_crops": 10},
    )
    unknown = np.isnan(batch["flow_target"].numpy()).all((2, 3, 4))
    assert unknown.tolist() == [[False, False, True, False, False]] * 10


# From videos, and what is refused


def test_from_videos_through_records_to_clips(tmp_path):
    """A texture that moves by two pixels a frame: so says every field, and the last."""
    for i in range(2):
        write_video(tmp_path / "videos" / "ab"[i] / f"{i}.avi", num_frames=17, seed=i)
    source = sources.read("folder", tmp_path / "videos")
    write.prepare(source, tmp_path / "plain", **OPTIONS)
    settings = flows.FlowSettings("dis", bound=BOUND)
    write.add_flow(Records(tmp_path / "plain"), tmp_path / "added", settings, workers=1)
    write.prepare(source, tmp_path / "at_once", flow=settings, **OPTIONS)
    targets = []
    for name in ("added", "at_once"):
        records = Records(tmp_path / name)
        (batch,) = clips.center_batches(
            records,
            "train",
            sampling=Window(16),
            crop=CenterCrop(48),
            modalities=BOTH,
            batch_size=2,
        )
        assert batch["rgb"].shape[1:] == (16, 48, 48, 3)
        targets.append(batch["flow_target"].numpy())
        medians = np.median(targets[-1], axis=(2, 3))
        np.testing.assert_allclose(medians[..., 0], 2, atol=0.2)
        np.testing.assert_allclose(medians[..., 1], 0, atol=0.2)
    np.testing.assert_array_equal(*targets)


@pytest.mark.parametrize("size", [(24, 32), (40, 32)])
def test_flow_of_another_size_than_the_frames(tmp_path, size):
    video = record(
        "v", np.zeros((3, 32, 32, 3), np.uint8), flow=np.zeros((2, *size, 2), np.uint8)
    )
    records = written(tmp_path, video)
    batches = clips.center_batches(
        records,
        "train",
        sampling=Window(2),
        crop=CenterCrop(16),
        modalities=BOTH,
        batch_size=1,
    )
    message = (
        r"out: the flow is of another size than its frames: height and width "
        rf"\[{size[0]} {size[1]}\], where the frames have \[32 32\]. Make the flow "
        "again with `vidzoo flow`"
    )
    with pytest.raises(RecordError, match=message):
        list(clips.checked(batches, records))


def test_records_without_flow_have_no_targets(tmp_path):
    records = written(tmp_path, record("v", np.zeros((3, 32, 32, 3), np.uint8)))
    message = "hold no flow. Add it with `vidzoo flow .*out OUT`, and use OUT"
    with pytest.raises(RecordError, match=message):
        centered(records, Window(2))
