"""Speech Commands (Warden, 2018) and sets laid out like it: `<word>/<speaker>_nohash_<take>.wav`.

`validation_list.txt` and `testing_list.txt` name the recordings of two folds, all others are for training.
Where both are missing, the rule that they were made by takes their place: a hash of the speaker decides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from htsat.audio import SUFFIXES
from htsat.data.manifest import Clip
from htsat.data.prepare.listing import Listing, Missing
from htsat.errors import DataError
from htsat.labels import LabelSet

LabelOrder = Literal["sorted", "author"]
Folds = Literal["official", "speaker"]

TRAIN, VALIDATION, TESTING = "train", "validation", "testing"

_LISTS = {VALIDATION: "validation_list.txt", TESTING: "testing_list.txt"}
_PUBLISHED = {TRAIN: 84_843, VALIDATION: 9_981, TESTING: 11_005}
_SPEAKER_END = "_nohash_"
_MAX_PER_CLASS = 2**27 - 1
_VALIDATION_SHARE = _TESTING_SHARE = 0.1


def read_speech_commands(
    source: Path, label_order: LabelOrder = "sorted", folds: Folds = "official"
) -> Listing:
    """List the recordings of every word; folders that begin with `_` or `.` are no words.

    Args:
        source: the folder of the data set.
        label_order: `sorted`, or that of the published checkpoint (35 words of version 2).
        folds: `official`, or one fold for each speaker.

    Raises:
        DataError: when there are no words, a recording stands in both lists, or the words are not those of
            the order that is wanted.
    """
    found = _find_recordings(source)
    listed = _read_lists(source)
    clips = tuple(_clip(name, path, listed) for name, path in found.items())
    words = {clip.labels[0] for clip in clips}
    is_whole = words == set(LabelSet.named("speech-commands"))
    data = Listing(
        "Speech Commands",
        clips,
        _labels(words, label_order),
        tuple(Missing(name, fold) for name, fold in listed.items() if name not in found),
        published=_PUBLISHED if is_whole else {},
    )
    if not listed:
        data = replace(
            data, notes=(f"no {' or '.join(_LISTS.values())}: the hash of a speaker gives the fold",)
        )
    return _with_folds_of_speakers(data) if folds == "speaker" else data


def hashed_fold(speaker: str) -> str:
    """The fold of a speaker where no list tells: the rule that the official lists were made by.

    The SHA-1 of the speaker's name, taken as a number modulo 2**27 and scaled to [0, 1], is the speaker's
    place: the first tenth is for validation, the second for testing. New recordings leave old ones where they
    are.
    """
    number = int(hashlib.sha1(speaker.encode(), usedforsecurity=False).hexdigest(), 16)
    place = number % (_MAX_PER_CLASS + 1) / _MAX_PER_CLASS
    if place < _VALIDATION_SHARE:
        return VALIDATION
    return TESTING if place < _VALIDATION_SHARE + _TESTING_SHARE else TRAIN


def _find_recordings(source: Path) -> dict[str, Path]:
    """Recordings by their name in the lists: word and file."""
    if not source.is_dir():
        raise DataError(f"{source}: is not a folder")
    words = sorted(path for path in source.iterdir() if path.is_dir() and path.name[0] not in "_.")
    found = {
        f"{word.name}/{path.name}": path
        for word in words
        for path in sorted(word.iterdir())
        if path.suffix.lower() in SUFFIXES
    }
    if not found:
        raise DataError(f"{source}: no recordings in folders named after their word")
    return found


def _read_lists(source: Path) -> dict[str, str]:
    """The fold of every recording that is in a list."""
    folds: dict[str, str] = {}
    for fold, name in _LISTS.items():
        lines = _lines(source / name)
        for recording in lines:
            if folds.setdefault(recording, fold) != fold:
                raise DataError(f"{source}: {recording} is in {' and in '.join(_LISTS.values())}")
    return folds


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        return []
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _clip(name: str, path: Path, listed: Mapping[str, str]) -> Clip:
    speaker = path.stem.partition(_SPEAKER_END)[0]
    fold = listed.get(name, TRAIN) if listed else hashed_fold(speaker)
    return Clip(path, (path.parent.name,), fold=fold, group=speaker)


def _labels(words: Collection[str], order: LabelOrder) -> LabelSet:
    if order == "sorted":
        return LabelSet.of(sorted(words))
    author = LabelSet.named("speech-commands-author")
    other = sorted(set(author) ^ set(words))
    if other:
        raise DataError(
            f"the author's order is for the {len(author)} words of version 2; differing: {', '.join(other)}"
        )
    return author


def _with_folds_of_speakers(data: Listing) -> Listing:
    """Every speaker is a fold; what is missing has none."""
    clips = tuple(replace(clip, fold=clip.group) for clip in data.clips)
    missing = tuple(Missing(entry.name) for entry in data.missing)
    return replace(data, clips=clips, missing=missing, published={}, notes=())
