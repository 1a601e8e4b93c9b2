"""Bring a model into the cache: fetch its file, convert what is foreign, and keep it under its name.

Nothing here is done unless somebody asks for a model by name (`htsat models get`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from htsat.checkpoints.resolve import known_names, packaged_models
from htsat.errors import CheckpointError, ConfigError, MissingExtraError, did_you_mean
from htsat.files import temporary_folder
from htsat.zoo.cache import EXPORTED, TRAINABLE, models_folder
from htsat.zoo.catalog import KnownModel, find_known
from htsat.zoo.fetch import FetchError, Wanted, below, fetch, is_address
from htsat.zoo.http import Limits, OnProgress
from htsat.zoo.settings import CACHE

_SPEECH_COMMANDS = "speech-commands"
_WORKPLACE = "fetching-"

Check = Callable[[Path], object]
"""Refuses a file that is not a model."""


class Order(NamedTuple):
    """What to get, and how.

    - `name`: of a known model, or the address of a model file, which gets the name of that file.
    - `mirrors`: folders and base addresses that are asked before the publisher.
    - `sha256`: what the digest of the file must be; None is what the catalogue says, if it says so.
    """

    name: str
    mirrors: tuple[str, ...] = ()
    sha256: str | None = None
    limits: Limits = Limits()


class Acquired(NamedTuple):
    """A model in the cache, and the digest of the file it came as.

    `is_verified` says whether that was compared with a known one.
    """

    name: str
    path: Path
    sha256: str
    is_verified: bool
    notes: tuple[str, ...] = ()


def acquire(order: Order, check: Check, on_progress: OnProgress) -> Acquired:
    """Fetch a model and keep it; an older one of that name is replaced when all has gone well.

    Raises:
        ConfigError: when there is no such model, or no place to get it from.
        FetchError: when it could not be fetched.
        CheckpointError: when what came is not the model.
        MissingExtraError: when it has to be converted, and torch is missing.
    """
    known = find_known(order.name)
    name = known.name if known else _own_name(order.name)
    if name in packaged_models():
        raise ConfigError(f"{name!r} is the name of a model in the package, which needs no getting")
    if known is None:
        return _ready_made(name, order, check, on_progress)
    return _converted(known, order, on_progress)


def _own_name(name: str) -> str:
    """The name under which a model of nobody's catalogue is kept: that of its file."""
    if not is_address(name):
        return name
    path = PurePosixPath(unquote(urlsplit(name).path))
    if path.suffix not in (EXPORTED, TRAINABLE):
        raise ConfigError(f"{name}: a model file ends with {EXPORTED} or {TRAINABLE}")
    return path.stem


def _ready_made(name: str, order: Order, check: Check, on_progress: OnProgress) -> Acquired:
    """A model file of ours, from an address or from a mirror."""
    places: tuple[str, ...] = (order.name,)
    if is_address(order.name):
        suffix = PurePosixPath(unquote(urlsplit(order.name).path)).suffix
    elif name != PurePosixPath(name).name or not order.mirrors:
        raise ConfigError(f"no model {name!r}{did_you_mean(name, known_names())} (htsat models lists them)")
    else:
        suffix = EXPORTED
        places = tuple(below(mirror, f"{name}{suffix}") for mirror in order.mirrors)
    target = models_folder() / f"{name}{suffix}"
    with _workplace() as folder:
        came = folder / target.name
        digest = fetch(Wanted(name, places, order.sha256, order.limits), came, on_progress)
        check(came)
        fetch(Wanted(name, (str(came),), digest), target, on_progress)
    return Acquired(name, target, digest, order.sha256 is not None)


def _converted(known: KnownModel, order: Order, on_progress: OnProgress) -> Acquired:
    """A foreign checkpoint, as a model file of ours."""
    if find_spec("torch") is None or find_spec("safetensors") is None:
        raise MissingExtraError(f"converting {known.file}", "torch")
    places = [below(mirror, known.file) for mirror in order.mirrors]
    places += [known.address] if known.address else []
    if not places:
        raise ConfigError(
            f"{known.file} is fetched with a browser ({known.place}); "
            f"then: htsat models get {known.name} --from FOLDER"
        )
    expected = order.sha256 or known.sha256
    target = models_folder() / f"{known.name}{TRAINABLE}"
    with _workplace() as folder:
        came = folder / PurePosixPath(known.file).name
        digest = fetch(Wanted(known.name, tuple(places), expected, order.limits), came, on_progress)
        notes = _convert(known, came, target)
    return Acquired(known.name, target, digest, expected is not None, notes)


def _convert(known: KnownModel, foreign: Path, target: Path) -> tuple[str, ...]:
    from htsat.checkpoints.convert import convert
    from htsat.checkpoints.file import save_model

    # The file of this model does not tell its rate (official behaviour 1).
    rate_hz = known.sample_rate if known.name.startswith(_SPEECH_COMMANDS) else None
    (network, card), notes = convert(foreign, sample_rate=rate_hz)
    if network.config.n_classes != known.n_classes:
        raise CheckpointError(
            f"{known.file}: has {network.config.n_classes} classes, but {known.name} has {known.n_classes}"
        )
    facts = {"licence": known.licence, "published": known.place, "trained on": known.trained_on}
    save_model(target, network, dataclasses.replace(card, provenance={**card.provenance, **facts}))
    return notes


@contextmanager
def _workplace() -> Iterator[Path]:
    """A folder in the cache for files that are not yet models; gone at the end, or at the next call."""
    parent = models_folder().parent
    with ExitStack() as resources:
        try:
            parent.mkdir(parents=True, exist_ok=True)
            folder = resources.enter_context(temporary_folder(parent, _WORKPLACE))
        except OSError as error:
            reason = error.strerror or str(error)
            raise FetchError(f"cannot write to {parent}: {reason} ({CACHE} names another folder)") from None
        yield folder
