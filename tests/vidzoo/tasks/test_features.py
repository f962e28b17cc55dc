"""The "(fc)" way: features of a frozen network, networks on them, served on frames."""

import json

import keras
import numpy as np
import pytest

from tests.vidzoo.tasks.test_full_length import SMALL, command, records, videos
from vidzoo import models
from vidzoo.errors import RecordError, UsageError, WeightsError
from vidzoo.models.frame_network import FrameEncoder
from vidzoo.tasks import evaluate, export, features, predict, run_folder, train
from vidzoo.weights import initialize, open_weights, read
from vidzoo.weights.assign import named_variables
from vidzoo_data import clips
from vidzoo_data.records.read import Records

__all__ = ["records", "videos"]  # fixtures
SHAPE = (32, 32, 3)


def write_weights(folder, seed):
    """A file of random weights of the toy backbone alone."""
    keras.utils.set_random_seed(seed)
    encoder = FrameEncoder("toy", frame_shape=SHAPE)
    header = {
        **dict.fromkeys(("network", "backbone"), "toy"),
        "variant": "v1",
        "preprocess": encoder.get_layer("preprocess").settings(),
    }
    arrays = {
        name.removeprefix("image_"): np.asarray(variable)
        for name, variable in named_variables(encoder).items()
    }
    file = folder / f"toy{seed}.npz"
    np.savez(file, **arrays, **{read.HEADER: np.array(json.dumps(header))})
    return file


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_weights(tmp_path_factory.mktemp("weights"), seed=1)


@pytest.fixture(scope="module")
def stored(records, weights, tmp_path_factory):
    out = tmp_path_factory.mktemp("features") / "out"
    code = command(
        *("features", records, out, "--backbone=toy", f"--weights={weights}"),
        *("--frame_size=32",),
    )
    assert code == 0
    return out


@pytest.fixture(scope="module")
def run(stored, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "late"
    train.run(
        *(stored, out),
        model="feature_pooling",
        model_options=SMALL["feature_pooling"] | {"pooling": "late"},
        changes={"epochs": 2, "batch_size": 4, "num_frames": 12},
    )
    return out


def test_features_are_what_the_backbone_has_of_frames(records, stored, weights):
    data, frames = Records(stored), Records(records)
    encoder = FrameEncoder("toy", frame_shape=SHAPE, weights=weights)
    assert data.feature_shape == tuple(encoder.output.shape[2:]) == (1, 1, 128)
    assert data.splits == frames.splits and data.classes == frames.classes
    for video_id, entry in data.videos.items():
        (pixels,) = clips.record_chunks(
            *(frames, frames.videos[video_id]),
            sampling=clips.Whole(),
            crop=clips.CenterCrop(32),
            chunk_length=100,
        )
        found = data.read_features(entry, range(entry.num_frames))
        expected = encoder(pixels[None], training=False)[0]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
        assert entry.labels == frames.videos[video_id].labels


def test_stored_again_nothing_is_computed(records, stored, weights, monkeypatch):
    monkeypatch.setattr(features._Encoder, "of", lambda *_: pytest.fail)
    features.run(records, stored, weights=weights, backbone="toy", frame_size=32)


def test_features_have_no_crops(run, stored):
    with pytest.raises(UsageError, match="features have no crops. Give 2x1 or 2-rand"):
        evaluate.run(run, stored, protocol="2x10")


def test_single_frames_read_another_thing_of_frames(stored, weights, tmp_path):
    out = tmp_path / "single"
    changes = {"epochs": 1, "batch_size": 4, "num_frames": 1}
    train.run(stored, out, model="single_frame", changes=changes)
    with pytest.raises(UsageError, match="on frames a single_frame reads something el"):
        export.run(out, tmp_path / "model", backbone_weights=weights)


@pytest.mark.parametrize("modality", ["two-stream", "flow_image"])
def test_features_are_of_one_modality(modality, stored, tmp_path, capsys):
    code = command(
        *("train", stored, f"--out={tmp_path / 'run'}", "--model=lstm_classifier"),
        f"--modality={modality}",
    )
    assert code == 2
    assert "holds features" in capsys.readouterr().err


def test_a_start_that_fails_leaves_nothing(records, weights, tmp_path):
    out = tmp_path / "out"
    arguments = {"weights": weights, "backbone": "toy", "frame_size": 32}
    with pytest.raises(RecordError, match="hold no flow"):
        features.run(records, out, modality="flow_image", **arguments)
    assert not out.exists()


@pytest.mark.parametrize("protocol", ["center", "3-random", "whole-video"])
def test_network_on_features_is_scored(protocol, run, stored):
    scores, measured = evaluate.run(run, stored, protocol=protocol)
    assert np.isfinite(scores.logits).all() and measured["num_videos"] == 4
    arguments = run_folder.read_finished(run)["arguments"]
    assert arguments["backbone"] is None
    assert open_weights(run / "weights.npz").network == "late_pooling"


def test_served_on_frames_it_answers_as_on_features(
    run, stored, videos, weights, tmp_path
):
    model = tmp_path / "model"
    code = command("export", run, model, f"--backbone_weights={weights}")
    assert code == 0
    scores, _ = evaluate.run(
        *(run, stored), protocol="whole-video", out=tmp_path / "scores.npz"
    )
    classifier = predict.Classifier(model)
    for video_id, logits in zip(scores.video_ids, scores.logits, strict=True):
        found = classifier.predict(videos / video_id)
        assert found.error is None
        np.testing.assert_allclose(found.logits, logits, rtol=1e-4, atol=1e-5)


def test_only_the_weights_that_made_the_features_fit(run, weights, tmp_path):
    with pytest.raises(UsageError, match=r"was trained on features. Name the weights"):
        export.run(run, tmp_path / "model")
    other = write_weights(tmp_path, seed=2)
    with pytest.raises(WeightsError, match="are not the weights that made the feature"):
        export.run(run, tmp_path / "model", backbone_weights=other)
    assert not (tmp_path / "model").exists()


def test_joined_weights_start_a_network_on_frames(run, weights):
    joined = initialize.with_backbone(
        open_weights(run / "weights.npz"), open_weights(weights)
    )
    model = models.FeaturePooling(
        *(2,),
        pooling="late",
        backbone="toy",
        frame_shape=SHAPE,
        num_frames=3,
        fc_size=16,
        weights=joined,
    )
    assert model.count_params() > 0
    with pytest.raises(WeightsError, match="of a network on stored features"):
        models.FeaturePooling(
            *(2,), backbone="toy", frame_shape=SHAPE, weights=run / "weights.npz"
        )
    with pytest.raises(WeightsError, match="holds weights of a network on frames"):
        initialize.with_backbone(joined, open_weights(weights))


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"model": "tsn"}, RecordError, "holds features, no frames, which tsn needs"),
        (
            {"model": "lstm_classifier", "backbone": "toy"},
            UsageError,
            "--backbone: .* holds features",
        ),
        ({"model": "slow_fusion"}, RecordError, "which slow_fusion needs"),
    ],
)
def test_features_are_no_frames(options, error, message, stored, tmp_path):
    with pytest.raises(error, match=message):
        train.run(stored, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_wrong_arguments(records, weights, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(UsageError, match=r"hidden layer of toy \(none\), or None"):
        features.run(records, out, weights=weights, backbone="toy", layer="fc6")
    with pytest.raises(UsageError, match="no backbone 'huge'"):
        features.run(records, out, weights=weights, backbone="huge")
    with pytest.raises(WeightsError, match="no such weights file"):
        features.run(records, out, weights=tmp_path / "none.npz", backbone="toy")
    assert not out.exists()
