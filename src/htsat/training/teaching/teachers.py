"""Who answers: models, functions of the user, or the mean of several.

B clips, L samples, T frames, K classes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from htsat.errors import ConfigError, DataError, HtsatError, did_you_mean
from htsat.files import sha256
from htsat.labels import LabelSet
from htsat.scores import FloatArray, Task
from htsat.training.teaching.frames import logits_in_frames
from htsat.training.teaching.logits import Doubles, Logits, mean_logits


class Heard(NamedTuple):
    """What a teacher says of clips, as it says it.

    Shape: logits `clips` `(B, K)` and `frames` `(B, T, K)`, which it may leave out. `edges` `(T + 1,)` are
    where its frames lie, from 0 to the end of the clip in any unit; None for frames of one length.
    """

    clips: Any
    frames: Any = None
    edges: NDArray[np.floating] | None = None


Hear = Callable[[FloatArray, int], Heard]
"""From waveforms `(B, L)` and their sample rate to logits."""

_FUNCTION = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*):([^\W\d]\w*)")


@dataclass(frozen=True)
class Teacher:
    """Something that hears clips; `sha256` is that of the file it comes from."""

    name: str
    sha256: str
    hear: Hear

    def logits(self, waveforms: FloatArray, sample_rate: int, n_classes: int, n_frames: int | None) -> Logits:
        """Checked answers, for so many frames too, unless None. Shape: `(B, L)` -> `(B, K)`, `(B, T, K)`.

        Raises:
            DataError: when the answers are not finite numbers of this shape.
        """
        heard = self.hear(waveforms, sample_rate)
        clips = self._checked(heard.clips, {"clips": len(waveforms), "classes": n_classes})
        if n_frames is None:
            return Logits(clips, None)
        if heard.frames is None:
            raise DataError(
                f"teacher {self.name!r}: expected a pair of logits (clips, classes) and "
                "(clips, frames, classes), got only those of clips"
            )
        axes = {"clips": len(waveforms), "frames": None, "classes": n_classes}
        frames = self._checked(heard.frames, axes)
        edges = np.arange(frames.shape[1] + 1.0) if heard.edges is None else heard.edges
        return Logits(clips, logits_in_frames(frames, edges, n_frames))

    def _checked(self, answers: object, axes: dict[str, int | None]) -> Doubles:
        """Numbers of this shape, any above 0 where it is None."""
        array = np.asarray(answers)
        sizes = dict(zip(axes, array.shape, strict=False))
        fits = array.ndim == len(axes) and all(sizes[axis] == (axes[axis] or sizes[axis]) for axis in axes)
        if not fits or not array.size or array.dtype.kind not in "fiu":
            expected = ", ".join("any" if size is None else str(size) for size in axes.values())
            got = f"{array.dtype} {array.shape}"
            raise DataError(
                f"teacher {self.name!r}: expected logits ({', '.join(axes)}) ({expected}), got {got}"
            )
        if not np.isfinite(array).all():
            raise DataError(f"teacher {self.name!r}: gave logits that are NaN or infinite")
        return array.astype(np.float64)


def ask(
    teachers: Sequence[Teacher],
    waveforms: FloatArray,
    sample_rate: int,
    labels: LabelSet,
    task: Task,
    n_frames: int | None = None,
) -> Logits:
    """The answer of one teacher, or the logits of the mean of the probabilities of several.

    Shape: `(B, L)` -> `(B, K)`, and with `n_frames` `(B, n_frames, K)`.

    Raises:
        DataError: when a teacher's answers are not finite numbers of this shape.
    """
    answers = [teacher.logits(waveforms, sample_rate, len(labels), n_frames) for teacher in teachers]
    if len(answers) == 1:
        return answers[0]
    clips = mean_logits(np.stack([answer.clips for answer in answers]), task)
    frames = [answer.frames for answer in answers if answer.frames is not None]
    return Logits(clips, mean_logits(np.stack(frames), task) if frames else None)


def is_function(name: str) -> bool:
    """Whether a teacher's name is that of a Python function: `module:function`."""
    return _FUNCTION.fullmatch(name) is not None


def function_teacher(name: str, labels: LabelSet) -> Teacher:
    """A function of the user, from the current folder or an installed package.

    It is called as `function(waveforms, sample_rate, labels)` with `(B, L)` float32 and the names of the
    classes, and answers with logits `(B, K)` in their order, or with a pair (a tuple) of these and of the
    logits of frames `(B, T, K)`: as many as it likes, all of one length.

    Raises:
        ConfigError: when there is no such function.
    """
    module_name, function_name = name.split(":")
    module = _import(module_name, name)
    function = getattr(module, function_name, None)
    if not callable(function):
        raise ConfigError(f"teacher {name!r}: no such function{did_you_mean(function_name, vars(module))}")
    source = getattr(module, "__file__", None)
    if source is None:
        raise ConfigError(f"teacher {name!r}: {module_name} is not a file of its own")

    def hear(waveforms: FloatArray, sample_rate: int) -> Heard:
        try:
            answer = function(waveforms, sample_rate, labels.names)
            is_pair = isinstance(answer, tuple) and len(answer) == 2
            return Heard(*map(np.asarray, answer if is_pair else (answer,)))
        except Exception as error:  # the user's own code can raise anything
            raise HtsatError(f"teacher {name!r}: {_in_words(error)}") from error

    return Teacher(name, sha256(Path(source)), hear)


def _import(module_name: str, teacher: str) -> ModuleType:
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return import_module(module_name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"teacher {teacher!r}: no module {error.name!r} in the current folder, and none is installed"
        ) from error
    except Exception as error:  # the user's module can raise anything while it is imported
        raise ConfigError(f"teacher {teacher!r} cannot be imported: {_in_words(error)}") from error


def _in_words(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
