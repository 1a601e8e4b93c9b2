"""Live detection. The logits of this engine do not depend on context: live must find what `detect` finds."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from htsat.errors import ConfigError, HtsatError
from htsat.recognition.clips import ClipPlan, TooShortError, own_frames, short_clip
from htsat.recognition.inference import NonFiniteScoresError
from htsat.recognition.live import LivePlan
from htsat.recognition.recognizer import Recognizer
from htsat.rules import BoxRules, EventRules
from htsat.scores import in_order

SAMPLE_RATE = 3200
CLIP_SAMPLES = 10 * SAMPLE_RATE
FRAME = 1000
FRAME_S = FRAME / SAMPLE_RATE

# No clip threshold: the clips around a frame are others than those of `detect`.
RULES = EventRules((0.97, 0.98, 0.97, 0.98), median_filter_s=0.9, max_gap_s=0.35, min_duration_s=0.4)
THRESHOLDS_ONLY = EventRules(RULES.thresholds)
BOXES = EventRules(RULES.thresholds, boxes=BoxRules(step_s=0.7))


def sizes(n_samples: int, largest: int) -> Iterator[int]:
    rng = np.random.default_rng(3)
    while n_samples > 0:
        size = int(rng.integers(0, largest + 1))
        yield min(size, n_samples)
        n_samples -= size


def blocks_of(waveform, largest: int):
    """The waveform in blocks of random sizes, empty ones too, in memory that is used again."""
    place = 0
    memory = np.empty(largest, np.float32)
    for size in sizes(len(waveform), largest):
        memory[:size] = waveform[place : place + size]
        yield memory[:size]
        place += size


def detected(engine, waveform, rules):
    return Recognizer(engine).hear_blocks([waveform], rules).events


def listened(engine, blocks, rules, **settings):
    recognizer = Recognizer(engine)
    return in_order(recognizer.live(rules, **settings).listen(blocks), engine.description.labels)


class TestEvents:
    @pytest.mark.parametrize("rules", [RULES, THRESHOLDS_ONLY, BOXES])
    @pytest.mark.parametrize("duration_s", [10, 13.37, 47.5, 61.1])
    def test_are_those_of_detect(self, engine, noise, duration_s, rules):
        expected = detected(engine, noise(duration_s), rules)
        assert len(expected) >= 4
        assert listened(engine, [noise(duration_s)], rules) == expected

    @pytest.mark.parametrize("duration_s", [0.02, 0.3, 2.6, 2.82, 9.99])
    @pytest.mark.parametrize("short", ["repeat", "pad"])
    def test_of_a_stream_shorter_than_a_clip_come_from_its_beginning_to_its_end(
        self, engine, noise, duration_s, short
    ):
        low = EventRules((0.0,) * 4)
        events = Recognizer(engine, short=short).listen([noise(duration_s)], low)
        assert [(event.onset_s, event.offset_s) for event in events] == [(0, duration_s)] * 4

    def test_of_a_fine_head_are_those_of_detect(self, fine_engine, noise):
        expected = detected(fine_engine, noise(33.3), RULES)
        assert len(expected) >= 4
        assert listened(fine_engine, blocks_of(noise(33.3), 5000), RULES) == expected

    @pytest.mark.parametrize(("hop_s", "margin_s"), [(0.3, 0), (2, 0.1), (5, 5), (10, 0), (0.4, 9)])
    def test_do_not_depend_on_hop_and_margin(self, engine, noise, hop_s, margin_s):
        events = listened(engine, [noise(26)], RULES, hop_s=hop_s, margin_s=margin_s)
        assert events == detected(engine, noise(26), RULES)

    @pytest.mark.parametrize("largest", [1, 1999, 2000, 50_000])
    def test_do_not_depend_on_blocks(self, engine, noise, largest):
        waveform = noise(10.3)
        expected = detected(engine, waveform, RULES)
        assert expected
        assert listened(engine, blocks_of(waveform, largest), RULES) == expected

    def test_come_once_and_in_the_order_of_their_ends(self, engine, noise):
        events = list(Recognizer(engine).listen([noise(60)], THRESHOLDS_ONLY))
        assert len(set(events)) == len(events)
        delay_s = Recognizer(engine).live(THRESHOLDS_ONLY).delay_s
        latest = np.maximum.accumulate([event.offset_s for event in events])
        assert all(event.offset_s > end - delay_s for event, end in zip(events, latest, strict=True))

    def test_the_rules_of_the_model_apply(self, engine, noise):
        engine.description = replace(engine.description, rules=RULES)
        events = in_order(Recognizer(engine).listen([noise(26)]), engine.description.labels)
        assert events == detected(engine, noise(26), RULES)


class TestScores:
    def test_the_clip_around_a_frame_is_the_buffer_that_settled_it(self, engine, noise):
        """The gate must close for what the buffer speaks against."""
        waveform = noise(30)
        detector = Recognizer(engine).live(hop_s=2 * FRAME_S, margin_s=3 * FRAME_S)
        pieces = list(detector.scores([waveform]))
        for piece in pieces[-4:-1]:
            end = round(piece.grid.boundaries_s[-1] * SAMPLE_RATE) + 3 * FRAME
            buffer = waveform[None, end - CLIP_SAMPLES : end]
            expected = engine.frame_scores(buffer).tagging_logits[0].mean(axis=0)
            assert piece.clip_logits.shape == (2, 4)
            np.testing.assert_allclose(piece.clip_logits, np.stack([expected] * 2), rtol=1e-6)

    def test_at_the_beginning_a_frame_is_heard_as_in_a_recording_that_ends_a_margin_later(
        self, engine, noise
    ):
        waveform = noise(30)
        detector = Recognizer(engine).live(hop_s=3 * FRAME_S, margin_s=2 * FRAME_S)
        first = next(iter(detector.scores([waveform])))
        plan = ClipPlan.for_model(engine.description)
        clip = short_clip(waveform[: 3 * FRAME], plan)
        logits = engine.frame_scores(clip.samples[None]).frame_logits[0]
        np.testing.assert_allclose(first.logits, own_frames(clip, logits, plan)[:1], rtol=1e-6)

    def test_frames_tile_the_time(self, fine_engine, noise):
        pieces = list(Recognizer(fine_engine).live(margin_s=1).scores(blocks_of(noise(23.45), 3000)))
        boundaries_s = [piece.grid.boundaries_s for piece in pieces]
        for before, after in pairwise(boundaries_s):
            assert before[-1] == after[0]
        joined = np.concatenate([boundaries_s[0][:1], *(times[1:] for times in boundaries_s)])
        fine_frame_s = fine_engine.description.frame_s
        np.testing.assert_allclose(joined[:-1], fine_frame_s * np.arange(len(joined) - 1))
        assert joined[-1] == 23.45


class TestDelay:
    @pytest.mark.parametrize(
        ("rules", "hop_s", "margin_s"),
        [(THRESHOLDS_ONLY, None, None), (RULES, None, None), (RULES, 1.5, 0.0), (RULES, FRAME_S, 4.0)],
    )
    @pytest.mark.parametrize("n_frames", [32, 160])
    def test_is_kept_and_reached(self, engine, fine_engine, rules, hop_s, margin_s, n_frames):
        """Whistles that end at every frame within a hop are each reported in time, and one only just."""
        engine = fine_engine if n_frames == 160 else engine
        detector = Recognizer(engine).live(rules, hop_s=hop_s, margin_s=margin_s)
        waveform, ends_s = whistles(engine.description.frame_s, detector.plan.hop_s)
        block = 100
        n_fed = 0

        def feed():
            nonlocal n_fed
            for start in range(0, len(waveform), block):
                n_fed += block
                yield waveform[start : start + block]

        reports = [(event.offset_s, n_fed / SAMPLE_RATE) for event in detector.listen(feed())]
        assert [end_s for end_s, _ in reports] == pytest.approx(ends_s)
        assert n_fed == len(waveform)
        assert max(at_s - end_s for end_s, at_s in reports) == pytest.approx(detector.delay_s)

    def test_is_that_of_the_slowest_class(self, engine):
        one = replace(RULES, median_filter_s=(0.0, 2.0, 0.0, 0.0), max_gap_s=(0.0, 0.0, 1.0, 0.0))
        recognizer = Recognizer(engine)
        # Frames: 2 of the hop, 8 of the margin, 3 around (a filter of 7), 4 after (a gap of 3).
        assert recognizer.live(one).delay_s == pytest.approx((2 + 8 + 3 + 4 - 1) * FRAME_S)

    def test_has_no_bound_for_boxes(self, engine):
        assert Recognizer(engine).live(BOXES).delay_s == math.inf


def whistles(frame_s: float, hop_s: float):
    """Whistles with pauses; each ends at another frame of the hop in which it ends."""
    frame, hop = round(frame_s * SAMPLE_RATE), round(hop_s * SAMPLE_RATE)
    length = 7 * FRAME
    period = -(-23 * FRAME // hop) * hop + frame
    places = np.arange(hop // frame * period)
    waveform = np.sin(2 * np.pi * 1000 / SAMPLE_RATE * places) * (places % period < length)
    ends_s = (np.arange(hop // frame) * period + length) / SAMPLE_RATE
    return waveform.astype(np.float32), ends_s


def test_memory_does_not_grow(engine):
    def peak(duration_s: int) -> int:
        blocks = (np.full(SAMPLE_RATE, second % 7, np.float32) for second in range(duration_s))
        tracemalloc.start()
        for _ in Recognizer(engine).live(hop_s=2.5).listen(blocks):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(120) < 1.1 * peak(30)


def test_the_network_hears_one_clip_every_hop_and_the_end(engine, noise):
    list(Recognizer(engine).live(hop_s=1.25).listen([noise(20.5)]))
    assert engine.batch_sizes == [1] * 17


class TestRefusals:
    @pytest.mark.parametrize("n_samples", [0, 1, 63])
    def test_a_stream_too_short_to_hear(self, engine, n_samples):
        with pytest.raises(TooShortError, match="too short: "):
            list(Recognizer(engine).listen([np.zeros(n_samples, np.float32)]))

    def test_answers_that_are_not_finite(self, engine):
        blocks = [np.full(SAMPLE_RATE, np.nan, np.float32)]
        with pytest.raises(NonFiniteScoresError, match="'bands' gave scores that are not finite"):
            list(Recognizer(engine).listen(blocks))

    def test_a_model_without_classes(self, encoder):
        with pytest.raises(HtsatError, match="this model has no classes"):
            Recognizer(encoder).listen([])

    def test_rules_of_another_model_before_anything_is_heard(self, engine):
        with pytest.raises(ConfigError, match=r"one value per class \(4\), got 3"):
            Recognizer(engine).listen([], EventRules((0.5,) * 3))

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"hop_s": 0.0}, "hop_s must be at least 0.02 s, got 0"),
            ({"hop_s": 11}, "hop_s must be between 0 and 10 s, a clip, got 11"),
            ({"hop_s": math.nan}, "hop_s must be between 0 and 10 s, a clip, got nan"),
            ({"margin_s": 10.5}, "margin_s must be between 0 and 10 s, a clip, got 10.5"),
            (
                {"hop_s": 6, "margin_s": 5},
                "together must not be longer than a clip of 10 s, got 6.25 s and 5 s",
            ),
        ],
    )
    def test_hops_and_margins_out_of_range(self, engine, settings, message):
        with pytest.raises(ConfigError, match=message):
            Recognizer(engine).live(**settings)


@pytest.mark.parametrize(("clip_s", "hop_frames", "margin_frames"), [(10, 2, 8), (4, 4, 16), (0.8, 16, 16)])
def test_usual_hop_and_margin_are_at_most_half_a_clip(engine, clip_s, hop_frames, margin_frames):
    model = replace(engine.description, clip_samples=round(clip_s * SAMPLE_RATE))
    plan = LivePlan.for_model(model, None, None)
    assert (plan.clips.hop_frames, plan.margin_frames) == (hop_frames, margin_frames)
