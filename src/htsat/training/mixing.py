"""Changes of the batches that a network learns from, on the device that trains.

All that is random about a clip is drawn from its seed, and a clip is mixed with its neighbour in the batch:
clips 2i and 2i + 1, the last of an odd number with none. So a part of a batch that has whole pairs is changed
as it would be within the batch.

B clips, L samples, M mel frames, F mel bins, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from htsat.errors import ConfigError

# What a clip's seed is used for; 0 is what happens to its waveform alone.
_MIXUP, _MIX_STYLE, _SPEC_AUGMENT = 1, 2, 3


@dataclass(frozen=True, kw_only=True)
class Mixup:
    """Add two clips of a batch and mix their targets in the same proportion (Tokozume et al., 2018)."""

    alpha: float = 1.0
    """Of the beta distribution that the proportion is drawn from; 1 is uniform, the paper has 0.5."""
    probability: float = 1.0
    """Share of the clips that get something of their neighbour."""
    targets: Literal["mixed", "kept"] = "mixed"
    """`kept` leaves each clip its own labels, as the official code does (official behaviour 9)."""
    domain: Literal["waveform", "log_mel"] = "waveform"
    """What is mixed: the sounds, or their normalised log-mel as in the official code."""

    def __post_init__(self) -> None:
        _check_beta("mixup", self.alpha, self.probability)

    def draw(self, seeds: Sequence[int], device: torch.device) -> Mix:
        """The proportions for a batch of clips with these seeds."""
        return Mix(_own_shares(self.alpha, self.probability, seeds, _MIXUP).to(device), self)


@dataclass(frozen=True)
class Mix:
    """How the clips of one batch are mixed; each method leaves alone what the settings leave alone."""

    own: Tensor
    """Share of the clip itself, the rest is its neighbour's. Shape: `(B,)`."""
    settings: Mixup

    def waveforms(self, waveform: Tensor) -> Tensor:
        """The sum is scaled to keep the loudness of independent parts. Shape: `(B, L)` -> the same."""
        if self.settings.domain != "waveform":
            return waveform
        parts = torch.stack((self.own, 1 - self.own))
        return _add_neighbours(waveform, *parts / parts.norm(dim=0))

    def log_mels(self, log_mel: Tensor) -> Tensor:
        """Shape: `(B, M, F)` -> the same."""
        return _blend(log_mel, self.own) if self.settings.domain == "log_mel" else log_mel

    def targets(self, target: Tensor) -> Tensor:
        """Of the labels or of a teacher. Shape: `(B, ...)` -> the same."""
        return _blend(target, self.own) if self.settings.targets == "mixed" else target

    def known(self, known: Tensor) -> Tensor:
        """Ones for what is known of both parts of a mixture, where targets are mixed.

        Shape: `(B, ...)` -> the same.
        """
        if self.settings.targets != "mixed":
            return known
        return known * _blend(known, (self.own == 1).float())


@dataclass(frozen=True, kw_only=True)
class MixStyle:
    """Give a clip something of the spectral colour of its neighbour (Kim et al., 2022; Schmid et al., 2022).

    Mean and deviation of each mel bin over time are mixed with the neighbour's, so that what a microphone or
    a room adds tells less. Labels stay.
    """

    alpha: float = 0.3
    """Of the beta distribution that the proportion is drawn from."""
    probability: float = 0.0
    """Share of the clips that are changed."""

    def __post_init__(self) -> None:
        _check_beta("mix_style", self.alpha, self.probability)

    def draw(self, seeds: Sequence[int], device: torch.device) -> Style:
        """The proportions for a batch of clips with these seeds."""
        return Style(_own_shares(self.alpha, self.probability, seeds, _MIX_STYLE).to(device))


class Style(NamedTuple):
    """Share of each clip's own colour. Shape: `own` `(B,)`."""

    own: Tensor

    def mix(self, log_mel: Tensor) -> Tensor:
        """Shape: `(B, M, F)` -> the same."""
        statistics = log_mel.detach()
        mean = statistics.mean(dim=1, keepdim=True)
        deviation = (statistics.var(dim=1, correction=0, keepdim=True) + 1e-6).sqrt()
        scale = _blend(deviation, self.own) / deviation
        return log_mel * scale + (_blend(mean, self.own) - mean * scale)


@dataclass(frozen=True, kw_only=True)
class SpecAugment:
    """Blank stripes of time and of frequency, each clip its own (Park et al., 2019).

    Stripes are filled with 0, the mean of the normalised log-mel (official behaviour 1).
    """

    n_time_stripes: int = 2
    max_time_frames: int = 64
    n_mel_stripes: int = 2
    max_mel_bins: int = 8

    def __post_init__(self) -> None:
        for name in ("n_time_stripes", "max_time_frames", "n_mel_stripes", "max_mel_bins"):
            if getattr(self, name) < 0:
                raise ConfigError(f"spec_augment.{name} must not be negative, got {getattr(self, name)}")

    def draw(self, seeds: Sequence[int], device: torch.device) -> Stripes:
        """The stripes for a batch of clips with these seeds."""
        shape = (self.n_time_stripes + self.n_mel_stripes, 2)
        draws = [_random(seed, _SPEC_AUGMENT).random(shape, np.float32) for seed in seeds]
        place = torch.from_numpy(np.stack(draws)).to(device)
        return Stripes(place[:, : self.n_time_stripes], place[:, self.n_time_stripes :], self)


class Stripes(NamedTuple):
    """Stripes of time and of frequency for a batch, whatever its number of frames and bins.

    Shape: `times` `(B, n_time_stripes, 2)`, `mels` `(B, n_mel_stripes, 2)`: width and start, from 0 to 1 of
    what is possible.
    """

    times: Tensor
    mels: Tensor
    settings: SpecAugment

    def blank(self, log_mel: Tensor) -> Tensor:
        """Shape: `(B, M, F)` -> the same."""
        _, n_frames, n_mels = log_mel.shape
        times = _covered(self.times, n_frames, self.settings.max_time_frames)
        mels = _covered(self.mels, n_mels, self.settings.max_mel_bins)
        return log_mel.masked_fill(times[:, :, None] | mels[:, None, :], 0.0)


def draw_changes(
    seeds: Sequence[int], mix: Mix, spec_augment: SpecAugment, mix_style: MixStyle
) -> Callable[[Tensor], Tensor]:
    """What `HTSAT.forward` is to do with the normalised log-mel `(B, M, F)` of clips with these seeds.

    In the order of the official code: stripes first, then mixup (official behaviour 1). Everything is drawn
    before the network runs, so that it can be compiled and computed twice. A function it is, because whatever
    wraps a network takes other containers of tensors apart.
    """
    stripes = spec_augment.draw(seeds, mix.own.device)
    if not mix_style.probability:
        return lambda log_mel: mix.log_mels(stripes.blank(log_mel))
    style = mix_style.draw(seeds, mix.own.device)
    return lambda log_mel: mix.log_mels(stripes.blank(style.mix(log_mel)))


def _random(seed: int, purpose: int) -> np.random.Generator:
    return np.random.default_rng((seed, purpose))


def _own_shares(alpha: float, probability: float, seeds: Sequence[int], purpose: int) -> Tensor:
    """Share of a clip in what it becomes, 1 for those that stay alone. Shape: `(B,)`."""
    own = np.ones(len(seeds), np.float32)
    for index, seed in enumerate(seeds[: len(seeds) // 2 * 2]):
        random = _random(seed, purpose)
        if random.random() < probability:
            own[index] = random.beta(alpha, alpha)
    return torch.from_numpy(own)


def _blend(values: Tensor, own: Tensor) -> Tensor:
    """Mix each row with that of its neighbour. Shape: `(B, ...)` and `(B,)` -> `(B, ...)`."""
    return _add_neighbours(values, own, 1 - own)


def _add_neighbours(values: Tensor, own: Tensor, other: Tensor) -> Tensor:
    """`own` times each row plus `other` times that of its neighbour. Shape: `(B, ...)` -> the same."""
    index = torch.arange(len(values), device=values.device)
    neighbour = (index ^ 1).clamp(max=len(values) - 1)
    column = (-1, *[1] * (values.ndim - 1))
    return torch.addcmul(own.view(column) * values, other.view(column), values[neighbour])


def _covered(place: Tensor, size: int, max_width: int) -> Tensor:
    """Union of stripes narrower than `max_width`. Shape: `(B, n, 2)` -> `(B, size)`, bool."""
    width = (place[..., :1] * max_width).floor()
    start = (place[..., 1:] * (size - width)).floor()
    position = torch.arange(size, device=place.device)
    return ((position >= start) & (position < start + width)).any(dim=1)


def _check_beta(name: str, alpha: float, probability: float) -> None:
    if not alpha > 0:
        raise ConfigError(f"{name}.alpha must be positive, got {alpha}")
    if not 0 <= probability <= 1:
        raise ConfigError(f"{name}.probability must lie in [0, 1], got {probability}")
