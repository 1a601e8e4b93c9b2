"""The header of our model files: one JSON document under the metadata key `htsat` of a safetensors file.

```
{"format_version": 1, "config": {ModelConfig}, "labels": [...], "task": "...", "thresholds": [...],
 "provenance": {...}}
```

One document under one key, because safetensors does not keep the order of keys: equal models are equal files.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import NoReturn

from htsat.checkpoints.card import ModelCard
from htsat.checkpoints.problems import check_names
from htsat.errors import CheckpointError, ConfigError, DataError
from htsat.labels import LabelSet
from htsat.network import ModelConfig

FORMAT_VERSION = 1
_KEY = "htsat"
_FIELDS = ("format_version", "config", "labels", "task", "thresholds", "provenance")


def encode(config: ModelConfig, card: ModelCard) -> dict[str, str]:
    """Safetensors metadata of a model."""
    document = {
        "format_version": FORMAT_VERSION,
        "config": dataclasses.asdict(config),
        "labels": list(card.labels),
        "task": card.task,
        "thresholds": list(card.thresholds),
        "provenance": dict(card.provenance),
    }
    return {_KEY: json.dumps(document, ensure_ascii=False, allow_nan=False)}


def decode(metadata: Mapping[str, str]) -> tuple[ModelConfig, ModelCard]:
    """Inverse of `encode`.

    Raises:
        CheckpointError: when the metadata is not that of an htsat model of this format version, or when any
            field of it is missing, unknown, of a wrong type or out of range.
    """
    document = _document(metadata)
    config = _config(_record(document["config"], "config"))
    card = _card(document)
    check_classes(config, card)
    return config, card


def check_classes(config: ModelConfig, card: ModelCard) -> None:
    """Refuse a card with more or fewer labels than the network has classes."""
    if config.n_classes != len(card.labels):
        raise CheckpointError(f"{config.n_classes} classes in the network, but {len(card.labels)} labels")


def _document(metadata: Mapping[str, str]) -> dict[str, object]:
    if _KEY not in metadata:
        raise CheckpointError("not an htsat model; a foreign checkpoint must go through `htsat convert`")
    try:
        document = _record(json.loads(metadata[_KEY], parse_constant=_refuse_constant), "header")
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"header is not JSON: {error}") from None
    version = document.get("format_version")
    if version != FORMAT_VERSION:
        raise CheckpointError(f"expected format version {FORMAT_VERSION}, got {version!r}")
    check_names("header field", _FIELDS, document)
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise CheckpointError(f"header holds {name}, expected finite numbers")


def _config(document: Mapping[str, object]) -> ModelConfig:
    defaults = dataclasses.asdict(ModelConfig())
    check_names("config field", defaults, document)
    try:
        values = {name: _like(value, defaults[name], name) for name, value in document.items()}
        return ModelConfig(**values)  # type: ignore[arg-type]
    except (ConfigError, OverflowError) as error:
        raise CheckpointError(f"config: {error}") from None


def _like(value: object, example: object, name: str) -> object:
    """`value` as the type of `example`; JSON has neither tuples nor floats without a point."""
    if isinstance(example, tuple) and isinstance(value, list):
        return tuple(_like(item, example[0], name) for item in value)
    if isinstance(example, float) and type(value) is int:
        return float(value)
    if type(value) is not type(example):
        raise CheckpointError(f"config: {name} must be {type(example).__name__}, got {value!r:.60}")
    return value


def _card(document: Mapping[str, object]) -> ModelCard:
    provenance = _record(document["provenance"], "provenance")
    labels = _list(document["labels"], str, "labels")
    thresholds = _list(document["thresholds"], (int, float), "thresholds")
    if not all(isinstance(value, str) for value in provenance.values()):
        raise CheckpointError("provenance must map names to texts")
    try:
        return ModelCard(
            LabelSet.of(str(name) for name in labels),
            document["task"],  # type: ignore[arg-type]
            tuple(float(value) for value in thresholds),  # type: ignore[arg-type]
            {name: str(value) for name, value in provenance.items()},
        )
    except DataError as error:
        raise CheckpointError(f"labels: {error}") from None
    except OverflowError as error:
        raise CheckpointError(f"thresholds: {error}") from None


def _record(value: object, name: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise CheckpointError(f"{name} must be a JSON object, got {value!r:.60}")
    return value


def _list(value: object, kind: type | tuple[type, ...], name: str) -> list[object]:
    if not isinstance(value, list):
        raise CheckpointError(f"{name} must be a list, got {value!r:.60}")
    for item in value:
        if not isinstance(item, kind) or isinstance(item, bool):
            raise CheckpointError(f"{name} holds {item!r:.60}")
    return value
