from pathlib import Path

import numpy as np
import pytest
import soundfile

from htsat.data.augment import WaveformAugmentation
from htsat.data.dataset import (
    Draw,
    EvaluationClips,
    Recording,
    TrainingClips,
    decode_clips,
    target_of,
)
from htsat.data.manifest import Clip, Manifest
from htsat.data.sampling import ShuffledClips
from htsat.errors import DataError
from htsat.labels import LabelSet

LABELS = LabelSet.of(["cat", "dog"])


def _recordings(n=4):
    rng = np.random.default_rng(0)
    return tuple(
        Recording(Clip(Path(f"{i}.wav"), ("dog",)), rng.standard_normal(3000).astype(np.float32))
        for i in range(n)
    )


def test_decoding_takes_the_stretch_of_the_clip(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.linspace(-0.5, 0.5, 16_000), 8_000, subtype="FLOAT")
    manifest = Manifest((Clip(path, ("dog",), start_s=0.5, duration_s=1.0),), LABELS)
    (recording,) = decode_clips(manifest, 8_000).recordings
    np.testing.assert_allclose(recording.waveform, np.linspace(-0.5, 0.5, 16_000)[4_000:12_000], atol=1e-6)


def test_broken_recordings_are_listed_and_the_rest_is_read(tmp_path):
    good, bad = tmp_path / "good.wav", tmp_path / "bad.wav"
    soundfile.write(good, np.zeros(8_000), 8_000)
    bad.write_text("no sound here")
    decoded = decode_clips(Manifest((Clip(bad, ("dog",)), Clip(good, ("cat",))), LABELS), 8_000)
    assert [recording.clip.path for recording in decoded.recordings] == [good]
    assert "bad.wav" in decoded.broken[0].reason


def test_nothing_readable_is_an_error(tmp_path):
    manifest = Manifest((Clip(tmp_path / "gone.wav", ("dog",)),), LABELS)
    with pytest.raises(DataError, match="none of the 1 clips can be read"):
        decode_clips(manifest, 8_000)


def test_a_clip_that_starts_after_the_end_is_broken(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(8_000), 8_000)
    with pytest.raises(DataError, match="ends before the clip's start at 5 s"):
        decode_clips(Manifest((Clip(path, ("dog",), start_s=5.0),), LABELS), 8_000)


def test_targets_are_ones_where_a_class_is_heard():
    np.testing.assert_array_equal(target_of(("dog",), LABELS), [0, 1])
    np.testing.assert_array_equal(target_of((), LABELS), [0, 0])


def test_a_draw_depends_on_seed_epoch_clip_and_take_alone():
    clips = TrainingClips(_recordings(), LABELS, 2000, WaveformAugmentation(), seed=3)
    again = TrainingClips(_recordings(), LABELS, 2000, WaveformAugmentation(), seed=3)
    np.testing.assert_array_equal(clips[Draw(1, 2)].waveform, again[Draw(1, 2)].waveform)
    assert not np.array_equal(clips[Draw(1, 2)].waveform, clips[Draw(2, 2)].waveform)
    assert not np.array_equal(clips[Draw(1, 2)].waveform, clips[Draw(1, 2, take=1)].waveform)


def test_evaluation_changes_nothing():
    recordings = _recordings()
    clips = EvaluationClips(recordings, LABELS, 3000)
    np.testing.assert_array_equal(clips[1].waveform, recordings[1].waveform)


def test_an_epoch_holds_every_clip_once_in_a_new_order():
    sampler = ShuffledClips(50, seed=0)
    first = [draw.index for draw in sampler]
    sampler.epoch = 1
    second = [draw.index for draw in sampler]
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    sampler.epoch = 0
    assert [draw.index for draw in sampler] == first
