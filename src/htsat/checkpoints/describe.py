"""A model in words, for `htsat info` and for its page on the Hub."""

from __future__ import annotations

from typing import NamedTuple

from htsat.checkpoints.card import ModelCard
from htsat.network import ModelConfig

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
    shown = ", ".join(names[:5])
    more = "" if len(names) <= 5 else ", ..."
    return [
        Fact("classes", f"{len(names)} ({shown}{more})"),
        Fact("task", card.task),
        Fact("thresholds", _range(card.thresholds)),
    ]


def _range(thresholds: tuple[float, ...]) -> str:
    low, high = min(thresholds), max(thresholds)
    return f"{low:g} for every class" if low == high else f"{low:g} to {high:g}, one per class"
