"""`htsat search`: find recordings and moments that sound like a recording, or like words."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from htsat.cli.listening import load_model
from htsat.cli.parser import Parser, add_model_options, on_disk, path_on_disk, seconds
from htsat.cli.searching import add_list_options, add_per, model_file, show
from htsat.cli.terminal import say
from htsat.errors import AudioError, CheckpointError, ConfigError, HtsatError
from htsat.search.index import Index
from htsat.search.listing import HIT_COLUMNS
from htsat.search.ranking import Hit
from htsat.search.vectors import direction

if TYPE_CHECKING:
    from htsat.loading import LoadedModel
    from htsat.recognition.hearing import Per
    from htsat.scores import FloatArray

_TOP = 10


def main(argv: list[str]) -> int:
    """Run the command."""
    args = _parser().parse(argv)
    _check_use(args)
    index = Index.open(args.index)
    show(_found_by_text(args, index) if args.text else _found_by_sound(args, index), HIT_COLUMNS, args)
    return 0


def _check_use(args: Namespace) -> None:
    if bool(args.queries) == (args.text is not None):
        raise ConfigError("search for recordings (QUERY... INDEX) or for --text, one of them")
    if args.text is not None and (not args.text.strip() or args.text_model is None):
        raise ConfigError("--text needs words, and --text-model")
    if args.text is not None and (args.approximate or args.start is not None or args.end is not None):
        raise ConfigError("--approximate, --start and --end go with recordings, not with --text")
    if args.end is not None and args.end <= (args.start or 0.0):
        raise ConfigError(f"--end must be after --start, got {args.end:g} s and {args.start or 0.0:g} s")


def _found_by_text(args: Namespace, index: Index) -> list[Hit]:
    from transformers.utils import logging

    from htsat.search.text import TextModel

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    model = TextModel(args.text_model)
    query = model.direction(args.text)
    return model.searchable(index).nearest(query[np.newaxis], args.top or _TOP, args.per)


def _found_by_sound(args: Namespace, index: Index) -> list[Hit]:
    model = _model_of(args, index)
    per: Per = "frame" if index.origin and index.origin.per == "frame" else "clip"
    # Each recording counts the same, however long it is.
    queries = np.stack([_query(model, Path(query), args, per) for query in args.queries])
    if not args.approximate:
        return index.nearest(queries, args.top or _TOP, args.per)
    from htsat.search import approximate

    if not approximate.is_current(index):
        say(f"building {approximate.graph_path(index)}")
        with tqdm(total=index.n_rows, unit="row", disable=not sys.stderr.isatty()) as bar:
            approximate.build(index, bar.update)
    return approximate.nearest(index, queries, args.top or _TOP, args.per)


def _model_of(args: Namespace, index: Index) -> LoadedModel:
    """The model that was asked for, or the one that made the index; refused if its vectors are others."""
    from htsat.search.origin import require_same_model

    if args.model is None:
        if index.origin is None:
            raise ConfigError(f"{index.path} does not say which model made it; name it with --model")
        args.model = index.origin.model
        try:
            file = model_file(args)
        except CheckpointError as error:
            raise ConfigError(
                f"{index.path} was made by a model that is not here ({error}); name it with --model"
            ) from error
    else:
        file = model_file(args)
    model = load_model(args)
    if index.origin is not None:
        require_same_model(index.path, index.origin, model.engine, file)
    return model


def _query(model: LoadedModel, path: Path, args: Namespace, per: Per) -> FloatArray:
    """The direction `(D,)` of a recording, or of the part of it that was asked for."""
    if args.start is None and args.end is None:
        return direction(model.embed(path, per))
    from htsat.audio import Stretch, read_stretch

    rate = model.description.sample_rate
    first = round((args.start or 0.0) * rate)
    n_samples = None if args.end is None else max(1, round(args.end * rate) - first)
    samples = read_stretch(path, Stretch(rate, first, n_samples))
    try:
        return direction(np.concatenate([part.vectors for part in model.embed_blocks([samples], per)]))
    except AudioError as error:
        raise HtsatError(f"{path}: {error}") from error


def _parser() -> Parser:
    parser = Parser(
        "search",
        "Find the recordings and moments of an index that sound most like a recording, by the cosine\n"
        "similarity of their embeddings. An index is what `htsat embed FOLDER -o index.parquet` writes,\n"
        "or a folder of such files. Several queries are looked for together: more like these.\n"
        "With --text, words are the query; the index must be that of a converted CLAP model.",
        "htsat search dog.wav index.parquet --top 5",
    )
    parser.add_argument("queries", nargs="*", type=on_disk, metavar="QUERY", help="recordings to look for")
    parser.add_argument(
        "index", type=path_on_disk, metavar="INDEX", help=".parquet or .npy file, or a folder of them"
    )
    parser.add_argument("--start", type=seconds, metavar="S", help="look for what QUERY holds from here on")
    parser.add_argument("--end", type=seconds, metavar="S", help="look for what QUERY holds up to here")
    parser.add_argument("--text", metavar="WORDS", help="look for words (extra `text`)")
    parser.add_argument(
        "--text-model",
        metavar="CLAP",
        help="folder of the CLAP model of Hugging Face, or its name in the cache",
    )
    parser.add_argument(
        "--approximate",
        action="store_true",
        help="search INDEX.usearch, which is built first if need be: for millions of rows (extra `ann`)",
    )
    add_per(parser)
    add_list_options(parser, str(_TOP))
    add_model_options(parser)
    return parser
