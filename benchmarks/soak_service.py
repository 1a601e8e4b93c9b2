"""Six hours of visits to `htsat serve`, sent as fast as it answers."""

from __future__ import annotations

import queue
import random
import re
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from service_load import EXAMPLES, Service, ask, service
from soak_visits import Client, Tally, sounds
from soak_watch import Watch, growth, thinned

VISIT_S = 2.0
"""A visit so often, in the day that is played."""
N_CLIENTS = 8
SHARES = {
    "tag": 30,
    "detect": 16,
    "embed": 10,
    "form": 6,
    "stream": 6,
    "facts": 6,
    "wrong": 7,
    "broken": 6,
    "leave_upload": 4,
    "leave_hearing": 3,
    "leave_stream": 3,
    "page": 3,
}
"""Visits of a hundred."""
_GONE = 499


def soak_service(hours: float) -> dict[str, Any]:
    """Play the day; what was sent, what came back, what is missing, and what the process took."""
    n_visits = round(hours * 3600 / VISIT_S)
    with tempfile.TemporaryDirectory() as folder, _temporary_files_in(folder), service([]) as running:
        tally = Tally()
        recordings = sounds(EXAMPLES / "scene.ogg")
        alone: dict[str, Any] = {}
        _hear_each_alone(Client(running.port, recordings, tally, alone), len(recordings.short))
        watch = Watch(running.pid, Path(folder), tally.visits.total)
        watch.look()
        began_s = time.perf_counter()
        with watch.every(1.0):
            _play(n_visits, lambda: Client(running.port, recordings, tally, alone))
        wall_s = time.perf_counter() - began_s
        _wait_until_idle(running)
        time.sleep(10)  # connections that nobody uses are closed
        after = watch.look()
        counted = _counted(running)
    return {
        "hours": hours,
        "clients": N_CLIENTS,
        "visits": dict(tally.visits),
        "requests": tally.n_requests,
        "wall_s": round(wall_s, 1),
        "requests_per_s": round(tally.n_requests / wall_s, 1),
        "answers": _by_status(tally.answers),
        "left_by_clients": tally.left.total(),
        "wrong_answers": tally.wrong,
        "lost": _lost(tally, counted),
        "growth_mib_per_1000_visits": growth(watch.samples, 1000),
        "peak_mib": max(sample.rss_mib for sample in watch.samples),
        "before": watch.samples[0]._asdict(),
        "after": after._asdict(),
        "samples": thinned(watch.samples),
    }


def _temporary_files_in(folder: str) -> Any:
    """What processes that are started in the block have as `TMPDIR`."""
    from unittest.mock import patch

    return patch.dict("os.environ", TMPDIR=folder)


def _hear_each_alone(client: Client, n_short: int) -> None:
    """The answers that all later ones must equal."""
    for index in range(n_short):
        for what in ("tag", "detect", "embed"):
            client.visit(what, _Loaded(index))
    client.visit("stream", _Loaded(0))
    client.close()


class _Loaded(random.Random):
    """Dice that always show one side."""

    def __init__(self, side: int) -> None:
        super().__init__(0)
        self._side = side

    def randrange(self, *_: Any) -> int:
        return self._side


def _play(n_visits: int, new_client: Any) -> None:
    """All visits, in an order that is the same every time, by so many clients."""
    dice = random.Random(0)
    kinds = dice.choices(list(SHARES), list(SHARES.values()), k=n_visits)
    waiting: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
    for visit in enumerate(kinds):
        waiting.put(visit)

    def work() -> None:
        client = new_client()
        while True:
            try:
                number, kind = waiting.get_nowait()
            except queue.Empty:
                client.close()
                return
            client.visit(kind, random.Random(number))

    threads = [threading.Thread(target=work) for _ in range(N_CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _wait_until_idle(running: Service) -> None:
    """What clients have left is noticed, and given up."""
    deadline_s = time.monotonic() + 120
    while running.metric("htsat_queue_length") and time.monotonic() < deadline_s:
        time.sleep(0.5)


def _counted(running: Service) -> Counter[tuple[str, int]]:
    """What the service says it has answered."""
    lines = re.findall(
        r'^htsat_requests_total\{route="(.*)",status="(\d+)"\} (\d+)$', ask(running.port, "/metrics"), re.M
    )
    return Counter({(route, int(status)): int(n) for route, status, n in lines})


def _by_status(answers: Counter[tuple[str, int]]) -> dict[str, int]:
    statuses: Counter[str] = Counter()
    for (_, status), n in answers.items():
        statuses[str(status)] += n
    return dict(sorted(statuses.items()))


def _lost(tally: Tally, counted: Counter[tuple[str, int]]) -> dict[str, int]:
    """Requests by path of which the service knows more or fewer than were sent; empty when all is well.

    Answers are compared status by status; those to clients that had gone may be complete or not. The looks of
    this program at the metrics are more than were tallied, and are left out.
    """
    sent = Counter({f"{path} {status}": n for (path, status), n in tally.answers.items()})
    seen = Counter({f"{path} {status}": n for (path, status), n in counted.items()})
    for path, n in tally.left.items():
        n_complete = seen[f"{path} 200"] - sent[f"{path} 200"]
        seen[f"{path} left"] = n_complete + seen.pop(f"{path} {_GONE}", 0)
        seen[f"{path} 200"] -= n_complete
        sent[f"{path} left"] = n
    differences = {key: seen[key] - sent[key] for key in sorted({*seen, *sent}) if key != "/metrics 200"}
    return {key: n for key, n in differences.items() if n}
