from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import closing

import pytest

from htsat.recognition.ahead import Ahead


class Counted:
    """Whole numbers, with a note of how many were made, by whom, and whether the generator was closed."""

    def __init__(self, n_items: int, breaks_at: int | None = None) -> None:
        self.n_made = 0
        self.threads: set[int] = set()
        self.is_closed = False
        self.reached = threading.Event()
        self.items = self._make(n_items, breaks_at)

    def _make(self, n_items: int, breaks_at: int | None) -> Generator[int, None, None]:
        try:
            for number in range(n_items):
                if number == breaks_at:
                    raise ZeroDivisionError("broken")
                self.threads.add(threading.get_ident())
                self.n_made += 1
                if self.n_made == 3:
                    self.reached.set()
                yield number
        finally:
            self.is_closed = True


def n_own_threads() -> int:
    return sum(thread.name.startswith("htsat-ahead") for thread in threading.enumerate())


@pytest.mark.parametrize("n_ahead", [1, 2, 100])
@pytest.mark.parametrize("n_items", [0, 1, 7])
def test_the_items_come_in_order(n_items, n_ahead):
    with closing(Ahead(Counted(n_items).items, n_ahead)) as ahead:
        assert list(ahead) == list(range(n_items))
        assert list(ahead) == []
    assert n_own_threads() == 0


def test_another_thread_makes_them_before_they_are_asked_for():
    counted = Counted(10)
    with closing(Ahead(counted.items, 3)) as ahead:
        assert counted.reached.wait(timeout=10)
        assert next(ahead) == 0
    assert threading.get_ident() not in counted.threads


def test_it_is_never_further_ahead_than_asked_for():
    counted = Counted(1000)
    with closing(Ahead(counted.items, 3)) as ahead:
        for number in range(100):
            assert next(ahead) == number
            assert counted.n_made <= number + 1 + 3
    assert counted.n_made <= 103


@pytest.mark.parametrize("n_taken", [0, 1, 50])
def test_closing_early_ends_the_thread_and_the_generator(n_taken):
    counted = Counted(1000)
    with closing(Ahead(counted.items, 2)) as ahead:
        assert [next(ahead) for _ in range(n_taken)] == list(range(n_taken))
    assert n_own_threads() == 0
    assert counted.is_closed or not counted.n_made


def test_what_goes_wrong_is_raised_in_its_place():
    with closing(Ahead(Counted(10, breaks_at=4).items, 8)) as ahead:
        assert [next(ahead) for _ in range(4)] == [0, 1, 2, 3]
        with pytest.raises(ZeroDivisionError, match="broken"):
            next(ahead)
        assert next(ahead, "nothing more") == "nothing more"
    assert n_own_threads() == 0


def test_how_far_ahead_it_may_be_costs_nothing():
    counted = Counted(5)
    with closing(Ahead(counted.items, 10**12)) as ahead:
        assert list(ahead) == list(range(5))
    assert counted.n_made == 5
