"""What lies in a folder of answers.

`answers.json` says what was asked and who answered. `seeds.npy` `(N, n)` int64, `logits.npy` and
`classes.npy` `(N, n, k)` (the k largest, float16 and uint16), and `rest.npy` `(N, n)` float16, which stands
for the classes that are left out, are the answers for clips. Where frames were asked for too,
`frame_logits.npy` `(N, n, T, k)` float16, `frame_classes.npy` `(N, n, k)` uint16 and `frame_rest.npy`
`(N, n, T)` float16 hold the k classes of each clip that are loudest in any of its frames.

N passes over n clips, T frames of a clip, of whose classes k are kept.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from htsat.checkpoints.problems import some
from htsat.errors import DataError

FACTS_NAME = "answers.json"
FORMAT_VERSION = 2
"""Folders of version 1 have answers for clips alone; otherwise they are the same."""

_MANY = 2**40
_COUNTS = ("n_passes", "top_k", "n_answered")
_NAMES = {"questions", "teachers", "n_passes", "top_k", "n_frames", "n_answered"}


class ArrayForm(NamedTuple):
    """Type and shape of an array file, the first two axes of which are passes and clips."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def row_bytes(self) -> int:
        """Of one answer."""
        return np.dtype(self.dtype).itemsize * math.prod(self.shape[2:])


class Sizes(NamedTuple):
    """How much a folder holds; without `n_frames` it has answers for clips alone."""

    n_passes: int
    n_clips: int
    top_k: int
    n_frames: int | None

    @property
    def n_answers(self) -> int:
        """All passes over all clips."""
        return self.n_passes * self.n_clips

    @property
    def n_bytes(self) -> int:
        """Of all arrays."""
        return self.n_answers * sum(form.row_bytes for form in self.arrays().values())

    def arrays(self) -> dict[str, ArrayForm]:
        """The array files, by their names without suffix."""
        clips = (self.n_passes, self.n_clips)
        forms = {
            "seeds": ArrayForm("<i8", clips),
            "logits": ArrayForm("<f2", (*clips, self.top_k)),
            "classes": ArrayForm("<u2", (*clips, self.top_k)),
            "rest": ArrayForm("<f2", clips),
        }
        if self.n_frames is None:
            return forms
        return forms | {
            "frame_logits": ArrayForm("<f2", (*clips, self.n_frames, self.top_k)),
            "frame_classes": ArrayForm("<u2", (*clips, self.top_k)),
            "frame_rest": ArrayForm("<f2", (*clips, self.n_frames)),
        }


def read_facts(folder: Path) -> dict[str, Any]:
    """What `answers.json` says, as if it were of the newest format version.

    Raises:
        DataError: when there is none, or it is damaged.
    """
    path = folder / FACTS_NAME
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{folder}: no answers of a teacher here ({FACTS_NAME}: {error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is damaged ({error})") from None
    version = facts.get("format_version") if isinstance(facts, dict) else None
    if version not in (1, FORMAT_VERSION):
        raise DataError(f"{path}: expected format version 1 or {FORMAT_VERSION}, got {version!r}")
    if version == 1:
        facts |= {"format_version": FORMAT_VERSION, "n_frames": None}
    missing = _NAMES - facts.keys()
    if missing:
        raise DataError(f"{path}: is damaged: no {some(sorted(missing))}")
    _check_kinds(path, facts)
    return dict(facts)


def _check_kinds(path: Path, facts: Mapping[str, Any]) -> None:
    n_frames = facts["n_frames"]
    counts = [facts[name] for name in _COUNTS] + [0 if n_frames is None else n_frames]
    if not all(type(count) is int and 0 <= count < _MANY for count in counts):
        raise DataError(f"{path}: is damaged: {', '.join(_COUNTS)} and n_frames must be whole numbers")
    if not isinstance(facts["questions"], dict):
        raise DataError(f"{path}: is damaged: questions must be an object")
