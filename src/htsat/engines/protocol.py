"""What every engine offers: exactly one clip length in, frame logits and embeddings out.

Axes: B clips, L samples of a clip, T frames of a clip, K classes, D embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from htsat.labels import LabelSet
from htsat.scores import FloatArray, Task


@dataclass(frozen=True)
class ModelDescription:
    """What listening needs to know about a model, whatever runs it.

    `thresholds` holds one probability per class, above which a frame counts as active.
    A model without classes (an encoder) has no labels and only embeds.
    """

    name: str
    labels: LabelSet
    task: Task
    thresholds: tuple[float, ...]
    sample_rate: int
    clip_samples: int
    n_frames: int
    embedding_dim: int

    @property
    def clip_s(self) -> float:
        """Length of a clip in seconds."""
        return self.clip_samples / self.sample_rate

    @property
    def frame_s(self) -> float:
        """Length of an output frame in seconds."""
        return self.clip_s / self.n_frames


class EngineOutput(NamedTuple):
    """Shape: `frame_logits` `(B, T, K)`, `embedding` `(B, D)`, `frame_embedding` `(B, T, D)`, all float32."""

    frame_logits: FloatArray
    embedding: FloatArray
    frame_embedding: FloatArray


class Engine(Protocol):
    """A network that is ready to run on some device."""

    @property
    def description(self) -> ModelDescription:
        """Sizes, classes and thresholds of the model."""

    def frame_scores(self, clips: FloatArray) -> EngineOutput:
        """Run the network on clips `(B, clip_samples)` at the model's sample rate."""
