"""Everything that decides what a training run does; saved with the run, and enough to repeat it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from htsat.data.augment import WaveformAugmentation
from htsat.errors import ConfigError
from htsat.scores import Task
from htsat.training.mixing import Mixup, SpecAugment

Precision = Literal["32-true", "bf16-mixed"]


@dataclass(frozen=True, kw_only=True)
class Optimisation:
    """How the weights move. Lengths are counted in clips, so that they mean the same for any batch size."""

    epochs: int = 30
    """Passes over the training clips."""
    batch_size: int = 32
    """Clips per step."""
    accumulate: int = 1
    """Parts that a batch is heard in, one after the other: less memory, and on a CPU less time."""
    learning_rate: float = 1e-3
    """Largest learning rate, after the warm-up."""
    final_learning_rate: float = 1e-5
    """Learning rate at the end of the cosine decay."""
    warmup_clips: int = 2_000
    """Clips over which the learning rate rises from zero."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """`muon` learns faster from nothing; `adamw` is what the published weights were trained with."""
    weight_decay: float = 0.05
    """Decay of the weights of linear layers and convolutions."""
    clip_norm: float = 1.0
    """Largest norm of the gradient."""
    ema_decay: float = 0.999
    """Decay per step of the running mean of the weights, which is what gets evaluated and saved."""
    label_smoothing: float = 0.1
    """Share of a target that is spread over all classes."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "accumulate", "learning_rate", "clip_norm"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"optimisation.{name} must be positive, got {getattr(self, name)}")
        if self.batch_size % self.accumulate:
            raise ConfigError(
                f"optimisation.accumulate must divide the batch size {self.batch_size}, got {self.accumulate}"
            )
        for name in ("ema_decay", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"optimisation.{name} must lie in [0, 1), got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One training run."""

    size: str = "nano"
    """Name of the network size; ignored where `init_from` brings its own."""
    init_from: str | None = None
    """A model whose network is the start; its classifier is kept where its classes are the same."""
    task: Task = "multi_label"
    """`multi_label` trains with binary cross-entropy, `multi_class` with cross-entropy."""
    valid_fold: int | None = None
    """Fold of the manifest that is held out; without it a random `valid_share` of the recordings is."""
    valid_share: float = 0.1
    """Share of the recordings that is held out where no fold is named; 0 trains on everything."""
    sampling: Literal["shuffled", "balanced"] = "shuffled"
    """`shuffled` draws every clip once an epoch, `balanced` every class equally often."""
    seed: int = 0
    """Of weights, order of clips and augmentation."""
    precision: Precision = "bf16-mixed"
    """Of the network; the front end and the loss are always in float32."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to train."""
    n_workers: int = 0
    """Processes that prepare clips."""
    log_every: int = 10
    """Steps between two lines of the log."""
    evaluate_every: int = 1
    """Epochs between two evaluations on the held-out clips."""
    checkpoint_every: int = 1
    """Epochs between two checkpoints, from which a killed run can be resumed."""
    checkpoint_every_steps: int | None = None
    """Steps between further checkpoints within an epoch, for epochs that take hours."""
    optimisation: Optimisation = field(default_factory=Optimisation)
    augmentation: WaveformAugmentation = field(default_factory=WaveformAugmentation)
    mixup: Mixup = field(default_factory=Mixup)
    spec_augment: SpecAugment = field(default_factory=SpecAugment)

    def __post_init__(self) -> None:
        if not 0 <= self.valid_share < 1:
            raise ConfigError(f"valid_share must lie in [0, 1), got {self.valid_share}")
        for name in ("log_every", "evaluate_every", "checkpoint_every", "checkpoint_every_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be positive, got {value}")
