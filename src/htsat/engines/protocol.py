"""What every engine offers: exactly one clip length in, frame logits and embeddings out.

Axes: B clips, L samples of a clip, T frames of a clip (T' coarse ones), K classes, D embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from htsat.checkpoints.card import ModelCard
from htsat.labels import LabelSet
from htsat.network.config import ModelConfig
from htsat.rules import EventRules
from htsat.scores import FloatArray, Task


@dataclass(frozen=True)
class ModelDescription:
    """What listening needs to know about a model, whatever runs it.

    `rules` say when each class counts as sounding. A model without classes (an encoder) has no labels and
    only embeds. Frame logits have `n_frames`, tagging logits and embeddings `n_coarse_frames`: fewer, if
    there is a fine head.
    """

    name: str
    labels: LabelSet
    task: Task
    rules: EventRules
    sample_rate: int
    clip_samples: int
    n_frames: int
    n_coarse_frames: int
    embedding_dim: int

    @classmethod
    def of(cls, name: str, config: ModelConfig, card: ModelCard) -> ModelDescription:
        """The description of a network of these sizes with this card."""
        return cls(
            name=name,
            labels=card.labels,
            task=card.task,
            rules=card.rules,
            sample_rate=config.sample_rate,
            clip_samples=config.clip_samples,
            n_frames=config.n_frames,
            n_coarse_frames=config.n_coarse_frames,
            embedding_dim=config.embedding_dim,
        )

    @property
    def clip_s(self) -> float:
        """Length of a clip in seconds."""
        return self.clip_samples / self.sample_rate

    @property
    def frame_s(self) -> float:
        """Length of a frame of the frame logits in seconds."""
        return self.clip_s / self.n_frames


class EngineOutput(NamedTuple):
    """What `htsat.network.HTSATOutput` holds, in float32.

    Shape: `frame_logits` `(B, T, K)`, `tagging_logits` `(B, T', K)`, `embedding` `(B, D)`, `frame_embedding`
    `(B, T', D)`.
    """

    frame_logits: FloatArray
    tagging_logits: FloatArray
    embedding: FloatArray
    frame_embedding: FloatArray


class Engine(Protocol):
    """A network that is ready to run on some device."""

    @property
    def description(self) -> ModelDescription:
        """Sizes, classes and rules of the model."""

    def frame_scores(self, clips: FloatArray) -> EngineOutput:
        """Run the network on clips `(B, clip_samples)` at the model's sample rate."""


class Computation(NamedTuple):
    """What computes a network, where, and in which precision its products are."""

    runtime: str
    device: str
    precision: str

    def __str__(self) -> str:
        """As people are told."""
        return f"{self.runtime}, {self.device}, {self.precision}"


class RunningEngine(Engine, Protocol):
    """An engine that knows how it computes: the runtimes do, what stands before them need not."""

    @property
    def computation(self) -> Computation:
        """What runs the network here."""
