"""`htsat models`: which models there are, which are on this machine, and how the others come here."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from htsat.checkpoints.resolve import packaged_models, resolve
from htsat.cli.parser import Parser
from htsat.cli.terminal import say
from htsat.errors import ConfigError, HtsatError
from htsat.zoo.cache import find_kept, kept_models, models_folder
from htsat.zoo.catalog import KnownModel, known_models
from htsat.zoo.settings import mirrors

if TYPE_CHECKING:
    from htsat.checkpoints.acquire import Acquired
    from htsat.zoo.http import OnProgress

_DESCRIPTION = """List the models that are known by name, or get some of them into the cache. Only `get` uses
a network, and only for what is named."""
_EXAMPLE = "htsat models get clap-630k-audioset\n  htsat models get audioset-1 --from ~/Downloads"
_NAMES = "name, or address of a model file that `htsat export` has written"
_FROM = "folder or base address to look in first; may be repeated (default: HTSAT_MIRROR)"


def main(argv: list[str]) -> int:
    """Run the command."""
    args = _parser().parse(argv)
    if args.action == "get":
        return _get(args)
    if args.json:
        print(json.dumps([_record(model) for model in known_models()] + _own_records(), indent=2))
    else:
        _print_list()
    return 0


def _parser() -> Parser:
    parser = Parser("models", _DESCRIPTION, _EXAMPLE)
    parser.add_argument("action", nargs="?", choices=["get"], help="get models (default: list them)")
    parser.add_argument("names", nargs="*", metavar="NAME", help=_NAMES)
    parser.add_argument("--json", action="store_true", help="the list as JSON, with digests and paths")
    group = parser.add_argument_group("get")
    group.add_argument("--from", dest="places", action="append", default=[], metavar="PLACE", help=_FROM)
    group.add_argument("--sha256", type=_digest, metavar="HEX", help="what the digest of the file must be")
    group.add_argument("--again", action="store_true", help="fetch what is here already")
    return parser


def _digest(text: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise ArgumentTypeError(f"expected 64 hexadecimal digits, got {text!r}")
    return text.lower()


def _print_list() -> None:
    widths = [max(len(text) for text in column) for column in zip(*map(_row, known_models()), strict=True)]
    for title, members in groupby(known_models(), lambda model: model.collection):
        collection = list(members)
        print(title)
        for model in collection:
            cells = [text.ljust(width) for text, width in zip(_row(model), widths, strict=True)]
            print(f"  {'  '.join(cells).rstrip()}")
        for line in _about(collection[0]):
            print(f"  {line}")
        print()
    if own := _own_records():
        print(f"Also in the cache\n  {', '.join(str(record['name']) for record in own)}\n")
    print(f"The cache is {models_folder()}")


def _row(model: KnownModel) -> tuple[str, ...]:
    is_here = "here" if _path(model) else "-"
    return model.name, model.hears, f"{model.sample_rate // 1000} kHz", _size(model), is_here


def _about(model: KnownModel) -> list[str]:
    """Licence and origin of a collection, of which this is the first, and how its members come here."""
    about = [f"Licence: {model.licence}.", f"Trained on {model.trained_on}."]
    if _is_packaged(model):
        return about
    if model.address:
        return [*about, f"From {model.place}: htsat models get {model.name}"]
    return [
        *about,
        f"From {model.place}:",
        f"download with a browser, then htsat models get {model.name} --from FOLDER",
    ]


def _size(model: KnownModel) -> str:
    if model.size_mb is None:
        return "size unknown"
    return f"{model.size_mb} MB" if model.size_mb < 1000 else f"{model.size_mb / 1000:.2f} GB"


def _is_packaged(model: KnownModel) -> bool:
    return model.name in packaged_models()


def _path(model: KnownModel) -> Path | None:
    """The file of a model on this machine."""
    return resolve(model.name, exported=True) if _is_packaged(model) else find_kept(model.name, exported=True)


def _record(model: KnownModel) -> dict[str, object]:
    path = _path(model)
    command = f"htsat models get {model.name}" + ("" if model.address else " --from FOLDER")
    how = {"get": None if _is_packaged(model) else command, "path": None if path is None else str(path)}
    return dataclasses.asdict(model) | how


def _own_records() -> list[dict[str, object]]:
    """Models in the cache that no catalogue knows."""
    known = {model.name for model in known_models()}
    return [
        {"name": model.name, "path": str(model.paths[0])}
        for model in kept_models()
        if model.name not in known
    ]


def _get(args: Namespace) -> int:
    if not args.names:
        raise ConfigError("get needs the name of a model (htsat models lists them)")
    if args.sha256 and len(args.names) > 1:
        raise ConfigError("--sha256 is the digest of one file, but several models were named")
    errors: list[HtsatError] = []
    for name in args.names:
        try:
            print(_get_one(name, args))
        except HtsatError as error:
            errors.append(error)
    for further in errors[1:]:
        say(str(further))
    if errors:
        raise errors[0]
    return 0


def _get_one(name: str, args: Namespace) -> Path:
    from htsat.checkpoints.acquire import Order, acquire

    kept = find_kept(name, exported=True)
    if kept and not args.again:
        say(f"{name} is here already (--again fetches it anew)")
        return kept
    order = Order(name, tuple(args.places) or mirrors(), args.sha256)
    with _progress(name) as on_progress:
        acquired = acquire(order, _check, on_progress)
    _tell(acquired)
    return acquired.path


def _tell(acquired: Acquired) -> None:
    for note in acquired.notes:
        say(f"note: {note}")
    if not acquired.is_verified:
        say(f"no SHA-256 is known to compare with; this file has {acquired.sha256}")
    say(f"use it as: --model {acquired.name}")


def _check(path: Path) -> object:
    """Refuse what is not a model file of ours."""
    from htsat.engines.choose import is_exported, read_exported

    if is_exported(path):
        return read_exported(path)
    from htsat.checkpoints.file import load_model

    return load_model(path)


@contextmanager
def _progress(name: str) -> Iterator[OnProgress]:
    """A bar for somebody at a terminal."""
    with tqdm(desc=name, unit="B", unit_scale=True, disable=not sys.stderr.isatty(), leave=False) as bar:

        def show(n_bytes: int, total: int | None) -> None:
            bar.total = total
            bar.update(n_bytes - bar.n)

        yield show
