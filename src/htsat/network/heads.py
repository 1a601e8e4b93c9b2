"""Classifier heads: from the last feature map to frame logits.

B batch, C channels, f frequency cells, T frames, K classes. Every head maps `(B, C, f, T)` to `(B, T, K)`,
and the clip logits are the mean of the frame logits over time.
"""

from __future__ import annotations

from torch import Tensor, nn


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
