"""The models that are known by name: what they hear, whose they are, and where their files lie.

Known is not here: `cache` says what is on this machine.
"""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True)
class KnownModel:
    """One published model.

    - `collection`, `place`, `licence`, `trained_on`: of all that one publisher gives away together.
    - `hears`: in words; `n_classes` 0 is an encoder, which only embeds.
    - `file`: its name where it is published and below a mirror; mostly a foreign checkpoint, to be converted.
    - `size_mb`: millions of bytes of that file, rounded; None where it is not known.
    - `sha256`: of that file; None where its publisher shows none.
    - `address`: from where it can be fetched without a browser, if it can.
    """

    name: str
    collection: str
    place: str
    licence: str
    trained_on: str
    hears: str
    n_classes: int
    sample_rate: int
    file: str
    size_mb: int | None = None
    sha256: str | None = None
    address: str | None = None


@functools.cache
def known_models() -> tuple[KnownModel, ...]:
    """All models of the catalogue, collection by collection."""
    text = (resources.files("htsat.zoo") / "catalog.toml").read_text(encoding="utf-8")
    return tuple(
        KnownModel(
            collection=collection["title"],
            place=collection["place"],
            licence=collection["licence"],
            trained_on=collection["trained_on"],
            **model,
        )
        for collection in tomllib.loads(text)["collection"]
        for model in collection["models"]
    )


def find_known(name: str) -> KnownModel | None:
    """The model of that name."""
    return next((model for model in known_models() if model.name == name), None)
