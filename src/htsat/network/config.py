"""All sizes of a network, and the sizes that have names. Needs no torch."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal, get_args

from htsat.errors import ConfigError, did_you_mean

HeadName = Literal["token_semantic", "linear", "none"]

_WHOLE = ("sample_rate", "n_fft", "hop_length", "n_mels", "n_folds", "fold_frames", "patch", "window", "dim")


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
    fine_width: int = 0
    """Channels of the fine head, whose frames are as short as a patch (40 ms in place of 0.32 s): it looks at
    all stages, beside `head`, which keeps tagging. 0 is none, as in the paper."""

    def __post_init__(self) -> None:
        self._check_kinds()
        self._check_sound()
        self._check_stages()
        self._check_image()

    def _check_kinds(self) -> None:
        for name in _WHOLE:
            value = getattr(self, name)
            _require(type(value) is int and value > 0, name, f"must be a whole number above 0, got {value!r}")
        for name in ("depths", "n_heads"):
            values = getattr(self, name)
            whole = all(type(value) is int and value > 0 for value in values)
            _require(len(values) > 0 and whole, name, f"must be whole numbers above 0, got {values}")
        known = get_args(HeadName)
        _require(self.head in known, "head", f"must be one of {', '.join(known)}, got {self.head!r}")
        _require(self.n_classes >= 0, "n_classes", f"must not be negative, got {self.n_classes}")
        is_encoder = self.head == "none"
        _require((self.n_classes == 0) == is_encoder, "n_classes", "must be 0 for head 'none' only")
        width = self.fine_width
        _require(
            type(width) is int and width >= 0, "fine_width", f"must be a whole number from 0, got {width!r}"
        )
        _require(not (width and is_encoder), "fine_width", "needs classes: head 'none' has none")
        _require(0 <= self.drop_path < 1, "drop_path", f"must lie in [0, 1), got {self.drop_path}")

    def _check_sound(self) -> None:
        nyquist_hz = self.sample_rate / 2
        _require(0 <= self.min_hz < self.max_hz, "min_hz", f"must lie below max_hz, got {self.min_hz}")
        _require(
            self.max_hz <= nyquist_hz,
            "max_hz",
            f"must not exceed half the sample rate ({nyquist_hz:g}), got {self.max_hz:g}: "
            "the filters above would hear nothing",
        )
        _require(0 < self.clip_s < math.inf, "clip_s", f"must be a positive number, got {self.clip_s}")
        whole = abs(self.clip_s * self.sample_rate - self.clip_samples) < 1e-6
        _require(whole, "clip_s", f"must be a whole number of samples, got {self.clip_s}")
        # Half a window is mirrored at both ends of a clip.
        _require(self.clip_samples > self.n_fft // 2, "n_fft", f"is too long for clips of {self.clip_s} s")

    def _check_stages(self) -> None:
        n_stages = len(self.depths)
        n_given = len(self.n_heads)
        _require(n_given == n_stages, "n_heads", f"needs {n_stages} entries, got {n_given}")
        for stage, n_heads in enumerate(self.n_heads):
            channels = self.dim * 2**stage
            _require(channels % n_heads == 0, "n_heads", f"{n_heads} does not divide {channels} channels")

    def _check_image(self) -> None:
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
        """Output frames T of a clip: of its frame logits."""
        n_patches = self.n_folds * self.fold_frames // self.patch
        return n_patches if self.fine_width else n_patches // self.coarsening

    @property
    def n_coarse_frames(self) -> int:
        """Frames T' of the last stage, of a clip's tagging logits and embeddings."""
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
