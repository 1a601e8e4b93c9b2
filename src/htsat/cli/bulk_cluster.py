"""`--engine-cluster ray`: workers load the model, and hear what other processes of the cluster decode."""

from __future__ import annotations

import io
import re
import socket
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from htsat.audio import Opener
from htsat.bulk.journal import Journal
from htsat.bulk.ray.session import cluster_for
from htsat.bulk.ray.sound import Blocks, Decode, Lanes
from htsat.bulk.ray.workers import Job, Needs, run_on_workers
from htsat.bulk.run import Listener, Work, run_units
from htsat.bulk.units import Unit
from htsat.cli.bulk_run import Runner, settings_of
from htsat.cli.terminal import say
from htsat.errors import ConfigError, HtsatError
from htsat.loading import LoadedModel
from htsat.recognition.clips import Clip, ClipPlan, cut
from htsat.recognition.pipeline import Ending, Piece, Source


class Recipe(NamedTuple):
    """What a command does with recordings, for those who load the model themselves; functions of modules."""

    load: Callable[[Namespace], LoadedModel]
    work_of: Callable[[Namespace, LoadedModel], Work[Any]]


def for_driver(args: Namespace) -> Namespace:
    """The options of who only deals units: where the workers have GPUs, it may have none."""
    if args.engine_cluster is None or args.device not in ("auto", "cuda"):
        return args
    engine = "torch" if args.device == "cuda" and args.engine == "auto" else args.engine
    return Namespace(**vars(args) | {"device": "cpu", "engine": engine})


def runner_of(args: Namespace, model: LoadedModel, recipe: Recipe) -> Runner:
    """What hears units: this process, or the workers of a cluster."""
    if args.engine_cluster is None:
        if args.workers is not None:
            raise ConfigError("--workers are those of a cluster: --engine-cluster ray")
        return run_units
    return partial(_run_on_cluster, args, recipe, settings_of(args, model, args.engine_cluster))


def _run_on_cluster(
    args: Namespace,
    recipe: Recipe,
    settings: Mapping[str, str],
    units: Sequence[Unit],
    _: Work[Any],
    journal: Journal,
    listener: Listener,
) -> None:
    if not units:
        return
    own = Namespace(**vars(args) | {"threads": args.threads or 1})
    if args.device == "cuda":
        needs = Needs(0, 1, args.jobs)
    else:
        needs = Needs(own.threads, 0, args.jobs)
        own.device = "cpu" if args.device == "auto" else args.device
    make, lanes = partial(_loaded, own, recipe, settings), Lanes(args.jobs, str(Path.cwd()))
    with (
        redirect_stdout(_Remarks()),
        journal.staging("attempts") as attempts,
        cluster_for(needs, args.workers) as n_workers,
    ):
        job = Job(make, journal, lanes, attempts)
        run_on_workers(units, job, needs, min(n_workers, len(units)), listener)


class _Remarks(io.TextIOBase):
    """What Ray writes on standard output about workers that died; here each is a line like any other."""

    def write(self, text: str) -> int:
        """Say the first sentence."""
        words = re.sub(r"\x1b\[[0-9;]*m|^\(\w+\)|\(raylet\)", "", text).strip()
        if words:
            say(f"cluster: {words.split('. ')[0][:200]}")
        return len(text)


def _loaded(args: Namespace, recipe: Recipe, settings: Mapping[str, str], decode: Decode) -> Work[Any]:
    """What a worker does, with the model as its machine has it."""
    model = recipe.load(args)
    own = settings_of(args, model, args.engine_cluster)
    for name, value in settings.items():
        if own[name] != value:
            raise ConfigError(
                f"a worker on {socket.gethostname()} has {name} {own[name]}, this call has {value}"
            )
    return recipe.work_of(args, _DecodedElsewhere(model, decode))


class _DecodedElsewhere(LoadedModel):
    """The same model; it hears sound that comes from elsewhere, in batches as it would have made them."""

    def __init__(self, model: LoadedModel, decode: Decode) -> None:
        vars(self).update(vars(model))
        self._decode = decode

    @contextmanager
    def _pieces(self, sources: list[Source], jobs: int) -> Iterator[Iterator[Piece]]:
        recordings = [source for source in sources if isinstance(source, Path | Opener)]
        with self._decode(recordings, self._plan.sample_rate) as decoded:
            yield _cut_all(decoded, self._plan)


def _cut_all(recordings: Iterator[Blocks], plan: ClipPlan) -> Iterator[Piece]:
    """The clips and endings of all recordings, each of which is taken to its end."""
    for number, blocks in enumerate(recordings):
        for content in _cut(blocks, plan):
            yield Piece(number, content)


def _cut(blocks: Blocks, plan: ClipPlan) -> Iterator[Clip | Ending]:
    try:
        yield from cut(blocks, plan)
    except HtsatError as error:
        yield Ending(error)
    else:
        yield Ending()
