"""Plots of recordings, as pictures or pages."""

from __future__ import annotations

from pathlib import Path

from htsat.errors import ConfigError
from htsat.pictures.canvas import SUFFIXES, check_picture
from htsat.pictures.recording import Heard, draw_recording
from htsat.reports.plot_page import write_plot_page

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
