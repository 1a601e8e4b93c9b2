"""Micro-batching: one network, in one thread, for recordings that many threads read.

    threads, each with a recording ─────── clips ─► urgent queue ──┐
    threads of recordings that can wait ── clips ─► patient queue ─┴─ batches ─► engine ─► each its part

While a batch is heard the next one gathers, so nothing waits for company. Each thread has at most one
portion of clips here, so the queues are as short as the threads are few.

Axes: B clips, L samples of a clip.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from threading import Condition, Thread
from typing import NamedTuple

import numpy as np

from htsat.engines.protocol import Engine, EngineOutput, ModelDescription
from htsat.scores import FloatArray
from htsat.web.problems import ShuttingDownError

PATIENCE = 4
"""So many batches without it, and the queue that can wait comes first once."""

OnBatch = Callable[[int, float], None]
"""Is told the number of clips of a batch, and how many seconds the network took."""


class _Portion(NamedTuple):
    """Clips `(B, L)` of one recording, and where the answer about them goes."""

    clips: FloatArray
    answer: Future[EngineOutput]


_Queue = deque[_Portion]


class Entrance:
    """The engine as one kind of recordings sees it; many threads may use it at once."""

    def __init__(self, description: ModelDescription, ask: Callable[[FloatArray], EngineOutput]) -> None:
        self.description = description
        self._ask = ask

    def frame_scores(self, clips: FloatArray) -> EngineOutput:
        """Run the network on clips `(B, L)`, together with those of others.

        Raises:
            ShuttingDownError: when the network is not heard any more.
        """
        return self._ask(clips)


class SharedEngine:
    """An engine for many threads: clips that wait at the same time share batches.

    Clips at `urgent` come before those at `patient`, which fill what is free in a batch, and come first in
    every fifth. An error of the engine reaches all whose clips were in the batch.
    """

    def __init__(self, engine: Engine, batch_size: int, on_batch: OnBatch) -> None:
        self._engine = engine
        self._batch_size = batch_size
        self._on_batch = on_batch
        self._urgent: _Queue = deque()
        self._patient: _Queue = deque()
        self._n_passed_over = 0
        self._changed = Condition()
        self._is_open = False
        self._thread = Thread(target=self._run, name="htsat-listener", daemon=True)
        self.urgent = Entrance(engine.description, lambda clips: self._ask(clips, self._urgent))
        self.patient = Entrance(engine.description, lambda clips: self._ask(clips, self._patient))

    @property
    def is_running(self) -> bool:
        """Whether clips are heard."""
        return self._is_open and self._thread.is_alive()

    def start(self) -> None:
        """Begin to hear; can be done once."""
        self._is_open = True
        self._thread.start()

    def close(self) -> None:
        """Finish the batch that is being heard, refuse all that waits, and end the thread."""
        with self._changed:
            self._is_open = False
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join()

    def _ask(self, clips: FloatArray, queue: _Queue) -> EngineOutput:
        answer: Future[EngineOutput] = Future()
        with self._changed:
            if not self.is_running:
                raise ShuttingDownError
            queue.append(_Portion(clips, answer))
            self._changed.notify()
        return answer.result()

    def _run(self) -> None:
        while batch := self._next_batch():
            self._answer(batch)
        for portion in (*self._urgent, *self._patient):
            portion.answer.set_exception(ShuttingDownError())

    def _next_batch(self) -> list[_Portion]:
        """What waits, as much as fits; nothing when the thread is to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._urgent or self._patient or not self._is_open)
            if not self._is_open:
                return []
            return _taken(self._by_rank(), self._batch_size)

    def _by_rank(self) -> tuple[_Queue, _Queue]:
        self._n_passed_over = self._n_passed_over + 1 if self._patient else 0
        if self._n_passed_over > PATIENCE:
            self._n_passed_over = 0
            return self._patient, self._urgent
        return self._urgent, self._patient

    def _answer(self, batch: list[_Portion]) -> None:
        try:
            parts = self._heard([portion.clips for portion in batch])
        except Exception as error:  # whatever it is, somebody waits for it
            for portion in batch:
                portion.answer.set_exception(error)
            return
        for portion, part in zip(batch, parts, strict=True):
            portion.answer.set_result(part)

    def _heard(self, portions: Sequence[FloatArray]) -> list[EngineOutput]:
        """The answers about several portions, heard together."""
        clips = np.concatenate(portions)
        began_s = time.perf_counter()
        output = self._engine.frame_scores(clips)
        self._on_batch(len(clips), time.perf_counter() - began_s)
        ends = np.cumsum([len(portion) for portion in portions])[:-1]
        parts = zip(*(np.split(array, ends) for array in output), strict=True)
        return [EngineOutput(*part) for part in parts]


def _taken(queues: Iterable[_Queue], batch_size: int) -> list[_Portion]:
    """The first portion, and those that follow for as long as a batch has room."""
    batch: list[_Portion] = []
    n_free = batch_size
    for queue in queues:
        while queue and (not batch or len(queue[0].clips) <= n_free):
            batch.append(queue.popleft())
            n_free -= len(batch[-1].clips)
    return batch
