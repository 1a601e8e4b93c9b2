"""What a file that was exported for another runtime says beside its graph.

Three texts in the metadata of the file: under `htsat` the header of our model files (classes, sizes, rules),
under `htsat_precision` how it computes, and under `htsat_reference` what the network answered to one clip in
float32. Every time such a file is opened it has to answer again: graphs that are silently wrong do occur.

L samples, T frames (T' coarse ones), K classes, D embedding.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np

from htsat.checkpoints import header
from htsat.checkpoints.card import ModelCard
from htsat.checkpoints.problems import naming
from htsat.engines.protocol import Engine, EngineOutput, ModelDescription
from htsat.errors import CheckpointError, ConfigError, HtsatError, last_line
from htsat.network.config import ModelConfig
from htsat.scores import FloatArray, probabilities

FilePrecision = Literal["fp32", "fp16", "bf16", "int8"]
"""How an exported file stores its weights, and how it is meant to be computed."""

Runtime = Literal["onnx", "openvino"]
"""What a file is for: ONNX Runtime and all that reads ONNX, or OpenVINO's own format."""
SUFFIXES: dict[Runtime, str] = {"onnx": ".onnx", "openvino": ".xml"}
"""How such a file ends."""

OUTPUTS = ("frame_logits", "tagging_logits", "embedding", "frame_embedding")
"""Outputs of a graph, as far as the network has them: an encoder only embeds, and without a fine head the
frame logits are the tagging logits."""
INPUT = "waveform"
"""Input of a graph, `(B, L)`."""
LOG_MEL = "log_mel"
"""The value of a graph that ends the spectrum and begins the network, `(B, F, M)`."""

_HEADER, _PRECISION, _REFERENCE = "htsat", "htsat_precision", "htsat_reference"
KEYS = (_HEADER, _PRECISION, _REFERENCE)
"""Keys of the metadata."""

_SEED = 20220523


class ParityError(HtsatError):
    """A runtime whose answers are not those of the network that was exported."""


class Limit(NamedTuple):
    """How far an answer may lie from that of the network in float32.

    In probability, and in the embedding as a share of its largest value.
    """

    probability: float
    embedding: float


LIMITS: dict[FilePrecision, Limit] = {
    "fp32": Limit(1e-4, 1e-3),
    "fp16": Limit(1e-2, 2e-2),
    "bf16": Limit(5e-2, 1e-1),
    "int8": Limit(2e-1, 4e-1),
}


class Exported(NamedTuple):
    """What an exported file says. `reference` is the network's answer to `reference_clip`, a batch of one."""

    config: ModelConfig
    card: ModelCard
    precision: FilePrecision
    reference: EngineOutput


def check_suffix(path: Path, runtime: Runtime) -> None:
    """Refuse a name by which a file could not be opened again.

    Raises:
        ConfigError: when the suffix is not that of files for this runtime.
    """
    if path.suffix != SUFFIXES[runtime]:
        raise ConfigError(f"a file for {runtime} must end with {SUFFIXES[runtime]}, got {path.name!r}")


@contextmanager
def one_line(path: Path, what: str) -> Iterator[None]:
    """Turn whatever a runtime raises of a damaged file into a CheckpointError: it has no common base."""
    try:
        yield
    except HtsatError:
        raise
    except Exception as error:
        reason = last_line(error).rpartition("failed:")[2]
        raise CheckpointError(f"{path}: {what} it: {reason}") from None


def reference_clip(clip_samples: int) -> FloatArray:
    """A clip with something in every mel bin, the same on every machine, `(1, L)`.

    Sweeps that rise at different speeds over noise of changing loudness.
    """
    place = np.arange(clip_samples) / clip_samples
    # The bits of a generator are the same in every version of numpy; what is made of them need not be.
    noise = np.random.PCG64(_SEED).random_raw(clip_samples) / 2.0**64 - 0.5
    sweeps = [np.sin(2 * np.pi * 0.04 * clip_samples * speed * place ** (1 + speed)) for speed in (1, 2, 3)]
    loudness = 0.02 + 0.1 * np.square(np.sin(2 * np.pi * 3 * place))
    return (0.1 * sum(sweeps) + loudness * noise).astype(np.float32)[None]


def encode(document: Mapping[str, str], precision: FilePrecision, reference: EngineOutput) -> dict[str, str]:
    """Metadata of an exported file; `document` is the header of the model."""
    arrays = {
        name: base64.b64encode(getattr(reference, name)[0].astype("<f4").tobytes()).decode()
        for name in OUTPUTS
    }
    return {_HEADER: document[_HEADER], _PRECISION: precision, _REFERENCE: json.dumps(arrays)}


def decode(path: Path, metadata: Mapping[str, str]) -> Exported:
    """Inverse of `encode`.

    Raises:
        CheckpointError: when the metadata is not that of an exported model.
    """
    with naming(path):
        if not set(KEYS) <= set(metadata):
            raise CheckpointError("not a model that `htsat export` has written")
        config, card = header.decode(metadata)
        precision = _precision(metadata[_PRECISION])
        return Exported(config, card, precision, _reference(metadata[_REFERENCE], config))


def _precision(text: str) -> FilePrecision:
    for known in get_args(FilePrecision):
        if text == known:
            return known  # type: ignore[no-any-return]
    raise CheckpointError(f"precision must be one of {', '.join(get_args(FilePrecision))}, got {text!r:.60}")


def output_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Shapes of all outputs, for one clip."""
    return {
        "frame_logits": (config.n_frames, config.n_classes),
        "tagging_logits": (config.n_coarse_frames, config.n_classes),
        "embedding": (config.embedding_dim,),
        "frame_embedding": (config.n_coarse_frames, config.embedding_dim),
    }


def _reference(text: str, config: ModelConfig) -> EngineOutput:
    shapes = output_shapes(config)
    try:
        arrays = json.loads(text)
        return EngineOutput(
            *(
                np.frombuffer(base64.b64decode(arrays[name], validate=True), "<f4").reshape(1, *shapes[name])
                for name in OUTPUTS
            )
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise CheckpointError(f"the reference scores cannot be read: {error!r:.100}") from None


def engine_output(values: Mapping[str, FloatArray]) -> EngineOutput:
    """What an engine gives, of the outputs that a graph has."""
    embedding, frame_embedding = values["embedding"], values["frame_embedding"]
    no_classes = np.empty((*frame_embedding.shape[:2], 0), np.float32)
    frame_logits = values.get("frame_logits", no_classes)
    tagging_logits = values.get("tagging_logits", frame_logits)
    return EngineOutput(frame_logits, tagging_logits, embedding, frame_embedding)


class Difference(NamedTuple):
    """The largest differences between two answers, as in `Limit`."""

    probability: float
    embedding: float


@np.errstate(invalid="ignore")
def difference(answer: EngineOutput, reference: EngineOutput, model: ModelDescription) -> Difference:
    """How far apart two answers to the same clips are; not a number counts as infinitely far."""
    pairs = [(answer.frame_logits, reference.frame_logits), (answer.tagging_logits, reference.tagging_logits)]
    scored = pairs if len(model.labels) else []
    apart = [_largest(probabilities(a, model.task), probabilities(b, model.task)) for a, b in scored]
    embeddings = [
        (answer.embedding, reference.embedding),
        (answer.frame_embedding, reference.frame_embedding),
    ]
    shares = [_largest(a, b) / max(float(np.abs(b).max()), 1e-9) for a, b in embeddings]
    return Difference(max(apart, default=0.0), max(shares))


def _largest(values: FloatArray, others: FloatArray) -> float:
    if values.shape != others.shape:
        return np.inf
    largest = float(np.abs(values - others).max(initial=0.0))
    return largest if np.isfinite(largest) else np.inf


def require_parity(
    runtime: str, engine: Engine, reference: EngineOutput, precisions: Sequence[FilePrecision]
) -> None:
    """Refuse an engine whose answer to the reference clip is off.

    `precisions` are that of the file and, if it is another, that in which it is computed: the rougher one
    says how far the answer may be off.

    Raises:
        ParityError: with how far it is off, and how far it may be.
    """
    model = engine.description
    found = difference(engine.frame_scores(reference_clip(model.clip_samples)), reference, model)
    precision = max(precisions, key=lambda each: LIMITS[each].probability)
    limit = LIMITS[precision]
    if found.probability > limit.probability or found.embedding > limit.embedding:
        raise ParityError(
            f"{model.name}: computed by {runtime} ({precision}) probabilities are off by "
            f"{found.probability:.2g} (limit {limit.probability:g}), embeddings by {found.embedding:.2g} "
            f"(limit {limit.embedding:g}); this file must not be used so on this machine"
        )
