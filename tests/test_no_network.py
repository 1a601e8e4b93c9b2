"""No command of a plain day asks another machine for anything: not to work, and not to tell of its user.

Every process that a command starts refuses, and notes down, what the interpreter would send elsewhere. Where
the machine permits, the same runs without any network interface, and with the system calls of libraries in C
noted.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).parents[1]
RATE = 32_000

# Python reads this file at the start of every process that has its folder in PYTHONPATH.
SITE = """
import os, sys

def _refuse(event, arguments):
    if event == "socket.connect" or event == "socket.sendto":
        place = arguments[1]
        host = place[0] if isinstance(place, tuple) else None  # a path or bytes stay on this machine
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        host = arguments[0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host in (None, "", "localhost", "127.0.0.1", "::1"):
        return
    with open(os.environ["HTSAT_TEST_CALLS"], "a") as calls:
        calls.write(f"{event} {host} by {sys.argv}\\n")
    raise ConnectionRefusedError(f"{event} {host}")

sys.addaudithook(_refuse)
"""

LISTENING = """
tag dog.ogg rain.ogg -o tags.csv
tag dog.ogg rain.ogg --resume -o tags.jsonl
detect dog.ogg --format audacity -o dog.txt
detect dog.ogg rain.ogg -o events.csv
embed dog.ogg rain.ogg -o index.parquet
search dog.ogg index.parquet
similar index.parquet dog.ogg
info dog.ogg
info nano-esc50
models
doctor
plot dog.ogg -o dog.png
plot dog.ogg -o dog.html
report dog.ogg rain.ogg -o report.html
segments dog.ogg -o segments
labels convert dog.txt dog.TextGrid
evaluate --data data --report measured.json
"""

LEARNING = """
finetune data -o fine --optimisation.epochs 1
train small.yaml --data data -o run
train --resume run
evaluate --data data --model fine/model.safetensors
tune --data strong --model fine/model.safetensors -o tuned.safetensors
export --model tuned.safetensors --to onnx -o tuned.onnx
export --model tuned.safetensors --to openvino -o tuned.xml
tag dog.ogg --model tuned.xml
tag dog.ogg --model tuned.safetensors
pack data -o packed
"""

SETTINGS = """
base: esc50-scratch
precision: 32-true
device: cpu
optimisation: {epochs: 1, batch_size: 4, accumulate: 1}
"""

SWITCHES = re.compile("TELEMETRY|OFFLINE|NO_TRACK|XDG_")
"""Variables with which a careful person could have switched something off."""

SCRIPT = """
import shlex, sys
from htsat.cli.main import main
for line in sys.stdin.read().split("\\n"):
    code = main(shlex.split(line)) if line else 0
    if code:
        sys.exit(f"htsat {line}: exit code {code}")
"""


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """Two examples, and sixteen tones and noises of two classes with labels."""
    desk = tmp_path / "desk"
    for folder in ("data/dog", "data/rain", "strong"):
        (desk / folder).mkdir(parents=True)
    for name in ("dog.ogg", "rain.ogg"):
        shutil.copy(ROOT / "examples" / name, desk)
    for number in range(16):
        label = ("dog", "rain")[number % 2]
        _write_sound(desk / "data" / label / f"{number}.wav", number)
        _write_sound(desk / "strong" / f"{number}.wav", number)
        (desk / "strong" / f"{number}.txt").write_text(f"0.25\t0.75\t{label}\n")
    (desk / "small.yaml").write_text(SETTINGS)
    return desk


def _write_sound(path: Path, number: int) -> None:
    dice = np.random.default_rng(number)
    sound = 0.003 * dice.standard_normal(RATE)
    tone = 0.3 * np.sin(2 * np.pi * (700 + 20 * number) * np.arange(RATE // 2) / RATE)
    sound[RATE // 4 : 3 * RATE // 4] += 0.1 * dice.standard_normal(RATE // 2) if number % 2 else tone
    soundfile.write(path, sound, RATE)


ISOLATED = ("unshare", "--map-root-user", "--net")
"""A network of its own for a process, without any interface."""

Run = Callable[..., list[str]]


@pytest.fixture
def run(desk: Path, tmp_path: Path) -> Run:
    """Runs commands in one process, started by `prefix`; returns what it and its children tried."""

    def run(commands: str, *prefix: str) -> list[str]:
        site, calls = tmp_path / "site", tmp_path / "calls.txt"
        site.mkdir()
        (site / "sitecustomize.py").write_text(SITE)
        calls.write_text("")
        permitted = {name: text for name, text in os.environ.items() if not SWITCHES.search(name)}
        environment = permitted | {
            "PYTHONPATH": os.pathsep.join([str(site), str(ROOT / "src")]),
            "HTSAT_TEST_CALLS": str(calls),
            "HOME": str(tmp_path),
            "OMP_NUM_THREADS": "1",
        }
        done = subprocess.run(
            [*prefix, sys.executable, "-c", SCRIPT],
            input=commands,
            cwd=desk,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return calls.read_text().splitlines()

    return run


ATTEMPTS = """
models get http://192.0.2.1/model.onnx
tag dog.ogg --model hf://nobody/nothing
"""
"""Where a network is asked for."""


@pytest.mark.parametrize("attempt", ATTEMPTS.split("\n")[1:-1])
def test_what_is_tried_is_seen(run: Run, attempt: str) -> None:
    with pytest.raises(AssertionError, match="exit code 1"):
        run(attempt)


@pytest.mark.slow
@pytest.mark.parametrize("commands", [LISTENING, LEARNING], ids=["listening", "learning"])
def test_nothing_is_tried(run: Run, commands: str, tmp_path: Path) -> None:
    log = tmp_path / "system_calls.txt"
    log.write_text("")
    traced = ("strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=connect,sendto,sendmsg", "-o", str(log))
    prefix = [word for command in (ISOLATED, traced) if works(*command) for word in command]
    assert run(commands, *prefix) == []
    calls = [line for line in log.read_text().splitlines() if "AF_INET" in line]
    assert [line for line in calls if "127.0.0.1" not in line and '"::1"' not in line] == []


def works(*command: str) -> bool:
    """Whether the machine has a program that starts others, and permits it."""
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0
