"""Own recordings: with files of strong labels beside them, or one folder per class.

Folders of classes: several classes as `A,B`, none of them in `_negative`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from htsat.audio import SUFFIXES
from htsat.data.label_files import UnknownFormatError
from htsat.data.label_folder import read_labelled_folder
from htsat.data.manifest import Clip, label_order, read_folder
from htsat.data.prepare.listing import Listing, Missing
from htsat.errors import DataError


def read_own_folder(source: Path, group: re.Pattern[str] | None = None) -> Listing:
    """List a folder; as `read_data` does, by its files of strong labels where it has some.

    Args:
        source: the folder; recordings that lie directly in one of folders have no class and are passed over.
        group: its first group, found in the name of a recording, says where the recording comes from;
            without it recordings of the same name (without suffix) come from one.

    Raises:
        DataError: when there are no recordings, labels do not fit, or `group` is not found in a name.
    """
    if not source.is_dir():
        raise DataError(f"{source}: is not a folder")
    try:
        listing = _read_labelled(source)
    except UnknownFormatError as error:
        listing = _read_classes(source, str(error))
    if group is None:
        return listing
    return replace(
        listing, clips=tuple(replace(clip, group=_group_of(clip, group)) for clip in listing.clips)
    )


def _read_labelled(source: Path) -> Listing:
    folder = read_labelled_folder(source, SUFFIXES)
    unknown = len(folder.unlabelled)
    note = f"of {unknown:,} recordings nothing is known: no label file tells of them"
    return Listing(
        source.name,
        folder.clips,
        label_order(source, folder.clips),
        tuple(map(Missing, folder.missing)),
        tuple(Clip(path, ()) for path in folder.unlabelled),
        notes=(note,) if unknown else (),
    )


def _read_classes(source: Path, instead: str) -> Listing:
    manifest = read_folder(source, SUFFIXES, instead)
    beside = sorted(path.name for path in source.iterdir() if path.suffix.lower() in SUFFIXES)
    return Listing(source.name, manifest.clips, manifest.labels, unlisted=tuple(beside))


def _group_of(clip: Clip, pattern: re.Pattern[str]) -> str:
    match = pattern.search(clip.path.name)
    if match is None or not match[1]:
        raise DataError(f"{clip.path}: the pattern {pattern.pattern!r} finds no group in its name")
    return match[1]
