"""`htsat detect --scores`: the scores that events are made of, a file for each recording.

They are those after all rules but the thresholds: what is above any threshold is an event at this threshold.
The scores of one recording at a time are in memory.
"""

from __future__ import annotations

from collections.abc import Generator
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
        self._folder, self._batch = folder, batch
        self._names = [PurePath(item.name.name) for item in batch.inputs]
        check_own_paths(folder, self._names, _SUFFIX)

    def hear_all(
        self, model: LoadedModel, rules: EventRules, jobs: int
    ) -> Generator[Hearing | HtsatError, None, None]:
        """What `Recognizer.hear_all` gives; the scores of a recording are written before it comes."""
        event_finder(rules, model.description)  # refuses rules that do not fit
        with closing(model.score_all(self._batch.sources, jobs=jobs)) as answers:
            for name, scores in zip(self._names, answers, strict=True):
                if isinstance(scores, HtsatError):
                    yield scores
                else:
                    yield self._write(name, scores, rules) or hearing_of([scores], rules, model.description)

    def _write(self, name: PurePath, scores: FrameScores, rules: EventRules) -> HtsatError | None:
        """Write the scores of a recording; returns why that cannot be."""
        curves = event_curves(scores, rules)
        table = ScoreTable(curves.probabilities, curves.grid, scores.labels)
        try:
            write_npz(own_path(self._folder, name, _SUFFIX), table)
        except HtsatError as error:
            return error
        return None
