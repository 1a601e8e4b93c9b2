"""A teacher's answers as training reads them: a few logits for every crop that it hears.

T frames of a clip, K classes.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from htsat.checkpoints.problems import some
from htsat.data.dataset import ClipMaker, Draw, Sounds
from htsat.data.manifest import Manifest
from htsat.errors import DataError
from htsat.labels import LabelSet
from htsat.scores import FloatArray, Task
from htsat.training.experiment import Experiment
from htsat.training.origin import Fingerprint
from htsat.training.teaching.folder import Sizes, read_facts

_N_CHECKED = 100


@dataclass(frozen=True, kw_only=True)
class Questions:
    """Which crops a teacher hears: equal questions, equal waveforms."""

    clips: Fingerprint
    """The clips of which crops are drawn, in their order."""
    labels: tuple[str, ...]
    task: Task
    seed: int
    sample_rate: int
    clip_samples: int
    augmentation: Mapping[str, Any]
    """The settings, as `dataclasses.asdict` gives them."""

    @classmethod
    def of(cls, experiment: Experiment, labels: LabelSet, sounds: Sounds, clip_samples: int) -> Questions:
        """What a run of this experiment asks about the clips that it learns from."""
        listed = [Manifest(tuple(sounds.clips), labels)]
        return cls(
            clips=Fingerprint.of(listed, Path(experiment.data or "")),
            labels=labels.names,
            task=experiment.resolved_task,
            seed=experiment.seed,
            sample_rate=sounds.sample_rate,
            clip_samples=clip_samples,
            augmentation=dataclasses.asdict(experiment.augmentation),
        )


class Answer(NamedTuple):
    """A teacher's logits for a crop.

    Shape: `clip` `(K,)`, `frames` `(T, K)`, or None where the teacher was not asked for frames.
    """

    clip: FloatArray
    frames: FloatArray | None


class Answers:
    """Answers that training reads: memory-mapped, and again by each process that they are sent to.

    Raises:
        DataError: when there are none, they are damaged or half done, or were given to other crops than
            those that the questions mean.
    """

    def __init__(self, folder: Path, questions: Questions) -> None:
        facts = read_facts(folder)
        _refuse_others(folder, facts["questions"], questions)
        self._folder = folder
        self._n_classes = len(questions.labels)
        self._sizes = Sizes(facts["n_passes"], questions.clips.n_clips, facts["top_k"], facts["n_frames"])
        n_answers = self._sizes.n_answers
        if facts["n_answered"] < n_answers:
            done = f"{facts['n_answered']} of {n_answers}"
            raise DataError(f"{folder}: half done ({done} answers); the same `htsat teach` goes on with it")
        self._arrays = self._open()

    @property
    def n_passes(self) -> int:
        """Epochs with answers of their own."""
        return self._sizes.n_passes

    def _open(self) -> dict[str, NDArray[Any]]:
        arrays = {}
        for name, (dtype, shape) in self._sizes.arrays().items():
            path = self._folder / f"{name}.npy"
            try:
                array = np.load(path, mmap_mode="r", allow_pickle=False)
            except Exception as error:  # a damaged file can make numpy raise anything
                raise DataError(f"{path}: cannot be read ({error})") from None
            if array.shape != shape or array.dtype != dtype:
                raise DataError(f"{path}: expected {dtype} {shape}, got {array.dtype} {array.shape}")
            arrays[name] = array
        return arrays

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_arrays": None}  # a map that is sent would become a copy of the file

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self._arrays = self._open()

    def look_up(self, pass_: int, index: int) -> Answer:
        """What the teacher says of a clip as it is drawn in a pass."""
        names = ("rest", "classes", "logits")
        clip = self._filled(*(self._arrays[name][pass_, index] for name in names))
        if self._sizes.n_frames is None:
            return Answer(clip, None)
        return Answer(clip, self._filled(*(self._arrays[f"frame_{name}"][pass_, index] for name in names)))

    def _filled(self, rest: NDArray[Any], classes: NDArray[Any], logits: NDArray[Any]) -> FloatArray:
        """The logits of all classes. Shape: `(...)`, `(k,)` and `(..., k)` -> `(..., K)`."""
        every = np.repeat(rest[..., None].astype(np.float32), self._n_classes, axis=-1)
        every[..., classes] = logits
        return every

    def check_seeds(self, seed_of: Callable[[Draw], int]) -> None:
        """Refuse answers to crops that are drawn differently though all settings are the same.

        Looks at the beginning of the first pass, where broken clips may have been replaced by the next.

        Raises:
            DataError: when none of the seeds is that of the crop.
        """
        seeds = self._arrays["seeds"][0, :_N_CHECKED].tolist()
        if not any(seed == seed_of(Draw(0, index)) for index, seed in enumerate(seeds)):
            raise DataError(
                f"{self._folder}: written by a version of htsat that draws other crops; write anew"
            )


def _refuse_others(folder: Path, answered: Mapping[str, Any], questions: Questions) -> None:
    asked = json.loads(json.dumps(dataclasses.asdict(questions)))
    changed = differences(answered, asked)
    if changed:
        raise DataError(f"{folder}: answers to other crops than this run hears: {some(changed)}")


def differences(then: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> list[str]:
    """What differs between two sets of facts, with both values; of lists, how long they are."""
    found = []
    for name in {**then, **now}:
        old, new = then.get(name), now.get(name)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            is_data = name == "clips"
            found += [_of_clips(old, new)] if is_data else differences(old, new, f"{prefix}{name}.")
        elif isinstance(old, list) and isinstance(new, list):
            found.append(f"{prefix}{name} {_first_other(old, new)}, here {_first_other(new, old)}")
        else:
            found.append(f"{prefix}{name} {old}, here {new}")
    return found


def _of_clips(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """How two lists of clips, as `Fingerprint` has them, differ."""
    if old["n_clips"] != new["n_clips"]:
        return f"{old['n_clips']} clips, here {new['n_clips']}"
    return f"other files, labels or folds among the {new['n_clips']} clips"


def _first_other(values: list[Any], others: list[Any]) -> str:
    """The first value that another list does not have at its place, and how many values there are."""
    place = next((i for i, value in enumerate(values) if [value] != others[i : i + 1]), None)
    shown = "" if place is None else f" (number {place + 1}: {values[place]})"
    return f"of {len(values)}{shown}"


def open_answers(
    experiment: Experiment, labels: LabelSet, sounds: Sounds, clip_samples: int
) -> Answers | None:
    """The answers that an experiment learns from, if any.

    Args:
        experiment: the settings.
        labels: all classes.
        sounds: the clips that are learned from, as they were opened.
        clip_samples: length of the network's clip.

    Raises:
        DataError: when there are none, they are half done or damaged, or belong to other crops.
    """
    folder = experiment.teaching.answers
    if folder is None:
        return None
    answers = Answers(Path(folder), Questions.of(experiment, labels, sounds, clip_samples))
    maker = ClipMaker(clip_samples=clip_samples, augmentation=experiment.augmentation, seed=experiment.seed)
    answers.check_seeds(maker.seed_of)
    return answers


def teaches_frames(experiment: Experiment) -> bool:
    """Whether an experiment learns from a teacher's answers for frames.

    Raises:
        DataError: when there are no answers, or they are damaged.
    """
    teaching = experiment.teaching
    if teaching.answers is None or not teaching.weight:
        return False
    return read_facts(Path(teaching.answers))["n_frames"] is not None
