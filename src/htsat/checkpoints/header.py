"""The header of our model files: one JSON document under the metadata key `htsat` of a safetensors file.

```
{"format_version": 2, "config": {ModelConfig}, "labels": [...], "task": "...", "rules": {EventRules},
 "provenance": {...}}
```

Version 1 had `"thresholds": [...]` in place of the rules, and no fine head.

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
from htsat.network.config import ModelConfig
from htsat.rules import BoxRules, EventRules, PerClass

FORMAT_VERSION = 2
_KEY = "htsat"
_FIELDS = {
    1: ("format_version", "config", "labels", "task", "thresholds", "provenance"),
    2: ("format_version", "config", "labels", "task", "rules", "provenance"),
}
_NOT_IN_VERSION_1 = ("fine_width",)

# Far above any network, far below what arithmetic and messages could not bear.
_LARGEST = 2**48
_MOST_STAGES = 16
_MAX_CLIP_SAMPLES = 10_000_000


def encode(config: ModelConfig, card: ModelCard) -> dict[str, str]:
    """Safetensors metadata of a model."""
    document = {
        "format_version": FORMAT_VERSION,
        "config": dataclasses.asdict(config),
        "labels": list(card.labels),
        "task": card.task,
        "rules": dataclasses.asdict(card.rules),
        "provenance": {name: _as_text(value) for name, value in card.provenance.items()},
    }
    return {_KEY: json.dumps(document, ensure_ascii=False, allow_nan=False)}


def _as_text(value: str) -> str:
    """A path may hold bytes that are no text, which no metadata takes."""
    return value.encode(errors="backslashreplace").decode()


def decode(metadata: Mapping[str, str]) -> tuple[ModelConfig, ModelCard]:
    """Inverse of `encode`.

    Raises:
        CheckpointError: when the metadata is not that of an htsat model of this format version, or when any
            field of it is missing, unknown, of a wrong type or out of range.
    """
    document = _document(metadata)
    config = _config(_record(document["config"], "config"), document["format_version"] == 1)
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
    if type(version) is not int or version not in _FIELDS:
        raise CheckpointError(f"expected format version 1 to {FORMAT_VERSION}, got {version!r}")
    check_names("header field", _FIELDS[version], document)
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise CheckpointError(f"header holds {name}, expected finite numbers")


def _config(document: Mapping[str, object], is_version_1: bool) -> ModelConfig:
    defaults = dataclasses.asdict(ModelConfig())
    absent = _NOT_IN_VERSION_1 if is_version_1 else ()
    check_names("config field", [name for name in defaults if name not in absent], document)
    try:
        values = {name: _like(value, defaults[name], name) for name, value in document.items()}
        config = ModelConfig(**values)  # type: ignore[arg-type]
    except (ConfigError, OverflowError) as error:
        raise CheckpointError(f"config: {error}") from None
    if config.clip_samples > _MAX_CLIP_SAMPLES:
        raise CheckpointError(
            f"config asks for clips of {config.clip_samples:,} samples, allowed are {_MAX_CLIP_SAMPLES:,}"
        )
    return config


def _like(value: object, example: object, name: str) -> object:
    """`value` as the type of `example`; JSON has neither tuples nor floats without a point."""
    if isinstance(example, tuple) and isinstance(value, list) and len(value) <= _MOST_STAGES:
        return tuple(_like(item, example[0], name) for item in value)
    if isinstance(example, float) and type(value) is int:
        value = float(value)
    if type(value) is not type(example):
        raise CheckpointError(f"config: {name} must be {type(example).__name__}, got {value!r:.60}")
    if isinstance(value, int | float) and not abs(value) <= _LARGEST:
        raise CheckpointError(f"config: {name} must lie within {_LARGEST:,}, got {value!r:.60}")
    return value


def _card(document: Mapping[str, object]) -> ModelCard:
    provenance = _record(document["provenance"], "provenance")
    labels = _list(document["labels"], str, "labels")
    if not all(isinstance(value, str) for value in provenance.values()):
        raise CheckpointError("provenance must map names to texts")
    try:
        return ModelCard(
            LabelSet.of(str(name) for name in labels),
            document["task"],  # type: ignore[arg-type]
            _rules(document),
            {name: str(value) for name, value in provenance.items()},
        )
    except DataError as error:
        raise CheckpointError(f"labels: {error}") from None


def _rules(document: Mapping[str, object]) -> EventRules:
    try:
        if "rules" in document:
            return _rules_of(_record(document["rules"], "rules"))
        return EventRules.usual(_numbers(document["thresholds"], "thresholds"))
    except (ConfigError, OverflowError) as error:
        raise CheckpointError(f"rules: {error}") from None


def _rules_of(document: Mapping[str, object]) -> EventRules:
    check_names("rule", [field.name for field in dataclasses.fields(EventRules)], document)
    rules = {name: _per_class(value, name) for name, value in document.items() if name != "boxes"}
    rules["thresholds"] = _numbers(document["thresholds"], "thresholds")
    return EventRules(**rules, boxes=_boxes(document["boxes"]))  # type: ignore[arg-type]


def _boxes(value: object) -> BoxRules | None:
    if value is None:
        return None
    document = _record(value, "boxes")
    check_names("box rule", [field.name for field in dataclasses.fields(BoxRules)], document)
    return BoxRules(**{name: _per_class(rule, name) for name, rule in document.items()})


def _per_class(value: object, name: str) -> PerClass:
    """One number for all classes, or a list of one for each."""
    return _numbers(value, name) if isinstance(value, list) else _numbers([value], name)[0]


def _numbers(value: object, name: str) -> tuple[float, ...]:
    return tuple(float(item) for item in _list(value, (int, float), name))  # type: ignore[arg-type]


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
