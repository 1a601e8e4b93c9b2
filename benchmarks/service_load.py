"""Requests a second, latency and memory of `htsat serve` under so many clients at the same time.

Usage: python benchmarks/service_load.py [--clients 1 4 16 64] [--seconds 20] [-o service_load.json]

One process serves on this machine with its usual settings. Each client is a thread of another process that
sends a recording, waits for the answer, and sends it again; who is told to come again (429) waits so long.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

import numpy as np
from machine import machine, summary

EXAMPLES = Path(__file__).parent.parent / "examples"


class Service(NamedTuple):
    """A running process."""

    pid: int
    port: int

    def metric(self, name: str) -> float:
        [line] = [line for line in ask(self.port, "/metrics").splitlines() if line.startswith(f"{name} ")]
        return float(line.split()[1])

    def memory_mib(self, name: str) -> float:
        """`VmRSS` is what the process takes now, `VmHWM` the most it ever took."""
        found = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        return int(found[1]) / 1024 if found else float("nan")


class Measurement(NamedTuple):
    """One number of clients."""

    n_clients: int
    n_answers: int
    requests_per_s: float
    times_real_time: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    n_told_to_wait: int
    n_failed: int
    clips_per_batch: float
    rss_mib: float
    peak_mib: float


@dataclass
class Outcome:
    """What clients saw."""

    latencies_s: list[float] = field(default_factory=list)
    n_told_to_wait: int = 0
    n_failed: int = 0


def main() -> None:
    args = arguments()
    content = args.recording.read_bytes()
    with service(args.options) as running:
        tagged = json.loads(ask(running.port, f"/v1/{args.path}", content))  # also warms up
        before_mib = running.memory_mib("VmRSS")
        measurements = [
            measure(running, args, n_clients, content, tagged["duration"]) for n_clients in args.clients
        ]
    facts = machine()
    print(summary(facts))
    print(f"{args.recording.name} ({tagged['duration']:g} s) to /v1/{args.path}; {before_mib:.0f} MiB before")
    show(measurements)
    if args.output:
        settings = {"recording": args.recording.name, "path": args.path, "seconds": args.seconds}
        runs = [one._asdict() for one in measurements]
        document = {"machine": facts, "settings": settings, "before_mib": round(before_mib, 1), "runs": runs}
        args.output.write_text(json.dumps(document, indent=2) + "\n")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--seconds", type=float, default=20.0, help="for each number of clients")
    parser.add_argument("--recording", type=Path, default=EXAMPLES / "dog.ogg")
    parser.add_argument("--path", choices=["tag", "detect", "embed"], default="tag")
    parser.add_argument(
        "--options", nargs=argparse.REMAINDER, default=[], help="further options of htsat serve"
    )
    parser.add_argument("-o", "--output", type=Path)
    return parser.parse_args()


@contextmanager
def service(options: list[str]) -> Iterator[Service]:
    command = [sys.executable, "-m", "htsat", "serve", "--port", "0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = process.stderr.readline()
            found = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
            if not found:
                sys.exit(f"htsat serve did not start: {line}")
            yield Service(process.pid, int(found[1]))
        finally:
            process.terminate()


def ask(port: int, path: str, content: bytes | None = None) -> str:
    connection = HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request("POST" if content else "GET", path, content)
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def measure(
    running: Service, args: argparse.Namespace, n_clients: int, content: bytes, duration_s: float
) -> Measurement:
    n_batches, n_clips = (running.metric(f"htsat_batch_clips_{kind}") for kind in ("count", "sum"))
    outcomes = [Outcome() for _ in range(n_clients)]
    began_s = time.perf_counter()
    stop_s = began_s + args.seconds
    work = (running.port, f"/v1/{args.path}", content, stop_s)
    threads = [threading.Thread(target=client, args=[*work, outcome]) for outcome in outcomes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall_s = time.perf_counter() - began_s
    latencies_ms = 1000 * np.array([s for outcome in outcomes for s in outcome.latencies_s] or [np.nan])
    n_answers = sum(len(outcome.latencies_s) for outcome in outcomes)
    n_batches = running.metric("htsat_batch_clips_count") - n_batches
    n_clips = running.metric("htsat_batch_clips_sum") - n_clips
    return Measurement(
        n_clients=n_clients,
        n_answers=n_answers,
        requests_per_s=round(n_answers / wall_s, 2),
        times_real_time=round(n_answers * duration_s / wall_s, 1),
        p50_ms=round(float(np.percentile(latencies_ms, 50)), 1),
        p95_ms=round(float(np.percentile(latencies_ms, 95)), 1),
        p99_ms=round(float(np.percentile(latencies_ms, 99)), 1),
        n_told_to_wait=sum(outcome.n_told_to_wait for outcome in outcomes),
        n_failed=sum(outcome.n_failed for outcome in outcomes),
        clips_per_batch=round(n_clips / max(1, n_batches), 2),
        rss_mib=round(running.memory_mib("VmRSS"), 1),
        peak_mib=round(running.memory_mib("VmHWM"), 1),
    )


def client(port: int, path: str, content: bytes, stop_s: float, outcome: Outcome) -> None:
    """Send until it is time to stop."""
    connection = HTTPConnection("127.0.0.1", port, timeout=600)
    while time.perf_counter() < stop_s:
        began_s = time.perf_counter()
        connection.request("POST", path, content)
        answer = connection.getresponse()
        answer.read()
        if answer.status == 200:
            outcome.latencies_s.append(time.perf_counter() - began_s)
        elif answer.status == 429:
            outcome.n_told_to_wait += 1
            time.sleep(min(float(answer.headers["Retry-After"]), max(0.0, stop_s - time.perf_counter())))
        else:
            outcome.n_failed += 1
    connection.close()


def show(measurements: list[Measurement]) -> None:
    names = Measurement._fields
    print(" ".join(f"{name:>15}" for name in names))
    for one in measurements:
        print(" ".join(f"{value:>15}" for value in one))


if __name__ == "__main__":
    main()
