"""From sound to the first tokens, as operators of a graph.

The Fourier transform is a convolution: every runtime has one, and few agree on anything else. Its kernels are
told by formulas, and only the bins that some mel filter hears are computed.

B batch, L samples, M mel frames, F mel bins, S bins of the spectrum, H, W token grid, C channels.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from torch import nn

from htsat.engines.exported import LOG_MEL
from htsat.export.builder import GraphBuilder, Value
from htsat.export.layers import add_convolution, add_layer_norm
from htsat.network import HTSAT
from htsat.network.frontend import POWER_FLOOR, LogMel


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
    filterbank = log_mel.filterbank.detach().cpu().numpy()
    heard = np.flatnonzero(filterbank.any(axis=1))
    bins = np.arange(heard[0], heard[-1] + 1)
    spectrum = _add_spectrum(g, waveform, log_mel, bins, n_frames)
    real, imaginary = g.add_many("Split", 2, spectrum, axis=1, num_outputs=2)
    power = g.add("Add", g.add("Mul", real, real), g.add("Mul", imaginary, imaginary))
    return g.add("MatMul", g.constant(filterbank[bins].T), power)


def _add_spectrum(
    g: GraphBuilder, waveform: Value, log_mel: LogMel, bins: NDArray[np.int64], n_frames: int
) -> Value:
    """Real parts of the bins, then imaginary ones, `(B, 2S, M)`.

    Samples are taken in groups, so that both the window and its step are whole numbers of groups.
    """
    n_fft, hop = log_mel.n_fft, log_mel.hop_length
    group = math.gcd(n_fft, hop)
    n_samples = (n_frames - 1) * hop + n_fft
    padded = g.add("Pad", waveform, g.integers(0, n_fft // 2, 0, n_fft // 2), mode="reflect")
    needed = g.add("Slice", padded, g.integers(0), g.integers(n_samples), g.integers(1))
    grouped = g.transpose(g.reshape(needed, -1, n_samples // group, group), 0, 2, 1)
    kernels = g.reshape(_add_kernels(g, log_mel, bins), 2 * len(bins), n_fft // group, group)
    return g.add("Conv", grouped, g.transpose(kernels, 0, 2, 1), strides=[hop // group])


def _add_kernels(g: GraphBuilder, log_mel: LogMel, bins: NDArray[np.int64]) -> Value:
    """Windowed cosines and sines, `(2S, n_fft)`: turns are counted in whole samples, so none is inexact."""
    n_fft = log_mel.n_fft
    turn = 2 * np.pi * np.arange(n_fft) / n_fft
    samples = g.constant(np.arange(n_fft)[None])
    angle = g.add("Mod", g.add("Mul", g.constant(bins[:, None]), samples), g.integers(n_fft))
    waves = [
        g.add("Gather", g.constant(wave(turn).astype(np.float32)), angle, axis=0) for wave in (np.cos, np.sin)
    ]
    return g.add("Mul", g.add("Concat", *waves, axis=0), g.constant(log_mel.window))


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
