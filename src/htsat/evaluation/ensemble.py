"""Several models that hear as one: the mean of their probabilities.

K classes, L samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from htsat.audio import open_audio
from htsat.data.manifest import Clip
from htsat.data.stores import SoundReader
from htsat.errors import DataError, did_you_mean
from htsat.evaluation.class_map import ClassMap
from htsat.evaluation.joint_scores import grouped, joined, reordered
from htsat.evaluation.rule_sets import NamedRules
from htsat.evaluation.shifts import shift_samples, shifted, stretch
from htsat.labels import LabelSet
from htsat.metrics.ranking import Doubles
from htsat.recognition.clips import TooShortError
from htsat.recognition.inference import NonFiniteScoresError
from htsat.recognition.recognizer import Recognizer
from htsat.scores import FloatArray, FrameScores, Task


class HeardClip(NamedTuple):
    """What is heard in a clip as a whole, `(K,)`, and in its frames."""

    probabilities: Doubles
    scores: FrameScores


class Ensemble:
    """One model or several that know the same classes; the classes stand in the order of the first.

    `n_passes` is the number of times that every model hears a clip, each time shifted in a circle by the
    official test-time shifts; 1 is the clip as it is. With a `class_map` the classes are its targets.

    Raises:
        DataError: when the models differ in their classes or task, or lack a class of the map.
    """

    def __init__(
        self, models: Sequence[Recognizer], n_passes: int = 1, class_map: ClassMap | None = None
    ) -> None:
        self._models = tuple(models)
        for model in self._models[1:]:
            _check_agreement(self._models[0], model)
        first = self._models[0].description
        orders = [[model.description.labels.index(label) for label in first.labels] for model in models]
        self._members = list(zip(self._models, orders, strict=True))
        self._groups = None if class_map is None else class_map.grouped(first.labels, first.name)
        self.class_map = None if class_map is None else class_map.source
        self._readers = {rate: SoundReader(rate) for rate in self._sample_rates}
        self.n_passes = n_passes

    @property
    def names(self) -> tuple[str, ...]:
        """The models, as they were asked for."""
        return tuple(model.description.name for model in self._models)

    @property
    def _sample_rates(self) -> set[int]:
        return {model.description.sample_rate for model in self._models}

    @property
    def labels(self) -> LabelSet:
        """The classes."""
        return self._models[0].description.labels if self._groups is None else self._groups.labels

    @property
    def task(self) -> Task:
        """Whether several classes are heard at once; targets of a map always are."""
        return self._models[0].description.task if self._groups is None else "multi_label"

    def own_rules(self) -> NamedRules:
        """The rules that the first model carries.

        Raises:
            ConfigError: when they differ between classes that a map puts together.
        """
        rules = self._models[0].description.rules
        name = f"those of {self.names[0]}"
        return NamedRules(name, rules if self._groups is None else self._groups.rules(rules))

    def check_labels(self, labels: LabelSet) -> None:
        """Refuse classes that the models do not know.

        Raises:
            DataError: naming the first, and the nearest class that is known.
        """
        for label in labels:
            if label not in self.labels:
                nearest = did_you_mean(label, self.labels)
                raise DataError(f"model {self.names[0]!r} has no class {label!r}{nearest}")

    def probabilities(self, clip: Clip) -> Doubles:
        """Hear a clip: the mean over models and passes (official behaviour 10). Shape: `(K,)`.

        Raises:
            AudioError: when the clip cannot be read or is too short.
            NonFiniteScoresError: when a network's answer is not finite.
        """
        return self._mean(self._tags(clip, shift_samples(self.n_passes)))

    def hear(self, clip: Clip) -> HeardClip:
        """Hear a clip, with the scores of its frames: those of the first pass, in which nothing is shifted.

        The whole clip is in memory. Raises as `probabilities`.
        """
        labels = self._models[0].description.labels
        scores = [reordered(self._score(model, clip), labels, order) for model, order in self._members]
        tags = [own.clip().probabilities for own in scores]
        tags += self._tags(clip, shift_samples(self.n_passes)[1:])
        frames = joined(scores)
        return HeardClip(self._mean(tags), frames if self._groups is None else grouped(frames, self._groups))

    def sound(self, clip: Clip) -> tuple[FloatArray, int]:
        """The samples of a clip `(L,)` as the first model hears them, and their rate in Hz."""
        rate = self._models[0].description.sample_rate
        return self._samples(clip, rate), rate

    def _mean(self, tags: Sequence[FloatArray]) -> Doubles:
        """From what was heard in every pass of every model to the probabilities of the classes, `(K,)`."""
        mean: Doubles = np.mean(tags, axis=0, dtype=np.float64)
        return mean if self._groups is None else self._groups.largest(mean)

    def _tags(self, clip: Clip, shifts: Sequence[int]) -> list[FloatArray]:
        """What every model hears in every pass, in the order of the first model's classes, `(K,)` each."""
        return [self._tag(model, clip, shift)[order] for model, order in self._members for shift in shifts]

    def _tag(self, model: Recognizer, clip: Clip, shift: int) -> FloatArray:
        """The probabilities of a clip as `htsat tag` gives them for a file of its own."""
        with self._named(clip), self._blocks(clip, model.description.sample_rate) as blocks:
            return model.hear_blocks(shifted(blocks, shift)).clip_scores.probabilities

    def _score(self, model: Recognizer, clip: Clip) -> FrameScores:
        """The scores of all frames of a clip."""
        rate = model.description.sample_rate
        with self._named(clip):
            return model.scores(self._samples(clip, rate), rate)

    def _samples(self, clip: Clip, rate: int) -> FloatArray:
        with self._blocks(clip, rate) as blocks:
            # Copies, because the source may use a block's memory again.
            return np.concatenate([np.empty(0, np.float32), *(block.copy() for block in blocks)])

    @contextmanager
    def _named(self, clip: Clip) -> Iterator[None]:
        """Problems of a network are told with the clip that they come from."""
        try:
            yield
        except (TooShortError, NonFiniteScoresError) as error:
            place = f"{clip.title}, from {clip.start_s:g} s" if clip.start_s else clip.title
            raise type(error)(f"{place}: {error}") from error

    @contextmanager
    def _blocks(self, clip: Clip, rate: int) -> Iterator[Iterable[FloatArray]]:
        """The samples of a clip: recordings of any length in blocks; those packed with others are short."""
        if clip.place is not None:
            yield [self._readers[rate].read(clip)]
            return
        start = round(clip.start_s * rate)
        stop = None if clip.duration_s is None else start + round(clip.duration_s * rate)
        with open_audio(clip.path, rate) as audio:
            yield stretch(audio.blocks(), start, stop)


def _check_agreement(first: Recognizer, other: Recognizer) -> None:
    ours, theirs = first.description, other.description
    names = f"models {ours.name!r} and {theirs.name!r}"
    if ours.task != theirs.task:
        raise DataError(f"{names} differ in their task: {ours.task} and {theirs.task}")
    for one, another in ((ours, theirs), (theirs, ours)):
        missing = [label for label in one.labels if label not in another.labels]
        if missing:
            raise DataError(
                f"{names} differ in their classes: {len(missing)} are only in {one.name!r}, "
                f"the first is {missing[0]!r}"
            )
