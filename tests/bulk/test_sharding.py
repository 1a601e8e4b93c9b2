from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from htsat.bulk.lock import BusyError, working_on
from htsat.bulk.sharding import ALL, Shard, shard_of
from htsat.errors import ConfigError

from .stub import call, files

KEYS = [f"{number * 0x9E3779B97F4A7C15 % 2**128:032x}" for number in range(999)]


@pytest.mark.parametrize(
    ("text", "environment", "expected"),
    [
        ("1/1", {}, Shard(0, 1)),
        ("8/8", {}, Shard(7, 8)),
        ("env", {"RANK": "0", "WORLD_SIZE": "2"}, Shard(0, 2)),
        (
            "env",
            {"SLURM_ARRAY_TASK_ID": "8", "SLURM_ARRAY_TASK_COUNT": "8", "SLURM_ARRAY_TASK_MIN": "1"},
            Shard(7, 8),
        ),
        ("env", {"SLURM_PROCID": "3", "SLURM_NTASKS": "4"}, Shard(3, 4)),
        ("env/64", {"JOB_COMPLETION_INDEX": "63"}, Shard(63, 64)),
    ],
)
def test_shares(text: str, environment: dict[str, str], expected: Shard) -> None:
    assert shard_of(text, environment) == expected


@pytest.mark.parametrize(
    ("text", "environment", "message"),
    [
        ("0/2", {}, "expected a share as 1/8, counted from 1, got '0/2'"),
        ("3/2", {}, "expected a share as 1/8, counted from 1, got '3/2'"),
        ("2", {}, r"expected I/N \(1/8 is the first of eight\), env or env/N, got '2'"),
        ("env", {}, "the environment does not tell which share this is .looked for RANK and WORLD_SIZE"),
        ("env", {"JOB_COMPLETION_INDEX": "0"}, "the environment does not tell"),
        ("env", {"RANK": "2", "WORLD_SIZE": "2"}, "RANK=2 is none of 2 shares"),
        ("env", {"RANK": "x", "WORLD_SIZE": "2"}, "RANK=x is none of 2 shares"),
    ],
)
def test_shares_that_are_none(text: str, environment: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^--shard(?: env)?: {message}"):
        shard_of(text, environment)


def test_every_unit_belongs_to_one_share() -> None:
    owners = Counter(index for key in KEYS for index in range(7) if Shard(index, 7).has(key))
    assert sum(owners.values()) == len(KEYS)
    assert all(80 < n < 210 for n in owners.values())


@pytest.mark.usefixtures("small_units")
@pytest.mark.parametrize(("name", "output"), [("csv", "out"), ("jsonl", "out.jsonl"), ("audacity", "own")])
def test_shares_together_are_one_run(tmp_path: Path, recordings: Path, name: str, output: str) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder / output if "." not in output else tmp_path / folder).mkdir(parents=True)
    assert call(recordings, tmp_path / "one" / output, name) == 1
    codes = [call(recordings, tmp_path / "two" / output, name, shard=f"{number}/2") for number in (1, 2)]
    assert sorted(codes) == [0, 1]  # one of them has the bad recording
    assert call(recordings, tmp_path / "two" / output, name) == 1
    assert files(tmp_path / "two") == files(tmp_path / "one")


HOLD = """
import sys
from pathlib import Path
from htsat.bulk.lock import working_on
from htsat.bulk.sharding import Shard

with working_on(Path(sys.argv[1]), "out", Shard(int(sys.argv[2]), int(sys.argv[3]))):
    print("holds", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(os.name != "posix", reason="nobody is refused without locks of the system")
@pytest.mark.parametrize(
    ("held", "wanted", "is_refused"),
    [
        (Shard(0, 1), ALL, True),
        (Shard(0, 2), Shard(0, 2), True),
        (Shard(0, 2), Shard(1, 2), False),
        (Shard(0, 2), ALL, True),
        (Shard(0, 1), Shard(0, 2), True),
    ],
)
def test_who_works_on_an_output(tmp_path: Path, held: Shard, wanted: Shard, is_refused: bool) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path), str(held.index), str(held.n)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"holds\n"
        if is_refused:
            with (
                pytest.raises(
                    BusyError, match=rf"^out: process {other.pid} on .* \(for 0 min\) works on it; "
                ),
                working_on(tmp_path, "out", wanted),
            ):
                pass
        else:
            with working_on(tmp_path, "out", wanted):
                pass
        other.kill()
    with working_on(tmp_path, "out", wanted):  # a killed process holds nothing
        pass
