"""Everything that decides what a training run does; saved with the run, and enough to repeat it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

from htsat.data.augment import WaveformAugmentation
from htsat.errors import ConfigError
from htsat.scores import Task
from htsat.training.mixing import MixStyle, Mixup, SpecAugment
from htsat.training.ranges import check_numbers

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Board = Literal["tensorboard", "wandb"]
Sampling = Literal["shuffled", "balanced", "inverse_frequency", "weighted", "streamed"]


@dataclass(frozen=True, kw_only=True)
class Optimisation:
    """How the weights move. Lengths are counted in clips, so that they mean the same for any batch size."""

    epochs: int = 30
    """Passes over the training clips."""
    batch_size: int = 32
    """Clips per step, over all processes."""
    accumulate: int = 1
    """Parts that a batch is heard in, one after the other: less memory, and on a CPU less time."""
    learning_rate: float = 1e-3
    """Largest learning rate, after the warm-up."""
    final_learning_rate: float = 1e-5
    """Learning rate at the end of the cosine decay."""
    warmup_clips: int | None = None
    """Clips over which the learning rate rises from zero; by default a tenth of the run, at most 2,000."""
    learning_rate_steps: tuple[tuple[int, float], ...] = ()
    """Pairs of an epoch and the rate from there on, in place of warm-up and cosine (official behaviour 9)."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """`muon` learns faster from nothing; `adamw` is what the published weights were trained with."""
    weight_decay: float = 0.05
    """Decay of the weights of linear layers and convolutions."""
    decay: Literal["weights", "all"] = "weights"
    """What decays: the weights of layers, or all parameters as in the official code."""
    learn: Literal["all", "head"] = "all"
    """Which weights move: `head` leaves the network below the classifier as it is."""
    head_epochs: int = 0
    """Epochs at the beginning in which only the classifier moves."""
    layer_decay: float = 1.0
    """Factor of the learning rate from each block to the one below; 1 moves all alike."""
    clip_norm: float = 1.0
    """Largest norm of the gradient."""
    averaging: Literal["exponential", "uniform", "none"] = "exponential"
    """Mean of the weights that is evaluated and saved: a running one, that of the ends of the last epochs
    (stochastic weight averaging), or the weights as they are."""
    ema_decay: float = 0.999
    """Decay per step of the exponential mean."""
    uniform_from: float = 0.75
    """Share of the run after which the uniform mean begins."""
    label_smoothing: float = 0.1
    """Share of a target that is spread over all classes."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "accumulate", "learning_rate", "clip_norm", "layer_decay"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"optimisation.{name} must be positive, got {getattr(self, name)}")
        if self.batch_size % self.accumulate:
            raise ConfigError(
                f"optimisation.accumulate must divide the batch size {self.batch_size}, got {self.accumulate}"
            )
        for name in ("ema_decay", "label_smoothing", "uniform_from"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"optimisation.{name} must lie in [0, 1), got {getattr(self, name)}")
        for name in ("weight_decay", "head_epochs", "final_learning_rate", "warmup_clips"):
            if (getattr(self, name) or 0) < 0:
                raise ConfigError(f"optimisation.{name} must not be negative, got {getattr(self, name)}")
        epochs = [epoch for epoch, _ in self.learning_rate_steps]
        if epochs and (epochs[0] != 0 or epochs != sorted(set(epochs))):
            raise ConfigError(
                f"optimisation.learning_rate_steps must begin at epoch 0 and rise, got epochs {epochs}"
            )
        for _, rate in self.learning_rate_steps:
            if not rate > 0:
                raise ConfigError(f"optimisation.learning_rate_steps: rates must be positive, got {rate}")


@dataclass(frozen=True, kw_only=True)
class Machines:
    """How many processes share the work of a run, and how they save memory and time.

    The result is the same but for rounding.
    """

    n_devices: int = 1
    """Processes on each machine, one per device; under torchrun or SLURM these say."""
    n_nodes: int = 1
    """Machines; under torchrun or SLURM these say."""
    strategy: Literal["auto", "ddp", "fsdp"] = "auto"
    """Several processes hold copies of the network (`ddp`, the default) or share it (`fsdp`)."""
    compile: bool = False
    """Compile the network first: minutes at the start, faster steps on a GPU."""
    activation_checkpointing: bool = False
    """Compute the inside of each block twice instead of keeping it: less memory, a third more time."""
    memory_gb: float = 8.0
    """Decoded sound up to this size is kept in memory; more is decoded whenever it is heard."""

    def __post_init__(self) -> None:
        for name in ("n_devices", "n_nodes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"machines.{name} must be positive, got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class Teaching:
    """Learning from another model's answers as well (`htsat teach` writes them)."""

    answers: str | None = None
    """Folder of the answers; none is no teacher."""
    weight: float = 0.5
    """Share of the loss that compares with the teacher, the rest compares with the labels; of clips, and of
    frames too where the teacher was asked for them."""
    temperature: float = 1.0
    """Divides the logits of both before they are compared."""

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 1:
            raise ConfigError(f"teaching.weight must lie in [0, 1], got {self.weight}")
        if not self.temperature > 0:
            raise ConfigError(f"teaching.temperature must be positive, got {self.temperature}")


@dataclass(frozen=True, kw_only=True)
class Detection:
    """Learning when sounds begin and end, where recordings have strong labels."""

    weight: float = 1.0
    """Of the loss of frames, beside that of clips."""
    unlabelled_folds: tuple[str, ...] = ()
    """Folds of which nothing is known; the network only learns to agree about them with its own mean."""
    consistency: float = 0.0
    """Of the distance from the mean teacher, the exponential mean of the weights, which hears clips without
    their stripes (Tarvainen and Valpola, 2017); needs no labels."""
    consistency_clips: int = 20_000
    """Clips over which that weight rises to its full height."""

    def __post_init__(self) -> None:
        for name in ("weight", "consistency"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"detection.{name} must not be negative, got {getattr(self, name)}")
        if self.consistency_clips < 1:
            raise ConfigError(f"detection.consistency_clips must be positive, got {self.consistency_clips}")

    def consistency_at(self, n_clips: int) -> float:
        """The weight of the mean teacher after so many clips: a steep rise, as in its paper."""
        missing = max(0.0, 1.0 - n_clips / self.consistency_clips)
        return self.consistency * math.exp(-5.0 * missing**2)


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One training run."""

    data: str | None = None
    """Recordings to learn from: a manifest, or a folder with one folder per class."""
    train_folds: tuple[int | str, ...] = ()
    """Folds to learn from, by default all that are not held out or kept away."""
    valid_data: str | None = None
    """Recordings held out, where they have a manifest of their own."""
    folds: Literal["fold", "group"] = "fold"
    """What a fold is: that of the manifest, or each group (to leave one speaker or one place out)."""
    valid_fold: int | str | None = None
    """Fold of the manifest that is held out; without it a random `valid_share` of the recordings is."""
    valid_share: float = 0.1
    """Share of the recordings that is held out where no fold is named; 0 trains on everything."""
    test_fold: int | str | None = None
    """Fold of the manifest that is kept away until the end, and then heard once."""
    size: str = "nano"
    """Name of the network size; ignored where `init_from` brings its own."""
    network: dict[str, Any] = field(default_factory=dict)
    """Fields of `ModelConfig` that differ from those of the size, such as `head: linear` (ablation H)."""
    init_from: str | None = None
    """A model whose network is the start; its classifier is kept where its classes are the same."""
    task: Task | Literal["auto"] = "auto"
    """`multi_label` trains with binary cross-entropy, `multi_class` with cross-entropy; `auto` is
    `multi_class` where every clip has exactly one class."""
    sampling: Sampling = "shuffled"
    """`shuffled` draws every clip once an epoch, `balanced` every class equally often, `inverse_frequency`
    clips of rare classes more often, `weighted` by the weights of the manifest, `streamed` every clip once in
    nearly the order of the shards."""
    seed: int = 0
    """Of weights, order of clips and augmentation."""
    precision: Precision = "bf16-mixed"
    """Of the network; the front end and the loss are always in float32."""
    device: Device = "auto"
    """Where to train."""
    n_workers: int = 0
    """Processes that prepare clips, for each process that trains."""
    log_every: int = 10
    """Steps between two lines of the log."""
    evaluate_every: float = 1.0
    """Epochs between two evaluations on the held-out clips; 0.1 is ten in an epoch."""
    checkpoint_every: float = 1.0
    """Epochs between two checkpoints, from which a killed run can be resumed."""
    checkpoint_every_steps: int | None = None
    """Steps between further checkpoints within an epoch, for epochs that take hours."""
    keep_top: int = 0
    """Models with the highest held-out mAP that are kept in `top/`, to be averaged."""
    boards: tuple[Board, ...] = ()
    """Where the log goes beside its file."""
    machines: Machines = field(default_factory=Machines)
    optimisation: Optimisation = field(default_factory=Optimisation)
    teaching: Teaching = field(default_factory=Teaching)
    detection: Detection = field(default_factory=Detection)
    augmentation: WaveformAugmentation = field(default_factory=WaveformAugmentation)
    mixup: Mixup = field(default_factory=Mixup)
    spec_augment: SpecAugment = field(default_factory=SpecAugment)
    mix_style: MixStyle = field(default_factory=MixStyle)

    def __post_init__(self) -> None:
        check_numbers(self)
        if not 0 <= self.valid_share < 1:
            raise ConfigError(f"valid_share must lie in [0, 1), got {self.valid_share}")
        for name in ("log_every", "checkpoint_every_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be positive, got {value}")
        for name in ("evaluate_every", "checkpoint_every"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive, got {getattr(self, name)}")
        n_together = self.optimisation.batch_size // self.optimisation.accumulate
        if n_together == 1 and (self.mixup.probability or self.mix_style.probability):
            raise ConfigError("a part of one clip has no other to be mixed with: set mixup.probability 0")
        if self.keep_top < 0:
            raise ConfigError(f"keep_top must not be negative, got {self.keep_top}")
        if self.detection.consistency and self.optimisation.averaging != "exponential":
            raise ConfigError(
                "detection.consistency compares with the exponential mean of the weights, "
                f"got optimisation.averaging {self.optimisation.averaging!r}"
            )

    @property
    def resolved_task(self) -> Task:
        """The task, once the labels have said what `auto` is (`htsat.training.split.resolve_task`)."""
        if self.task == "auto":
            raise ConfigError("task: 'auto' is decided by the labels of the recordings, which are not known")
        return self.task
