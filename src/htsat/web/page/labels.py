"""Corrected events of a recording, saved beside it, where `htsat finetune` and `htsat tune` read them.

    a.wav.csv          what a person has reviewed; without rows where nothing is heard
    .a.wav.draft.csv   what is not reviewed yet: hidden files are not learned from

Other label files beside a recording are read too. When what they say is corrected, they are kept under a name
that ends with `.replaced`, because a recording must have labels in one file only.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple

from htsat.audio import SUFFIXES as AUDIO_SUFFIXES
from htsat.data.label_files import SUFFIXES, UnknownFormatError, read_label_file
from htsat.data.label_folder import owners_of, recordings_by_name
from htsat.errors import HtsatError
from htsat.files import atomic_path, write_text
from htsat.formats.csv_rows import csv_text
from htsat.scores import SoundEvent
from htsat.web.page.problems import CannotSaveError, LabelsElsewhereError, UnreadableLabelsError

_COLUMNS = ("onset", "offset", "label")
_HEADER = ",".join(_COLUMNS) + "\n"
_DRAFT = ".draft.csv"


class Labels(NamedTuple):
    """What a person says is heard in a recording, and whether that is all of it."""

    reviewed: bool
    events: Sequence[SoundEvent]


def read_labels(recording: Path) -> Labels | None:
    """The labels of a recording; None where there are none.

    Raises:
        UnreadableLabelsError: when the file beside it is damaged.
    """
    path = label_path(recording)
    if path is not None:
        return Labels(True, _read(recording, path))
    draft = _draft_path(recording)
    return Labels(False, _read(recording, draft)) if draft.is_file() else None


def save_labels(recording: Path, labels: Labels) -> None:
    """Save labels so that at any moment the old or the new ones are there, and whole.

    Raises:
        CannotSaveError: when the folder cannot be written to.
        LabelsElsewhereError: when a label file is about several recordings.
    """
    own, draft = _own_path(recording), _draft_path(recording)
    with _saving(recording):
        others = [path for path in _files_of(recording) if not _is_ours(path, own)]
        _check_unshared(recording, others)
        if own in others:  # a copy, so that the labels are never away
            _copy_away(own)
        write_text(own if labels.reviewed else draft, _text(labels.events))
        for path in others:
            if path != own:
                path.rename(_replaced_path(path))
        (draft if labels.reviewed else own).unlink(missing_ok=True)


def remove_labels(recording: Path) -> None:
    """Forget the labels of a recording; files that are not ours are kept as `.replaced`. Errors as above."""
    own = _own_path(recording)
    with _saving(recording):
        others = [path for path in _files_of(recording) if not _is_ours(path, own)]
        _check_unshared(recording, others)
        for path in others:
            path.rename(_replaced_path(path))
        for path in (own, _draft_path(recording)):
            path.unlink(missing_ok=True)


def label_path(recording: Path) -> Path | None:
    """The file of reviewed labels of a recording, if there is one; ours before others."""
    files = _files_of(recording)
    own = _own_path(recording)
    return own if own in files else next(iter(files), None)


def labelled_in(folder: Path, recordings: Iterable[str]) -> set[str]:
    """The recordings in a folder that may have labels: those of which a look is worth the time.

    `recordings` are names of some, with suffixes that others may not have.
    """
    names = _names_in(folder)
    drafts = {name.removeprefix(".").removesuffix(_DRAFT) for name in names if name.endswith(_DRAFT)}
    return drafts.union(*_owners(names, recordings).values())


def _own_path(recording: Path) -> Path:
    return recording.with_name(f"{recording.name}.csv")


def _draft_path(recording: Path) -> Path:
    return recording.with_name(f".{recording.name}{_DRAFT}")


def _replaced_path(path: Path) -> Path:
    """A name beside a file that nothing has."""
    return next(kept for kept in _replaced_names(path) if not kept.exists())


def _replaced_names(path: Path) -> Iterator[Path]:
    return (path.with_name(f"{path.name}.replaced{n if n > 1 else ''}") for n in count(1))


def _copy_away(path: Path) -> None:
    """Keep a copy of a file, unless saving it broke off behind that."""
    for kept in _replaced_names(path):
        if not kept.exists():
            with atomic_path(kept) as temporary:
                shutil.copy2(path, temporary)
            return
        if kept.read_bytes() == path.read_bytes():
            return


def _files_of(recording: Path) -> list[Path]:
    """The label files that `htsat.data.label_folder` gives to a recording by their names."""
    names = [name for name in _names_in(recording.parent) if name.startswith(recording.stem)]
    paths = [
        recording.with_name(name)
        for name, owners in _owners(names, [recording.name]).items()
        if recording.name in owners
    ]
    return [path for path in paths if _holds_labels(path)]


def _names_in(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except OSError:
        return []


def _owners(names: Sequence[str], also: Iterable[str]) -> dict[str, set[str]]:
    """For the label files among the names in a folder the recordings whose name they begin with.

    Recordings are known by their suffix; `also` are others.
    """
    seen = [Path(name) for name in names if not name.startswith(".")]
    recordings = {path for path in seen if path.suffix.lower() in AUDIO_SUFFIXES} | set(map(Path, also))
    named = recordings_by_name(recordings)
    files = (path for path in seen if path.suffix.lower() in SUFFIXES)
    owners = ((path.name, {owner.name for owner in owners_of(path, named)}) for path in files)
    return {name: found for name, found in owners if found}


def _holds_labels(path: Path) -> bool:
    """Whether a file is of a format that is read; damaged ones are."""
    try:
        read_label_file(path)
    except UnknownFormatError:
        return False
    except HtsatError:
        return True
    return True


def _is_ours(path: Path, own: Path) -> bool:
    if path != own:
        return False
    with path.open("rb") as file:
        return file.readline() == _HEADER.encode()


def _check_unshared(recording: Path, files: Sequence[Path]) -> None:
    """Refuse to put away a file that belongs to another recording too."""
    owners = _owners(_names_in(recording.parent), [recording.name])
    for path in files:
        twins = owners[path.name] - {recording.name}
        if twins:
            raise LabelsElsewhereError(
                f"{recording.name}: has labels in {path.name}, which are those of {min(twins)} too"
            )


def _read(recording: Path, path: Path) -> list[SoundEvent]:
    try:
        events = read_label_file(path).of(str(recording))
    except HtsatError as error:
        raise UnreadableLabelsError(str(error).replace(str(path), path.name)) from error
    return sorted(events, key=lambda event: (event.onset_s, event.offset_s, event.label))


def _text(events: Sequence[SoundEvent]) -> str:
    rows = ((repr(event.onset_s), repr(event.offset_s), event.label) for event in events)
    return csv_text([_COLUMNS, *rows])


@contextmanager
def _saving(recording: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotSaveError(f"{recording.name}: labels cannot be saved: {error.strerror}") from error
