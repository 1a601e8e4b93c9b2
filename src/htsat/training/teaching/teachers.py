"""Who answers: models, functions of the user, or the mean of several.

B clips, L samples, K classes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from htsat.checkpoints.file import sha256
from htsat.errors import ConfigError, DataError, HtsatError, did_you_mean
from htsat.labels import LabelSet
from htsat.scores import FloatArray, Task
from htsat.training.teaching.logits import Doubles, mean_logits

Hear = Callable[[FloatArray, int], Any]
"""From waveforms `(B, L)` and their sample rate to logits `(B, K)`."""

_FUNCTION = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*):([^\W\d]\w*)")


@dataclass(frozen=True)
class Teacher:
    """Something that hears clips; `sha256` is that of the file it comes from."""

    name: str
    sha256: str
    hear: Hear

    def logits(self, waveforms: FloatArray, sample_rate: int, n_classes: int) -> Doubles:
        """Checked answers. Shape: `(B, L)` -> `(B, K)`.

        Raises:
            DataError: when the answers are not finite numbers of this shape.
        """
        answers = np.asarray(self.hear(waveforms, sample_rate))
        expected = (len(waveforms), n_classes)
        if answers.shape != expected or answers.dtype.kind not in "fiu":
            got = f"{answers.dtype} {answers.shape}"
            raise DataError(f"teacher {self.name!r}: expected logits (clips, classes) {expected}, got {got}")
        if not np.isfinite(answers).all():
            raise DataError(f"teacher {self.name!r}: gave logits that are NaN or infinite")
        return answers.astype(np.float64)


def ask(
    teachers: Sequence[Teacher], waveforms: FloatArray, sample_rate: int, labels: LabelSet, task: Task
) -> Doubles:
    """The answer of one teacher, or the logits of the mean of the probabilities of several.

    Shape: `(B, L)` -> `(B, K)`.

    Raises:
        DataError: when a teacher's answers are not finite numbers of this shape.
    """
    answers = [teacher.logits(waveforms, sample_rate, len(labels)) for teacher in teachers]
    return answers[0] if len(answers) == 1 else mean_logits(np.stack(answers), task)


def is_function(name: str) -> bool:
    """Whether a teacher's name is that of a Python function: `module:function`."""
    return _FUNCTION.fullmatch(name) is not None


def function_teacher(name: str, labels: LabelSet) -> Teacher:
    """A function of the user, from the current folder or an installed package.

    It is called as `function(waveforms, sample_rate, labels)` with `(B, L)` float32 and the names of the
    classes, and answers with logits `(B, K)` in their order.

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

    def hear(waveforms: FloatArray, sample_rate: int) -> object:
        try:
            return np.asarray(function(waveforms, sample_rate, labels.names))
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
