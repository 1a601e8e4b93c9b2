"""Whether scores that lie on disk are those of the model that listens now.

A model is known by its classes and sizes, and by what it says about a sound that is the same everywhere: a
file of weights may have been written again under its old name.

Axes: T frames, K classes.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from htsat.engines.exported import reference_clip
from htsat.engines.protocol import ModelDescription
from htsat.recognition.hearing import joined_scores
from htsat.recognition.recognizer import Recognizer
from htsat.scores import FloatArray
from htsat.web.page.arrays import read_arrays, write_arrays
from htsat.web.page.recording import SCORES

_TOLERANCE = 1e-3
"""The same engine on the same machine may add in another order."""


def keep_scores_of(model: Recognizer, folder: Path) -> None:
    """Remove the scores below a folder unless this model has given them, and note whose they are now."""
    path = folder / "model.npz"
    clip = reference_clip(model.description.clip_samples)[0]
    # One and a half clips: how neighbours overlap is heard too.
    scores = joined_scores(model.score_blocks([clip, clip[: len(clip) // 2]]))
    now = _Answer(_described(model.description), scores.logits)
    if not _is_same(path, now):
        for foreign in folder.glob(f"*/{SCORES}"):
            shutil.rmtree(foreign)
        write_arrays(path, now._asdict())


class _Answer(NamedTuple):
    """What a model is, and what it says about the known sound, `(T, K)`."""

    described: str
    logits: FloatArray


def _described(model: ModelDescription) -> str:
    """All but its name and rules, which change no score."""
    facts = asdict(model) | {"name": "", "rules": ""}
    return repr(sorted(facts.items()))


def _is_same(path: Path, now: _Answer) -> bool:
    before = read_arrays(path, _Answer._fields)
    if before is None or str(before["described"]) != now.described:
        return False
    return before["logits"].shape == now.logits.shape and np.allclose(
        before["logits"], now.logits, rtol=0, atol=_TOLERANCE
    )
