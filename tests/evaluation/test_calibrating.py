from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from htsat.errors import ConfigError
from htsat.evaluation.calibrating import calibrate, calibrated


@pytest.fixture(scope="module")
def clips(scored_clips):
    return scored_clips(n_recordings=60)


def test_frames_are_calibrated_by_strong_labels(clips):
    calibration = calibrate(clips, has_fine_head=False)
    assert calibration.frames is calibration.tagging
    errors = [of.equal_counts.expected_calibration_error for of in (calibration.before, calibration.after)]
    assert errors[1] < 0.5 * errors[0]
    again = calibrate(calibrated(clips, calibration), has_fine_head=False)
    heard = clips.n_events > 1
    np.testing.assert_allclose(again.frames.scales[heard], 1, atol=0.05)
    np.testing.assert_allclose(again.frames.offsets[heard], 0, atol=0.1)


def test_a_fine_head_is_calibrated_apart_from_tagging(clips):
    both = calibrate(clips, has_fine_head=True)
    weak = calibrate(replace(clips, reference=clips.reference.where(np.zeros(0, int))), has_fine_head=True)
    np.testing.assert_array_equal(both.tagging.scales, weak.tagging.scales)
    assert weak.frames is None
    assert not np.allclose(both.frames.scales, both.tagging.scales)
    kept = calibrated(clips, weak)
    assert kept.scores[0].logits is clips.scores[0].logits
    np.testing.assert_array_equal(kept.scores[0].clip_logits, weak.tagging.apply(clips.scores[0].clip_logits))


def test_multi_class_models_are_refused(clips):
    competing = replace(clips, scores=tuple(replace(s, task="multi_class") for s in clips.scores))
    with pytest.raises(ConfigError, match=r"^calibration needs a multi-label model"):
        calibrate(competing, has_fine_head=False)
