"""Two real processes: they share, gather, evaluate like one, and notice when one of them ends."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from htsat.cli.main import main

SCRIPT = """
import json, sys
from htsat.cli.main import main
from htsat.errors import HtsatError
from htsat.processes import Processes

with Processes.from_environment() as processes:
    share = processes.share([f"item {number}" for number in range(7)])
    gathered = processes.gather([text.upper() for text in share])
    nothing = processes.gather(processes.share([]))
    print(json.dumps([processes.rank, processes.n, processes.is_first, share, gathered, nothing]))
    print("exit code", main(sys.argv[1:]))
    if processes.rank == 1:
        sys.exit(3)
    try:
        processes.gather(share)
    except HtsatError as error:
        print(error)
"""


class Outcome(NamedTuple):
    exit_code: int
    output: str
    errors: str


def run_two(arguments: list[str]) -> list[Outcome]:
    """Run the script in two processes as torchrun would start them."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port = door.getsockname()[1]
    shared = {
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": f"{port}",
    }
    started = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, *arguments],
            env=os.environ | shared | {"RANK": f"{rank}", "OMP_NUM_THREADS": "1"},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for rank in range(2)
    ]
    outputs = [process.communicate(timeout=120) for process in started]
    return [Outcome(process.returncode, *output) for process, output in zip(started, outputs, strict=True)]


def test_two_processes_work_like_one(
    recordings: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = recordings / "manifest.tsv"
    rows = ["a.wav\tDog", "gone.wav\tDog", "b.WAV\tSiren;Dog", "deep/c.flac\tSiren", "notes.txt\tSiren"]
    manifest.write_text("\n".join(["path\tlabels", *rows]) + "\n")
    command = ["evaluate", "--data", str(manifest), "--model", str(model), "--threads", "1", "--report"]
    n_threads = torch.get_num_threads()
    assert main([*command, str(tmp_path / "one.json")]) == 1
    torch.set_num_threads(n_threads)
    alone = capsys.readouterr()

    first, second = run_two([*command, str(tmp_path / "two.json")])
    assert (tmp_path / "two.json").read_bytes() == (tmp_path / "one.json").read_bytes()
    assert (first.exit_code, first.errors) == (0, alone.err)
    assert (second.exit_code, second.errors) == (3, "")
    facts, table_and_end = first.output.split("\n", 1)
    lost = "process 0 of 2 has lost another one, which ended before it had results"
    assert table_and_end == f"{alone.out}exit code 1\n{lost}\n"
    evens, odds = ([f"item {number}" for number in range(begin, 7, 2)] for begin in (0, 1))
    everything = [f"ITEM {number}" for number in range(7)]
    assert json.loads(facts) == [0, 2, True, evens, everything, []]
    facts, end = second.output.splitlines()
    assert json.loads(facts) == [1, 2, False, odds, everything, []]
    assert end == "exit code 0"
