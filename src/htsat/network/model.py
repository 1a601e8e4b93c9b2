"""HTS-AT: the hierarchical token-semantic audio transformer (Chen et al., ICASSP 2022).

One straight path: waveform of exactly one clip in, logits out. What to do with other lengths, which loss to
train with and where probabilities are wanted is decided elsewhere.

B batch, L samples, M mel frames, F mel bins, T output frames, K classes, D embedding, H, W token grid.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from torch import Tensor, nn

from htsat.errors import ConfigError, did_you_mean
from htsat.network.folding import fold, stretch_matrix, unfold
from htsat.network.frontend import LogMel, mel_filterbank
from htsat.network.heads import LinearHead, NoHead, TokenSemanticHead
from htsat.network.swin import PatchEmbedding, Stage, SwinBlock

HeadName = Literal["token_semantic", "linear", "none"]


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """All sizes of a network. The defaults are those of the paper for AudioSet.

    Raises:
        ConfigError: when a size does not fit the others; the message names the field.
    """

    n_classes: int = 527
    """Number of classes K; 0 for an encoder (`head="none"`)."""
    sample_rate: int = 32_000
    """In Hz."""
    clip_s: float = 10.0
    """Length of the clips that the network takes, in seconds."""
    n_fft: int = 1024
    """Window of the spectrum, in samples."""
    hop_length: int = 320
    """Step from one mel frame to the next, in samples."""
    n_mels: int = 64
    """Mel bins F."""
    min_hz: float = 50.0
    """Lower edge of the lowest mel filter."""
    max_hz: float = 14_000.0
    """Upper edge of the highest mel filter."""
    n_folds: int = 4
    """Stretches of time that are stacked along frequency."""
    fold_frames: int = 256
    """Mel frames in a fold, after the stretch."""
    patch: int = 4
    """Side of the square patches."""
    window: int = 8
    """Largest side of an attention window, in tokens."""
    dim: int = 96
    """Channels of the first stage; each merging doubles them."""
    depths: tuple[int, ...] = (2, 2, 6, 2)
    """Blocks in each stage."""
    n_heads: tuple[int, ...] = (4, 8, 16, 32)
    """Attention heads in each stage."""
    drop_path: float = 0.1
    """Stochastic depth of the last block; it grows linearly from 0 at the first one."""
    head: HeadName = "token_semantic"
    """`token_semantic` is the paper's HC, `linear` its ablation H, `none` an encoder."""

    def __post_init__(self) -> None:
        self._check_scalars()
        self._check_grid()

    def _check_scalars(self) -> None:
        positive = (
            "sample_rate",
            "clip_s",
            "n_fft",
            "hop_length",
            "n_mels",
            "n_folds",
            "fold_frames",
            "patch",
        )
        for name in (*positive, "window", "dim"):
            _require(getattr(self, name) > 0, name, f"must be positive, got {getattr(self, name)}")
        _require(
            (self.n_classes == 0) == (self.head == "none"), "n_classes", "must be 0 for head 'none' only"
        )
        _require(self.n_classes >= 0, "n_classes", f"must not be negative, got {self.n_classes}")
        known = get_args(HeadName)
        _require(self.head in known, "head", f"must be one of {', '.join(known)}, got {self.head!r}")
        nyquist_hz = self.sample_rate / 2
        _require(0 <= self.min_hz < self.max_hz, "min_hz", f"must lie below max_hz, got {self.min_hz}")
        _require(
            self.max_hz <= nyquist_hz,
            "max_hz",
            f"must not exceed half the sample rate ({nyquist_hz:g}), got {self.max_hz:g}: "
            "the filters above would hear nothing",
        )
        _require(0 <= self.drop_path < 1, "drop_path", f"must lie in [0, 1), got {self.drop_path}")
        whole = abs(self.clip_s * self.sample_rate - self.clip_samples) < 1e-6
        _require(whole, "clip_s", f"must be a whole number of samples, got {self.clip_s}")

    def _check_grid(self) -> None:
        n_stages = len(self.depths)
        _require(n_stages > 0 and min(self.depths) > 0, "depths", f"must be positive, got {self.depths}")
        _require(
            len(self.n_heads) == n_stages, "n_heads", f"needs {n_stages} entries, got {len(self.n_heads)}"
        )
        for stage, n_heads in enumerate(self.n_heads):
            channels = self.dim * 2**stage
            _require(channels % n_heads == 0, "n_heads", f"{n_heads} does not divide {channels} channels")
        cell = self.patch * self.coarsening
        for name in ("n_mels", "fold_frames"):
            size = getattr(self, name)
            _require(size % cell == 0, name, f"must be a multiple of {cell} (patch and merging), got {size}")
        _require(
            self.n_mel_frames <= self.n_folds * self.fold_frames,
            "clip_s",
            f"gives {self.n_mel_frames} mel frames, "
            f"more than the {self.n_folds} x {self.fold_frames} of the image",
        )

    @property
    def clip_samples(self) -> int:
        """Length of a clip L in samples."""
        return round(self.clip_s * self.sample_rate)

    @property
    def n_mel_frames(self) -> int:
        """Mel frames M of a clip, before the stretch."""
        return self.clip_samples // self.hop_length + 1

    @property
    def token_grid(self) -> tuple[int, int]:
        """Tokens along height and width in the first stage."""
        return self.n_folds * self.n_mels // self.patch, self.fold_frames // self.patch

    @property
    def coarsening(self) -> int:
        """By how much the merging between stages coarsens the token grid, and widens the channels."""
        return 1 << (len(self.depths) - 1)

    @property
    def n_frames(self) -> int:
        """Output frames T of a clip."""
        return self.n_folds * self.fold_frames // (self.patch * self.coarsening)

    @property
    def embedding_dim(self) -> int:
        """Channels D of the last stage."""
        return self.dim * self.coarsening

    @classmethod
    def named(cls, name: str, **changes: object) -> ModelConfig:
        """A size by its name, with any field changed.

        `tiny` is the paper's network, `base` and `large` those of LAION-CLAP (48 kHz), `nano` a small one
        for 5 s clips that learns from a few thousand recordings.
        """
        if name not in _NAMED:
            raise ConfigError(
                f"no network size {name!r}{did_you_mean(name, _NAMED)} (there are: {', '.join(_NAMED)})"
            )
        known = [field.name for field in dataclasses.fields(cls)]
        for key in changes:
            if key not in known:
                raise ConfigError(f"ModelConfig has no field {key!r}{did_you_mean(key, known)}")
        return cls(**{**_NAMED[name], **changes})  # type: ignore[arg-type]


_CLAP = {"sample_rate": 48_000, "hop_length": 480}
_NAMED: dict[str, dict[str, object]] = {
    "tiny": {},
    "base": {"dim": 128, "depths": (2, 2, 12, 2), **_CLAP},
    "large": {"dim": 256, "depths": (2, 2, 12, 2), **_CLAP},
    "nano": {"dim": 48, "clip_s": 5.0, "n_folds": 2, "n_heads": (2, 4, 8, 16)},
}


def _require(fits: bool, field: str, problem: str) -> None:
    if not fits:
        raise ConfigError(f"{field} {problem}")


class HTSATOutput(NamedTuple):
    """Shape: `frame_logits` `(B, T, K)`, `embedding` `(B, D)`, `frame_embedding` `(B, T, D)`.

    The embedding is the mean of the frame embeddings over time, and those are means over frequency.
    """

    frame_logits: Tensor
    embedding: Tensor
    frame_embedding: Tensor

    @property
    def clip_logits(self) -> Tensor:
        """Mean of the frame logits over time, `(B, K)` (paper, section 3.2)."""
        return self.frame_logits.mean(dim=1)


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
        for stage in self.stages:
            tokens = stage(tokens)
        features = unfold(self.norm(tokens), self.config.n_folds)  # (B, D, f, T)
        frame_embedding = features.mean(dim=2).transpose(1, 2)  # (B, T, D)
        return HTSATOutput(self.head(features), frame_embedding.mean(dim=1), frame_embedding)

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


def _initialise(module: nn.Module) -> None:
    """Linear layers and bias tables from a truncated normal of 0.02; the rest keeps torch's own defaults."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    table = getattr(module, "bias_table", None)
    if isinstance(table, nn.Parameter):
        nn.init.trunc_normal_(table, std=0.02)
