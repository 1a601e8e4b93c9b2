"""Own recordings: one folder per class, several classes as `A,B`, none of them in `_negative`."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from htsat.audio import SUFFIXES
from htsat.data.manifest import Clip, read_folder
from htsat.data.prepare.listing import Listing
from htsat.errors import DataError


def read_own_folder(source: Path, group: re.Pattern[str] | None = None) -> Listing:
    """List a folder of folders.

    Args:
        source: the folder; recordings that lie directly in it have no class and are passed over.
        group: its first group, found in the name of a recording, says where the recording comes from;
            without it recordings of the same name (without suffix) come from one.

    Raises:
        DataError: when there are no recordings, or `group` is not found in the name of one.
    """
    if not source.is_dir():
        raise DataError(f"{source}: is not a folder")
    manifest = read_folder(source, SUFFIXES)
    clips = manifest.clips
    if group is not None:
        clips = tuple(replace(clip, group=_group_of(clip, group)) for clip in clips)
    beside = sorted(path.name for path in source.iterdir() if path.suffix.lower() in SUFFIXES)
    return Listing(source.name, clips, manifest.labels, unlisted=tuple(beside))


def _group_of(clip: Clip, pattern: re.Pattern[str]) -> str:
    match = pattern.search(clip.path.name)
    if match is None or not match[1]:
        raise DataError(f"{clip.path}: the pattern {pattern.pattern!r} finds no group in its name")
    return match[1]
