"""Shards on a web server give what those on the disk give, whatever goes wrong, or end the work."""

from __future__ import annotations

import math
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path, PureWindowsPath
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from htsat.data.augment import WaveformAugmentation
from htsat.data.clip import Clip, Member, Row, address_of, path_of
from htsat.data.dataset import ClipMaker, StoredSounds, TrainingClips
from htsat.data.manifest import Manifest, read_manifest, write_manifest
from htsat.data.packing import Packing, pack
from htsat.data.sampling import PartSampler, StreamedClips
from htsat.data.stores import SoundReader, http
from htsat.errors import DataError, HtsatWarning, MissingExtraError
from htsat.labels import LabelSet

from .faulty_server import ENDLESS_BYTES, PASSING_FAULTS, SILENCE_S, FaultyServer

pytest.importorskip("urllib3")
RATE = 8_000
N_CLIPS = 26
LABELS = LabelSet(("even", "odd"))


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three shards with 26 noises of different lengths."""
    folder = tmp_path_factory.mktemp("packed")
    (folder / "sounds").mkdir()
    rng, clips = np.random.default_rng(0), []
    for number in range(N_CLIPS):
        path = folder / "sounds" / f"{number}.wav"
        soundfile.write(path, 0.1 * rng.standard_normal(RATE // 2 + 97 * number), RATE)
        clips.append(Clip(path, (LABELS.names[number % 2],)))
    pack(Manifest(tuple(clips), LABELS), folder / "shards", Packing(sample_rate=RATE, shard_mb=0.1))
    assert len(list((folder / "shards").glob("*.tar"))) == 3
    return folder / "shards"


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would have been waited between requests."""
    waits: list[float] = []
    monkeypatch.setattr("urllib3.util.retry.time", SimpleNamespace(sleep=waits.append, time=time.time))
    monkeypatch.setattr(http, "_SILENCE_S", SILENCE_S)
    monkeypatch.setattr(http, "_UNTOLD_S", math.inf)
    return waits


@pytest.fixture
def server(packed: Path, waits: list[float], monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with FaultyServer(packed).running() as server:
        yield server


@pytest.fixture
def local(packed: Path) -> Manifest:
    return read_manifest(packed / "index.parquet")


@pytest.fixture
def remote(local: Manifest, server: FaultyServer, tmp_path: Path) -> Manifest:
    """The same clips by their addresses, as a manifest names them."""
    rows = [
        f"{server.address}/{clip.path.name}\t{clip.labels[0]}\t{clip.duration_s!r}"
        f"\t{clip.place.offset}\t{clip.place.size}"
        for clip in local.clips
        if isinstance(clip.place, Member)
    ]
    table = "\n".join(["path\tlabels\tduration\toffset\tsize", *rows])
    (tmp_path / "manifest.tsv").write_text(table + "\n")
    return read_manifest(tmp_path / "manifest.tsv")


@pytest.fixture
def reader() -> Iterator[SoundReader]:
    reader = SoundReader(RATE)
    yield reader
    reader.close()


def training_clips(manifest: Manifest) -> TrainingClips:
    maker = ClipMaker(clip_samples=RATE // 2, augmentation=WaveformAugmentation(), seed=0)
    return TrainingClips(StoredSounds(manifest.clips, SoundReader(RATE)), LABELS, maker)


def test_lengths_need_no_server(remote: Manifest, server: FaultyServer, reader: SoundReader) -> None:
    assert [reader.n_samples(clip) for clip in remote.clips] == [RATE // 2 + 97 * n for n in range(N_CLIPS)]
    assert server.paths == []


def test_a_clip_from_a_server_is_that_from_the_disk(
    local: Manifest, remote: Manifest, reader: SoundReader
) -> None:
    for here, there in zip(local.clips, remote.clips, strict=True):
        np.testing.assert_array_equal(reader.read(there), reader.read(here))
    there = Clip(there.path, (), place=there.place)
    assert reader.n_samples(there) == reader.n_samples(here)
    np.testing.assert_array_equal(reader.read(there, 100, 50), reader.read(here, 100, 50))


@pytest.mark.parametrize("fault", PASSING_FAULTS)
def test_a_fault_that_passes_costs_nothing_but_time(
    fault: str, local: Manifest, remote: Manifest, server: FaultyServer, reader: SoundReader
) -> None:
    server.faults.extend([fault, fault, ""])
    np.testing.assert_array_equal(reader.read(remote.clips[3]), reader.read(local.clips[3]))
    assert len(server.paths) == (1 if fault == "slow" else 3)


def test_an_epoch_with_faults_is_the_one_from_the_disk(
    local: Manifest, remote: Manifest, server: FaultyServer
) -> None:
    """The same clips, samples and targets, in the same order; every clip once, none replaced."""
    random_faults = random.Random(0).choices([*PASSING_FAULTS[:4], "garbage", "gone", ""], k=60)
    server.faults.extend(random_faults)
    parts = PartSampler(StreamedClips([clip.path for clip in local.clips], 0), 13)
    here, there = training_clips(local), training_clips(remote)
    heard: Counter[int] = Counter()
    for draw in chain.from_iterable(parts):
        expected, sample = here[draw], there[draw]
        np.testing.assert_array_equal(sample.waveform, expected.waveform)
        np.testing.assert_array_equal(sample.target, expected.target)
        assert sample.broken == ()
        heard[draw.index] += 1
    assert heard == dict.fromkeys(range(N_CLIPS), 1)
    assert not server.faults, "all of them happened"


def test_the_order_of_shards_is_that_on_the_disk(local: Manifest, remote: Manifest) -> None:
    orders = [StreamedClips([clip.path for clip in part.clips], 0).epoch(1) for part in (local, remote)]
    assert orders[0].indices.tolist() == orders[1].indices.tolist()


def test_a_server_says_how_long_to_wait_but_not_for_hours(
    remote: Manifest, server: FaultyServer, reader: SoundReader, waits: list[float]
) -> None:
    server.faults.extend(["503", "429", "reset", "reset", "reset"])
    reader.read(remote.clips[0])
    assert waits[:2] == [7, 7]
    assert waits[2] < waits[3] < waits[4] < 10, "longer from time to time"
    assert http._retries().retry_after_max == 60


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("503", "too many 503 error responses"),
        ("reset", "Connection reset by peer"),
        ("truncated", "more expected"),
        ("gone", "Remote end closed connection without response"),
        ("silent", r"Read timed out. \(read timeout=0.1\)"),
    ],
)
def test_a_fault_that_does_not_pass_ends_the_work(
    fault: str,
    reason: str,
    remote: Manifest,
    server: FaultyServer,
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With one line that names the shard: never is another clip taken in its place."""
    monkeypatch.setattr(http, "_SILENCE_S", 0.1)
    server.faults.extend(repeat(fault, 100))
    parts = PartSampler(StreamedClips([clip.path for clip in remote.clips], 0), 13)
    draw = next(chain.from_iterable(parts))
    shard = address_of(remote.clips[draw.index].path)
    with pytest.raises(DataError, match=rf"^{shard}: .*{reason}.* \(asked 11 times\)$") as caught:
        training_clips(remote)[draw]
    assert "\n" not in str(caught.value)
    assert len(server.paths) == 11
    assert sum(waits) < 330


def test_a_server_that_is_not_there(reader: SoundReader, waits: list[float]) -> None:
    clip = Clip(Path("http://127.0.0.1:9/a.tar"), (), place=Member(512, 100))
    expected = r"^http://127.0.0.1:9/a.tar: .*Connection refused.* \(asked 11 times\)$"
    with pytest.raises(DataError, match=expected):
        reader.read(clip)


@pytest.mark.parametrize(("fault", "reason"), [("503", "answer 503"), ("reset", "Connection reset by peer")])
def test_who_waits_for_a_server_is_told_once(
    fault: str,
    reason: str,
    remote: Manifest,
    server: FaultyServer,
    reader: SoundReader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "_UNTOLD_S", 0.0)
    server.faults.extend([fault, fault, fault, ""])
    shard = address_of(remote.clips[3].path)
    with pytest.warns(HtsatWarning, match=rf"^{shard}: .*{reason}.*; asked again, for minutes$") as told:
        reader.read(remote.clips[3])
    assert len(told) == 1


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("404", "404 Not Found"),
        ("403", "403 Forbidden"),
        ("whole", "the server sends whole files only, and ranges of bytes are needed"),
    ],
)
def test_what_will_not_pass_is_not_asked_again(
    fault: str, reason: str, remote: Manifest, server: FaultyServer, reader: SoundReader
) -> None:
    server.faults.append(fault)
    with pytest.raises(DataError, match=rf"^{server.address}/shard-000000.tar: {reason}$"):
        reader.read(remote.clips[0])
    assert len(server.paths) == 1


def test_a_shard_that_changes_is_noticed(
    remote: Manifest, server: FaultyServer, reader: SoundReader, packed: Path
) -> None:
    reader.read(remote.clips[0])
    server.tag = '"second"'
    expected = r'was changed while it was in use \(\d+ bytes, "first"; now \d+ bytes, "second"\)$'
    with pytest.raises(DataError, match=expected):
        reader.read(remote.clips[0])


def test_a_shard_of_another_length_is_noticed(
    remote: Manifest, server: FaultyServer, reader: SoundReader, packed: Path, tmp_path: Path
) -> None:
    server.folder = tmp_path
    content = (packed / "shard-000000.tar").read_bytes()
    (tmp_path / "shard-000000.tar").write_bytes(content)
    reader.read(remote.clips[0])
    (tmp_path / "shard-000000.tar").write_bytes(content + bytes(512))
    with pytest.raises(DataError, match=r"shard-000000.tar: was changed while it was in use"):
        reader.read(remote.clips[0])
    (tmp_path / "shard-000000.tar").write_bytes(content[:1000])
    with pytest.raises(DataError, match="has 1000 bytes, and the manifest tells of one that ends at byte"):
        SoundReader(RATE).read(remote.clips[0])


@pytest.mark.parametrize("shift", [-512, 512, 3])
def test_a_shard_that_is_not_that_of_the_manifest_is_noticed(
    shift: int, remote: Manifest, reader: SoundReader, server: FaultyServer
) -> None:
    clip = remote.clips[1]
    assert isinstance(clip.place, Member)
    moved = Clip(clip.path, (), place=Member(clip.place.offset + shift, clip.place.size))
    with pytest.raises(DataError, match=rf"{moved.path.name}: has no member of {clip.place.size} bytes at"):
        reader.read(moved)
    with pytest.raises(DataError, match="has no member of 9 bytes at byte 0"):
        reader.read(Clip(clip.path, (), place=Member(0, 9)))


def test_redirections_are_followed(
    local: Manifest, remote: Manifest, server: FaultyServer, reader: SoundReader
) -> None:
    server.faults.append("moved")
    np.testing.assert_array_equal(reader.read(remote.clips[0]), reader.read(local.clips[0]))
    assert server.paths == ["/shard-000000.tar", "/moved/shard-000000.tar"]


@pytest.mark.parametrize(
    ("onward", "reason"),
    [
        ("ftp://host/a.tar", "leads from http to ftp://host/a.tar$"),
        ("http://[::1/a.tar", "leads to 'http://.*', which is no address that can be asked$"),
        ("http://host:99999/a.tar", "is no address that can be asked$"),
    ],
)
def test_where_redirections_may_not_lead(
    onward: str, reason: str, remote: Manifest, server: FaultyServer, reader: SoundReader
) -> None:
    server.faults.append(f"moved {onward}")
    with pytest.raises(DataError, match=rf"^http://.*: {reason}"):
        reader.read(remote.clips[0])
    assert len(server.paths) == 1


def test_redirections_end(
    remote: Manifest, server: FaultyServer, reader: SoundReader, waits: list[float]
) -> None:
    server.faults.extend(["moved"] * 20)
    expected = rf"^{server.address}/shard-000000.tar: too many redirects \(asked 6 times\)$"
    with pytest.raises(DataError, match=expected):
        reader.read(remote.clips[0])
    assert waits == []


class Moved:
    """A server behind `https`, which leads elsewhere."""

    def __init__(self, onward: str) -> None:
        self.onward = onward
        self.asked: list[str] = []

    def urlopen(self, _: str, address: str, **__: object) -> object:
        import urllib3

        self.asked.append(address)
        if len(self.asked) > 1:
            return urllib3.HTTPResponse(status=404, reason="Not Found")
        return urllib3.HTTPResponse(status=302, headers={"Location": self.onward})

    def clear(self) -> None:
        """It has no connections."""


def test_no_redirection_leads_out_of_https(monkeypatch: pytest.MonkeyPatch, reader: SoundReader) -> None:
    clip = Clip(Path("https://host/a.tar"), (), place=Member(512, 100))
    for onward, reason in (
        ("http://host/a.tar", r"leads from https to http://host/a\.tar"),
        ("//other/a.tar", "404 Not Found"),
    ):
        pool = Moved(onward)
        monkeypatch.setattr(http, "_connect", lambda _, pool=pool: pool)
        with pytest.raises(DataError, match=f"^https://host/a.tar: {reason}$"):
            reader.read(clip)
        assert pool.asked == ["https://host/a.tar", "https://other/a.tar"][: 1 if "leads" in reason else 2]
        reader.close()


@pytest.mark.parametrize("status", [200, 206, 503])
def test_no_more_is_taken_than_was_asked_for(
    status: int, remote: Manifest, server: FaultyServer, reader: SoundReader, waits: list[float]
) -> None:
    """A whole shard would fill the memory of all processes that prepare clips."""
    server.faults.extend([f"endless {status}"] * 3 + ["404"])
    with pytest.raises(DataError, match=r"whole files only|has no member of|404"):
        reader.read(remote.clips[0])
    assert server.n_endless_bytes < 3 * ENDLESS_BYTES / 2


@pytest.mark.parametrize("address", ["http://[::1/a.tar", "http://host:99999/a.tar", "http://:80/a.tar"])
def test_what_cannot_be_asked_is_not_asked(address: str, reader: SoundReader, waits: list[float]) -> None:
    path = path_of(address)
    assert path is not None
    with pytest.raises(DataError, match=r"^http://.*: is no address that can be asked$"):
        reader.read(Clip(path, (), place=Member(512, 100)))
    assert waits == []


def test_a_reader_survives_a_fork(local: Manifest, remote: Manifest, reader: SoundReader) -> None:
    """Connections are not shared with the process that it came from."""
    expected = reader.read(local.clips[5])
    reader.read(remote.clips[5])
    child = os.fork()
    if not child:
        is_same = np.array_equal(reader.read(remote.clips[5]), expected)
        os._exit(0 if is_same else 1)
    for _ in range(20):
        np.testing.assert_array_equal(reader.read(remote.clips[5]), expected)
    assert os.waitpid(child, 0)[1] == 0


def test_addresses_in_manifests(remote: Manifest, server: FaultyServer, tmp_path: Path) -> None:
    for name in ("copy.tsv", "copy.parquet"):
        write_manifest(tmp_path / name, remote)
        assert read_manifest(tmp_path / name).clips == remote.clips
    assert f"\n{server.address}/shard-000000.tar\t" in (tmp_path / "copy.tsv").read_text()
    title = remote.clips[0].title
    assert title.startswith(f"{server.address}/shard-000000.tar[")


@pytest.mark.parametrize(
    "address", ["http://host/a.tar", "https://host:81/b/ü%20.tar?key=a/b&c=http:%2F%2Fd"]
)
def test_an_address_stands_as_a_path(address: str) -> None:
    path = path_of(address)
    assert path is not None
    assert address_of(path) == address
    assert address_of(PureWindowsPath(address)) == address, "whose text has backslashes"


def test_what_is_no_address() -> None:
    assert [path_of(text) for text in ("a.tar", "/http/a.tar", "ftp://host/a.tar", "http/a.tar")] == [
        None
    ] * 4
    assert address_of(Path("/data/http:/a.tar")) is None


@pytest.mark.parametrize("address", ["http://host//a.tar", "http://host/a/./b.tar", "https://host/a/"])
def test_an_address_that_a_path_cannot_hold_is_refused(address: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.tsv").write_text(f"path\tlabels\n{address}\tdog\n")
    with pytest.raises(DataError, match=r"line 2: http.*: an address must not have empty parts"):
        read_manifest(tmp_path / "manifest.tsv")


@pytest.mark.parametrize("place", [None, Row(3)])
def test_only_shards_are_read_from_a_server(place: Row | None, reader: SoundReader) -> None:
    with pytest.raises(DataError, match=r"^http://host/a.wav.*: only tar shards are read from a web server"):
        reader.read(Clip(Path("http://host/a.wav"), (), place=place))


def test_urllib3_is_an_extra(remote: Manifest, reader: SoundReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "urllib3", None)
    with pytest.raises(MissingExtraError, match=r"from a web server needs .* pip install 'htsat\[remote\]'"):
        reader.read(remote.clips[0])


def test_the_proxy_of_the_environment_is_asked(
    local: Manifest, server: FaultyServer, reader: SoundReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.address)
    monkeypatch.delenv("no_proxy", raising=False)
    place = local.clips[0].place
    with pytest.raises(DataError, match=r"^http://elsewhere.example/shard-000000.tar: 404 Not Found$"):
        reader.read(Clip(Path("http://elsewhere.example/shard-000000.tar"), (), place=place))
    assert server.paths == ["http://elsewhere.example/shard-000000.tar"]
