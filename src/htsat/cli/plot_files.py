"""`htsat detect --plot`: a picture of each recording, of the scores that its events are made of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from htsat.bulk.inputs import FILES_ALONE
from htsat.errors import ConfigError
from htsat.recognition.hearing import Hearing
from htsat.reports.plots import PlotFiles
from htsat.rules import EventRules
from htsat.scores import FrameScores

if TYPE_CHECKING:
    from htsat.cli.listening import Batch


class PlotTaker:
    """Draws recordings that have been heard; each is decoded once more, for its spectrogram.

    Raises:
        ConfigError: when a recording is standard input, or the plots cannot go to `target`.
        MissingExtraError: when matplotlib is not installed.
    """

    def __init__(self, target: Path, batch: Batch) -> None:
        if any(item.path is None for item in batch.inputs):
            raise ConfigError(f"--plot reads recordings once more: {FILES_ALONE}")
        self._files = PlotFiles(target, [item.name for item in batch.inputs])
        self._paths = [Path(item.title) for item in batch.inputs]

    def take(self, number: int, scores: FrameScores, hearing: Hearing, rules: EventRules) -> None:
        """Draw the recording of this number.

        Raises:
            HtsatError: when it cannot be read, or the picture not be written.
        """
        self._files.write(number, self._paths[number], scores, hearing.events, rules)
