"""`htsat embed`: turn recordings into vectors."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from htsat.audio import open_audio
from htsat.bulk.inputs import Input
from htsat.cli.listening import Batch, check_output_file, is_folder, load_model, shows_progress
from htsat.cli.parser import Parser, add_inputs, add_model_options
from htsat.errors import ConfigError
from htsat.files import atomic_path
from htsat.formats.output import check_own_paths, own_path
from htsat.formats.recording import time_text
from htsat.recognition.recognizer import Embeddings, Per

if TYPE_CHECKING:
    from htsat.loading import LoadedModel

_SUFFIX = ".npy"
_ROWS_SUFFIX = ".rows.csv"

Write = Callable[[Input, Embeddings], None]


def main(argv: list[str]) -> int:
    """Run the command."""
    args = _parser().parse(argv)
    if not is_folder(args.output) and Path(args.output).suffix != _SUFFIX:
        raise ConfigError(f"-o must be a {_SUFFIX} file or a folder/, got {args.output!r}")
    batch = Batch.found(args.inputs)
    model = load_model(args)
    with _results(args.output, batch.inputs) as write:
        return batch.run(
            lambda item: write(item, _embed(model, item, args.per)),
            shows_progress=shows_progress(args.output),
        )


def _embed(model: LoadedModel, item: Input, per: Per) -> Embeddings:
    if item.path is not None:
        return model.embeddings(item.path, per)
    with open_audio(sys.stdin.buffer, model.description.sample_rate) as audio:
        return Embeddings.joined(model.embed_blocks(audio.blocks(), per))


@contextmanager
def _results(output: str, inputs: Sequence[Input]) -> Iterator[Write]:
    """Where to write: one file for all recordings, or a folder with a file for each."""
    if is_folder(output):
        check_own_paths(Path(output), [item.name for item in inputs], _SUFFIX)
        yield _to_folder(Path(output))
    else:
        check_output_file(output, inputs)
        with _to_file(Path(output)) as write:
            yield write


def _to_folder(folder: Path) -> Write:
    def write(item: Input, embeddings: Embeddings) -> None:
        with _to_file(own_path(folder, item.name, _SUFFIX)) as write_one:
            write_one(item, embeddings)

    return write


@contextmanager
def _to_file(path: Path) -> Iterator[Write]:
    """Gather vectors; they and the list of their rows take their names when the block ends well."""
    vectors: list[np.ndarray] = []
    rows: list[tuple[str, str]] = []

    def write(item: Input, embeddings: Embeddings) -> None:
        vectors.append(embeddings.vectors)
        rows.extend((item.title, time_text(start_s)) for start_s in embeddings.starts_s)

    with atomic_path(path) as vector_file, atomic_path(path.with_suffix(_ROWS_SUFFIX)) as row_file:
        yield write
        np.save(vector_file, np.concatenate(vectors))
        with row_file.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([("file", "start"), *rows])


def _parser() -> Parser:
    parser = Parser(
        "embed",
        "Turn recordings into vectors, one for each clip that the network hears or for each of its frames.\n"
        "The rows of NAME.npy are listed, with file and start in seconds, in NAME.rows.csv.",
        "htsat embed recordings/ -o embeddings.npy",
    )
    add_inputs(parser)
    parser.add_argument(
        "--per", choices=["clip", "frame"], default="clip", help="what gets a vector (default: clip)"
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="PATH",
        help=".npy file, or folder/ for one file per recording",
    )
    add_model_options(parser)
    return parser
