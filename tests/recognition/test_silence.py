from __future__ import annotations

import numpy as np
import pytest

from htsat.errors import ConfigError
from htsat.recognition.inference import NonFiniteScoresError
from htsat.recognition.recognizer import Recognizer
from htsat.recognition.silence import GatedEngine
from htsat.scores import FloatArray

SAMPLE_RATE = 3200
CLIP_SAMPLES = 10 * SAMPLE_RATE


def level(dbfs: float) -> FloatArray:
    """A clip of that RMS level."""
    signs = np.where(np.arange(CLIP_SAMPLES) % 3, 1, -1)
    return (signs * 10 ** (dbfs / 20)).astype(np.float32)


def clips(*waveforms: FloatArray) -> FloatArray:
    return np.stack(waveforms)


SILENCE = np.zeros(CLIP_SAMPLES, np.float32)
FAINT = np.where(np.arange(CLIP_SAMPLES) == 77, np.float32(1e-30), np.float32(0))


@pytest.mark.parametrize(
    ("batch", "n_heard"),
    [
        (clips(level(-20)), 1),
        (clips(level(-20), level(-30)), 2),
        (clips(SILENCE), 0),
        (clips(SILENCE, SILENCE), 0),
        (clips(SILENCE, level(-20), SILENCE, level(-60)), 2),
        (clips(FAINT, SILENCE), 1),
    ],
)
def test_answers_are_the_same_and_silence_is_heard_once(engine, batch, n_heard):
    expected = engine.frame_scores(batch)
    gated = GatedEngine(engine)
    gated.frame_scores(clips(SILENCE))
    engine.batch_sizes.clear()
    for array, own in zip(gated.frame_scores(batch), expected, strict=True):
        np.testing.assert_array_equal(array, own)
        assert array.dtype == np.float32
    assert engine.batch_sizes == ([n_heard] if n_heard else [])


def test_the_answer_about_silence_is_kept_as_it_was(engine):
    gated = GatedEngine(engine)
    first = gated.frame_scores(clips(SILENCE, SILENCE))
    first.frame_logits[:] += 1
    assert not np.array_equal(gated.frame_scores(clips(SILENCE)).frame_logits, first.frame_logits[:1])


def test_a_gate_makes_silence_of_what_is_below_it(engine):
    batch = clips(level(-59.9), level(-60.1), SILENCE, level(-20))
    heard, silence = engine.frame_scores(batch), engine.frame_scores(clips(SILENCE))
    for array, own, silent in zip(GatedEngine(engine, -60).frame_scores(batch), heard, silence, strict=True):
        np.testing.assert_array_equal(array[[0, 3]], own[[0, 3]])
        np.testing.assert_array_equal(array[1], silent[0])
        np.testing.assert_array_equal(array[2], silent[0])


def test_a_sine_of_full_scale_has_a_level_of_minus_3(engine):
    sine = np.sin(2 * np.pi * 400 * np.arange(CLIP_SAMPLES) / SAMPLE_RATE).astype(np.float32)
    silence = engine.frame_scores(clips(SILENCE)).embedding
    for gate_dbfs, is_silence in [(-3.1, False), (-2.9, True)]:
        found = GatedEngine(engine, gate_dbfs).frame_scores(clips(sine)).embedding
        assert np.array_equal(found, silence) == is_silence


def test_a_recogniser_does_not_notice(engine, noise):
    waveform = noise(65)
    waveform[20 * SAMPLE_RATE : 45 * SAMPLE_RATE] = 0
    expected = Recognizer(engine).scores(waveform, SAMPLE_RATE)
    engine.batch_sizes.clear()
    found = Recognizer(GatedEngine(engine)).scores(waveform, SAMPLE_RATE)
    np.testing.assert_array_equal(found.logits, expected.logits)
    np.testing.assert_array_equal(found.clip_logits, expected.clip_logits)
    assert sum(engine.batch_sizes) == 12 - 4 + 1  # four clips lie in the silence


def test_an_answer_about_silence_that_is_not_finite_is_told(engine, monkeypatch, noise):
    calculate = engine.frame_scores
    monkeypatch.setattr(
        engine,
        "frame_scores",
        lambda batch: calculate(batch)._replace(embedding=np.full((len(batch), 4), np.nan, np.float32)),
    )
    with pytest.raises(NonFiniteScoresError, match="between 0 s and 10 s"):
        Recognizer(GatedEngine(engine)).scores(np.zeros(CLIP_SAMPLES, np.float32), SAMPLE_RATE)


@pytest.mark.parametrize("gate_dbfs", [0.5, float("nan")])
def test_a_gate_that_is_no_level_of_a_recording(engine, gate_dbfs):
    with pytest.raises(ConfigError, match=f"gate_dbfs must be at most 0, got {gate_dbfs:g}"):
        GatedEngine(engine, gate_dbfs)
