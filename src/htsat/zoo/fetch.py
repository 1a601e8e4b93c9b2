"""A file from the first of several places that has it: folders, mirrors, the publisher."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit
from urllib.request import url2pathname

from htsat.errors import HtsatError
from htsat.files import atomic_path, sha256
from htsat.zoo.http import Limits, OnProgress, SourceError, receive
from htsat.zoo.settings import CACHE, hub_endpoint, offline_switch

_REMOTE = ("https", "http")
_HUB_SCHEME = "hf"


class FetchError(HtsatError):
    """A file that could not be had from anywhere; nothing of it was kept."""


@dataclass(frozen=True)
class Wanted:
    """A file and the places to look for it, in this order.

    - `places`: paths, or addresses that begin with `https`, `http`, `file` or `hf` (`hf://owner/repo/file`).
    - `sha256`: what its digest must be, if that is known.
    """

    name: str
    places: tuple[str, ...]
    sha256: str | None = None
    limits: Limits = field(default_factory=Limits)


def is_address(place: str) -> bool:
    """Whether it is the address of a file, not a path or a name."""
    return urlsplit(place).scheme in (*_REMOTE, "file", _HUB_SCHEME)


def below(base: str, name: str) -> str:
    """The place of a file below a folder or a base address."""
    return f"{base.rstrip('/')}/{quote(name)}" if is_address(base) else str(Path(base).expanduser() / name)


def fetch(wanted: Wanted, target: Path, on_progress: OnProgress) -> str:
    """Bring a file to `target`, whole or not at all; returns its digest.

    Several processes may do so at once: the last one's file stays, and it is always a whole one.

    Raises:
        FetchError: naming each place with its reason, or when `target` cannot be written.
    """
    failures: list[str] = []
    with _writing(target):
        for place in wanted.places:
            try:
                with atomic_path(target) as temporary:
                    _bring(place, temporary, wanted.limits, on_progress)
                    return _checked(temporary, wanted.sha256)
            except SourceError as error:
                failures.append(f"{place}: {error}")
    raise FetchError(_told(wanted.name, failures))


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise FetchError(
            f"cannot write to {target.parent}: {reason} ({CACHE} names another folder)"
        ) from None


def _told(name: str, failures: Sequence[str]) -> str:
    if len(failures) == 1:
        return f"{name} could not be fetched from {failures[0]}"
    numbered = "; ".join(f"({number}) {failure}" for number, failure in enumerate(failures, 1))
    return f"{name} could not be fetched from any of {len(failures)} places: {numbered}"


def _bring(place: str, temporary: Path, limits: Limits, on_progress: OnProgress) -> None:
    parts = urlsplit(place)
    if parts.scheme == _HUB_SCHEME:
        owner, repository, *path = f"{parts.netloc}{unquote(parts.path)}".split("/")
        file = quote("/".join(path))
        _receive(f"{hub_endpoint()}/{owner}/{repository}/resolve/main/{file}", temporary, limits, on_progress)
    elif parts.scheme in _REMOTE:
        _receive(place, temporary, limits, on_progress)
    else:
        _copy(Path(url2pathname(parts.path)) if parts.scheme == "file" else Path(place), temporary, limits)


def _receive(address: str, temporary: Path, limits: Limits, on_progress: OnProgress) -> None:
    """A file over a network, if that is allowed."""
    switch = offline_switch()
    if switch:
        raise SourceError(f"was not asked, because {switch} is set")
    receive(address, temporary, limits, on_progress)


def _copy(path: Path, temporary: Path, limits: Limits) -> None:
    try:
        n_bytes = path.stat().st_size
        source = path.open("rb")
    except OSError as error:
        raise SourceError(error.strerror or str(error)) from None
    with source, temporary.open("wb") as file:
        if n_bytes > limits.max_bytes:
            raise SourceError(f"has {n_bytes:,} bytes, at most {limits.max_bytes:,} are taken")
        shutil.copyfileobj(source, file)


def _checked(path: Path, expected: str | None) -> str:
    digest = sha256(path)
    if expected is not None and digest != expected:
        raise SourceError(f"has another content: its SHA-256 is {digest}, expected {expected}")
    return digest
