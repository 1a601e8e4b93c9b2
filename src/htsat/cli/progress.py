"""Events of a training run for people: one short line each."""

from __future__ import annotations

import math
from typing import cast

from htsat.training.log import Event


def describe_event(event: Event, n_epochs: int) -> str:
    """An event of a run of so many epochs; recordings that could not be read get a line each."""
    match event:
        case {"event": "step"}:
            line = _step(event, n_epochs)
        case {"event": "evaluation"}:
            line = _evaluation(event)
        case {"event": "data"}:
            counts = f"{event['n_train_clips']} clips to learn from, {event['n_valid_clips']} held out"
            line = "\n".join([*cast("list[str]", event["notes"]), counts])
        case {"event": "resumed"}:
            line = f"goes on at epoch {event['epoch']:.4g} of {n_epochs}"
        case {"event": "broken"}:
            return "\n".join(_left_out(event))
        case {"event": "fault"}:
            return ""  # ends the run; its error says the same
        case _:
            line = _any(event)
    return "\n".join([*_left_out(event), line])


def duration(seconds: float) -> str:
    """A length of time in its two largest units: `1 h 12 min`."""
    minutes, rest_s = divmod(round(seconds), 60)
    hours, rest_min = divmod(minutes, 60)
    days, rest_h = divmod(hours, 24)
    if days:
        return f"{days} d {rest_h} h"
    if hours:
        return f"{hours} h {rest_min:02d} min"
    return f"{minutes} min {rest_s:02d} s" if minutes else f"{rest_s} s"


def fixed(value: object, n_places: int, width: int = 0) -> str:
    """A figure with so many places; a dash for one that does not exist (None or NaN)."""
    exists = isinstance(value, int | float) and not math.isnan(value)
    return f"{value:{width}.{n_places}f}" if exists else f"{'-':>{width}}"


def _step(event: Event, n_epochs: int) -> str:
    parts = [
        f"epoch {event['epoch']:6.2f}/{n_epochs}",
        f"step {event['step']:6d}",
        f"loss {event['loss']:7.4f}",
        f"rate {event['learning_rate']:8.2e}",
        f"{event['clips_per_s']:6.4g} clips/s",
    ]
    time_left_s = event.get("time_left_s")
    if isinstance(time_left_s, int | float):
        parts.append(f"{duration(time_left_s)} left")
    return "  ".join(parts)


def _evaluation(event: Event) -> str:
    """Accuracy is a figure of models that choose one class."""
    figures = {"mAP": "mean_average_precision", "loss": "loss"}
    if event.get("task") != "multi_label":
        figures = {"accuracy": "accuracy", **figures}
    return "-> held out: " + "  ".join(f"{name} {fixed(event[key], 4)}" for name, key in figures.items())


def _left_out(event: Event) -> list[str]:
    reasons = event.get("broken")
    return [f"left out: {reason}" for reason in reasons] if isinstance(reasons, list) else []


def _any(event: Event) -> str:
    shown = ("" if name == "event" else f"{name} " for name in event)
    return "  ".join(f"{name}{value}" for name, value in zip(shown, event.values(), strict=True))
