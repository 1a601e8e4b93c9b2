"""`htsat average`: make one model of several by averaging their weights."""

from __future__ import annotations

import dataclasses
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import get_args

from tqdm import tqdm

from htsat.checkpoints.resolve import MODEL_NAME, resolve
from htsat.cli.labelled import read_labelled
from htsat.cli.listening import check_output_file
from htsat.cli.main import EXIT_FAILED
from htsat.cli.parser import Parser, count, target
from htsat.cli.progress import fixed
from htsat.cli.terminal import say
from htsat.data.manifest import MANIFEST_NAMES, Clip, Manifest
from htsat.errors import CheckpointError, ConfigError
from htsat.evaluation.ensemble import Ensemble
from htsat.evaluation.evaluate import evaluate
from htsat.evaluation.soup import Method, Soup, make_soup
from htsat.metrics.summary import Summary

_DESCRIPTION = """Make one model of several by averaging their weights. They must come from one start: a run
keeps its best in RUN/top/ (htsat finetune --keep-top N). With --data every model and the mean are
measured on labelled recordings, each heard as `htsat tag` hears it."""
_EXAMPLE = "htsat average runs/first/top/ -o runs/first/mean.safetensors --data data/esc50 --fold 4"
_CHECKPOINTS = "model file, name of a model, or folder: all model files in it"
_METHOD = """uniform: the mean of all. greedy: from the best on, each that does not lower the mAP on --data
(default: uniform)"""


def main(argv: list[str]) -> int:
    """Run the command."""
    args = _parser().parse(argv)
    if args.method == "greedy" and args.data is None:
        raise ConfigError("--method greedy chooses by a score: give it recordings with --data")
    paths = _find_models(args.checkpoints)
    from htsat.checkpoints.average import check_alike

    check_alike(paths)
    manifest = None if args.data is None else _held_out(args)
    _check_output(args, paths, manifest)
    if manifest is None:
        _save(args, paths, len(paths))
        print(f"mean of {len(paths)} models: {args.output}")
        return 0
    listener = _Listener(args, paths, manifest)
    soup = make_soup(args.method, len(paths), listener.score)
    for reason in listener.broken:
        say(reason)
    _save(args, [paths[member] for member in soup.kept], len(paths))
    print("\n".join(_describe(soup, [*map(str, paths)], args)))
    return EXIT_FAILED if listener.broken else 0


def _parser() -> Parser:
    parser = Parser("average", _DESCRIPTION, _EXAMPLE)
    parser.add_argument("checkpoints", nargs="+", metavar="CHECKPOINT", help=_CHECKPOINTS)
    parser.add_argument(
        "-o", "--output", type=target, required=True, metavar="MODEL", help="model file to write"
    )
    parser.add_argument("--method", choices=get_args(Method), default="uniform", help=_METHOD)
    parser.add_argument(
        "--data", type=Path, metavar="MANIFEST|DATASET", help="held-out recordings: manifest, or its folder"
    )
    parser.add_argument("--fold", metavar="N", help="only the clips of this fold (default: all)")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"], default="auto")
    parser.add_argument("--batch-size", type=count, default=8, metavar="N", help="(default: 8)")
    return parser


def _find_models(names: Sequence[str]) -> list[Path]:
    paths = [path for name in names for path in _models_of(name)]
    twice = next((path for place, path in enumerate(paths) if path in paths[:place]), None)
    if twice is not None:
        raise ConfigError(f"{twice} is named twice; it would count twice in the mean")
    if len(paths) < 2:
        raise ConfigError(f"expected at least two models to average, got {', '.join(map(str, paths))}")
    return paths


def _models_of(name: str) -> list[Path]:
    """The files that an argument means; a folder with `model.safetensors` is that model, as everywhere."""
    folder = Path(name)
    if not folder.is_dir() or (folder / MODEL_NAME).is_file():
        return [resolve(name)]
    paths = sorted(folder.glob("*.safetensors"))
    if not paths:
        raise CheckpointError(f"{name}: no model files (.safetensors) in this folder")
    return paths


def _held_out(args: Namespace) -> Manifest:
    manifest = read_labelled(args.data)
    return manifest if args.fold is None else manifest.split_fold(args.fold)[1]


def _check_output(args: Namespace, models: Sequence[Path], manifest: Manifest | None) -> None:
    """Refuse to replace anything that is read."""
    read = set(models)
    if manifest is not None:
        read |= {args.data, *(args.data / name for name in MANIFEST_NAMES)}
        read |= {clip.path for clip in manifest.clips}
    check_output_file(args.output, read)


class _Listener:
    """Hears the clips with means of the members, and collects what could not be heard."""

    def __init__(self, args: Namespace, paths: Sequence[Path], manifest: Manifest) -> None:
        self._args = args
        self._paths = paths
        self._manifest = manifest
        self.broken: dict[str, None] = {}

    def score(self, members: Sequence[int]) -> Summary[float]:
        """The figures that `htsat evaluate` gives for the mean of some members."""
        from htsat.checkpoints.average import average_models
        from htsat.engines.torch_engine import TorchEngine
        from htsat.recognition.recognizer import Recognizer

        paths = [self._paths[member] for member in members]
        name = paths[0].name if len(paths) == 1 else f"mean of {len(paths)}"
        engine = TorchEngine(average_models(paths), name, self._args.device)
        model = Recognizer(engine, batch_size=self._args.batch_size)
        report = evaluate(Ensemble([model]), self._manifest, _name_of_data(self._args), _progress(name))
        self.broken |= dict.fromkeys(broken.reason for broken in report.broken)
        return report.summary


def _save(args: Namespace, paths: Sequence[Path], n_members: int) -> None:
    from htsat.checkpoints.average import average_models
    from htsat.checkpoints.file import save_model

    model = average_models(paths)
    provenance = {**model.card.provenance, **_origin(args, paths, n_members)}
    save_model(Path(args.output), model.network, dataclasses.replace(model.card, provenance=provenance))


def _origin(args: Namespace, paths: Sequence[Path], n_members: int) -> dict[str, str]:
    import htsat
    from htsat.checkpoints.average import members_in_words

    chosen = "" if args.data is None else f"; measured on {_name_of_data(args)}"
    return {
        "made_with": f"htsat {htsat.__version__}",
        "averaged": f"{args.method} mean of {len(paths)} of {n_members} models{chosen}",
        "members": members_in_words(paths),
    }


def _name_of_data(args: Namespace) -> str:
    return f"{args.data}" if args.fold is None else f"{args.data}, fold {args.fold}"


def _progress(name: str) -> Callable[[Sequence[Clip]], Iterable[Clip]]:
    return partial(tqdm, desc=name, unit="clip", disable=not sys.stderr.isatty())


def _describe(soup: Soup, names: Sequence[str], args: Namespace) -> Iterator[str]:
    """The figures before and after, line by line."""
    after = f"mean of {len(soup.kept)}"
    width = max(map(len, [*names, after]))
    yield f"data     {_name_of_data(args)}"
    yield f"method   {args.method}"
    yield ""
    yield f"{'':<{width}}  {'mAP':>7}" + ("" if soup.after.accuracy is None else "  accuracy")
    for member, (name, summary) in enumerate(zip(names, soup.before, strict=True)):
        left_out = "" if member in soup.kept else "   left out"
        yield f"{name:<{width}}  {_figures(summary)}{left_out}"
    yield f"{after:<{width}}  {_figures(soup.after)}"
    if args.method == "greedy":
        yield "The members were chosen on these recordings: measure the mean on others."
    yield args.output


def _figures(summary: Summary[float]) -> str:
    accuracy = "" if summary.accuracy is None else f"  {summary.accuracy:8.4f}"
    return f"{fixed(summary.mean_average_precision, 4, 7)}{accuracy}"
