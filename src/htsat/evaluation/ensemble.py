"""Several models that hear as one: the mean of their probabilities.

K classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from htsat.audio import open_audio
from htsat.data.manifest import Clip
from htsat.data.stores import SoundReader
from htsat.errors import DataError, did_you_mean
from htsat.evaluation.shifts import shift_samples, shifted, stretch
from htsat.labels import LabelSet
from htsat.metrics.ranking import Doubles
from htsat.recognition.clips import TooShortError
from htsat.recognition.recognizer import NonFiniteScoresError, Recognizer
from htsat.scores import FloatArray, Task


class Ensemble:
    """One model or several that know the same classes; the classes stand in the order of the first.

    `n_passes` is the number of times that every model hears a clip, each time shifted in a circle by the
    official test-time shifts; 1 is the clip as it is.

    Raises:
        DataError: when the models differ in their classes or task.
    """

    def __init__(self, models: Sequence[Recognizer], n_passes: int = 1) -> None:
        self._models = tuple(models)
        for model in self._models[1:]:
            _check_agreement(self._models[0], model)
        self._orders = [
            [model.description.labels.index(label) for label in self.labels] for model in self._models
        ]
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
        return self._models[0].description.labels

    @property
    def task(self) -> Task:
        """Whether several classes are heard at once."""
        return self._models[0].description.task

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
        heard = [
            self._hear(model, clip, shift)[order]
            for model, order in zip(self._models, self._orders, strict=True)
            for shift in shift_samples(self.n_passes)
        ]
        mean: Doubles = np.mean(heard, axis=0, dtype=np.float64)
        return mean

    def _hear(self, model: Recognizer, clip: Clip, shift: int) -> FloatArray:
        """The probabilities of a clip as `htsat tag` gives them for a file of its own."""
        with self._blocks(clip, model.description.sample_rate) as blocks:
            try:
                return model.hear_blocks(shifted(blocks, shift)).clip_scores.probabilities
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
