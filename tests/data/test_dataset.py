"""Clips as waveforms and targets, from memory or from where they lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from htsat.data.augment import WaveformAugmentation
from htsat.data.dataset import (
    ClipMaker,
    DecodedSounds,
    Draw,
    EvaluationClips,
    StoredSounds,
    TrainingClips,
    open_clips,
)
from htsat.data.manifest import Clip
from htsat.data.stores import SoundReader
from htsat.data.timeline import target_of
from htsat.errors import AudioError, DataError
from htsat.labels import LabelSet

RATE = 8_000
LABELS = LabelSet.of(["cat", "dog"])
PLENTY = 1e9


def sounds(n_clips: int = 4, n_samples: int = 3000) -> DecodedSounds:
    """Noise, every clip its own."""
    rng = np.random.default_rng(0)
    clips = [Clip(Path(f"{index}.wav"), ("dog",)) for index in range(n_clips)]
    return DecodedSounds(clips, rng.standard_normal((n_clips, n_samples)).astype(np.float32), RATE)


def training(clips: DecodedSounds | StoredSounds, **changes: object) -> TrainingClips:
    settings = {"clip_samples": 2000, "augmentation": WaveformAugmentation(), "seed": 3, **changes}
    return TrainingClips(clips, LABELS, ClipMaker(**settings))  # type: ignore[arg-type]


@pytest.fixture
def ramp(tmp_path: Path) -> Path:
    """Two seconds that rise evenly."""
    soundfile.write(tmp_path / "ramp.wav", np.linspace(-0.5, 0.5, 2 * RATE), RATE, subtype="FLOAT")
    return tmp_path / "ramp.wav"


@pytest.fixture
def noises(tmp_path: Path) -> list[Clip]:
    """Four files of noise, all longer than a training clip."""
    rng = np.random.default_rng(1)
    clips = [Clip(tmp_path / f"{index}.wav", ("dog",)) for index in range(4)]
    for index, clip in enumerate(clips):
        soundfile.write(clip.path, 0.1 * rng.standard_normal(4000 + 100 * index), RATE, subtype="FLOAT")
    return clips


def test_decoding_takes_the_stretch_of_the_clip(ramp: Path) -> None:
    clip = Clip(ramp, ("dog",), start_s=0.5, duration_s=1.0)
    opened = open_clips([clip], RATE, PLENTY)
    expected = np.linspace(-0.5, 0.5, 2 * RATE)[4_000:12_000]
    np.testing.assert_allclose(opened.sounds.read(0), expected, atol=1e-6)


def test_broken_recordings_are_listed_and_the_rest_is_read(ramp: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_text("no sound here")
    opened = open_clips([Clip(tmp_path / "bad.wav", ("dog",)), Clip(ramp, ("cat",))], RATE, PLENTY)
    assert [clip.path for clip in opened.sounds.clips] == [ramp]
    assert "bad.wav" in opened.broken[0].reason


def test_nothing_readable_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none of the 1 clips can be read; the first: .*gone\.wav"):
        open_clips([Clip(tmp_path / "gone.wav", ("dog",))], RATE, PLENTY)


def test_a_clip_that_starts_after_the_end_is_broken(ramp: Path) -> None:
    with pytest.raises(DataError, match="ends before 5 s"):
        open_clips([Clip(ramp, ("dog",), start_s=5.0)], RATE, PLENTY)


def test_what_does_not_fit_into_memory_stays_where_it_lies(noises: list[Clip]) -> None:
    n_bytes = 4 * sum(4000 + 100 * index for index in range(4))
    assert isinstance(open_clips(noises, RATE, n_bytes).sounds, DecodedSounds)
    assert isinstance(open_clips(noises, RATE, n_bytes - 1).sounds, StoredSounds)


def test_memory_and_files_give_the_same_clips(noises: list[Clip]) -> None:
    from_memory = training(open_clips(noises, RATE, PLENTY).sounds)  # type: ignore[arg-type]
    from_files = training(open_clips(noises, RATE, 0).sounds)  # type: ignore[arg-type]
    for index in range(4):
        one, other = from_memory[Draw(0, index)], from_files[Draw(0, index)]
        np.testing.assert_allclose(one.waveform, other.waveform, atol=1e-6)
        assert one.seed == other.seed


def test_a_clip_that_cannot_be_read_any_more_is_replaced_by_the_next_and_named(noises: list[Clip]) -> None:
    clips = training(StoredSounds(noises, SoundReader(RATE)))
    noises[1].path.write_text("no sound")
    sample = clips[Draw(0, 1)]
    assert sample.draw.index == 2
    np.testing.assert_array_equal(sample.waveform, clips[Draw(0, 2)].waveform)
    assert ["1.wav" in reason for reason in sample.broken] == [True]
    for clip in noises:
        clip.path.write_text("no sound")
    with pytest.raises(DataError, match="4 clips in a row cannot be read; the last: "):
        clips[Draw(0, 0)]


def test_targets_are_ones_where_a_class_is_heard() -> None:
    np.testing.assert_array_equal(target_of(("dog",), LABELS), [0, 1])
    np.testing.assert_array_equal(target_of((), LABELS), [0, 0])


def test_a_draw_depends_on_seed_epoch_clip_and_take_alone() -> None:
    clips, again, other = training(sounds()), training(sounds()), training(sounds(), seed=4)
    one = clips[Draw(1, 2)]
    np.testing.assert_array_equal(one.waveform, again[Draw(1, 2)].waveform)
    assert one.seed == again[Draw(1, 2)].seed
    for differing in (clips[Draw(2, 2)], clips[Draw(1, 2, take=1)], other[Draw(1, 2)]):
        assert not np.array_equal(one.waveform, differing.waveform)
        assert one.seed != differing.seed


def test_passes_come_again() -> None:
    clips = training(sounds(), n_passes=3)
    first = clips[Draw(1, 2)]
    for same in (clips[Draw(4, 2)], clips[Draw(0, 2, take=1)], clips[Draw(2, 2, take=2)]):
        np.testing.assert_array_equal(first.waveform, same.waveform)
        assert same.draw == Draw(1, 2)
    assert clips[Draw(2, 2)].draw == Draw(2, 2)


def test_background_noise_is_mixed_in_where_the_plan_says_so() -> None:
    quiet = WaveformAugmentation(
        speed=1.0, gain_db=0.0, noise_probability=0.0, noise_data="noise", mix_probability=1.0
    )
    silence = DecodedSounds([Clip(Path("silence.wav"), ())], [np.zeros(5000, np.float32)], RATE)
    loud = DecodedSounds([Clip(Path("loud.wav"), ())], [np.ones(5000, np.float32)], RATE)
    clean, noisy = (
        training(sounds(), augmentation=quiet, noise=noise)[Draw(0, 0)].waveform for noise in (silence, loud)
    )
    added = noisy - clean
    np.testing.assert_allclose(added, added[0], rtol=1e-4)
    assert added[0] > 0


def test_evaluation_changes_nothing_and_takes_the_middle() -> None:
    recordings = sounds()
    whole = EvaluationClips(recordings, LABELS, 3000)[1].waveform
    np.testing.assert_array_equal(whole, recordings.read(1))
    middle = EvaluationClips(recordings, LABELS, 1000)[1].waveform
    np.testing.assert_array_equal(middle, recordings.read(1)[1000:2000])
    repeated = EvaluationClips(recordings, LABELS, 4000)[1].waveform
    np.testing.assert_array_equal(repeated, np.r_[recordings.read(1), recordings.read(1)[:1000]])


def test_evaluation_says_what_cannot_be_read(tmp_path: Path) -> None:
    gone = StoredSounds([Clip(tmp_path / "gone.wav", ("dog",))], SoundReader(RATE))
    with pytest.raises(AudioError, match=r"gone\.wav"):
        EvaluationClips(gone, LABELS, 1000)[0]
