from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from htsat.errors import AudioError, ConfigError
from htsat.labels import LabelSet
from htsat.recognition.clips import Clip, ClipPlan, Stitcher, cut, fold_back
from htsat.scores import FloatArray, FrameGrid, FrameScores

PLAN = ClipPlan(sample_rate=800, clip_samples=320, n_frames=32, hop_frames=16)
LABELS = LabelSet(("a", "b", "c"))
LENGTHS = (16, 33, 100, 160, 319, 320, 321, 330, 479, 480, 481, 640, 1000, 1283)


def ramp(n_samples: int) -> FloatArray:
    return np.arange(1, n_samples + 1, dtype=np.float32)


def stitched(plan: ClipPlan, clips: list[Clip], logits: FloatArray, batch_size: int = 3) -> FrameScores:
    """All frames of a recording as one value, each batch checked to follow the one before."""
    stitcher = Stitcher(plan, len(LABELS))
    starts = range(0, len(clips), batch_size)
    pieces = [stitcher.add(clips[i : i + batch_size], logits[i : i + batch_size]) for i in starts]
    pieces.append(stitcher.finish())
    for piece, following in pairwise(pieces):
        assert piece.grid.boundaries_s[-1] == following.grid.boundaries_s[0]
    boundaries = [piece.grid.boundaries_s[1:] for piece in pieces]
    return FrameScores(
        np.concatenate([piece.values for piece in pieces]),
        np.concatenate([piece.clip_values for piece in pieces]),
        FrameGrid(np.concatenate([[0.0], *boundaries])),
        LABELS,
        "multi_label",
    )


def random_logits(n_clips: int) -> FloatArray:
    return np.random.default_rng(3).standard_normal((n_clips, PLAN.n_frames, len(LABELS))).astype(np.float32)


class TestPlan:
    @pytest.mark.parametrize(("overlap", "hop_frames"), [(0, 32), (0.5, 16), (0.7, 10), (0.9, 3), (0.999, 1)])
    def test_overlap_is_rounded_to_whole_frames(self, engine, overlap, hop_frames):
        assert ClipPlan.for_model(engine.description, overlap).hop_frames == hop_frames

    @pytest.mark.parametrize("overlap", [-0.1, 1, 1.5, float("nan")])
    def test_overlap_out_of_range_is_refused(self, engine, overlap):
        with pytest.raises(ConfigError, match="overlap must be at least 0 and less than 1, got"):
            ClipPlan.for_model(engine.description, overlap)

    def test_frames_must_be_whole_samples(self):
        with pytest.raises(ConfigError, match="whole number of samples per frame, got 321 samples, 32"):
            ClipPlan(800, 321, 32, 16)

    @pytest.mark.parametrize("hop_frames", [0, 33])
    def test_hop_out_of_range_is_refused(self, hop_frames):
        with pytest.raises(ConfigError, match=f"hop_frames must be between 1 and 32, got {hop_frames}"):
            ClipPlan(800, 320, 32, hop_frames)

    def test_unknown_short_is_refused(self):
        with pytest.raises(ConfigError, match="short must be 'repeat' or 'pad', got 'loop'"):
            ClipPlan(800, 320, 32, 16, "loop")


class TestCut:
    @pytest.mark.parametrize("hop_frames", [1, 5, 16, 32])
    @pytest.mark.parametrize("n_samples", [n for n in LENGTHS if n >= PLAN.clip_samples])
    def test_clips_are_the_slices_that_the_formula_names(self, n_samples, hop_frames):
        plan = ClipPlan(800, 320, 32, hop_frames)
        n_beyond = n_samples - plan.clip_samples
        first_frames = list(range(0, n_beyond // plan.frame_samples + 1, hop_frames))
        last = -(-n_beyond // plan.frame_samples)
        first_frames += [last] if last > first_frames[-1] else []
        padded = np.pad(ramp(n_samples), (0, plan.frame_samples))
        clips = list(cut([ramp(n_samples)], plan))
        assert [clip.start for clip in clips] == [plan.frame_samples * frame for frame in first_frames]
        for clip in clips:
            start = clip.start
            np.testing.assert_array_equal(clip.samples, padded[start : start + plan.clip_samples])
            assert clip.n_samples == min(plan.clip_samples, n_samples - start)

    @pytest.mark.parametrize("n_samples", LENGTHS)
    def test_every_clip_brings_something_new_and_the_last_reaches_the_end(self, n_samples):
        ends = [c.start + c.n_samples for c in cut([ramp(n_samples)], PLAN)]
        assert ends == sorted(set(ends))
        assert ends[-1] == n_samples

    @pytest.mark.parametrize("n_samples", LENGTHS)
    @pytest.mark.parametrize("block_samples", [1, 7, 160, 320, 5000])
    def test_the_size_of_the_blocks_does_not_matter(self, n_samples, block_samples):
        blocks = np.split(ramp(n_samples), range(block_samples, n_samples, block_samples))
        for one, other in zip(cut(blocks, PLAN), cut([ramp(n_samples)], PLAN), strict=True):
            np.testing.assert_array_equal(one.samples, other.samples)
            assert one[1:] == other[1:]

    def test_a_source_may_use_its_buffer_again(self):
        def reusing() -> Iterator[FloatArray]:
            buffer = np.empty(100, np.float32)
            for block in np.split(ramp(1000), 10):
                buffer[:] = block
                yield buffer

        for one, other in zip(cut(reusing(), PLAN), cut([ramp(1000)], PLAN), strict=True):
            np.testing.assert_array_equal(one.samples, other.samples)

    def test_a_clip_comes_as_soon_as_its_last_sample_is_there(self):
        n_read = 0

        def counted() -> Iterator[FloatArray]:
            nonlocal n_read
            for block in np.split(ramp(1000), 100):
                n_read += len(block)
                yield block

        for clip in cut(counted(), PLAN):
            assert n_read == clip.start + clip.n_samples

    def test_a_short_recording_is_repeated(self):
        [clip] = cut([ramp(150)], PLAN)
        np.testing.assert_array_equal(clip.samples, np.concatenate([ramp(150), ramp(150), ramp(20)]))
        assert clip.n_samples == 150

    def test_a_short_recording_is_padded_on_request(self):
        [clip] = cut([ramp(150)], ClipPlan(800, 320, 32, 16, "pad"))
        np.testing.assert_array_equal(clip.samples, np.pad(ramp(150), (0, 170)))

    @pytest.mark.parametrize(("n_samples", "got"), [(0, "0 ms"), (1, "1.25 ms"), (15, "18.8 ms")])
    def test_less_than_20_ms_is_refused(self, n_samples, got):
        with pytest.raises(AudioError, match=f"too short: {got} of audio, at least 20 ms are needed"):
            list(cut([ramp(n_samples)], PLAN))

    def test_no_blocks_at_all_are_a_recording_of_no_length(self):
        with pytest.raises(AudioError, match="too short: 0 ms"):
            list(cut([], PLAN))


class TestFoldBack:
    @pytest.mark.parametrize("n_samples", [n for n in LENGTHS if n < PLAN.clip_samples])
    def test_counts_the_samples_that_a_network_frame_shares_with_a_frame(self, n_samples):
        counts = np.zeros((PLAN.frames_covering(n_samples), PLAN.n_frames))
        for sample in range(PLAN.clip_samples):
            counts[sample % n_samples // PLAN.frame_samples, sample // PLAN.frame_samples] += 1
        expected = counts / counts.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(fold_back(n_samples, PLAN), expected, rtol=1e-12)

    def test_half_a_clip_is_the_mean_of_both_copies(self):
        logits = random_logits(1)
        scores = stitched(PLAN, [Clip(ramp(320), 0, 160)], logits)
        np.testing.assert_allclose(scores.logits, logits[0].reshape(2, 16, -1).mean(axis=0), atol=1e-6)


class TestStitcher:
    @pytest.mark.parametrize("short", ["repeat", "pad"])
    @pytest.mark.parametrize("n_samples", LENGTHS)
    def test_constant_logits_stay_constant(self, n_samples, short):
        plan = ClipPlan(800, 320, 32, 16, short)
        clips = list(cut([ramp(n_samples)], plan))
        constant = np.array([0.1, -3.7, 12.34], np.float32)
        scores = stitched(plan, clips, np.broadcast_to(constant, (len(clips), 32, 3)))
        assert scores.grid.n_frames == plan.frames_covering(n_samples)
        assert scores.grid.boundaries_s[-1] == n_samples / plan.sample_rate
        np.testing.assert_allclose(scores.logits, np.broadcast_to(constant, scores.logits.shape), rtol=1e-6)
        np.testing.assert_array_equal(scores.clip_logits, np.broadcast_to(constant, scores.logits.shape))

    def test_where_one_clip_is_alone_its_logits_come_out_unchanged(self):
        logits = random_logits(3)
        scores = stitched(PLAN, list(cut([ramp(640)], PLAN)), logits)
        np.testing.assert_array_equal(scores.logits[:16], logits[0, :16])
        np.testing.assert_array_equal(scores.logits[-16:], logits[-1, -16:])

    @pytest.mark.parametrize("hop_frames", [1, 5, 16, 32])
    def test_equals_the_weighted_mean_over_all_clips_at_once(self, hop_frames):
        plan = ClipPlan(800, 320, 32, hop_frames)
        clips = list(cut([ramp(1283)], plan))
        logits = random_logits(len(clips))
        fade = np.concatenate([np.arange(1, 17), np.arange(16, 0, -1)])
        covers = np.full((len(clips), plan.frames_covering(1283), 3), np.nan)
        weights = np.zeros((len(clips), plan.frames_covering(1283), 1))
        clip_logits = np.full_like(covers, -np.inf)
        for i, clip in enumerate(clips):
            place = slice(clip.start // 10, clip.start // 10 + 32)
            covers[i, place], weights[i, place, 0] = logits[i], fade
            clip_logits[i, place] = logits[i].mean(axis=0)
        expected = np.nansum(covers * weights, axis=0) / weights.sum(axis=0)
        scores = stitched(plan, clips, logits)
        np.testing.assert_allclose(scores.logits, expected, atol=1e-6)
        np.testing.assert_allclose(scores.clip_logits, clip_logits.max(axis=0), atol=1e-6)

    def test_batches_do_not_matter(self):
        clips = list(cut([ramp(1283)], PLAN))
        logits = random_logits(len(clips))
        whole = stitched(PLAN, clips, logits, batch_size=len(clips))
        for batch_size in (1, 2, 3):
            scores = stitched(PLAN, clips, logits, batch_size)
            np.testing.assert_array_equal(scores.logits, whole.logits)
            np.testing.assert_array_equal(scores.clip_logits, whole.clip_logits)

    def test_frames_are_handed_out_as_soon_as_no_clip_can_change_them(self):
        clips = list(cut([ramp(1283)], PLAN))
        stitcher = Stitcher(PLAN, len(LABELS))
        n_frames = [stitcher.add([clip], random_logits(1)).grid.n_frames for clip in clips]
        assert (10 * np.cumsum(n_frames)).tolist() == [clip.start for clip in clips]


def test_a_plan_in_shorter_frames_cuts_alike():
    fine = PLAN.in_frames(160)
    assert (fine.frame_samples, fine.hop_samples) == (2, PLAN.hop_samples)
    with pytest.raises(ConfigError, match="a clip of 32 frames cannot be divided into 100"):
        PLAN.in_frames(100)
