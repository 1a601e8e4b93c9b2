"""Detect the sounds of examples/scene.ogg with the packaged model, beside what is really in it."""

from __future__ import annotations

from pathlib import Path

import htsat
from htsat.formats.dcase import read_events

EXAMPLES = Path(__file__).parent


def main() -> None:
    """Print what is in the scene beside what is heard, then what is heard but not there."""
    (truth,) = read_events(EXAMPLES / "scene.tsv").values()
    heard = htsat.load().detect(EXAMPLES / "scene.ogg")
    print(f"{'in the scene':<36}heard")
    for event in truth:
        found = [other for other in heard if overlaps(event, other)]
        print(f"{describe(event):<36}{'; '.join(map(describe_heard, found)) or '-'}")
    for event in heard:
        if not any(overlaps(event, other) for other in truth):
            print(f"{'-':<36}{event.label} {describe_heard(event)}")


def overlaps(one: htsat.SoundEvent, other: htsat.SoundEvent) -> bool:
    """Whether two events are of one class and share some time."""
    same = one.label == other.label
    return same and min(one.offset_s, other.offset_s) > max(one.onset_s, other.onset_s)


def describe(event: htsat.SoundEvent) -> str:
    """Class and time."""
    return f"{event.label:<18}{event.onset_s:5.1f} - {event.offset_s:4.1f} s"


def describe_heard(event: htsat.SoundEvent) -> str:
    """Time and probability."""
    return f"{event.onset_s:.1f} - {event.offset_s:.1f} s ({event.probability:.0%})"


if __name__ == "__main__":
    main()
