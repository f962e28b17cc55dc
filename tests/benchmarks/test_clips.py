"""What the comparison of clips with bare decoding says, not how fast anything is."""

import json

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import clips as benchmark
from benchmarks import input_pipeline
from vidzoo_data import clips

TINY = ("--frame_size=32", "--batch_size=2", "--steps=2", "--repetitions=2")


def test_rates_and_ratio(capsys, tmp_path):
    out = tmp_path / "measured.json"
    assert benchmark.main([*TINY, "--json", f"--out={out}"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert measured == json.loads(out.read_text())
    rates = measured["frames_per_second"]
    assert list(rates) == ["decode", "crop", "corner", "color"]
    for spread in (*rates.values(), measured["ratio"]):
        assert 0 < spread["min"] <= spread["median"] <= spread["max"]
    assert f"--out={out}" in measured["command"]


def test_table_of_given_records(capsys, tmp_path):
    input_pipeline.synthetic_records(tmp_path, 32, seed=0)
    assert benchmark.main([*TINY, f"--records={tmp_path}"]) == 0
    table = capsys.readouterr().out
    assert "ratio crop / decode: " in table
    assert str(tmp_path) in table


def test_decoding_is_of_the_frames_and_windows_of_the_clips(tmp_path):
    records = input_pipeline.synthetic_records(tmp_path, 32, seed=0)
    args = benchmark._parse([*TINY, "--workers=2"])
    jpegs, windows = benchmark._frames_and_windows(records, args)
    batches = benchmark._batches(records, args, 2, crop=clips.RandomCrop(32))
    found = [clip for batch in batches.take(2) for clip in batch["rgb"].numpy()]
    decoded = [
        tf.io.decode_and_crop_jpeg(jpeg, window, channels=3).numpy()
        for jpeg, window in zip(jpegs, windows, strict=True)
    ]
    for clip, number in zip(found, range(0, len(decoded), 3), strict=True):
        bare = np.stack(decoded[number : number + 3])
        assert np.array_equal(clip, bare) or np.array_equal(clip, bare[:, :, ::-1])


def test_missing_records_fail_in_one_line(capsys, tmp_path):
    assert benchmark.main([*TINY, f"--records={tmp_path / 'none'}"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "no such folder of records" in error


def test_bad_flags_exit_2(capsys):
    with pytest.raises(SystemExit) as caught:
        benchmark.main(["--steps=0"])
    assert caught.value.code == 2
    assert "give a number of 1 or more" in capsys.readouterr().err
