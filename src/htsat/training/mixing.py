"""Augmentations of whole batches, on the device that trains.

B clips, L samples, M mel frames, F mel bins, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Mixup:
    """Add two clips of a batch and mix their targets in the same proportion (Tokozume et al., 2018).

    The sum is scaled to keep the loudness of its parts.
    """

    alpha: float = 1.0
    """Of the beta distribution that the proportion is drawn from; 1 is uniform."""
    probability: float = 1.0
    """Share of the clips that get a partner."""

    def __call__(self, waveform: Tensor, target: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Mix a batch. Shape: `(B, L)` and `(B, K)` -> the same."""
        n_clips = len(waveform)
        own = _beta(self.alpha, n_clips, generator).to(waveform.device)
        alone = torch.rand(n_clips, generator=generator).to(waveform.device) >= self.probability
        own = torch.where(alone, 1.0, own)[:, None]
        partner = torch.randperm(n_clips, generator=generator).to(waveform.device)
        loudness = (own.square() + (1 - own).square()).sqrt()
        mixed = (own * waveform + (1 - own) * waveform[partner]) / loudness
        return mixed, own * target + (1 - own) * target[partner]


def _beta(alpha: float, n: int, generator: torch.Generator) -> Tensor:
    """Draws from the symmetric beta distribution as a ratio of gamma variates."""
    concentration = torch.full((2, n), alpha)
    gamma = torch._standard_gamma(concentration, generator=generator)
    return gamma[0] / gamma.sum(dim=0)


@dataclass(frozen=True, kw_only=True)
class SpecAugment:
    """Blank stripes of time and of frequency, each clip its own (Park et al., 2019).

    Stripes are filled with 0, the mean of the normalised log-mel (official behaviour 1).
    """

    n_time_stripes: int = 2
    max_time_frames: int = 64
    n_mel_stripes: int = 2
    max_mel_bins: int = 8

    def __call__(self, log_mel: Tensor, generator: torch.Generator) -> Tensor:
        """Blank stripes. Shape: `(B, M, F)` -> the same."""
        _, n_frames, n_mels = log_mel.shape
        times = _stripes(len(log_mel), n_frames, self.n_time_stripes, self.max_time_frames, generator)
        mels = _stripes(len(log_mel), n_mels, self.n_mel_stripes, self.max_mel_bins, generator)
        blank = times[:, :, None] | mels[:, None, :]
        return log_mel.masked_fill(blank.to(log_mel.device), 0.0)


def _stripes(n_clips: int, size: int, n_stripes: int, max_width: int, generator: torch.Generator) -> Tensor:
    """Union of random stripes narrower than `max_width`. Shape: `(n_clips, size)`, bool."""
    shape = (n_clips, n_stripes, 1)
    width = (torch.rand(shape, generator=generator) * max_width).floor()
    start = (torch.rand(shape, generator=generator) * (size - width)).floor()
    position = torch.arange(size)
    return ((position >= start) & (position < start + width)).any(dim=1)
