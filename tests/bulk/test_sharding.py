from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from htsat.bulk.lock import BusyError, working_on
from htsat.bulk.sharding import ALL, Shard, shard_of
from htsat.bulk.units import Unit
from htsat.errors import ConfigError

from .stub import call, files


def unit(number: int, n_recordings: int, n_bytes: int = 0) -> Unit:
    return Unit(f"{number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128:032x}", n_recordings, n_bytes, b"")


UNITS = [unit(number, 1 + number * number % 997) for number in range(4000)]


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


def owners(units: Sequence[Unit], n: int) -> dict[str, int]:
    """The share of each unit; no unit has two."""
    shares = [Shard(index, n).of(units) for index in range(n)]
    assert sum(map(len, shares)) == len(units)
    return {unit.key: index for index, share in enumerate(shares) for unit in share}


@pytest.mark.parametrize(("n", "most"), [(1, 1.0), (2, 1.001), (8, 1.005), (64, 1.05)])
def test_every_unit_belongs_to_one_share_and_shares_are_alike(n: int, most: float) -> None:
    owner = owners(UNITS, n)
    assert set(owner) == {unit.key for unit in UNITS}
    loads = Counter[int]()
    for some in UNITS:
        loads[owner[some.key]] += some.n_recordings
    assert max(loads.values()) <= most * sum(loads.values()) / n


def test_a_share_is_in_the_order_of_the_listing() -> None:
    share = Shard(1, 3).of(UNITS)
    assert share == [unit for unit in UNITS if unit in share]
    assert Shard(0, 3).of([]) == []


def test_a_unit_more_moves_hardly_any_other() -> None:
    before, after = owners(UNITS, 8), owners([*UNITS[:2000], unit(-1, 500), *UNITS[2000:]], 8)
    assert sum(before[key] != after[key] for key in before) <= 8


def test_large_recordings_count_more_than_small_ones() -> None:
    units = [unit(number, 100, 10**9 if number % 10 == 0 else 10**6) for number in range(1000)]
    owner = owners(units, 4)
    loads = Counter[int]()
    for some in units:
        loads[owner[some.key]] += some.n_bytes
    assert max(loads.values()) <= 1.1 * sum(loads.values()) / 4


def test_more_shares_than_units() -> None:
    assert sorted(owners(UNITS[:3], 8)) == sorted(unit.key for unit in UNITS[:3])


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
