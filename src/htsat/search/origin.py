"""Which model made an index, and whether another one's vectors can be compared with it.

The same network comes as several files (`.safetensors`, `.onnx`, in float16, with tuned rules), whose
vectors are the same. So where the digests of two files differ, it counts what they answer to a fixed clip.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import htsat
from htsat.engines.exported import reference_clip
from htsat.engines.protocol import Engine
from htsat.errors import ConfigError
from htsat.files import sha256
from htsat.formats.embeddings import Origin
from htsat.recognition.hearing import Per
from htsat.recognition.silence import GatedEngine
from htsat.scores import FloatArray

_LARGEST_DIFFERENCE = 0.02
"""Between two probes, as a share of the largest value: that of float16 (`htsat.engines.exported.LIMITS`)."""


def probe(engine: Engine) -> FloatArray:
    """The embedding `(D,)` of a clip that is the same everywhere."""
    # A gate must not take the clip for silence.
    runtime = engine.engine if isinstance(engine, GatedEngine) else engine
    answer: FloatArray = runtime.frame_scores(reference_clip(engine.description.clip_samples)).embedding[0]
    return answer


def origin_of(engine: Engine, file: Path, per: Per, overlap: float) -> Origin:
    """What there is to say about vectors that this engine makes; `file` is that of the model."""
    model = engine.description
    return Origin(
        model=model.name,
        sha256=sha256(file),
        per=per,
        span_s=model.clip_s / (1 if per == "clip" else model.n_coarse_frames),
        overlap=overlap,
        probe=tuple(float(f"{value:.6g}") for value in probe(engine)),
        version=htsat.__version__,
    )


def require_same_model(index: Path, origin: Origin, engine: Engine, file: Path) -> None:
    """Refuse a model whose vectors cannot be compared with those of an index.

    Raises:
        ConfigError: naming both models.
    """
    if sha256(file) != origin.sha256 and not are_alike(origin, probe(engine)):
        raise ConfigError(
            f"{index} was made by model {origin.model!r}, whose embeddings are not those of "
            f"{engine.description.name!r}"
        )


def are_alike(origin: Origin, answer: FloatArray) -> bool:
    """Whether a probe `(D,)` is that of the model which made an index, up to rounding."""
    expected = np.array(origin.probe, np.float32)
    if expected.shape != answer.shape:
        return False
    return bool(np.abs(expected - answer).max() <= _LARGEST_DIFFERENCE * np.abs(expected).max())
