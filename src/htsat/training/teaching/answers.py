"""A teacher's answers on disk: a few logits for every crop that training hears.

A folder holds `answers.json` (what was asked and who answered), `seeds.npy` `(N, n)` int64, `logits.npy` and
`classes.npy` `(N, n, k)` (the k largest, float16 and uint16), and `rest.npy` `(N, n)` float16, which stands
for the classes that are left out.

N passes over n clips, K classes of which the k largest are kept.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

FACTS_NAME = "answers.json"
FORMAT_VERSION = 1
ARRAYS = {"seeds": "<i8", "logits": "<f2", "classes": "<u2", "rest": "<f2"}
"""Names and types of the array files."""

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


def shape_of(name: str, n_passes: int, n_clips: int, top_k: int) -> tuple[int, ...]:
    """Shape of an array file."""
    return (n_passes, n_clips, top_k) if name in ("logits", "classes") else (n_passes, n_clips)


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
        self._n_clips = questions.clips.n_clips
        self._n_classes = len(questions.labels)
        self.n_passes = int(facts["n_passes"])
        self._top_k = int(facts["top_k"])
        n_answers = self.n_passes * self._n_clips
        if facts["n_answered"] < n_answers:
            done = f"{facts['n_answered']} of {n_answers}"
            raise DataError(f"{folder}: half done ({done} answers); the same `htsat teach` goes on with it")
        self._arrays = self._open()

    def _open(self) -> dict[str, NDArray[Any]]:
        arrays = {}
        for name, dtype in ARRAYS.items():
            path = self._folder / f"{name}.npy"
            shape = shape_of(name, self.n_passes, self._n_clips, self._top_k)
            try:
                array = np.load(path, mmap_mode="r", allow_pickle=False)
            except (OSError, EOFError, ValueError) as error:
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

    def look_up(self, pass_: int, index: int) -> FloatArray:
        """The teacher's logits for a clip as it is drawn in a pass. Shape: `(K,)`."""
        logits = np.full(self._n_classes, self._arrays["rest"][pass_, index], np.float32)
        logits[self._arrays["classes"][pass_, index]] = self._arrays["logits"][pass_, index]
        return logits

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


def read_facts(folder: Path) -> dict[str, Any]:
    """What `answers.json` says.

    Raises:
        DataError: when there is none, or it is damaged.
    """
    path = folder / FACTS_NAME
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{folder}: no answers of a teacher here ({FACTS_NAME}: {error.strerror})") from None
    except ValueError as error:
        raise DataError(f"{path}: is damaged ({error})") from None
    version = facts.get("format_version") if isinstance(facts, dict) else None
    if version != FORMAT_VERSION:
        raise DataError(f"{path}: expected format version {FORMAT_VERSION}, got {version!r}")
    missing = {"questions", "teachers", "n_passes", "top_k", "n_answered"} - facts.keys()
    if missing:
        raise DataError(f"{path}: is damaged: no {some(sorted(missing))}")
    return dict(facts)


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
