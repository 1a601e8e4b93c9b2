"""A model in words, for `htsat info` and for its page on the Hub."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

from htsat.checkpoints.card import ModelCard
from htsat.network.config import ModelConfig
from htsat.rules import BoxRules, EventRules

_SIZES = ("nano", "tiny", "base", "large")
_HEADS = {"token_semantic": "token-semantic head", "linear": "linear head", "none": "encoder without classes"}


class Fact(NamedTuple):
    """One line of a description."""

    name: str
    value: str


def facts(config: ModelConfig, card: ModelCard) -> list[Fact]:
    """What a model file says about itself, from the network to its origin."""
    return [
        Fact("network", _network(config)),
        Fact("clips", f"{config.clip_s:g} s at {config.sample_rate} Hz"),
        Fact("frames", f"{config.n_frames} in a clip, {config.clip_s / config.n_frames:.4g} s each"),
        Fact("features", _features(config)),
        Fact("embedding", f"{config.embedding_dim} values"),
        *(_classes(card) if card.labels.names else ()),
        *(Fact(name, value) for name, value in card.provenance.items()),
    ]


def _network(config: ModelConfig) -> str:
    depths, n_heads = (" ".join(map(str, counts)) for counts in (config.depths, config.n_heads))
    sizes = f"dim {config.dim}, depths {depths}, heads {n_heads}, window {config.window}"
    return f"{_size_name(config)}: {sizes}, {_HEADS[config.head]}"


def _size_name(config: ModelConfig) -> str:
    for name in _SIZES:
        named = ModelConfig.named(name)
        if (config.dim, config.depths) == (named.dim, named.depths):
            return name
    return "custom"


def _features(config: ModelConfig) -> str:
    spectrum = f"n_fft {config.n_fft}, hop {config.hop_length}"
    return f"{config.n_mels} mel bins, {config.min_hz:g} to {config.max_hz:g} Hz, {spectrum}"


def _classes(card: ModelCard) -> list[Fact]:
    names = card.labels.names
    shown = ", ".join(name if name.isprintable() else repr(name) for name in names[:5])
    more = "" if len(names) <= 5 else ", ..."
    return [
        Fact("classes", f"{len(names)} ({shown}{more})"),
        Fact("task", card.task),
        *_rules(card.rules),
    ]


def _rules(rules: EventRules) -> Iterator[Fact]:
    """What makes events of scores; rules that are off are left out."""
    yield from _numbers(rules)
    if rules.boxes is not None:
        yield Fact("events", "boxes, by change detection")
        yield from _numbers(rules.boxes)


def _numbers(rules: EventRules | BoxRules) -> Iterator[Fact]:
    for field in dataclasses.fields(rules):
        value = getattr(rules, field.name)
        values = value if isinstance(value, tuple) else (value,)
        if field.name != "boxes" and any(values):
            unit = " s" if field.name.endswith("_s") else ""
            yield Fact(field.name.removesuffix("_s").replace("_", " "), _range(values, unit))


def _range(values: tuple[float, ...], unit: str) -> str:
    low, high = min(values), max(values)
    if low == high:
        return f"{low:g}{unit} for every class"
    return f"{low:g} to {high:g}{unit}, one per class"
