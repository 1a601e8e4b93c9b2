"""`htsat detect --scores` and `--plot`: the scores that events are made of, for files beside the results.

They are those after all rules but the thresholds: what is above any threshold is an event at this threshold.
The scores of one recording at a time are in memory.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, NamedTuple

from htsat.bulk.inputs import Input
from htsat.errors import ConfigError, HtsatError
from htsat.evaluation.event_curves import event_curves
from htsat.formats.output import own_path
from htsat.formats.score_tables import ScoreTable, write_npz
from htsat.recognition.hearing import Hearing, event_finder, hearing_of
from htsat.rules import EventRules
from htsat.scores import FrameScores

if TYPE_CHECKING:
    from htsat.loading import LoadedModel
    from htsat.recognition.pipeline import Source

_SUFFIX = ".npz"


class Scored(NamedTuple):
    """What is heard in a recording, and the scores that it was made of."""

    hearing: Hearing
    scores: FrameScores


class ScoreFiles:
    """A folder of scores, each file named after its recording, whatever folder that is in.

    Raises:
        ConfigError: when it is no folder.
    """

    def __init__(self, folder: Path, rules: EventRules) -> None:
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"--scores needs a folder, and {folder} is a file")
        self.folder, self._rules = folder, rules

    def path_of(self, item: Input) -> Path:
        """Where the scores of a recording are."""
        return own_path(self.folder, PurePath(item.name.name), _SUFFIX)

    def write(self, path: Path, _: Input, result: Scored) -> None:
        """Write the scores of a recording.

        Raises:
            HtsatError: when they cannot be written.
        """
        scores = result.scores
        curves = event_curves(scores, self._rules)
        write_npz(path, ScoreTable(curves.probabilities, curves.grid, scores.labels))


def hear_scored(
    model: LoadedModel, sources: Sequence[Source], rules: EventRules, jobs: int
) -> Generator[Scored | HtsatError, None, None]:
    """What `Recognizer.hear_all` gives, each with its scores."""
    event_finder(rules, model.description)  # refuses rules that do not fit
    with closing(model.score_all(sources, jobs=jobs)) as answers:
        for scores in answers:
            if isinstance(scores, HtsatError):
                yield scores
            else:
                yield Scored(hearing_of([scores], rules, model.description), scores)
