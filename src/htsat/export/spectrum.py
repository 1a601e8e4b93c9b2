"""From sound to the first tokens, as operators of a graph.

The Fourier transform is a convolution and a product: every runtime has them, and few agree on anything else.
Only the bins that some mel filter hears are computed.

B batch, L samples, M mel frames, F mel bins, H, W token grid, C channels; R, P, Q, S see `_Transform`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from htsat.engines.exported import LOG_MEL
from htsat.export.builder import GraphBuilder, Value
from htsat.export.layers import add_convolution, add_layer_norm
from htsat.network import HTSAT
from htsat.network.frontend import POWER_FLOOR, LogMel
from htsat.scores import FloatArray


def add_tokens(g: GraphBuilder, waveform: Value, network: HTSAT) -> Value:
    """Waveforms `(B, L)` as patch tokens `(B, H * W, C)`, in the order of their grid."""
    config = network.config
    mel = _add_mel(g, waveform, network.log_mel, config.n_mel_frames)
    # Stretched before it is scaled: as its weights sum to one the order is free, and what a runtime takes for
    # the scale of a quantised tensor (a product with a constant) must not be looked up from.
    stretched = _add_stretch(g, g.add("Log", g.add("Max", mel, g.scalar(POWER_FLOOR))), network)
    log_mel = g.named(LOG_MEL, _add_decibels(g, stretched, network.mel_norm))
    image = _add_image(g, log_mel, network)
    tokens = add_convolution(g, image, network.patch_embedding.projection)
    flat = g.reshape(tokens, -1, config.dim, math.prod(config.token_grid))
    return add_layer_norm(g, g.transpose(flat, 0, 2, 1), network.patch_embedding.norm)


def _add_mel(g: GraphBuilder, waveform: Value, log_mel: LogMel, n_frames: int) -> Value:
    """Power in mel bins, `(B, F, M)`."""
    transform = _Transform.of(log_mel)
    dealt = _add_dealt(g, waveform, log_mel, transform.n_series, n_frames)
    first = g.constant(transform.within_series.reshape(-1, 1, transform.length))
    stride = log_mel.hop_length // transform.n_series
    within = g.add("Conv", dealt, first, strides=[stride], group=transform.n_series)
    paired = g.reshape(within, -1, transform.n_series, transform.n_first, 2, n_frames)
    by_first = g.reshape(
        g.transpose(paired, 0, 2, 1, 3, 4), -1, transform.n_first, 2 * transform.n_series, n_frames
    )
    spectrum = g.add("MatMul", g.constant(transform.across_series), by_first)
    power = g.reshape(g.add("Mul", spectrum, spectrum), -1, transform.filters.shape[1], n_frames)
    return g.add("MatMul", g.constant(transform.filters), power)


def _add_dealt(g: GraphBuilder, waveform: Value, log_mel: LogMel, n_series: int, n_frames: int) -> Value:
    """The samples of all frames, mirrored at the ends and dealt out to series, `(B, R, n)`."""
    half = log_mel.n_fft // 2
    n_samples = (n_frames - 1) * log_mel.hop_length + log_mel.n_fft
    padded = g.add("Pad", waveform, g.integers(0, half, 0, half), mode="reflect")
    needed = g.add("Slice", padded, g.integers(0), g.integers(n_samples), g.integers(1))
    return g.transpose(g.reshape(needed, -1, n_samples // n_series, n_series), 0, 2, 1)


class _Transform(NamedTuple):
    """The Fourier transform of `n_fft` samples in two stages, after Cooley and Tukey (1965).

    Samples are dealt out to R series of P each: sample `R p + r` is number `p` of series `r`. Bin `q + P s`
    is the sum over the series of their bins `q`, each turned by `q r / n_fft + r s / R`. Sound is real, so
    the bins `q` up to P / 2 tell all.

    - `within_series` `(R, Q, 2, P)`: from samples to the bins `q`, window and first turn included; real
      parts, then imaginary ones.
    - `across_series` `(2S, 2R)`: from these to the bins that any filter hears.
    - `filters` `(F, 2QS)`: what power of each such bin belongs to each mel bin.
    """

    within_series: FloatArray
    across_series: FloatArray
    filters: FloatArray

    @classmethod
    def of(cls, log_mel: LogMel) -> _Transform:
        """That of a front end: frames must be whole numbers of `R` samples apart."""
        n_fft = log_mel.n_fft
        n_series = _n_series(n_fft, log_mel.hop_length)
        length = n_fft // n_series
        series, first, second = np.arange(n_series), np.arange(length // 2 + 1), np.arange(n_series)
        filterbank = log_mel.filterbank.detach().cpu().numpy()
        filters = _by_stages(filterbank, first[:, None] + length * second, n_fft)  # (F, Q, R)
        second = np.flatnonzero(filters.any(axis=(0, 1)))
        turns = np.outer(first, np.arange(length)) / length + np.outer(series, first)[..., None] / n_fft
        window = log_mel.window.detach().cpu().numpy().reshape(length, n_series).T
        within = window[:, None] * np.exp(-2j * np.pi * turns)  # (R, Q, P)
        across = np.exp(-2j * np.pi * np.outer(second, series) / n_series)  # (S, R)
        repeated = np.repeat(filters[:, :, second], 2, axis=2)
        return cls(
            np.stack([within.real, within.imag], axis=2).astype(np.float32),
            _real_matrix(across).astype(np.float32),
            repeated.reshape(len(repeated), -1),
        )

    @property
    def n_series(self) -> int:
        """R."""
        return len(self.within_series)

    @property
    def n_first(self) -> int:
        """Q."""
        return int(self.within_series.shape[1])

    @property
    def length(self) -> int:
        """P, samples of a series."""
        return int(self.within_series.shape[-1])


def _n_series(n_fft: int, hop_length: int) -> int:
    """The largest number up to the root of `n_fft` that divides both: two stages then cost least."""
    common = math.gcd(n_fft, hop_length)
    return max(number for number in range(1, math.isqrt(n_fft) + 1) if common % number == 0)


def _by_stages(filterbank: FloatArray, bins: NDArray[np.int64], n_fft: int) -> FloatArray:
    """Filters `(n_fft / 2 + 1, F)` as `(F, Q, R)` for these bins; of mirrored ones the first counts."""
    mirrored = np.where(bins <= n_fft // 2, bins, n_fft - bins)
    _, first_places = np.unique(mirrored, return_index=True)
    counts = np.isin(np.arange(bins.size), first_places).reshape(bins.shape)
    return np.where(counts[..., None], filterbank[mirrored], 0).transpose(2, 0, 1)


def _real_matrix(matrix: NDArray[np.complex128]) -> NDArray[np.float64]:
    """What `(S, R)` does to complex numbers, for `(2S, 2R)`: real and imaginary parts take turns."""
    parts = np.array([[matrix.real, -matrix.imag], [matrix.imag, matrix.real]])
    return parts.transpose(2, 0, 3, 1).reshape(2 * matrix.shape[0], 2 * matrix.shape[1])


def _add_stretch(g: GraphBuilder, log_mel: Value, network: HTSAT) -> Value:
    """Frames `(B, F, M)` stretched to those of the image: each a weighted sum of at most four."""
    matrix = network.stretch.detach().cpu().numpy()
    sources = np.argsort(matrix == 0, axis=1, kind="stable")[:, : max((matrix != 0).sum(axis=1))]
    weights = np.take_along_axis(matrix, sources, axis=1)
    products = g.add("Mul", g.take(log_mel, sources, axis=2), g.constant(weights))
    return g.add("ReduceSum", products, g.integers(-1), keepdims=0)


def _add_decibels(g: GraphBuilder, logarithm: Value, mel_norm: nn.BatchNorm1d) -> Value:
    """Natural logarithms `(B, F, M)` as decibels, brought to the levels that the network has learned from."""
    mean, variance = mel_norm.running_mean, mel_norm.running_var
    assert mean is not None
    assert variance is not None
    scale = mel_norm.weight.double() / (variance.double() + mel_norm.eps).sqrt()
    offset = mel_norm.bias.double() - mean.double() * scale
    scaled = g.add("Mul", logarithm, g.constant((10.0 / math.log(10.0) * scale)[:, None].float()))
    return g.add("Add", scaled, g.constant(offset[:, None].float()))


def _add_image(g: GraphBuilder, log_mel: Value, network: HTSAT) -> Value:
    """`folding.fold` for `(B, F, n_folds * W)` -> `(B, 1, n_folds * F, W)`."""
    config = network.config
    stretches = g.reshape(log_mel, -1, config.n_mels, config.n_folds, config.fold_frames)
    return g.reshape(
        g.transpose(stretches, 0, 2, 1, 3), -1, 1, config.n_folds * config.n_mels, config.fold_frames
    )
