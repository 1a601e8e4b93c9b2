"""Names of files cut from YouTube videos: `<id>` or `Y<id>`, often with `_<start>` and `_<end>` behind it."""

from __future__ import annotations

import re
from typing import NamedTuple

_NAME = re.compile(
    r"Y?(?P<video>[\w-]{11})(?:[_-](?P<start>\d+(?:\.\d+)?)(?:[_-]\d+(?:\.\d+)?)?)?", flags=re.ASCII
)


class VideoClip(NamedTuple):
    """A stretch of a video; `start` is what the name says, in seconds or milliseconds."""

    video: str
    start: float | None

    def may_start_at(self, start_s: float) -> bool:
        """Whether the name agrees with a start in seconds, to the second."""
        return self.start is None or min(abs(self.start - start_s), abs(self.start / 1000 - start_s)) < 1


def parse_name(stem: str) -> VideoClip | None:
    """The video and start that the name of a file (without suffix) tells; None for other names.

    Ids have 11 characters, among them `-` and `_`, and may begin with `Y` themselves.
    """
    match = _NAME.fullmatch(stem)
    if match is None:
        return None
    return VideoClip(match["video"], float(match["start"]) if match["start"] else None)
