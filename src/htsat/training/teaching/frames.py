"""From a teacher's frames to others: each gets the mean probability of the time that it shares with them.

B clips, T frames, K classes.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from htsat.training.teaching.logits import Doubles

_CERTAIN = 500.0
"""Logits from here on say 0 or 1; so bounded, their probabilities and the logarithms of these are finite."""


def frame_shares(edges: NDArray[np.floating], n_frames: int) -> Doubles:
    """How much of each of `n_frames` equal frames lies in each of the given ones.

    Shape: `(T + 1,)`, from 0 to the end of the clip in any unit -> `(n_frames, T)`, whose rows sum to 1.
    """
    places = np.asarray(edges, np.float64) * (n_frames / edges[-1])
    onsets = np.arange(n_frames)[:, None]
    shared: Doubles = np.minimum(onsets + 1, places[1:]) - np.maximum(onsets, places[:-1])
    return np.maximum(shared, 0.0)


def logits_in_frames(logits: Doubles, edges: NDArray[np.floating], n_frames: int) -> Doubles:
    """The multi-label logits of the mean probabilities in `n_frames` equal frames.

    Shape: `(B, T, K)` and `(T + 1,)` -> `(B, n_frames, K)`.
    """
    shares = frame_shares(edges, n_frames)
    if logits.shape[1] == n_frames and np.allclose(shares, np.eye(n_frames)):
        return logits
    bounded = logits.clip(-_CERTAIN, _CERTAIN)
    yes, no = (shares @ (1 / (1 + np.exp(sign * bounded))) for sign in (-1, 1))
    mean: Doubles = np.log(yes) - np.log(no)
    return mean


def probabilities_in_frames(probabilities: Tensor, n_frames: int) -> Tensor:
    """The mean probabilities in another number of equal frames. Shape: `(B, T, K)` -> `(B, n_frames, K)`."""
    n_there = probabilities.shape[1]
    if n_there == n_frames:
        return probabilities
    shares = frame_shares(np.arange(n_there + 1.0), n_frames).astype(np.float32)
    return torch.from_numpy(shares).to(probabilities.device) @ probabilities
