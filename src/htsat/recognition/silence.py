"""Silence costs the network nothing: its answer about it is asked for once, and given again.

Axes: B clips, L samples of a clip.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from htsat.engines.protocol import Engine, EngineOutput, ModelDescription
from htsat.errors import ConfigError
from htsat.scores import FloatArray


class GatedEngine:
    """An engine behind a gate that clips of silence do not pass: they get its answer about zeros.

    Clips in which every sample is zero are silence. With `gate_dbfs` those below that level are silence too:
    the level of a clip is its RMS in dB, 0 where that is 1 (a sine of full scale has -3).

    Raises:
        ConfigError: when the gate is above 0 dBFS or not a number.
    """

    def __init__(self, engine: Engine, gate_dbfs: float | None = None) -> None:
        if gate_dbfs is not None and not gate_dbfs <= 0:
            raise ConfigError(f"gate_dbfs must be at most 0, got {gate_dbfs:g}")
        self.engine = engine
        self._least_power = 0.0 if gate_dbfs is None else 10 ** (gate_dbfs / 10)
        self._about_silence: EngineOutput | None = None

    @property
    def description(self) -> ModelDescription:
        """Sizes, classes and rules of the model."""
        return self.engine.description

    def frame_scores(self, clips: FloatArray) -> EngineOutput:
        """Run the network on those of the clips `(B, clip_samples)` that are no silence."""
        passes = self._passes(clips)
        if passes.all():
            return self.engine.frame_scores(clips)
        answers = [np.repeat(array, len(clips), axis=0) for array in self._silence()]
        if passes.any():
            for answer, heard in zip(answers, self.engine.frame_scores(clips[passes]), strict=True):
                answer[passes] = heard
        return EngineOutput(*answers)

    def _passes(self, clips: FloatArray) -> NDArray[np.bool_]:
        """Which clips the network must hear, `(B,)`."""
        passes = np.asarray(clips.any(axis=1))
        if self._least_power:
            powers = np.array([clip @ clip for clip in clips]) / clips.shape[1]
            passes &= powers >= self._least_power
        return passes

    def _silence(self) -> EngineOutput:
        """The answer about one clip of zeros."""
        if self._about_silence is None:
            zeros = np.zeros((1, self.description.clip_samples), np.float32)
            self._about_silence = self.engine.frame_scores(zeros)
        return self._about_silence
