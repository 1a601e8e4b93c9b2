"""Labels as the page sends them, checked before anything is saved."""

from __future__ import annotations

import math
import unicodedata
from typing import Any

from htsat.scores import SoundEvent
from htsat.web.page.labels import Labels
from htsat.web.problems import BadRequestError

MAX_BYTES = 2**24
MAX_EVENTS = 100_000
_MAX_LABEL = 200
_BEHIND_S = 0.5
"""An event may end so much later than what could be decoded: players count the padding of codecs."""


def parse_labels(document: Any, duration_s: float | None) -> Labels:
    """Labels of a recording that lasts so long.

    Raises:
        BadRequestError: naming the first event that does not fit.
    """
    if not isinstance(document, dict) or set(document) != {"reviewed", "events"}:
        raise BadRequestError("expected an object with the fields 'reviewed' and 'events'")
    reviewed, events = document["reviewed"], document["events"]
    if not isinstance(reviewed, bool) or not isinstance(events, list):
        raise BadRequestError("expected 'reviewed' to be true or false, and 'events' to be a list")
    if len(events) > MAX_EVENTS:
        raise BadRequestError(f"expected at most {MAX_EVENTS} events, got {len(events)}")
    end_s = math.inf if duration_s is None else duration_s + _BEHIND_S
    parsed = [_event(event, f"event {number}", end_s) for number, event in enumerate(events, start=1)]
    return Labels(reviewed, sorted(parsed, key=lambda event: (event.onset_s, event.offset_s, event.label)))


def _event(document: Any, which: str, end_s: float) -> SoundEvent:
    if not isinstance(document, dict) or not {"label", "onset", "offset"} <= set(document):
        raise BadRequestError(f"{which}: expected an object with 'label', 'onset' and 'offset'")
    onset_s, offset_s = (_seconds(document[name], f"{which}: {name}") for name in ("onset", "offset"))
    if not 0 <= onset_s < offset_s:
        raise BadRequestError(f"{which}: expected 0 <= onset < offset, got {onset_s:g} and {offset_s:g}")
    if offset_s > end_s:
        raise BadRequestError(f"{which}: ends at {offset_s:g} s, behind the end of the recording")
    return SoundEvent(_label(document["label"], which), onset_s, offset_s, 1.0)


def _seconds(value: Any, which: str) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not abs(value) < 1e9:
        raise BadRequestError(f"{which} must be a number of seconds, got {str(value)[:40]!r}")
    return float(value)


def _label(value: Any, which: str) -> str:
    """A class name: one line of text, not empty and not too long."""
    if not isinstance(value, str) or not value.strip():
        raise BadRequestError(f"{which}: label must be a text that is not empty")
    label = value.strip()
    if len(label) > _MAX_LABEL:
        raise BadRequestError(f"{which}: label must have at most {_MAX_LABEL} characters, got {len(label)}")
    if any(unicodedata.category(character) in _NO_TEXT for character in label):
        raise BadRequestError(f"{which}: label must be one line of text, got {label[:40]!r}")
    return label


_NO_TEXT = frozenset(("Cc", "Cs", "Zl", "Zp"))
"""Control characters, halves of characters, and separators of lines and paragraphs."""
