"""`htsat embed`: turn recordings into vectors."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from htsat.bulk.inputs import Input
from htsat.bulk.layouts import EmbeddingParts, NpyParts, accompanied
from htsat.bulk.run import Work
from htsat.cli.bulk_cluster import Recipe, for_driver, runner_of
from htsat.cli.bulk_run import add_bulk_options, each, is_bulk, run_bulk
from htsat.cli.listening import Batch, is_folder, load_model, shows_progress
from htsat.cli.parser import Parser, add_inputs, add_model_options, target
from htsat.cli.searching import model_file
from htsat.errors import ConfigError, HtsatError
from htsat.formats.embeddings import FORMATS, EmbeddedRecording, Origin
from htsat.formats.output import check_own_paths, own_path
from htsat.recognition.hearing import Embeddings
from htsat.search.origin import origin_of

if TYPE_CHECKING:
    from htsat.loading import LoadedModel
    from htsat.recognition.pipeline import Source

_FOLDER_SUFFIX = ".npy"

Write = Callable[[Input, Embeddings], None]


def main(argv: list[str]) -> int:
    """Run the command."""
    args = _parser().parse(argv)
    if not is_folder(args.output) and Path(args.output).suffix not in FORMATS:
        raise ConfigError(f"-o must be a {' or '.join(FORMATS)} file or a folder/, got {args.output!r}")
    batch = None if is_bulk(args) else Batch.found(args.inputs, args.output)
    model = load_model(for_driver(args))
    if batch is None:
        runner = runner_of(args, model, Recipe(load_model, work_of))
        return run_bulk(args, model, work_of(args, model), "npy" if _is_array(args) else "parquet", runner)
    origin = origin_of(model.engine, model_file(args), args.per, args.overlap)
    with _results(args.output, origin, batch.inputs) as write:
        found = model.embed_all(batch.sources, args.per, jobs=args.jobs)
        return batch.run(found, write, shows_progress=shows_progress(args.output))


def work_of(args: Namespace, model: LoadedModel) -> Work[Embeddings]:
    """What is done with recordings, by whichever process."""

    def hear(sources: Sequence[Source]) -> Generator[Embeddings | HtsatError, None, None]:
        return model.embed_all(sources, args.per, jobs=args.jobs)

    origin = origin_of(model.engine, model_file(args), args.per, args.overlap)
    parts = NpyParts(origin) if _is_array(args) else EmbeddingParts(origin)
    return Work(each(hear, lambda _, found: found), attrgetter("stop_s"), accompanied(parts, _embedded, []))


def _is_array(args: Namespace) -> bool:
    """Whether all vectors become one `.npy`."""
    return not is_folder(args.output) and Path(args.output).suffix == _FOLDER_SUFFIX


def _embedded(item: Input, found: Embeddings) -> EmbeddedRecording:
    return EmbeddedRecording(item.title, found.vectors, found.starts_s)


@contextmanager
def _results(output: str, origin: Origin, inputs: Sequence[Input]) -> Iterator[Write]:
    """Where to write: one file for all recordings, or a folder with a file for each."""
    if is_folder(output):
        check_own_paths(Path(output), [item.name for item in inputs], _FOLDER_SUFFIX)
        yield lambda item, found: _write_own(
            own_path(Path(output), item.name, _FOLDER_SUFFIX), origin, item, found
        )
    else:
        with FORMATS[Path(output).suffix](Path(output), origin) as write:
            yield lambda item, found: write(_embedded(item, found))


def _write_own(path: Path, origin: Origin, item: Input, found: Embeddings) -> None:
    with FORMATS[_FOLDER_SUFFIX](path, origin) as write:
        write(_embedded(item, found))


def _parser() -> Parser:
    parser = Parser(
        "embed",
        "Turn recordings into vectors, one for each clip that the network hears or for each of its frames.\n"
        "The rows of NAME.npy are listed, with file and start in seconds, in NAME.rows.csv;\n"
        "NAME.parquet has both as columns (extra `parquet`). `htsat search` finds sounds in either.",
        "htsat embed recordings/ -o embeddings.npy",
    )
    add_inputs(parser)
    parser.add_argument(
        "--per", choices=["clip", "frame"], default="clip", help="what gets a vector (default: clip)"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=target,
        required=True,
        metavar="PATH",
        help=".npy or .parquet file, or folder/ for one .npy per recording",
    )
    add_bulk_options(parser)
    add_model_options(parser)
    return parser
