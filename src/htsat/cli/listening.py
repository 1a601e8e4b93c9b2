"""What the listening commands share: the model, the inputs one after the other, and where results go."""

from __future__ import annotations

import os
import sys
import traceback
from argparse import Namespace
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from tqdm import tqdm

from htsat.audio import SUFFIXES
from htsat.bulk.inputs import Input, find_inputs
from htsat.bulk.target import require_idle
from htsat.cli.main import DEBUG, EXIT_FAILED, EXIT_INTERRUPTED
from htsat.cli.terminal import say
from htsat.errors import ConfigError, HtsatError
from htsat.formats.output import Write, check_own_paths, to_file, to_folder, to_stream
from htsat.formats.recording import AnyFormat, FileFormat, Recording

if TYPE_CHECKING:
    from htsat.loading import LoadedModel
    from htsat.recognition.pipeline import Source

T = TypeVar("T")

_SUFFIX_FORMATS = {
    ".jsonl": "jsonl",
    ".parquet": "parquet",
    ".tsv": "tsv",
    ".vtt": "webvtt",
    ".textgrid": "textgrid",
    ".eaf": "elan",
    ".jams": "jams",
}
"""What the suffix of a file of results says without doubt; all others are CSV."""


class Batch(NamedTuple):
    """The recordings of a run, and how many arguments stood for none."""

    inputs: list[Input]
    n_missing: int

    @classmethod
    def found(cls, arguments: Sequence[str], output: str | None = None) -> Batch:
        """All recordings of all arguments; what is wrong with an argument is said at once.

        Raises:
            ConfigError: when the output is a file that is among them, or cannot be replaced.
            BusyError: when a run in parts holds the output.
        """
        inputs: list[Input] = []
        problems: list[HtsatError] = []

        def tell(problem: HtsatError) -> None:
            say(str(problem))
            problems.append(problem)

        if output is not None:
            require_idle(output, is_folder=is_folder(output))
        for argument in arguments:
            try:
                inputs += find_inputs(argument, tell)
            except HtsatError as error:
                tell(error)
        if not inputs:
            sys.exit(EXIT_FAILED)
        if output is not None and not is_folder(output):
            check_output_file(output, read_for(arguments, inputs))
        return cls(inputs, len(problems))

    @property
    def sources(self) -> list[Source]:
        """What to open for each recording."""
        return sources_of(self.inputs)

    def run(
        self,
        results: Generator[T | HtsatError, None, None],
        write: Callable[[Input, T], None],
        *,
        shows_progress: bool,
    ) -> int:
        """Write what comes of each; a recording that fails is named and the others go on.

        Returns the exit code. `results` are closed.
        """
        n_done = 0
        try:
            with closing(results), tqdm(self.inputs, unit="file", disable=not shows_progress) as inputs:
                for item, result in zip(inputs, results, strict=True):
                    n_done += _succeeds(item, result, write)
        except KeyboardInterrupt:
            if not n_done:
                raise
            say(f"interrupted; the results of {n_done} of {len(self.inputs)} recordings are kept")
            return EXIT_INTERRUPTED
        return self._conclude(n_done)

    def _conclude(self, n_done: int) -> int:
        n_all = len(self.inputs) + self.n_missing
        if n_done < n_all and n_all > 1:
            say(f"{n_all - n_done} of {n_all} inputs failed")
        if not n_done:
            # Leaves by an exception, so that no empty file of results takes the place of an older one.
            sys.exit(EXIT_FAILED)
        return 0 if n_done == n_all else EXIT_FAILED


def sources_of(inputs: Sequence[Input]) -> list[Source]:
    """What to open for each recording."""
    return [item.path or item.opener or sys.stdin.buffer for item in inputs]


def _succeeds(item: Input, result: T | HtsatError, write: Callable[[Input, T], None]) -> bool:
    try:
        if isinstance(result, HtsatError):
            raise result
        write(item, result)
    except ConfigError:
        raise
    except HtsatError as error:
        if DEBUG.get():
            traceback.print_exc()
        say(str(error))
        return False
    return True


def load_model(args: Namespace) -> LoadedModel:
    """The model that the options ask for; what it hears are the classes that they ask for."""
    from htsat.class_sets.engine import GroupedEngine
    from htsat.class_sets.groups import are_alone
    from htsat.cli.class_options import ClassChoice

    classes = ClassChoice(args)
    model = load_plain_model(args)
    if sys.stderr.isatty():
        say(f"{model.description.name} runs on {model.computation}")
    groups = classes.of(model.description)
    if groups.labels != model.description.labels or not are_alone(groups, len(groups.labels)):
        return model.through(GroupedEngine(model.engine, groups))
    return model


def load_plain_model(args: Namespace) -> LoadedModel:
    """The model that the options ask for, with its own classes."""
    from htsat.loading import load

    return load(
        args.model,
        device=args.device,
        engine=args.engine,
        precision=args.precision,
        n_threads=args.threads,
        compiled=args.compile,
        batch_size=args.batch_size,
        overlap=args.overlap,
        short=args.short,
        gate_dbfs=args.gate,
    )


def require_classes(model: LoadedModel) -> None:
    """Refuse a model that can only embed."""
    if not len(model.description.labels):
        raise ConfigError(f"model {model.description.name!r} has no classes: it can only embed")


def choose_format(args: Namespace, formats: Mapping[str, AnyFormat[Recording]]) -> AnyFormat[Recording]:
    """The format that was asked for, or that of the suffix of the output, a table on a terminal, or CSV."""
    if args.format is not None:
        return formats[args.format]
    if args.output is None:
        return formats["table" if sys.stdout.isatty() else "csv"]
    name = _SUFFIX_FORMATS.get(Path(args.output).suffix.lower(), "csv")
    return formats[name if name in formats else "csv"]


def format_name(one_format: AnyFormat[Recording], formats: Mapping[str, AnyFormat[Recording]]) -> str:
    """How an option calls a format."""
    return next(name for name, known in formats.items() if known is one_format)


@contextmanager
def results(
    output: str | None, one_format: AnyFormat[Recording], inputs: Sequence[Input]
) -> Iterator[Write[Recording]]:
    """Where to write: standard output, one file for all recordings, or a folder with a file for each."""
    if one_format.one_recording and len(inputs) > 1 and not (output and is_folder(output)):
        raise ConfigError("this format describes one recording; results of several need a folder: -o FOLDER/")
    if output is None:
        if isinstance(one_format, FileFormat):
            raise ConfigError(f"results in this format go to a file: -o PATH{one_format.suffix}")
        yield to_stream(sys.stdout, one_format)
    elif is_folder(output):
        check_own_paths(Path(output), [item.name for item in inputs], one_format.suffix)
        yield to_folder(Path(output), one_format)
    else:
        with to_file(Path(output), one_format) as write:
            yield write


def is_folder(output: str) -> bool:
    """Whether an `-o` argument means a folder: it ends with a slash or is one."""
    return output.endswith(("/", os.sep)) or Path(output).is_dir()


def read_for(arguments: Iterable[str], inputs: Iterable[Input]) -> Iterator[Path]:
    """The files that are read to hear recordings: also manifests and shards that arguments name."""
    return chain(map(Path, arguments), (item.path for item in inputs if item.path is not None))


def check_output_file(output: str | Path, read: Iterable[Path]) -> None:
    """Refuse to replace what is read, whichever path leads to it, any recording, or what is not a file."""
    path = Path(output)
    status = path.stat() if path.exists() else None
    if status is not None and any(_is_at(file, status) for file in read):
        raise ConfigError(f"{output} is an input; results would replace it")
    if path.suffix.lower() in SUFFIXES:
        raise ConfigError(f"{output} has the name of a recording; results go elsewhere, such as results.csv")
    if status is not None and not path.is_file():
        raise ConfigError(f"{output} is not a file that can be replaced")


def _is_at(path: Path, status: os.stat_result) -> bool:
    """Whether a path leads to the file of this status."""
    try:
        return os.path.samestat(path.stat(), status)
    except OSError:
        return False


def shows_progress(output: str | None) -> bool:
    """A bar is of use to somebody at a terminal, unless results appear there as they come."""
    return sys.stderr.isatty() and (output is not None or not sys.stdout.isatty())
