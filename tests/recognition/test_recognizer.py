from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from htsat.engines.protocol import EngineOutput
from htsat.errors import AudioError, ConfigError, HtsatError
from htsat.recognition.events import find_events
from htsat.recognition.inference import NonFiniteScoresError
from htsat.recognition.recognizer import Recognizer
from htsat.rules import EventRules
from htsat.scores import FloatArray, FrameScores, SoundEvent

SAMPLE_RATE = 3200
FRAME_S = 0.3125
LENGTHS_S = (0.02, 0.1, 1, 5, 9.99, 10.00, 10.01, 10.24, 20, 59.99)


def tone(duration_s: float, frequency_hz: float) -> FloatArray:
    times_s = np.arange(round(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.5 * np.sin(2 * np.pi * frequency_hz * times_s)).astype(np.float32)


def sound_at(start_s: float, sound: FloatArray, duration_s: float) -> FloatArray:
    """Silence with one sound in it."""
    waveform = np.zeros(round(duration_s * SAMPLE_RATE), np.float32)
    start = round(start_s * SAMPLE_RATE)
    waveform[start : start + len(sound)] = sound
    return waveform


@pytest.fixture
def recognizer(engine):
    return Recognizer(engine)


@pytest.fixture
def scene(tmp_path):
    """A WAV file of 25 s: a hum from 5 to 10 s, a whistle from 15 s to the end."""
    path = tmp_path / "scene.wav"
    waveform = sound_at(5, tone(5, 600), 25) + sound_at(15, tone(10, 1000), 25)
    soundfile.write(path, waveform, SAMPLE_RATE, subtype="FLOAT")
    return path


class TestScores:
    @pytest.mark.parametrize("short", ["repeat", "pad"])
    @pytest.mark.parametrize("duration_s", LENGTHS_S)
    def test_any_length_gives_frames_from_beginning_to_end(self, engine, noise, duration_s, short):
        scores = Recognizer(engine, short=short).scores(noise(duration_s), SAMPLE_RATE)
        assert scores.grid.n_frames == int(np.ceil(round(duration_s / FRAME_S, 6)))
        assert scores.grid.boundaries_s[-1] == pytest.approx(duration_s, abs=1e-9)
        np.testing.assert_allclose(scores.grid.boundaries_s[:-1], FRAME_S * np.arange(scores.grid.n_frames))
        assert np.isfinite(scores.logits).all()
        assert np.isfinite(scores.clip_logits).all()

    @pytest.mark.parametrize("duration_s", LENGTHS_S)
    def test_batch_size_does_not_matter(self, engine, noise, duration_s):
        one, many = (Recognizer(engine, batch_size=size) for size in (1, 7))
        expected, got = (who.scores(noise(duration_s), SAMPLE_RATE) for who in (one, many))
        np.testing.assert_array_equal(got.logits, expected.logits)
        np.testing.assert_array_equal(got.clip_logits, expected.clip_logits)
        np.testing.assert_array_equal(got.grid.boundaries_s, expected.grid.boundaries_s)

    def test_every_second_of_a_long_recording_matters(self, recognizer, noise):
        waveform = noise(59.99)
        whole = recognizer.scores(waveform, SAMPLE_RATE)
        for second in range(60):
            changed = waveform.copy()
            changed[second * SAMPLE_RATE : (second + 1) * SAMPLE_RATE] = 0
            scores = recognizer.scores(changed, SAMPLE_RATE)
            frame = scores.grid.frame_at(second + 0.5)
            assert (scores.logits[frame] < whole.logits[frame] - 0.5).all()
            assert (scores.clip().logits < whole.clip().logits).all()

    @pytest.mark.parametrize("overlap", [0, 0.5, 0.8])
    def test_a_clip_of_a_long_recording_is_scored_as_if_it_were_alone(self, engine, noise, overlap):
        recognizer = Recognizer(engine, overlap=overlap)
        waveform = noise(40)
        alone = recognizer.scores(waveform[10 * SAMPLE_RATE : 20 * SAMPLE_RATE], SAMPLE_RATE)
        inside = recognizer.scores(waveform, SAMPLE_RATE)
        np.testing.assert_allclose(inside.logits[32:64], alone.logits, atol=1e-5)

    def test_half_a_clip_repeated_is_the_mean_of_both_copies(self, recognizer, engine, noise):
        half = noise(5)
        frame_logits = engine.frame_scores(np.tile(half, 2)[None]).frame_logits[0]
        scores = recognizer.scores(half, SAMPLE_RATE)
        np.testing.assert_allclose(scores.logits, (frame_logits[:16] + frame_logits[16:]) / 2, atol=1e-6)

    def test_the_clip_around_a_frame_is_the_most_probable_of_those_that_cover_it(self, recognizer, engine):
        waveform = sound_at(12, tone(3, 600), 30)
        clips = np.stack([waveform[start : start + 10 * SAMPLE_RATE] for start in range(0, 64001, 16000)])
        clip_logits = engine.frame_scores(clips).frame_logits.mean(axis=1)
        scores = recognizer.scores(waveform, SAMPLE_RATE)
        for frame in range(96):
            covering = [k for k in range(5) if 16 * k <= frame < 16 * k + 32]
            largest = clip_logits[covering].max(axis=0)
            np.testing.assert_allclose(scores.clip_logits[frame], largest, atol=1e-5)

    def test_a_fine_head_detects_and_the_papers_head_tags(self, engine, fine_engine, noise):
        for duration_s in (0.03, 3.3, 10.0, 27.77):
            waveform = noise(duration_s)
            fine = Recognizer(fine_engine).scores(waveform, SAMPLE_RATE)
            coarse = Recognizer(engine).scores(waveform, SAMPLE_RATE)
            np.testing.assert_array_equal(fine.grid.durations_s.sum(), coarse.grid.durations_s.sum())
            np.testing.assert_allclose(fine.clip().logits, coarse.clip().logits, atol=1e-5)
            assert (coarse.tagged_by == coarse.logits).all()
            around = [coarse.grid.frame_at(time) for time in fine.grid.boundaries_s[:-1] + 1e-9]
            np.testing.assert_array_equal(fine.clip_logits, coarse.clip_logits[around])

    def test_the_frames_of_a_fine_head_lie_where_it_heard_them(self, fine_engine):
        waveform = sound_at(12.25, tone(0.5, 600), 30)
        scores = Recognizer(fine_engine).scores(waveform, SAMPLE_RATE)
        active = scores.logits[:, 1] > scores.logits[:, 1].max() - 3
        assert scores.grid.boundaries_s[:-1][active].tolist() == [12.25 + 0.0625 * k for k in range(8)]

    def test_a_fine_head_of_half_a_clip_repeated_is_the_mean_of_both_copies(self, fine_engine, noise):
        half = noise(5)
        logits = fine_engine.frame_scores(np.tile(half, 2)[None]).frame_logits[0]
        scores = Recognizer(fine_engine).scores(half, SAMPLE_RATE)
        np.testing.assert_allclose(scores.logits, (logits[:80] + logits[80:]) / 2, atol=1e-6)

    def test_embeddings_keep_the_frames_of_the_last_stage(self, engine, fine_engine, noise):
        waveform = noise(17.3)
        blocks = [waveform]
        fine, coarse = (list(Recognizer(e).embed_blocks(blocks, "frame")) for e in (fine_engine, engine))
        for got, expected in zip(fine, coarse, strict=True):
            np.testing.assert_array_equal(got.vectors, expected.vectors)
            np.testing.assert_array_equal(got.starts_s, expected.starts_s)

    def test_other_sample_rates_and_channels_are_converted(self, recognizer):
        stereo = np.stack([np.sin(2 * np.pi * 600 * np.arange(8 * 16000) / 16000)] * 2) * 0.5
        scores = recognizer.scores(stereo.astype(np.float32), 16000)
        expected = recognizer.scores(tone(8, 600), SAMPLE_RATE)
        assert scores.grid.boundaries_s[-1] == 8
        assert abs(scores.logits[5, 1] - expected.logits[5, 1]) < 0.01

    def test_the_model_sees_at_most_one_batch(self, engine, noise):
        Recognizer(engine, batch_size=4).scores(noise(60), SAMPLE_RATE)
        assert engine.batch_sizes == [4, 4, 3]

    def test_frames_come_while_the_recording_goes_on(self, recognizer, noise):
        n_read = 0

        def seconds() -> Iterator[FloatArray]:
            nonlocal n_read
            for _ in range(300):
                n_read += 1
                yield noise(1)

        for scores in recognizer.score_blocks(seconds()):
            # Waiting: a batch of 8 clips that begin every 5 s, and a clip that the next batch may change.
            assert n_read - scores.grid.boundaries_s[-1] <= 8 * 5 + 10

    def test_an_hour_needs_no_more_memory_than_five_minutes(self, recognizer, noise):
        second = noise(1)

        def peak_bytes(n_seconds: int) -> int:
            tracemalloc.start()
            for scores in recognizer.score_blocks(second for _ in range(n_seconds)):
                duration_s = scores.grid.boundaries_s[-1]
            assert duration_s == n_seconds
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return peak

        assert peak_bytes(3600) < 1.05 * peak_bytes(300)


class TestFiles:
    def test_hear_gives_duration_tags_and_events_in_one_pass(self, recognizer, scene):
        hearing = recognizer.hear(scene)
        assert hearing.duration_s == 25
        assert hearing.clip_scores.tags() == recognizer.tag(scene)
        assert hearing.events == recognizer.detect(scene)

    def test_tag_gives_the_most_probable_classes_first(self, recognizer, scene):
        tags = recognizer.tag(str(scene))
        assert {tag.label for tag in tags[:2]} == {"hum", "whistle"}
        assert len(tags) == 4
        assert recognizer.tag(scene, top=1) == tags[:1]
        assert recognizer.tag(scene, min_probability=1.0) == []

    def test_tags_are_the_mean_of_all_frame_logits_over_time(self, recognizer, tmp_path, noise):
        path = tmp_path / "noise.wav"
        soundfile.write(path, noise(23.1), SAMPLE_RATE, subtype="FLOAT")
        expected = recognizer.scores(noise(23.1), SAMPLE_RATE).clip()
        np.testing.assert_allclose(recognizer.clip_scores(path).logits, expected.logits, atol=1e-6)

    def test_detect_says_when(self, recognizer, scene):
        hum, whistle = recognizer.detect(scene)
        assert hum[:3] == ("hum", 5, 10)
        assert whistle[:3] == ("whistle", 15, 25)

    def test_the_usual_rules_apply_unless_others_are_given(self, recognizer, scene):
        usual = EventRules((0.5,) * 4, max_gap_s=0.35, clip_threshold=0.1)
        assert recognizer.default_rules == usual
        assert recognizer.detect(scene) == recognizer.detect(scene, usual)

    def test_detect_equals_find_events_of_all_scores(self, recognizer, tmp_path, noise):
        path = tmp_path / "noise.wav"
        soundfile.write(path, noise(120), SAMPLE_RATE, subtype="FLOAT")
        scores = recognizer.scores(noise(120), SAMPLE_RATE)
        middle = tuple(np.median(scores.probabilities, axis=0).tolist())
        rules = EventRules(middle, median_filter_s=1, min_duration_s=1, max_gap_s=0.5, clip_threshold=0.1)
        events = recognizer.detect(path, rules)
        assert len(events) > 10
        assert events == find_events(scores, rules)

    def test_the_model_knows_its_rules(self, engine, scene):
        engine.description = replace(engine.description, rules=EventRules((1.0,) * 4))
        assert Recognizer(engine).detect(scene) == []

    def test_embed_gives_a_vector_per_clip(self, recognizer, engine, scene):
        waveform = soundfile.read(scene, dtype="float32")[0]
        clips = [waveform[start : start + 32000] for start in (0, 16000, 32000, 48000)]
        expected = engine.frame_scores(np.stack(clips)).embedding
        embeddings = recognizer.embeddings(scene)
        assert embeddings.starts_s.tolist() == [0, 5, 10, 15]
        np.testing.assert_allclose(embeddings.vectors, expected, atol=1e-5)
        np.testing.assert_array_equal(recognizer.embed(scene), embeddings.vectors)
        assert embeddings.vectors.dtype == np.float32

    def test_embed_per_frame_lies_on_the_grid_of_the_scores(self, recognizer, scene):
        # The engine's frame embeddings are its logits, so they must come out stitched like them.
        embeddings = recognizer.embeddings(scene, per="frame")
        scores = recognizer.scores(soundfile.read(scene, dtype="float32")[0], SAMPLE_RATE)
        np.testing.assert_allclose(embeddings.vectors, scores.logits, atol=1e-6)
        np.testing.assert_array_equal(embeddings.starts_s, scores.grid.boundaries_s[:-1])

    def test_a_file_that_is_too_short_is_named_once(self, recognizer, tmp_path):
        path = tmp_path / "click.wav"
        soundfile.write(path, np.ones(32), SAMPLE_RATE)
        for listen in (recognizer.tag, recognizer.detect, recognizer.embed):
            with pytest.raises(AudioError, match=r"click.wav: too short: 10 ms of audio") as error:
                listen(path)
            assert str(error.value).count("click.wav") == 1

    def test_a_missing_file_is_named_once(self, recognizer, tmp_path):
        with pytest.raises(AudioError, match=r"nothing.wav") as error:
            recognizer.tag(tmp_path / "nothing.wav")
        assert str(error.value).count("nothing.wav") == 1


class TestRefusals:
    def test_batch_size(self, engine):
        with pytest.raises(ConfigError, match="batch_size must be at least 1, got 0"):
            Recognizer(engine, batch_size=0)

    def test_a_model_without_classes_can_only_embed(self, encoder, scene, noise):
        recognizer = Recognizer(encoder)
        for listen in (recognizer.tag, recognizer.detect):
            with pytest.raises(HtsatError, match="this model has no classes: it can only embed"):
                listen(scene)
        with pytest.raises(HtsatError, match="no classes"):
            recognizer.scores(noise(1), SAMPLE_RATE)
        assert recognizer.embed(scene).shape == (4, 4)

    @pytest.mark.parametrize("which", ["frame_logits", "tagging_logits", "embedding", "frame_embedding"])
    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_scores_that_are_not_finite(self, engine, scene, monkeypatch, which, value):
        calculate = engine.frame_scores

        def broken(clips: FloatArray) -> EngineOutput:
            output = calculate(clips)
            return output._replace(**{which: np.full_like(getattr(output, which), value)})

        monkeypatch.setattr(engine, "frame_scores", broken)
        message = r"scene.wav: model 'bands' gave scores that are not finite .* between 0 s and 15 s"
        for listen in (Recognizer(engine, batch_size=2).tag, Recognizer(engine, batch_size=2).embed):
            with pytest.raises(NonFiniteScoresError, match=message):
                listen(scene)

    def test_rules_for_another_number_of_classes(self, recognizer, scene):
        with pytest.raises(ConfigError, match=r"one value per class \(4\), got 3"):
            recognizer.detect(scene, EventRules((0.5,) * 3))


def test_values_are_what_their_types_say(recognizer, noise, scene):
    assert isinstance(recognizer.scores(noise(1), SAMPLE_RATE), FrameScores)
    event = recognizer.detect(scene)[0]
    assert isinstance(event, SoundEvent)
    assert [type(value) for value in event] == [str, float, float, float]
