"""A planned recording becomes sound: background and events at their levels.

L samples.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from htsat.data.soundscapes.acoustics import (
    Signal,
    coloured_noise,
    decibels,
    faded,
    in_room,
    power,
    repeated,
    room_response,
)
from htsat.data.soundscapes.plan import Background, PlacedSound, Plan
from htsat.data.soundscapes.recipe import Recipe
from htsat.data.soundscapes.trace import Gains
from htsat.data.stores import SoundReader
from htsat.scores import FloatArray

_PEAK = 0.99
"""A louder mixture is turned down to it as a whole."""
_CROSSFADE_S = 0.5
_QUIETEST_BACKGROUND = 10 ** (-20 / 10)
"""Where a background falls silent, events are measured against so much of its mean power."""


class Mixture(NamedTuple):
    """The sound of a recording, `(L,)`, and what its sources were multiplied by."""

    waveform: FloatArray
    gains: Gains


def mix(plan: Plan, recipe: Recipe, reader: SoundReader) -> Mixture:
    """Make a planned recording.

    Raises:
        AudioError: when a source cannot be read any more.
    """
    source = _background(plan.background, recipe, reader)
    background_gain = 10 ** (plan.background.level_db / 20) / np.sqrt(power(source))
    background = source * background_gain
    mixture, gains = background.copy(), []
    for event in plan.events:
        sound, lead = _heard(event, recipe, reader)
        gain = _gain(event, sound[lead : lead + event.offset - event.onset], background)
        _add(mixture, sound * gain, event.onset - lead)
        gains.append(gain)
    turned_down = min(1.0, _PEAK / float(np.abs(mixture).max()))
    in_db = [decibels((gain * turned_down) ** 2) for gain in (background_gain, *gains)]
    return Mixture((mixture * turned_down).astype(np.float32), Gains(in_db[0], tuple(in_db[1:])))


def _background(background: Background, recipe: Recipe, reader: SoundReader) -> Signal:
    if background.sound is None:
        return coloured_noise(recipe.n_samples, recipe.sample_rate, background.slope, background.seed)
    sound = background.sound
    n_read = min(sound.stop - background.first, recipe.n_samples)
    waveform = reader.read(sound.clip, background.first, n_read).astype(np.float64)
    if len(waveform) >= recipe.n_samples:
        return waveform
    return repeated(waveform, recipe.n_samples, round(_CROSSFADE_S * recipe.sample_rate))


def _heard(event: PlacedSound, recipe: Recipe, reader: SoundReader) -> tuple[Signal, int]:
    """An event as it is added to the mixture, and how many samples of it come before its onset.

    Fades lie outside of a sound where its clip goes on there, so that an attack is not softened; where the
    sound was cut they lie inside.
    """
    (start, stop), parts, fade = event.source, event.sound.parts, recipe.fade_samples
    lead = min(fade, start) if any(start == part.start for part in parts) else 0
    rest = fade if any(stop == part.stop for part in parts) else 0
    waveform = reader.read(event.sound.clip, start - lead, lead + stop - start + rest)
    signal = faded(waveform.astype(np.float64), fade, fade)
    if event.room is None:
        return signal, lead
    return in_room(signal, room_response(event.room, recipe.sample_rate)), lead


def _gain(event: PlacedSound, heard: Signal, background: Signal) -> float:
    """What brings the part of an event from onset to offset to its SNR."""
    meanwhile = power(background[event.onset : event.offset])
    meanwhile = max(meanwhile, power(background) * _QUIETEST_BACKGROUND)
    return float(np.sqrt(meanwhile / power(heard) * 10 ** (event.snr_db / 10)))


def _add(mixture: Signal, signal: Signal, start: int) -> None:
    """Add a signal that may begin before the mixture and end behind it."""
    first, stop = max(0, -start), min(len(signal), len(mixture) - start)
    mixture[start + first : start + stop] += signal[first:stop]
