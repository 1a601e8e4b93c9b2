"""Tar shards of people who mean ill: a list of what lies in them or one line, and no way out of them."""

from __future__ import annotations

import io
import random
import runpy
import tarfile
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from htsat.audio import open_audio
from htsat.bulk.inputs import find_inputs
from htsat.bulk.listing import Listing
from htsat.bulk.tars import TarMember
from htsat.bulk.units import Cutting
from htsat.data.shards import iterate_shard
from htsat.errors import AudioError, DataError
from htsat.tar_members import Member, members

FUZZ = Path(__file__).parents[2] / "fuzz"
MADE: dict[str, Any] = runpy.run_path(str(FUZZ / "made_tars.py"))
SOUND: bytes = runpy.run_path(str(FUZZ / "made_sounds.py"))["encoded"]("FLAC", "PCM_16")
END, header, member, pax = MADE["END"], MADE["header"], MADE["member"], MADE["pax"]
DAMAGED: dict[str, bytes] = MADE["damaged"](SOUND)
WHOLE: dict[str, bytes] = MADE["whole"](SOUND)


def listed(content: bytes) -> list[Member]:
    return list(members(io.BytesIO(content)))


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_damaged_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    """Not one of them is an end of the list without a word, a circle, or a request for memory."""
    shard = tmp_path / "a.tar"
    shard.write_bytes(DAMAGED[name])
    for read in (lambda: find_inputs(str(shard)), lambda: list(iterate_shard(shard))):
        with pytest.raises(DataError) as info:
            read()
        assert str(info.value).startswith(f"{shard}: cannot be read as a tar shard (")
        assert "\n" not in str(info.value)
    assert next(members(io.BytesIO(DAMAGED[name]))) == Member("a.flac", 512, len(SOUND), True)


@pytest.mark.parametrize("name", WHOLE)
def test_what_programs_write_is_read_as_the_standard_library_does(name: str) -> None:
    with tarfile.open(fileobj=io.BytesIO(WHOLE[name])) as tar:
        expected = [Member(one.name, one.offset_data, one.size, one.isreg()) for one in tar]
    assert len(expected) == 3
    assert listed(WHOLE[name]) == expected


def test_what_is_no_file_is_passed_over(tmp_path: Path) -> None:
    kinds = {
        b"1": "h",
        b"2": "s",
        b"3": "c",
        b"4": "b",
        b"5": "d",
        b"6": "p",
        b"S": "sparse",
        b"Z": "unknown",
    }
    odd = b"".join(header(f"{name}.flac", 0, kind, "/etc/passwd") for kind, name in kinds.items())
    sparse = pax(b"GNU.sparse.realsize", b"9" * 15) + member("huge.flac", SOUND)
    shard = tmp_path / "a.tar"
    shard.write_bytes(odd + sparse + member("a.flac", SOUND) + END)
    assert [item.name.name for item in find_inputs(str(shard))] == ["a.flac"]
    assert [key for key, _ in iterate_shard(shard)] == ["a"]


def test_a_sparse_file_with_a_long_map(tmp_path: Path) -> None:
    """The blocks of its map lie between its header and its content."""
    head = bytearray(header("holes.flac", 512, b"S"))
    head[482] = 1
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    more, last = bytes(504) + b"\1" + bytes(7), bytes(512)
    content = bytes(head) + more + last + bytes(512) + member("a.flac", SOUND) + END
    assert [one.is_file for one in listed(content)] == [False, True]
    with pytest.raises(DataError, match="unexpected end of data"):
        listed(bytes(head) + more)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (b"../../x.flac", "a.tar/x.flac"),
        (b"/etc/x.flac", "a.tar/x.flac"),
        (b"a/../../x.flac", "a.tar/x.flac"),
        (b"d/x.flac", "a.tar/d/x.flac"),
        (b"\xff.flac", "a.tar/\udcff.flac"),
        (b"", "a.tar/a.flac"),
    ],
)
def test_no_name_leads_out(tmp_path: Path, path: bytes, name: str) -> None:
    shard = tmp_path / "a.tar"
    for kind in (b"x", b"g"):
        shard.write_bytes(pax(b"path", path, kind) + member("a.flac", SOUND) + END)
        [item] = find_inputs(str(shard))
        assert item.name.as_posix() == name
        assert item.opener is not None
        with open_audio(item.opener, 8000) as audio:
            assert sum(map(len, audio.blocks())) == 800
    assert list(tmp_path.iterdir()) == [shard]


def test_names_that_nothing_can_have_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(pax(b"path", b"x\0.flac") + member("a.flac", SOUND) + END)
    with pytest.raises(DataError, match="no audio files found"):
        find_inputs(str(tmp_path / "a.tar"))


def test_of_members_with_one_name_the_first_is_heard(tmp_path: Path) -> None:
    shard = tmp_path / "a.tar"
    shard.write_bytes(member("a.flac", SOUND) + member("b.flac", SOUND) + member("a.flac", b"other") + END)
    found = find_inputs(str(shard))
    assert [item.name.name for item in found] == ["a.flac", "b.flac"]
    listing = Listing.of([str(shard)], "", lambda _: (), Cutting())
    assert [item for unit in listing.units for item in unit.inputs] == found
    assert isinstance(found[0].opener, TarMember)
    assert found[0].opener.size == len(SOUND)


def test_headers_about_headers_about_headers() -> None:
    """The last one counts, and their number is no matter."""
    chain = pax(b"path", b"x.flac") * 5000 + member("name", b"y.flac\0", b"L") * 5000
    [one] = listed(chain + member("a.flac", SOUND) + END)
    assert one.name == "y.flac"
    assert one.size == len(SOUND)


def test_a_size_of_more_than_octal_digits_hold() -> None:
    content = pax(b"size", str(len(SOUND)).encode()) + header("a.flac", 0) + member("", SOUND)[512:] + END
    assert [one.size for one in listed(content)] == [len(SOUND)]


def test_many_members_take_no_memory(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(header("e.flac") * 3000 + END)
    with (tmp_path / "a.tar").open("rb") as file:
        tracemalloc.start()
        assert sum(1 for _ in members(file)) == 3000
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak_bytes < 100_000


def test_a_header_says_no_more_than_a_mebibyte() -> None:
    with pytest.raises(DataError, match="a header of 1048577 bytes at byte 512"):
        listed(member("pax", bytes(2**20 + 1), b"x") + END)


def test_a_member_that_is_gone_when_its_turn_comes(tmp_path: Path) -> None:
    shard = tmp_path / "a.tar"
    shard.write_bytes(member("a.flac", SOUND) + END)
    [item] = find_inputs(str(shard))
    shard.write_bytes(SOUND[:100])
    assert item.opener is not None
    with pytest.raises(AudioError, match="is cut off: the shard ends before it"):
        open_audio(item.opener, 8000)


def end_of_last(content: bytes) -> int:
    """Where the last member ends; each begins behind the one before, and ends within the file."""
    end = 0
    for one in members(io.BytesIO(content)):
        assert end < one.offset <= one.offset + one.size <= len(content)
        end = one.offset + one.size
    return end


def test_damage_of_all_kinds() -> None:
    rng, reasons = random.Random(3), []
    tars = [*WHOLE.values(), *DAMAGED.values()]
    for _ in range(3000):
        content = bytearray(rng.choice(tars)[:20_000])
        for _ in range(rng.randrange(1, 5)):
            within = rng.choice([124, 148, 156, 257, rng.randrange(512)])
            place = rng.randrange(len(content)) // 512 * 512 + within
            content[place : place + 1] = rng.choice([b"\xff", b"\x80", b"\0", b"7", b"g", b"x", b"L", b"S"])
        try:
            end_of_last(bytes(content))
        except DataError as error:
            reasons.append(str(error))
    assert 1000 < len(reasons) < 3000
    assert not [reason for reason in reasons if "\n" in reason]
