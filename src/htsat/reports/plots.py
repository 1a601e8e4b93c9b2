"""Plots of recordings, as pictures or pages; for one file or a folder of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath

from htsat.errors import ConfigError
from htsat.formats.output import check_own_paths, own_path
from htsat.pictures.canvas import SUFFIXES, check_picture
from htsat.pictures.recording import Heard, draw_recording
from htsat.reports.one_pass import heard_already
from htsat.reports.plot_page import write_plot_page
from htsat.rules import EventRules
from htsat.scores import FrameScores, SoundEvent

PAGE_SUFFIX = ".html"


def check_plot(path: Path) -> None:
    """Refuse, before anything is heard, what cannot become a picture or a page.

    Raises:
        ConfigError: when the suffix names no format.
        MissingExtraError: when matplotlib is not installed.
    """
    suffix = path.suffix.lower()
    if suffix not in (*SUFFIXES, PAGE_SUFFIX):
        known = ", ".join((*SUFFIXES, PAGE_SUFFIX))
        raise ConfigError(f"{path}: a plot ends with {known}, got {path.suffix!r}")
    check_picture(path if suffix != PAGE_SUFFIX else path.with_suffix(SUFFIXES[0]))


def write_plot(path: Path, recording: Path, heard: Heard, shows_scores: bool | None = None) -> None:
    """Write what the suffix of `path` asks for; `shows_scores` as for `draw_recording`."""
    if path.suffix.lower() == PAGE_SUFFIX:
        write_plot_page(path, recording, heard, shows_scores)
    else:
        draw_recording(path, recording.name, heard, shows_scores)


class PlotFiles:
    """Where the plots of recordings go that are being heard: one file, or a PNG for each in a folder.

    Raises:
        ConfigError: when several recordings have one file, two would get the same, or the suffix is unknown.
        MissingExtraError: when matplotlib is not installed.
    """

    def __init__(self, target: Path, names: Sequence[PurePath]) -> None:
        is_file = bool(target.suffix) and not target.is_dir()
        if is_file and len(names) > 1:
            raise ConfigError(
                f"--plot {target} is one picture; those of {len(names)} recordings need a folder"
            )
        self._paths = [target if is_file else own_path(target, name, SUFFIXES[0]) for name in names]
        check_plot(self._paths[0])
        if not is_file:
            check_own_paths(target, names, SUFFIXES[0])

    def write(
        self,
        number: int,
        recording: Path,
        scores: FrameScores,
        events: Sequence[SoundEvent],
        rules: EventRules,
    ) -> None:
        """Write the plot of the recording of this number, which is decoded again and not heard again.

        Raises:
            HtsatError: when it cannot be read, or the plot not be written.
        """
        write_plot(self._paths[number], recording, heard_already(recording, scores, events, rules))
