"""Writing a teacher's answers down, so that training need not run the teacher.

B clips, K classes of which the k largest are kept.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np

from htsat.checkpoints.problems import some
from htsat.errors import ConfigError, DataError
from htsat.files import LOCK_NAME, atomic_path, sole_writer
from htsat.training.teaching.answers import Questions, differences
from htsat.training.teaching.folder import FACTS_NAME, FORMAT_VERSION, ArrayForm, Sizes, read_facts
from htsat.training.teaching.logits import Logits, keep_largest, keep_loudest
from htsat.training.teaching.teachers import Teacher

_MAX_CLASSES = 2**16


@dataclass(frozen=True)
class AnswerPlan:
    """What is written: so many answers to which questions, by whom; with `n_frames` for frames too.

    Raises:
        ConfigError: when more classes are to be kept than there are, or the task has no frames.
    """

    questions: Questions
    teachers: tuple[Teacher, ...]
    n_passes: int
    top_k: int
    n_frames: int | None = None

    def __post_init__(self) -> None:
        n_classes = len(self.questions.labels)
        if not 1 <= self.top_k <= n_classes:
            raise ConfigError(f"top-k must lie between 1 and the {n_classes} classes, got {self.top_k}")
        if n_classes > _MAX_CLASSES:
            raise ConfigError(f"answers hold at most {_MAX_CLASSES} classes, got {n_classes}")
        if self.n_frames is not None and self.questions.task != "multi_label":
            raise ConfigError(f"frames need the task multi_label, got {self.questions.task} (--task)")

    @property
    def sizes(self) -> Sizes:
        """Of the folder."""
        return Sizes(self.n_passes, self.questions.clips.n_clips, self.top_k, self.n_frames)

    def facts(self, n_answered: int) -> dict[str, Any]:
        """As they stand in `answers.json`."""
        facts = {
            "format_version": FORMAT_VERSION,
            "questions": dataclasses.asdict(self.questions),
            "teachers": [{"name": teacher.name, "sha256": teacher.sha256} for teacher in self.teachers],
            "n_passes": self.n_passes,
            "top_k": self.top_k,
            "n_frames": self.n_frames,
            "n_answered": n_answered,
        }
        as_read: dict[str, Any] = json.loads(json.dumps(facts))
        return as_read


class AnswerWriter:
    """Writes answers one after the other: clip by clip, then pass by pass.

    It goes on where an earlier one with the same plan was stopped, however that was. Use it as a context, at
    whose end everything is on the disk.

    Raises:
        DataError: when the folder holds something else, or answers that were begun with another plan.
    """

    def __init__(self, folder: Path, plan: AnswerPlan) -> None:
        self._folder = folder
        self.plan = plan
        self._arrays = plan.sizes.arrays()
        with _naming(folder), ExitStack() as opened:
            opened.enter_context(sole_writer(folder / LOCK_NAME, folder))
            self.n_done = self._claim()
            self._files = {
                name: opened.enter_context(_begin(folder / f"{name}.npy", form, self.n_done))
                for name, form in self._arrays.items()
            }
            self._opened = opened.pop_all()

    def _claim(self) -> int:
        """Take the folder; how many answers it holds."""
        if not (self._folder / FACTS_NAME).exists():
            if any(not path.name.startswith(".") for path in _entries(self._folder)):
                raise DataError(f"{self._folder}: is not empty and holds no answers; choose another folder")
            self._write_facts(0)
            return 0
        facts = read_facts(self._folder)
        n_answered = int(facts["n_answered"])
        changed = differences(facts, self.plan.facts(n_answered))
        if changed:
            raise DataError(f"{self._folder}: was begun with {some(changed)}; choose another folder")
        return n_answered

    def add(self, seeds: Sequence[int], logits: Logits) -> None:
        """The next answers; frames are there where the plan has them.

        Raises:
            DataError: when they cannot be written.
        """
        top_k, columns = self.plan.top_k, {"seeds": np.array(seeds, np.int64)}
        columns |= keep_largest(logits.clips, top_k, self.plan.questions.task)._asdict()
        if logits.frames is not None:
            columns |= keep_loudest(logits.frames, top_k)._asdict()
        with _naming(self._folder):
            for name, file in self._files.items():
                file.write(columns[name].astype(self._arrays[name].dtype, order="C").tobytes())
                file.flush()
        self.n_done += len(seeds)

    def secure(self) -> None:
        """Let everything so far reach the disk; from here a later writer goes on.

        Raises:
            DataError: when it cannot be written.
        """
        with _naming(self._folder):
            for file in self._files.values():
                os.fsync(file.fileno())
            self._write_facts(self.n_done)

    def _write_facts(self, n_answered: int) -> None:
        text = json.dumps(self.plan.facts(n_answered), indent=2, ensure_ascii=False)
        with atomic_path(self._folder / FACTS_NAME) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _naming(self._folder), self._opened:
            self.secure()


@contextmanager
def _naming(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{folder}: answers cannot be written ({error.strerror})") from error


def _begin(path: Path, form: ArrayForm, n_rows: int) -> BinaryIO:
    """An array file, ready for the rows after the first `n_rows`; what lies beyond them is cut off."""
    path.touch()
    with ExitStack() as opened:
        file = opened.enter_context(path.open("r+b"))
        if not n_rows:
            file.truncate(0)
        header = {"descr": form.dtype, "fortran_order": False, "shape": form.shape}
        np.lib.format.write_array_header_1_0(file, header)
        n_bytes = file.tell() + n_rows * form.row_bytes
        if file.seek(0, os.SEEK_END) < n_bytes:
            raise DataError(f"{path}: is damaged: it holds less than the {n_rows} answers that were written")
        file.truncate(n_bytes)
        file.seek(n_bytes)
        opened.pop_all()
    return file


def _entries(folder: Path) -> Iterator[Path]:
    return folder.iterdir() if folder.exists() else iter(())
