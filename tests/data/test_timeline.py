"""Strong labels follow the sound through everything that training does to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from htsat.data.augment import WaveformAugmentation
from htsat.data.cutting import cut_long
from htsat.data.dataset import (
    ClipMaker,
    Draw,
    EvaluationClips,
    Sample,
    StoredSounds,
    TrainingClips,
)
from htsat.data.events import write_events
from htsat.data.manifest import Clip
from htsat.data.stores import SoundReader
from htsat.data.timeline import Placement, Timeline
from htsat.errors import DataError
from htsat.labels import LabelSet
from htsat.scores import SoundEvent

RATE = 8_000
LABELS = LabelSet.of(["cat", "dog"])
PLAIN = WaveformAugmentation(speed=1, time_roll=False, noise_probability=0, gain_db=0)
BURSTS_S = ((0.31, 0.52), (1.4, 1.9), (2.2, 2.26))


@pytest.fixture
def bursts(tmp_path: Path) -> Clip:
    """Three seconds of silence with three bursts of a tone, labelled to the sample as `dog`."""
    waveform = np.zeros(3 * RATE, np.float32)
    tone = np.sin(2 * np.pi * 1_000 * np.arange(3 * RATE) / RATE)
    for onset_s, offset_s in BURSTS_S:
        place = slice(round(onset_s * RATE), round(offset_s * RATE))
        waveform[place] = tone[place]
    soundfile.write(tmp_path / "bursts.wav", waveform, RATE, subtype="FLOAT")
    labelled(tmp_path / "events.tsv", [SoundEvent("dog", *times_s, 1.0) for times_s in BURSTS_S])
    return Clip(tmp_path / "bursts.wav", ("dog",), events=tmp_path / "events.tsv")


def labelled(path: Path, events: Sequence[SoundEvent]) -> None:
    write_events(path, [("bursts.wav", tuple(events))])


def timeline(clips: Sequence[Clip], n_frames: int = 50, **changes: frozenset[str]) -> Timeline:
    return Timeline(clips, LABELS, RATE, n_frames, **changes)


def sample(clip: Clip, augmentation: WaveformAugmentation, seed: int = 0, clip_s: float = 1.0) -> Sample:
    maker = ClipMaker(clip_samples=round(clip_s * RATE), augmentation=augmentation, seed=seed)
    clips = TrainingClips(StoredSounds([clip], SoundReader(RATE)), LABELS, maker, timeline([clip]))
    return clips[Draw(0, 0)]


@pytest.mark.parametrize(
    "augmentation",
    [
        PLAIN,
        dataclasses.replace(PLAIN, time_roll=True),
        dataclasses.replace(PLAIN, speed=1.5),
        dataclasses.replace(PLAIN, short_probability=1.0, min_length_s=0.2),
        dataclasses.replace(PLAIN, time_roll=True, speed=1.5, short_probability=0.7, min_length_s=0.2),
    ],
)
@pytest.mark.parametrize("clip_s", [1.0, 3.5])
def test_frames_are_labelled_where_there_is_sound(
    bursts: Clip, augmentation: WaveformAugmentation, clip_s: float
) -> None:
    """The loudness of every frame agrees with its label, up to splinters at cuts and smeared edges."""
    n_disagreements = n_active = 0
    for seed in range(20):
        heard = sample(bursts, augmentation, seed, clip_s)
        assert heard.moments is not None
        loudness = np.abs(heard.waveform).reshape(50, -1).mean(axis=1) * np.pi / 2
        share = heard.moments.frames[:, LABELS.index("dog")]
        n_disagreements += int((np.abs(loudness - share) > 0.35).sum())
        n_active += int((share > 0.5).sum())
        assert (heard.target == share.any() * np.array([0.0, 1.0])).all()
    assert n_active > 50
    assert n_disagreements <= 0.06 * n_active


def test_shares_of_frames_are_exact(bursts: Clip) -> None:
    placement = Placement(0, 3 * RATE, 1.0, 3 * RATE, 0, 3 * RATE)
    frames = timeline([bursts], n_frames=30).truth(bursts, placement).moments.frames
    expected = np.zeros(30)
    expected[[3, 4, 5]] = 0.9, 1.0, 0.2
    expected[14:19] = 1.0
    expected[22] = 0.6
    np.testing.assert_allclose(frames[:, 1], expected, atol=1e-6)
    assert not frames[:, 0].any()


def test_a_splinter_of_an_event_at_a_cut_is_no_event(bursts: Clip) -> None:
    def classes(start_s: float, stop_s: float) -> list[float]:
        n_samples = round((stop_s - start_s) * RATE)
        placement = Placement(round(start_s * RATE), n_samples, 1.0, n_samples, 0, n_samples)
        return timeline([bursts]).truth(bursts, placement).target.tolist()

    assert classes(0.0, 0.34) == [0.0, 0.0]
    assert classes(0.0, 0.37) == [0.0, 1.0]
    assert classes(1.87, 2.2) == [0.0, 0.0]
    assert classes(2.0, 2.3) == [0.0, 1.0]  # short, but whole


def test_overlapping_events_of_a_class_do_not_count_twice(bursts: Clip) -> None:
    assert bursts.events is not None
    labelled(bursts.events, [SoundEvent("dog", 0.0, 2.0, 1.0), SoundEvent("dog", 1.0, 3.0, 1.0)])
    placement = Placement(0, 3 * RATE, 1.0, 3 * RATE, 0, 3 * RATE)
    assert (timeline([bursts]).truth(bursts, placement).moments.frames[:, 1] == 1).all()


def test_weak_labels_tell_where_classes_are_not(bursts: Clip) -> None:
    weak = dataclasses.replace(bursts, events=None)
    truth = timeline([weak]).truth(weak, Placement(0, RATE, 1.0, RATE, 0, RATE))
    assert truth.target.tolist() == [0.0, 1.0]
    assert truth.moments.known.tolist() == [1.0, 0.0]
    assert truth.moments.is_tagged == 1
    assert not truth.moments.frames.any()


def test_of_unlabelled_clips_nothing_is_known(bursts: Clip) -> None:
    unknown = dataclasses.replace(bursts, fold="unlabelled")
    truth = timeline([unknown], unlabelled=frozenset(["unlabelled"])).truth(
        unknown, Placement(0, RATE, 1.0, RATE, 0, RATE)
    )
    assert not truth.target.any()
    assert not truth.moments.known.any()
    assert truth.moments.is_tagged == 0


def test_events_of_other_classes_are_refused(bursts: Clip) -> None:
    assert bursts.events is not None
    labelled(bursts.events, [SoundEvent("dogs", 0.0, 2.0, 1.0)])
    with pytest.raises(
        DataError, match=r"events.tsv: unknown class 'dogs' in .*bursts.wav; did you mean 'dog'"
    ):
        timeline([bursts])


def test_held_out_clips_are_labelled_in_their_middle(bursts: Clip) -> None:
    clips = EvaluationClips(StoredSounds([bursts], SoundReader(RATE)), LABELS, RATE, timeline([bursts]))
    moments = clips[0].moments
    assert moments is not None
    active = moments.frames[:, 1] > 0.5
    assert active.nonzero()[0].tolist() == list(range(20, 45))  # 1.4 to 1.9 s, from 1.0 s on


class TestCutting:
    @pytest.fixture
    def cut(self, bursts: Clip) -> Callable[..., list[Clip]]:
        return lambda hop_s, piece_s: cut_long([bursts], SoundReader(RATE), hop_s, piece_s)

    def test_pieces_cover_a_recording(self, cut: Callable[..., list[Clip]]) -> None:
        pieces = cut(0.5, 1.0)
        assert [piece.start_s for piece in pieces] == [0.0, 0.5, 1.0, 1.5, 2.0]
        assert {piece.duration_s for piece in pieces} == {1.0}
        assert [piece.start_s for piece in cut(0.7, 0.8)] == pytest.approx([0.0, 0.7, 1.4, 2.1, 2.2])

    def test_pieces_have_the_classes_of_their_events(self, cut: Callable[..., list[Clip]]) -> None:
        assert [piece.labels for piece in cut(0.6, 0.6)] == [("dog",), (), ("dog",), ("dog",), ()]

    def test_what_is_short_or_weak_stays(self, bursts: Clip) -> None:
        weak = dataclasses.replace(bursts, events=None)
        gone = dataclasses.replace(bursts, path=Path("gone.wav"))
        assert cut_long([weak, gone], SoundReader(RATE), 0.5, 0.5) == [weak, gone]
        assert cut_long([bursts], SoundReader(RATE), 1.5, 3.0) == [bursts]

    def test_a_clip_within_a_recording(self, bursts: Clip) -> None:
        part = dataclasses.replace(bursts, start_s=1.0, duration_s=1.1)
        pieces = cut_long([part], SoundReader(RATE), 0.5, 0.5)
        assert [piece.start_s for piece in pieces] == pytest.approx([1.0, 1.5, 1.6])
