from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePath

import pytest

from htsat.bulk.inputs import Input
from htsat.bulk.listing import Listing
from htsat.bulk.units import Cutting, Unit, cut_units
from htsat.errors import ConfigError

NAMES = [f"{number:05d}.wav" for number in range(20_000)]

USUAL = Cutting()


def units(names: Sequence[str], settings: str = "", cutting: Cutting = USUAL) -> list[Unit]:
    inputs = (Input(Path("no such folder") / name, PurePath(name)) for name in names)
    return list(cut_units(inputs, settings, cutting))


def test_units_hold_all_recordings_in_their_order() -> None:
    cut = units(NAMES)
    assert [str(item.name) for unit in cut for item in unit.inputs] == NAMES
    assert all(unit.n_recordings == len(unit.inputs) <= 1024 for unit in cut)
    assert 40 < len(cut) < 160  # 78 on average
    assert len({unit.key for unit in cut}) == len(cut)


@pytest.mark.parametrize("change", ["added", "removed"])
def test_a_recording_more_or_less_changes_the_unit_that_it_falls_into(change: str) -> None:
    names = [*NAMES[:9000], "08999b.wav", *NAMES[9000:]] if change == "added" else NAMES[:9000] + NAMES[9001:]
    before, after = ({unit.key for unit in units(some)} for some in (NAMES, names))
    assert len(before - after) <= 2
    assert len(after - before) <= 2


def test_keys_depend_on_options_sizes_and_times(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    item = Input(path, PurePath("a.wav"))

    def key(settings: str = "") -> str:
        [unit] = cut_units([item], settings, Cutting())
        return unit.key

    absent = key()
    path.write_text("1")
    os.utime(path, ns=(10, 10))
    there = key()
    path.write_text("12")
    os.utime(path, ns=(10, 10))
    larger = key()
    os.utime(path, ns=(10, 11))
    assert len({absent, there, larger, key(), key("--top 3")}) == 5
    os.utime(path, ns=(10, 10))
    assert key() == larger


def test_large_recordings_make_small_units(tmp_path: Path) -> None:
    names = [f"{number}.wav" for number in range(9)]
    for name in names:
        (tmp_path / name).write_bytes(bytes(100))
    inputs = [Input(tmp_path / name, PurePath(name)) for name in names]
    cut = list(cut_units(inputs, "", Cutting(10**6, 10**6, 250)))
    assert [unit.n_recordings for unit in cut] == [3, 3, 3]
    assert [unit.n_bytes for unit in cut] == [300, 300, 300]


def test_a_recording_that_two_arguments_mean_is_heard_once(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    listing = Listing.of([str(tmp_path), str(tmp_path / "a.wav")], "", lambda _: (), Cutting())
    assert listing.n_recordings == 1


def test_arguments_that_mean_nothing_are_kept_as_problems(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    listing = Listing.of([str(tmp_path / "gone.csv"), str(tmp_path)], "", lambda _: (), Cutting())
    assert [str(problem) for problem in listing.problems] == [
        f"{tmp_path}/gone.csv: No such file or directory"
    ]
    assert listing.n_recordings == 1


def test_standard_input_cannot_be_resumed() -> None:
    with pytest.raises(ConfigError, match="standard input is gone when it was read"):
        Listing.of(["-"], "", lambda _: (), Cutting())
