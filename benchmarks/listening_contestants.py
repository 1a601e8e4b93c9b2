"""The contestants of `listening_speed.py`: each takes waveforms and gives probabilities, in its own process.

B clips, L samples.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from benchmark_models import EXAMPLES, N_CLASSES, model_path
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

N_WARM = 2
"""Calls before anything is measured: the first allocates, and compiles what is to be compiled."""
SCENE = EXAMPLES / "scene.ogg"
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Contestant:
    """A network, what runs it, and how; `engine` is that of `htsat.load`, or "transformers"."""

    name: str
    engine: str
    precision: str
    n_threads: int
    compiled: bool = False

    @property
    def clip_s(self) -> float:
        """Length of its clips."""
        return 5.0 if self.name == "nano" else 10.0

    @property
    def is_slow(self) -> bool:
        """Whether it listens to one clip at a time, and not in every round."""
        return self.name == "AST"

    def batch_sizes(self, asked: list[int]) -> list[int]:
        """Those of the sizes that are asked for at which it listens."""
        return [size for size in asked if size == 1 or not self.is_slow]

    @property
    def title(self) -> str:
        """How a table calls it."""
        return f"{self.engine}{' compiled' if self.compiled else ''}"


class Listener(NamedTuple):
    """A network that is ready: clips `(B, L)` at its sample rate in, probabilities `(B, ...)` out."""

    sample_rate: int
    clip_samples: int
    listen: Callable[[FloatArray], FloatArray]


class Turn(NamedTuple):
    """What one measured call took and gave."""

    seconds: float
    probabilities: FloatArray


class Worker(NamedTuple):
    """The process of a contestant, which waits until it is asked to listen to so many clips."""

    contestant: Contestant
    process: BaseProcess
    connection: Connection

    def ask(self, n_clips: int) -> Turn:
        """Let it take a turn; everybody else waits."""
        self.connection.send(n_clips)
        turn: Turn = self.connection.recv()
        return turn


@contextmanager
def workers(
    contestants: list[Contestant], folder: Path, batch_sizes: list[int]
) -> Iterator[tuple[list[Worker], dict[Contestant, str]]]:
    """Start all processes one after the other, give those that are ready and why others are not; end them."""
    ready: list[Worker] = []
    refused = {}
    try:
        for contestant in contestants:
            worker = _start(contestant, folder, batch_sizes)
            problem = worker.connection.recv()
            if problem:
                refused[contestant] = problem
            else:
                ready.append(worker)
        yield ready, refused
    finally:
        for worker in ready:
            worker.connection.close()
            worker.process.join()


def _start(contestant: Contestant, folder: Path, batch_sizes: list[int]) -> Worker:
    """Start a process; it takes over the environment of this moment."""
    os.environ |= dict.fromkeys(_THREAD_VARIABLES, str(contestant.n_threads))
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=contest, args=(contestant, folder, batch_sizes, there), daemon=True)
    process.start()
    there.close()
    return Worker(contestant, process, here)


def contest(contestant: Contestant, folder: Path, batch_sizes: list[int], connection: Connection) -> None:
    """Be a contestant: say that it is ready, or why not, and take turns until nobody asks any more."""
    from htsat.errors import HtsatError

    try:
        listener = build(contestant, folder)
    except HtsatError as error:
        connection.send(str(error))
        return
    clips = sound(listener, max(batch_sizes))
    for n_clips in contestant.batch_sizes(batch_sizes):
        for _ in range(N_WARM):
            listener.listen(clips[:n_clips])
    connection.send("")
    while True:
        try:
            n_clips = connection.recv()
        except EOFError:
            return
        connection.send(_take_turn(listener, clips[:n_clips]))


def _take_turn(listener: Listener, clips: FloatArray) -> Turn:
    """One call to bring back what others have driven from the caches, and one that is measured."""
    listener.listen(clips)
    began = time.perf_counter()
    probabilities = listener.listen(clips)
    return Turn(time.perf_counter() - began, probabilities)


def sound(listener: Listener, n_clips: int) -> FloatArray:
    """Stretches of the scene, each beginning one second after the one before."""
    from htsat.audio import load_audio

    scene = load_audio(SCENE, listener.sample_rate)
    starts = [number * listener.sample_rate for number in range(n_clips)]
    return np.stack([np.roll(scene, -start)[: listener.clip_samples] for start in starts])


def build(contestant: Contestant, folder: Path) -> Listener:
    """The network of a contestant; ours lie in the folder."""
    if contestant.engine != "transformers":
        return ours(contestant, folder)
    return {"CLAP": clap, "AST": ast}[contestant.name](contestant)


def ours(contestant: Contestant, folder: Path) -> Listener:
    """One of our models, opened as `htsat.load` opens it, which checks its scores."""
    from htsat.engines.choose import EngineSettings, open_engine
    from htsat.scores import probabilities

    path = model_path(folder, contestant.name, contestant.engine, contestant.precision)
    settings = EngineSettings(
        engine=contestant.engine,  # type: ignore[arg-type]
        device="cpu",
        precision=None if contestant.precision == "int8" else contestant.precision,  # type: ignore[arg-type]
        n_threads=contestant.n_threads,
        compiled=contestant.compiled,
    )
    engine = open_engine(path, contestant.name, settings)
    model = engine.description

    def listen(clips: FloatArray) -> FloatArray:
        return probabilities(engine.frame_scores(clips).frame_logits, model.task)

    return Listener(model.sample_rate, model.clip_samples, listen)


def clap(contestant: Contestant) -> Listener:
    """`transformers`' CLAP audio encoder, an HTS-AT, with a classifier."""
    import torch
    from transformers import ClapAudioConfig, ClapAudioModel, ClapFeatureExtractor

    torch.manual_seed(0)
    encoder = ClapAudioModel(ClapAudioConfig()).eval()
    head = torch.nn.Linear(encoder.config.hidden_size, N_CLASSES)
    extractor = ClapFeatureExtractor(truncation="rand_trunc")
    return _listener(
        contestant, extractor, "input_features", lambda batch: head(encoder(batch).pooler_output)
    )


def ast(contestant: Contestant) -> Listener:
    """`transformers`' audio spectrogram transformer."""
    import torch
    from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

    torch.manual_seed(0)
    network = ASTForAudioClassification(ASTConfig(num_labels=N_CLASSES)).eval()
    return _listener(contestant, ASTFeatureExtractor(), "input_values", lambda batch: network(batch).logits)


def _listener(contestant: Contestant, extractor: Any, key: str, logits: Callable[[Any], Any]) -> Listener:
    """10 s of sound to the features of an extractor, to the logits of a network, to probabilities."""
    import torch

    torch.set_num_threads(contestant.n_threads)
    sample_rate: int = extractor.sampling_rate
    is_bf16 = contestant.precision == "bf16"

    @torch.inference_mode()
    def listen(clips: FloatArray) -> FloatArray:
        features = np.asarray(extractor(list(clips), sampling_rate=sample_rate)[key], dtype=np.float32)
        with torch.autocast("cpu", torch.bfloat16, enabled=is_bf16):
            answer = logits(torch.from_numpy(features))
        result: FloatArray = answer.float().sigmoid().numpy()
        return result

    return Listener(sample_rate, 10 * sample_rate, listen)
