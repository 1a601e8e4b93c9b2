"""`htsat detect --scores` and `--plot`: the scores that events are made of, for whoever takes them.

They are those after all rules but the thresholds: what is above any threshold is an event at this threshold.
The scores of one recording at a time are in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from htsat.errors import ConfigError, HtsatError
from htsat.evaluation.event_curves import event_curves
from htsat.formats.output import check_own_paths, own_path
from htsat.formats.score_tables import ScoreTable, write_npz
from htsat.recognition.hearing import Hearing, event_finder, hearing_of
from htsat.rules import EventRules
from htsat.scores import FrameScores

if TYPE_CHECKING:
    from htsat.cli.listening import Batch
    from htsat.loading import LoadedModel

_SUFFIX = ".npz"


class ScoreFiles:
    """A folder of scores, each file named after its recording, whatever folder that is in.

    Raises:
        ConfigError: when it is no folder, or two recordings would get the same file.
    """

    def __init__(self, folder: Path, batch: Batch) -> None:
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"--scores needs a folder, and {folder} is a file")
        self._folder = folder
        self._names = [PurePath(item.name.name) for item in batch.inputs]
        check_own_paths(folder, self._names, _SUFFIX)

    def take(self, number: int, scores: FrameScores, _: Hearing, rules: EventRules) -> None:
        """Write the scores of the recording of this number.

        Raises:
            HtsatError: when they cannot be written.
        """
        curves = event_curves(scores, rules)
        table = ScoreTable(curves.probabilities, curves.grid, scores.labels)
        write_npz(own_path(self._folder, self._names[number], _SUFFIX), table)


Taker = Callable[[int, FrameScores, Hearing, EventRules], None]
"""Takes the number of a recording, its scores, what is heard in it, and the rules of that."""


def hear_with_scores(
    model: LoadedModel, batch: Batch, rules: EventRules, takers: Sequence[Taker], jobs: int
) -> Generator[Hearing | HtsatError, None, None]:
    """What `Recognizer.hear_all` gives; the scores of a recording go to all takers before it comes."""
    event_finder(rules, model.description)  # refuses rules that do not fit
    with closing(model.score_all(batch.sources, jobs=jobs)) as answers:
        for number, scores in enumerate(answers):
            if isinstance(scores, HtsatError):
                yield scores
                continue
            hearing = hearing_of([scores], rules, model.description)
            yield _taken(takers, number, scores, hearing, rules) or hearing


def _taken(
    takers: Sequence[Taker], number: int, scores: FrameScores, hearing: Hearing, rules: EventRules
) -> HtsatError | None:
    """Hand scores to all takers; returns why one of them cannot take them."""
    try:
        for take in takers:
            take(number, scores, hearing, rules)
    except HtsatError as error:
        return error
    return None
