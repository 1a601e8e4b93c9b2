"""The linear layer of the tokens."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Where torch has both, it gives matrices in float32 to MKL and convolutions to oneDNN.
_HAS_BOTH = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]


class Linear(nn.Linear):
    """As `nn.Linear`, over the last axis of tokens.

    On a grid, in float32 and on a processor it is computed as a convolution of single tokens, the same sums
    by another library: on AMD's processors it is twice as fast, forth and back (docs/performance.md).

    Shape: `(B, H, W, C)` (or any other number of axes) -> `(B, H, W, C')`.
    """

    def forward(self, tokens: Tensor) -> Tensor:
        """Map every token."""
        is_float32 = tokens.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
        if not (_HAS_BOTH and is_float32 and tokens.device.type == "cpu" and tokens.ndim == 4):
            return F.linear(tokens, self.weight, self.bias)
        pixels = F.conv2d(tokens.permute(0, 3, 1, 2), self.weight[:, :, None, None], self.bias)
        return pixels.permute(0, 2, 3, 1)
