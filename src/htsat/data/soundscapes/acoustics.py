"""Signals that are made: coloured noise, responses of rooms, fades.

L samples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from htsat.data.soundscapes.plan import Room

Signal = NDArray[np.float64]
"""`(L,)`."""

_LOWEST_HZ = 50.0
"""Below it coloured noise is white: otherwise most of its power would not be heard."""
_FIRST_REFLECTION_S = 0.003


def coloured_noise(n_samples: int, sample_rate: int, slope: float, seed: int) -> Signal:
    """Noise of mean power 1 that falls with frequency as `1 / f ** slope`: 0 white, 1 pink, 2 brown."""
    white = np.random.default_rng(seed).standard_normal(n_samples)
    frequencies = np.fft.rfftfreq(n_samples, 1 / sample_rate)
    spectrum = np.fft.rfft(white) * np.maximum(frequencies, _LOWEST_HZ) ** (-slope / 2)
    spectrum[0] = 0
    noise = np.fft.irfft(spectrum, n_samples)
    return np.asarray(noise / np.sqrt(power(noise)))


def room_response(room: Room, sample_rate: int) -> Signal:
    """The direct sound, at once, and noise that falls by 60 dB in the reverberation time.

    The power of the direct sound is `direct_db` above that of the noise.
    """
    time_s = np.arange(round(room.rt60_s * sample_rate)) / sample_rate
    tail = np.random.default_rng(room.seed).standard_normal(len(time_s)) * 10 ** (-3 * time_s / room.rt60_s)
    tail[time_s < _FIRST_REFLECTION_S] = 0
    tail *= 10 ** (-room.direct_db / 20) / np.sqrt(np.square(tail).sum())
    tail[0] = 1
    return np.asarray(tail)


def in_room(signal: Signal, response: Signal) -> Signal:
    """The signal as it is heard in a room, with the tail behind it."""
    n_samples = len(signal) + len(response) - 1
    n_fft = 1 << (n_samples - 1).bit_length()
    return np.asarray(
        np.fft.irfft(np.fft.rfft(signal, n_fft) * np.fft.rfft(response, n_fft), n_fft)[:n_samples]
    )


def faded(signal: Signal, n_in: int, n_out: int) -> Signal:
    """The signal with a rise of `n_in` samples and a fall of `n_out`, each half a period of a cosine."""
    gains = np.ones(len(signal))
    n_in, n_out = min(n_in, len(signal)), min(n_out, len(signal))
    gains[:n_in] *= _rise(n_in)
    gains[len(signal) - n_out :] *= _rise(n_out)[::-1]
    return signal * gains


def repeated(signal: Signal, n_samples: int, n_crossfade: int) -> Signal:
    """The signal over and over, until it is long enough, each time faded into the next at equal power."""
    n_crossfade = min(n_crossfade, len(signal) // 2)
    step = len(signal) - n_crossfade
    rise = np.sqrt(_rise(n_crossfade))
    whole = np.zeros(n_samples + step + len(signal))
    for start in range(0, n_samples, step):
        part = signal.copy()
        if start:
            part[:n_crossfade] *= rise
        part[step:] *= rise[::-1]
        whole[start : start + len(part)] += part
    return whole[:n_samples]


def _rise(n_samples: int) -> Signal:
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * (np.arange(n_samples) + 0.5) / max(1, n_samples)))


def power(signal: Signal) -> float:
    """Mean of the squares."""
    return float(np.mean(np.square(signal)))


def decibels(ratio: float) -> float:
    """A ratio of powers in dB."""
    return float(10 * np.log10(ratio))
