"""Counters of a service, told in the text format of Prometheus.

Every label has few values: routes are those of the application, statuses and reasons are codes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate
from threading import Lock

LATENCIES_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Histogram:
    """How many values lie at or below each bound, and their sum."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def lines(self, name: str, labels: str) -> Iterator[str]:
        """The samples; `labels` are those before `le`, each with a comma behind it."""
        for bound, total in zip((*self._bounds, "+Inf"), accumulate(self._counts), strict=True):
            yield f'{name}_bucket{{{labels}le="{bound}"}} {total}'
        braced = f"{{{labels.rstrip(',')}}}" if labels else ""
        yield f"{name}_sum{braced} {self._sum:.6f}"
        yield f"{name}_count{braced} {sum(self._counts)}"


class Metrics:
    """What a service has done since its start; for many threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._requests: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._latencies: defaultdict[str, Histogram] = defaultdict(lambda: Histogram(LATENCIES_S))
        self._rejections: defaultdict[str, int] = defaultdict(int)
        self._sound_s = 0.0
        self._batches = Histogram(BATCHES)
        self._network_s = 0.0

    def request(self, route: str, status: int, wall_s: float) -> None:
        """A request was answered."""
        with self._lock:
            self._requests[route, status] += 1
            self._latencies[route].add(wall_s)

    def rejection(self, code: str) -> None:
        """A request was refused; `code` says why."""
        with self._lock:
            self._rejections[code] += 1

    def sound(self, duration_s: float) -> None:
        """A recording was heard."""
        with self._lock:
            self._sound_s += duration_s

    def batch(self, n_clips: int, wall_s: float) -> None:
        """The network has heard a batch."""
        with self._lock:
            self._batches.add(n_clips)
            self._network_s += wall_s

    def text(self, n_in_queue: int) -> str:
        """All of it; `n_in_queue` requests are heard or wait now."""
        with self._lock:
            return "\n".join([*self._counters(), *self._histograms(), *_gauge(n_in_queue), ""])

    def _counters(self) -> Iterator[str]:
        yield from _head("htsat_requests_total", "counter", "Requests that were answered.")
        for (route, status), n in sorted(self._requests.items()):
            yield f'htsat_requests_total{{route="{route}",status="{status}"}} {n}'
        yield from _head("htsat_rejections_total", "counter", "Requests that were refused, by reason.")
        for code, n in sorted(self._rejections.items()):
            yield f'htsat_rejections_total{{reason="{code}"}} {n}'
        yield from _head("htsat_sound_seconds_total", "counter", "Sound that requests had heard.")
        yield f"htsat_sound_seconds_total {self._sound_s:.3f}"
        yield from _head("htsat_network_seconds_total", "counter", "Time that the network was busy.")
        yield f"htsat_network_seconds_total {self._network_s:.3f}"

    def _histograms(self) -> Iterator[str]:
        yield from _head("htsat_request_seconds", "histogram", "Time to the end of an answer.")
        for route, latencies in sorted(self._latencies.items()):
            yield from latencies.lines("htsat_request_seconds", f'route="{route}",')
        yield from _head("htsat_batch_clips", "histogram", "Clips that were heard together.")
        yield from self._batches.lines("htsat_batch_clips", "")


def _gauge(n_in_queue: int) -> Iterator[str]:
    yield from _head("htsat_queue_length", "gauge", "Requests that are heard or wait.")
    yield f"htsat_queue_length {n_in_queue}"


def _head(name: str, kind: str, purpose: str) -> Iterator[str]:
    yield f"# HELP {name} {purpose}"
    yield f"# TYPE {name} {kind}"
