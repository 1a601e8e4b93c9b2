"""What a data set says of itself: the recordings it lists, and which of them are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from htsat.data.events import Events
from htsat.data.manifest import Clip
from htsat.labels import LabelSet


class Missing(NamedTuple):
    """A recording that is listed, but not there."""

    name: str
    fold: str | None = None


@dataclass(frozen=True)
class Listing:
    """The recordings of a data set as its own lists and folders give them; none of them was opened.

    - `clips`: what is there and has labels; every clip is a whole recording.
    - `unlabelled`: what is there and of which nothing is known, not to be taken for "none of the classes".
    - `unlisted`: recordings that are there and in no list.
    - `unknown_labels`: labels that are no class, with the number of clips that had them. They were taken off;
      clips without any other label were left out.
    - `published`: clips per fold as published, empty where that says nothing of what is there.
    - `credits`: a line for each recording whose maker must be named.
    - `with_durations`: whether the manifest is to say how long each recording is.
    - `events`: by the titles of clips; where there are any, tables of them are written for the manifest.
    - `notes`: what else a reader of the report must know.
    """

    title: str
    clips: tuple[Clip, ...]
    labels: LabelSet
    missing: tuple[Missing, ...] = ()
    unlabelled: tuple[Clip, ...] = ()
    unlisted: tuple[str, ...] = ()
    unknown_labels: Mapping[str, int] = field(default_factory=dict)
    published: Mapping[str, int] = field(default_factory=dict)
    credits: Mapping[Path, str] = field(default_factory=dict)
    with_durations: bool = False
    events: Mapping[str, Events] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
