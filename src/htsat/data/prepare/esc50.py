"""ESC-50 (Piczak, 2015): 2,000 clips of 5 s, 50 classes, 5 folds.

Every clip has a licence of its own, listed in the set's LICENSE file. Weights may be given away freely when
they have heard only clips that allow it, so the licence is part of the preparation.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from htsat.data.manifest import Clip, Manifest
from htsat.data.prepare.listing import Listing, Missing
from htsat.errors import DataError, did_you_mean
from htsat.labels import LabelSet

_COLUMNS = {"filename", "fold", "target", "category", "src_file"}
_LICENCE_LINE = re.compile(r"- \[(?P<stem>[\w-]+)\.\w+\]: (?P<credit>.*) \[(?P<licence>[^\]]+)\]\s*$")


_PUBLISHED = {str(fold): 400 for fold in range(1, 6)}


@dataclass(frozen=True)
class Licence:
    """Licence of one clip, and the sentence that names its maker."""

    name: str
    credit: str


@dataclass(frozen=True)
class Esc50:
    """The clips that are there, with what their licences ask for."""

    manifest: Manifest
    licences: dict[Path, Licence]
    missing: tuple[Missing, ...]
    is_whole: bool

    def credits(self) -> dict[Path, str]:
        """For each recording: file, licence, origin and maker."""
        return {
            path: f"- `{path.name}` ({licence.name}): {licence.credit}"
            for path, licence in self.licences.items()
        }

    def listing(self) -> Listing:
        """The data set as the checks take it."""
        clips, labels = self.manifest.clips, self.manifest.labels
        published = _PUBLISHED if self.is_whole else {}
        return Listing("ESC-50", clips, labels, self.missing, published=published, credits=self.credits())


def read_esc50(source: Path, licences: Collection[str] = ()) -> Esc50:
    """Read the public layout: `audio/`, `meta/esc50.csv`, `LICENSE`.

    Args:
        source: the folder of the data set.
        licences: names as in the LICENSE file (`CC0`, `CC-BY`, ...); other clips are left out. Empty: all.

    Raises:
        DataError: when the folder is not ESC-50, or a licence does not occur in it.
    """
    rows = _read_rows(source / "meta" / "esc50.csv")
    known = _read_licences(source / "LICENSE")
    names = Counter(licence.name for licence in known.values())
    for name in licences:
        if name not in names:
            raise DataError(
                f"no clip has the licence {name!r}{did_you_mean(name, names)} ({', '.join(names)})"
            )
    categories = {int(row["target"]): row["category"] for row in rows}
    clips, of_clip, missing = [], {}, []
    for row in rows:
        path = source / "audio" / row["filename"]
        licence = known.get(_listed_name(row))
        if licence is None:
            raise DataError(f"{source / 'LICENSE'}: does not list {_listed_name(row)}")
        if licences and licence.name not in licences:
            continue
        if not path.is_file():
            missing.append(Missing(row["filename"], row["fold"]))
            continue
        clips.append(Clip(path, (row["category"],), fold=row["fold"], group=row["src_file"]))
        of_clip[path] = licence
    labels = LabelSet.of(categories[target] for target in sorted(categories))
    return Esc50(Manifest(tuple(clips), labels), of_clip, tuple(missing), is_whole=not licences)


def _listed_name(row: dict[str, str]) -> str:
    """File name as in LICENSE: without the class and the suffix."""
    return row["filename"].rsplit("-", 1)[0]


def _read_rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise DataError(f"{path}: not found; ESC-50 has folders audio/ and meta/ and a file LICENSE")
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        absent = sorted(_COLUMNS - set(reader.fieldnames or []))
        if absent:
            raise DataError(f"{path}: has no column {absent[0]!r}")
        return list(reader)


def _read_licences(path: Path) -> dict[str, Licence]:
    if not path.is_file():
        raise DataError(f"{path}: not found; it lists the licence of each clip")
    matches = map(_LICENCE_LINE.match, path.read_text(encoding="utf-8").splitlines())
    return {match["stem"]: Licence(match["licence"], match["credit"]) for match in matches if match}
