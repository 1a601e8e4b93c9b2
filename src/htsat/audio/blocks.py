"""What happens to decoded samples: mix-down, check and resampling, block by block.

Axes: C channels, L samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from htsat.errors import AudioError
from htsat.scores import FloatArray

MIN_SAMPLE_RATE = 100
MAX_SAMPLE_RATE = 10_000_000
"""Beyond these a header is damaged: ultrasound recorders end at a few MHz."""

MAX_AMPLITUDE = 1e12
"""Far above unscaled 32-bit samples, and small enough for the power spectrum to stay finite in float32."""


def check_sample_rate(sample_rate: int) -> None:
    """Refuse rates that no recording has."""
    if not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
        raise AudioError(
            f"expected a sample rate of {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz, got {sample_rate} Hz"
        )


def mix_down(channels: NDArray[Any]) -> FloatArray:
    """Mean of the channels.

    Shape: `(C, L)` to `(L,)`. Integers of up to 32 bits are scaled to [-1, 1], unsigned ones around their
    middle.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # `mono_blocks` reports what is not finite
        samples = _as_float(channels)
        mono: FloatArray = samples[0] if len(samples) == 1 else samples.mean(axis=0)
        return mono


def _as_float(samples: NDArray[Any]) -> FloatArray:
    kind, n_bits = samples.dtype.kind, 8 * samples.dtype.itemsize
    if kind == "f":
        return samples.astype(np.float32, copy=False)
    # 64-bit integers are smaller ones in a wide type: scaled by their range they would be silence.
    if kind not in "iu" or n_bits > 32:
        raise AudioError(f"expected float samples or integers of up to 32 bits, got {samples.dtype}")
    scaled: FloatArray = samples.astype(np.float32) / np.float32(2 ** (n_bits - 1))
    return scaled - np.float32(1) if kind == "u" else scaled


def mono_blocks(blocks: Iterable[FloatArray], rate_in: int, rate_out: int) -> Iterator[FloatArray]:
    """Checked and resampled blocks of about one second; see `resampled_blocks`."""
    return resampled_blocks(_regrouped(blocks, rate_in), rate_in, rate_out)


def resampled_blocks(blocks: Iterable[FloatArray], rate_in: int, rate_out: int) -> Iterator[FloatArray]:
    """Checked and resampled blocks as they come, none of them empty.

    Raises:
        AudioError: for samples that are not finite, and when less than one sample remains.
    """
    checked = _checked(blocks, rate_in)
    is_empty = True
    for block in checked if rate_in == rate_out else _resampled(checked, rate_in, rate_out):
        if len(block):
            is_empty = False
            yield block
    if is_empty:
        raise AudioError(f"is too short: less than one sample at {rate_out} Hz")


def _regrouped(blocks: Iterable[FloatArray], n_samples: int) -> Iterator[FloatArray]:
    """Blocks of exactly `n_samples`, but for the last."""
    parts: list[FloatArray] = []
    n_waiting = 0
    for block in blocks:
        parts.append(block)
        n_waiting += len(block)
        if n_waiting >= n_samples:
            joined = np.concatenate(parts)
            n_whole = n_waiting - n_waiting % n_samples
            yield from joined[:n_whole].reshape(-1, n_samples)
            parts, n_waiting = [joined[n_whole:]], n_waiting - n_whole
    if n_waiting:
        yield np.concatenate(parts)


def _checked(blocks: Iterable[FloatArray], sample_rate: int) -> Iterator[FloatArray]:
    n_before = 0
    for block in blocks:
        is_good = np.abs(block) <= MAX_AMPLITUDE  # false for NaN
        if not is_good.all():
            index = int(np.argmin(is_good))
            reason = "absurdly large" if np.isfinite(block[index]) else "NaN or infinite"
            raise AudioError(f"contains {reason} samples (first at {(n_before + index) / sample_rate:.3f} s)")
        n_before += len(block)
        yield block


def _resampled(blocks: Iterable[FloatArray], rate_in: int, rate_out: int) -> Iterator[FloatArray]:
    """Block by block the same samples as `soxr.resample` of the whole."""
    resampler = soxr.ResampleStream(rate_in, rate_out, num_channels=1, dtype="float32", quality="HQ")
    for block in blocks:
        yield resampler.resample_chunk(block)
    yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)
