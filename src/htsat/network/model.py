"""HTS-AT: the hierarchical token-semantic audio transformer (Chen et al., ICASSP 2022).

One straight path: waveform of exactly one clip in, logits out. What to do with other lengths, which loss to
train with and where probabilities are wanted is decided elsewhere.

B batch, L samples, M mel frames, F mel bins, T output frames (T' those of the last stage), K classes,
D embedding, H, W token grid.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn

from htsat.network.config import ModelConfig
from htsat.network.folding import fold, stretch_matrix, unfold
from htsat.network.frontend import LogMel, mel_filterbank
from htsat.network.heads import FineHead, LinearHead, MapSize, NoHead, TokenSemanticHead
from htsat.network.swin import PatchEmbedding, Stage, SwinBlock


class HTSATOutput(NamedTuple):
    """What a network says about clips.

    The tagging logits are those of the paper's head. They are the frame logits too, unless the network has a
    fine head: then the frame logits are its own, and T is larger than T'. The embedding is the mean of the
    frame embeddings over time, and those are means over frequency.

    Shape: `frame_logits` `(B, T, K)`, `tagging_logits` `(B, T', K)`, `embedding` `(B, D)`, `frame_embedding`
    `(B, T', D)`.
    """

    frame_logits: Tensor
    tagging_logits: Tensor
    embedding: Tensor
    frame_embedding: Tensor

    @property
    def clip_logits(self) -> Tensor:
        """Mean of the tagging logits over time, `(B, K)` (paper, section 3.2)."""
        return self.tagging_logits.mean(dim=1)


class HTSAT(nn.Module):
    """The network, from waveform to logits.

    Shape: `(B, L)` with `L = config.clip_samples` -> `HTSATOutput`.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        filterbank = mel_filterbank(
            config.sample_rate, config.n_fft, config.n_mels, config.min_hz, config.max_hz
        )
        self.log_mel = LogMel(config.n_fft, config.hop_length, filterbank)
        self.mel_norm = nn.BatchNorm1d(config.n_mels)
        stretch = stretch_matrix(config.n_mel_frames, config.n_folds * config.fold_frames)
        self.register_buffer("stretch", stretch, persistent=False)
        self.stretch: Tensor
        self.patch_embedding = PatchEmbedding(config.patch, config.dim)
        self.stages = nn.ModuleList(_stages(config))
        self.norm = nn.LayerNorm(config.embedding_dim)
        self.head = _head(config)
        self.fine_head = _fine_head(config)
        self.apply(_initialise)
        self._set_drop_path(config.drop_path)

    def forward(self, waveform: Tensor, augment: Callable[[Tensor], Tensor] | None = None) -> HTSATOutput:
        """Hear one clip.

        Args:
            waveform: `(B, L)` in about [-1, 1] at `config.sample_rate`.
            augment: applied to the normalised log-mel `(B, M, F)`; training passes one, nothing else does.

        Raises:
            ValueError: when the waveform is not a batch of clips of the right length.
        """
        if waveform.ndim != 2 or waveform.shape[1] != self.config.clip_samples:
            expected = f"(batch, {self.config.clip_samples})"
            raise ValueError(f"expected a waveform of shape {expected}, got {tuple(waveform.shape)}")
        log_mel = self.mel_norm(self.log_mel(waveform).transpose(1, 2)).transpose(1, 2)  # (B, M, F)
        if augment is not None:
            log_mel = augment(log_mel)
        tokens = self.patch_embedding(fold(self.stretch @ log_mel, self.config.n_folds))  # (B, H, W, C)
        maps = []
        for stage in self.stages:
            map_tokens, tokens = stage(tokens)
            maps.append(map_tokens)
        features = unfold(self.norm(tokens), self.config.n_folds)  # (B, D, f, T')
        frame_embedding = features.mean(dim=2).transpose(1, 2)  # (B, T', D)
        tagging_logits = self.head(features)
        frame_logits = tagging_logits if self.fine_head is None else self.fine_head(maps)
        return HTSATOutput(frame_logits, tagging_logits, frame_embedding.mean(dim=1), frame_embedding)

    def _set_drop_path(self, last: float) -> None:
        blocks = [module for module in self.modules() if isinstance(module, SwinBlock)]
        for index, block in enumerate(blocks):
            block.drop_path_rate = last * index / max(1, len(blocks) - 1)


def _stages(config: ModelConfig) -> list[Stage]:
    stages = []
    for index, (depth, n_heads) in enumerate(zip(config.depths, config.n_heads, strict=True)):
        scale = 2**index
        stages.append(
            Stage(
                config.dim * scale,
                depth,
                n_heads,
                grid=(config.token_grid[0] // scale, config.token_grid[1] // scale),
                window=config.window,
                merge=index + 1 < len(config.depths),
            )
        )
    return stages


def _head(config: ModelConfig) -> nn.Module:
    n_frequency_cells = config.n_mels // (config.patch * config.coarsening)
    match config.head:
        case "token_semantic":
            return TokenSemanticHead(config.embedding_dim, n_frequency_cells, config.n_classes)
        case "linear":
            return LinearHead(config.embedding_dim, config.n_classes)
        case "none":
            return NoHead()


def _fine_head(config: ModelConfig) -> FineHead | None:
    if not config.fine_width:
        return None
    sizes = [
        MapSize(config.dim << stage, config.n_mels // (config.patch << stage))
        for stage in range(len(config.depths))
    ]
    return FineHead(sizes, config.n_folds, config.fine_width, config.n_classes)


def _initialise(module: nn.Module) -> None:
    """Linear layers and bias tables from a truncated normal of 0.02; the rest keeps torch's own defaults."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    table = getattr(module, "bias_table", None)
    if isinstance(table, nn.Parameter):
        nn.init.trunc_normal_(table, std=0.02)
