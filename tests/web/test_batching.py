from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from htsat.errors import HtsatError
from htsat.scores import FloatArray
from htsat.web.batching import PATIENCE, SharedEngine
from htsat.web.problems import ShuttingDownError

Until = Callable[[Callable[[], bool]], None]


@pytest.fixture
def batches() -> list[int]:
    """Clips in each batch, as it was reported."""
    return []


@pytest.fixture
def shared(engine: Any, batches: list[int]) -> Iterator[SharedEngine]:
    shared = SharedEngine(engine, 4, lambda n_clips, wall_s: batches.append(n_clips))
    shared.start()
    yield shared
    engine.may_run.set()
    shared.close()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as threads:
        yield threads


def clips(n_clips: int, seed: int) -> FloatArray:
    return np.random.default_rng(seed).standard_normal((n_clips, 800)).astype(np.float32)


class Crowd:
    """Threads that ask while the engine is kept busy by a first clip."""

    def __init__(self, engine: Any, shared: SharedEngine, threads: ThreadPoolExecutor, until: Until) -> None:
        self._engine, self._shared, self._threads, self._until = engine, shared, threads, until
        engine.may_run.clear()
        self._first = threads.submit(shared.urgent.frame_scores, clips(1, 99))
        assert engine.is_waiting.wait(60)

    def ask(self, n_clips: int, seed: int, *, is_urgent: bool = True) -> Future[Any]:
        """Wait until it is in the queue, so that the order is known."""
        entrance = self._shared.urgent if is_urgent else self._shared.patient
        n_before = self._n_waiting()
        asked = self._threads.submit(entrance.frame_scores, clips(n_clips, seed))
        self._until(lambda: self._n_waiting() == n_before + 1)
        return asked

    def _n_waiting(self) -> int:
        return len(self._shared._urgent) + len(self._shared._patient)


def test_clips_that_wait_share_batches_and_each_gets_its_own_answer(
    engine: Any, shared: SharedEngine, threads: ThreadPoolExecutor, until: Until, batches: list[int]
) -> None:
    crowd = Crowd(engine, shared, threads, until)
    sizes = [1, 2, 1, 3, 1, 4]
    asked = [crowd.ask(n_clips, seed) for seed, n_clips in enumerate(sizes)]
    engine.may_run.set()
    for seed, (n_clips, future) in enumerate(zip(sizes, asked, strict=True)):
        expected = engine.frame_scores(clips(n_clips, seed))
        for got, wanted in zip(future.result(), expected, strict=True):
            np.testing.assert_array_equal(got, wanted)
    assert batches == [1, 4, 4, 4]


def test_a_portion_larger_than_a_batch_is_heard_alone(shared: SharedEngine, batches: list[int]) -> None:
    assert len(shared.urgent.frame_scores(clips(9, 0)).embedding) == 9
    assert batches == [9]


def test_patient_clips_fill_what_urgent_ones_leave(
    engine: Any, shared: SharedEngine, threads: ThreadPoolExecutor, until: Until, batches: list[int]
) -> None:
    crowd = Crowd(engine, shared, threads, until)
    asked = [crowd.ask(1, 0, is_urgent=False), crowd.ask(2, 1), crowd.ask(4, 2, is_urgent=False)]
    engine.may_run.set()
    assert [len(future.result().embedding) for future in asked] == [1, 2, 4]
    assert batches == [1, 3, 4]


def test_patient_clips_wait_for_urgent_ones_but_not_for_ever(
    engine: Any,
    shared: SharedEngine,
    threads: ThreadPoolExecutor,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual, patient = engine.frame_scores, clips(4, 99)
    heard: list[bool] = []

    def noting(batch: FloatArray) -> Any:
        heard.append(np.array_equal(batch, patient))
        return usual(batch)

    monkeypatch.setattr(engine, "frame_scores", noting)
    crowd = Crowd(engine, shared, threads, until)
    asked = [crowd.ask(4, 99, is_urgent=False), *(crowd.ask(4, seed) for seed in range(PATIENCE + 3))]
    engine.may_run.set()
    for future in asked:
        future.result()
    # One batch was being heard when they came, and `PATIENCE` pass before it.
    assert heard.index(True) == 1 + PATIENCE


def test_an_error_of_the_engine_reaches_all_in_the_batch_and_nobody_else(
    engine: Any,
    shared: SharedEngine,
    threads: ThreadPoolExecutor,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual = engine.frame_scores

    def fails_with_two(batch: FloatArray) -> Any:
        if len(batch) == 2:
            raise HtsatError("out of memory")
        return usual(batch)

    monkeypatch.setattr(engine, "frame_scores", fails_with_two)
    crowd = Crowd(engine, shared, threads, until)
    doomed = [crowd.ask(1, 0), crowd.ask(1, 1)]
    spared = crowd.ask(4, 2)
    engine.may_run.set()
    for future in doomed:
        with pytest.raises(HtsatError, match="out of memory"):
            future.result()
    assert len(spared.result().embedding) == 4


def test_who_waits_at_the_end_is_told(
    engine: Any, shared: SharedEngine, threads: ThreadPoolExecutor, until: Until
) -> None:
    crowd = Crowd(engine, shared, threads, until)
    waiting = [crowd.ask(4, 0), crowd.ask(1, 1, is_urgent=False)]
    closing = threads.submit(shared.close)
    until(lambda: not shared.is_running)
    engine.may_run.set()
    closing.result()
    for future in waiting:
        with pytest.raises(ShuttingDownError, match="shutting down"):
            future.result()
    with pytest.raises(ShuttingDownError):
        shared.urgent.frame_scores(clips(1, 0))


def test_one_that_never_began_can_be_closed(engine: Any) -> None:
    shared = SharedEngine(engine, 4, lambda n_clips, wall_s: None)
    assert not shared.is_running
    shared.close()
