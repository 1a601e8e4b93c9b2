"""`htsat detect --plot`: a picture of each recording, of the scores that its events are made of."""

from __future__ import annotations

from pathlib import Path

from htsat.bulk.inputs import FILES_ALONE, Input
from htsat.cli.score_files import Scored
from htsat.errors import ConfigError
from htsat.formats.output import own_path
from htsat.pictures.canvas import SUFFIXES
from htsat.reports.one_pass import heard_already
from htsat.reports.plots import check_plot, write_plot
from htsat.rules import EventRules


class PlotFiles:
    """Where plots go of recordings that have been heard: one file, or a PNG for each in a folder.

    Each recording is decoded once more, for its spectrogram. `n_recordings` is None where nobody knows.

    Raises:
        ConfigError: when several recordings have one file, or the suffix is unknown.
        MissingExtraError: when matplotlib is not installed.
    """

    def __init__(self, target: Path, rules: EventRules, n_recordings: int | None) -> None:
        self._target, self._rules = target, rules
        self._is_file = bool(target.suffix) and not target.is_dir()
        if self._is_file and n_recordings != 1:
            number = "many" if n_recordings is None else n_recordings
            raise ConfigError(f"--plot {target} is one picture; those of {number} recordings need a folder")
        check_plot(target if self._is_file else target / f"picture{SUFFIXES[0]}")

    @property
    def folder(self) -> Path:
        """That of all plots."""
        return self._target.parent if self._is_file else self._target

    def path_of(self, item: Input) -> Path:
        """Where the plot of a recording is.

        Raises:
            ConfigError: when the recording cannot be read twice.
        """
        if item.path is None:
            raise ConfigError(f"--plot reads recordings once more: {FILES_ALONE}")
        return self._target if self._is_file else own_path(self._target, item.name, SUFFIXES[0])

    def write(self, path: Path, item: Input, result: Scored) -> None:
        """Draw a recording.

        Raises:
            HtsatError: when it cannot be read, or the picture not be written.
        """
        recording = Path(item.title)
        events = result.hearing.events
        write_plot(path, recording, heard_already(recording, result.scores, events, self._rules))
