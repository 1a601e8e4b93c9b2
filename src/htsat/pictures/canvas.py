"""What all pictures share: their look, and files that are whole or not there."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from htsat.errors import ConfigError, MissingExtraError
from htsat.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
INK = "#343a40"
FAINT = "#868e96"
HUES = ("#1c7ed6", "#e8590c", "#2b8a3e", "#9c36b5", "#c2255c", "#0c8599", "#846000", "#495057")
"""Of lines that must be told apart."""

_DOTS_PER_INCH = 150
_TITLE_CHARACTERS_PER_INCH = 13
_MAX_NAME_CHARACTERS = 40
_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": "#dee2e6",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "text.parse_math": False,  # names of classes are names, even with dollar signs
    "svg.fonttype": "none",
}


def check_picture(path: Path) -> None:
    """Refuse, before anything else is done, what cannot become a picture.

    Raises:
        ConfigError: when the suffix names no format.
        MissingExtraError: when matplotlib is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{path}: a picture ends with {', '.join(SUFFIXES)}, got {path.suffix!r}")
    _figure_class()


@contextmanager
def picture(path: Path, width: float, height: float) -> Iterator[Figure]:
    """Give a figure of so many inches, and write it when the block ends well.

    Raises:
        MissingExtraError: when matplotlib is not installed.
    """
    figure_class = _figure_class()
    from matplotlib import rc_context

    with rc_context(_STYLE):
        figure = figure_class(figsize=(width, height), layout="constrained")
        yield figure
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=_DOTS_PER_INCH)


def write_title(figure: Figure, *lines: str) -> None:
    """Write above a picture, in as many lines as its width asks for."""
    n_characters = int(figure.get_figwidth() * _TITLE_CHARACTERS_PER_INCH)
    wrapped = [part for line in lines for part in textwrap.wrap(line, n_characters)]
    figure.suptitle("\n".join(wrapped), x=0.01, ha="left", fontsize=10)


def short_names(names: Iterable[str]) -> list[str]:
    """Names that leave room for what they stand beside."""
    longest = _MAX_NAME_CHARACTERS
    return [name if len(name) <= longest else f"{name[: longest - 3]}..." for name in names]


def _figure_class() -> type[Figure]:
    """Without `pyplot`, which would look for a window."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingExtraError("drawing pictures", "plot") from error
    return Figure
