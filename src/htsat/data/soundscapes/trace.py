"""Where everything in a soundscape comes from, and how it was changed: what `recipe.json` tells."""

from __future__ import annotations

from typing import Any, NamedTuple

from htsat.data.soundscapes.plan import Background, PlacedSound, Plan
from htsat.scores import SoundEvent

_DIGITS = 4
"""Of times in seconds and levels in dB."""


class Gains(NamedTuple):
    """The factors by which background and events were multiplied, in dB."""

    background_db: float
    events_db: tuple[float, ...]


def file_of(number: int) -> str:
    """The name of a recording."""
    return f"{number:06}.flac"


def events_of(plan: Plan, sample_rate: int) -> tuple[SoundEvent, ...]:
    """The strong labels of a recording."""
    return tuple(
        SoundEvent(
            event.sound.label, _seconds(event.onset, sample_rate), _seconds(event.offset, sample_rate), 1.0
        )
        for event in plan.events
    )


def trace_of(plan: Plan, gains: Gains, sample_rate: int) -> dict[str, Any]:
    """A recording as it stands in `recipe.json`."""
    events = zip(plan.events, gains.events_db, strict=True)
    return {
        "file": file_of(plan.number),
        "group": plan.group.name,
        "n_events_drawn": plan.n_wanted,
        "background": _background(plan.background, gains.background_db, sample_rate),
        "events": [_event(event, gain_db, sample_rate) for event, gain_db in events],
    }


def _background(background: Background, gain_db: float, sample_rate: int) -> dict[str, Any]:
    kind: dict[str, Any] = {"noise_slope": round(background.slope, _DIGITS)}
    if background.sound is not None:
        start_s = _seconds(background.first, sample_rate)
        kind = {"source": background.sound.clip.title, "source_onset": start_s}
    return kind | {"level_db": round(background.level_db, _DIGITS), "gain_db": round(gain_db, _DIGITS)}


def _event(event: PlacedSound, gain_db: float, sample_rate: int) -> dict[str, Any]:
    room = event.room
    return {
        "label": event.sound.label,
        "onset": _seconds(event.onset, sample_rate),
        "offset": _seconds(event.offset, sample_rate),
        "source": event.sound.clip.title,
        "source_onset": _seconds(event.source.start, sample_rate),
        "snr_db": round(event.snr_db, _DIGITS),
        "gain_db": round(gain_db, _DIGITS),
        "rt60": None if room is None else round(room.rt60_s, _DIGITS),
        "direct_db": None if room is None else round(room.direct_db, _DIGITS),
    }


def _seconds(n_samples: int, sample_rate: int) -> float:
    return round(n_samples / sample_rate, _DIGITS)
