"""Classifier heads: from feature maps to frame logits.

B batch, C channels, f frequency cells, T frames, K classes, W width of the fine head. A head for tagging maps
the last feature map `(B, C, f, T)` to `(B, T, K)`, and the clip logits are the mean of these over time. The
fine head looks at the maps of all stages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from htsat.network.folding import unfold


class TokenSemanticHead(nn.Module):
    """The paper's head (ablation HC, section 3.2): a convolution over all frequency cells, three frames."""

    def __init__(self, channels: int, n_frequency_cells: int, n_classes: int) -> None:
        super().__init__()
        self.token_semantic = nn.Conv2d(channels, n_classes, (n_frequency_cells, 3), padding=(0, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Return frame logits."""
        logits: Tensor = self.token_semantic(features)[:, :, 0].transpose(1, 2)
        return logits


class LinearHead(nn.Module):
    """The plain head of ablation H: one linear layer on the mean of the frequency cells of each frame.

    The official code sums the two cells for its frame output and averages them for its clip output;
    here both are the mean, so that the clip logits are the mean of the frame logits.
    """

    def __init__(self, channels: int, n_classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, n_classes)

    def forward(self, features: Tensor) -> Tensor:
        """Return frame logits."""
        logits: Tensor = self.linear(features.mean(dim=2).transpose(1, 2))
        return logits


class NoHead(nn.Module):
    """No classes: the network is an encoder that only embeds."""

    def forward(self, features: Tensor) -> Tensor:
        """Return frame logits of zero classes, `(B, T, 0)`."""
        return features.new_empty(features.shape[0], features.shape[3], 0)


class MapSize(NamedTuple):
    """Channels C and frequency cells f of the map of a stage."""

    channels: int
    n_frequency_cells: int


class FineHead(nn.Module):
    """Logits for frames as short as the patches of the first stage: a feature pyramid along time.

    The tokens of the stages are 1, 2, 4 and 8 patches long. From the coarsest to the finest, each map is
    brought to one width over all of its frequency cells, added to what the coarser ones say, and refined
    along time. Not in the paper; after the pyramids of object detection (Lin et al., CVPR 2017).
    """

    def __init__(self, sizes: Sequence[MapSize], n_folds: int, width: int, n_classes: int) -> None:
        super().__init__()
        self.n_folds = n_folds
        self.norms = nn.ModuleList(nn.LayerNorm(size.channels) for size in sizes)
        self.laterals = nn.ModuleList(
            nn.Conv2d(size.channels, width, (size.n_frequency_cells, 1)) for size in sizes
        )
        self.refinements = nn.ModuleList(TemporalBlock(width) for _ in sizes)
        self.classifier = nn.Linear(width, n_classes)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return frame logits `(B, T, K)` of the token grids of all stages, the finest first."""
        refined: Tensor | None = None
        levels = zip(maps, self.norms, self.laterals, self.refinements, strict=True)
        for tokens, norm, lateral, refine in reversed(list(levels)):
            features = unfold(norm(tokens), self.n_folds)  # (B, C, f, T of the stage)
            here = lateral(features)[:, :, 0].transpose(1, 2)  # (B, T of the stage, W)
            refined = refine(here if refined is None else here + _doubled(refined))
        logits: Tensor = self.classifier(refined)
        return logits


class TemporalBlock(nn.Module):
    """Mix neighbouring frames channel by channel, then channels within frames, beside a shortcut.

    Shape: `(B, T, W)` -> the same. (The block of Liu et al., CVPR 2022, along time.)
    """

    _KERNEL = 7

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = nn.Conv1d(width, width, self._KERNEL, padding=self._KERNEL // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, frames: Tensor) -> Tensor:
        """Refine."""
        mixed = self.mix(frames.transpose(1, 2)).transpose(1, 2)
        refined: Tensor = frames + self.mlp(self.norm(mixed))
        return refined


def _doubled(frames: Tensor) -> Tensor:
    """Every frame twice. Shape: `(B, T, W)` -> `(B, 2T, W)`."""
    batch, n_frames, width = frames.shape
    return frames[:, :, None].expand(-1, -1, 2, -1).reshape(batch, 2 * n_frames, width)
