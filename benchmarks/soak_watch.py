"""What a process takes while it works: memory, open files, threads, and files that it leaves."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

WARM_UP = 0.5
"""The share of the work after which memory should be flat: free memory of all threads has its final shape."""


class Sample(NamedTuple):
    """One look; `done` is how much of the work had been done."""

    done: float
    rss_mib: float
    n_files_open: int
    n_threads: int
    n_files_left: int


@dataclass
class Watch:
    """Looks at a process again and again; `left` is the folder of its temporary files."""

    pid: int
    left: Path
    done: Callable[[], float]
    samples: list[Sample] = field(default_factory=list)

    def look(self) -> Sample:
        status = Path(f"/proc/{self.pid}/status").read_text()
        rss_kib, n_threads = (int(re.search(rf"{name}:\s+(\d+)", status)[1]) for name in ("VmRSS", "Threads"))
        n_files_open = sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())
        n_left = sum(1 for path in self.left.rglob("*") if path.is_file())
        sample = Sample(self.done(), round(rss_kib / 1024, 1), n_files_open, n_threads, n_left)
        self.samples.append(sample)
        return sample

    @contextmanager
    def every(self, interval_s: float) -> Iterator[None]:
        """Look so often during the block."""
        is_over = threading.Event()

        def run() -> None:
            while not is_over.wait(interval_s):
                self.look()

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()


def growth(samples: Sequence[Sample], unit: float) -> float:
    """MiB for each `unit` of work after the warm-up: the slope of a straight line, by least squares."""
    warm = [sample for sample in samples if sample.done >= WARM_UP * samples[-1].done]
    done, rss_mib = np.array([(sample.done / unit, sample.rss_mib) for sample in warm]).T
    return round(float(np.polyfit(done, rss_mib, 1)[0]), 3)


def thinned(samples: Sequence[Sample], n_kept: int = 200) -> list[list[float]]:
    """As many samples as a picture needs."""
    kept = np.unique(np.linspace(0, len(samples) - 1, n_kept).round().astype(int))
    return [list(samples[index]) for index in kept]
