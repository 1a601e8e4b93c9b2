"""The one place where time becomes an image, and back.

A clip's log-mel is long and low: about 1024 frames of 64 mel bins. It is cut along time into folds that
are stacked along height, so that the image is nearly square and a Swin transformer pretrained on pictures
fits (paper, section 3.1). In the image a row is `fold * F + mel bin` and a column is the frame in the fold.

B batch, M mel frames, F mel bins, C channels, H, W token grid, T output frames.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def stretch_matrix(n_in: int, n_out: int) -> Tensor:
    """Weights that stretch `n_in` frames to `n_out` by bicubic interpolation with aligned ends.

    A fixed matrix instead of an interpolation call: deterministic on CUDA, exportable, and equal to 5e-7
    (official behaviour 2).

    Shape: `(n_out, n_in)`.
    """
    identity = torch.eye(n_in)[None, None]
    return F.interpolate(identity, size=(n_out, n_in), mode="bicubic", align_corners=True)[0, 0]


def fold(log_mel: Tensor, n_folds: int) -> Tensor:
    """Stack `n_folds` equal stretches of time along the mel axis.

    Shape: `(B, n_folds * W, F)` -> `(B, n_folds * F, W)`.
    """
    batch, n_frames, n_mels = log_mel.shape
    stretches = log_mel.reshape(batch, n_folds, n_frames // n_folds, n_mels)
    return stretches.transpose(2, 3).reshape(batch, n_folds * n_mels, n_frames // n_folds)


def unfold(tokens: Tensor, n_folds: int) -> Tensor:
    """Put the folds of a token grid back one after the other in time.

    Shape: `(B, n_folds * f, W, C)` -> `(B, C, f, n_folds * W)`, with `f` frequency cells left in a fold.
    """
    batch, height, width, channels = tokens.shape
    stretches = tokens.reshape(batch, n_folds, height // n_folds, width, channels)
    return stretches.permute(0, 4, 2, 1, 3).reshape(batch, channels, height // n_folds, n_folds * width)
