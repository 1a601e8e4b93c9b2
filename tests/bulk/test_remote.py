"""Manifests and shards in object stores: a store of the tests counts what is asked of it, and may fail."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import fsspec
import numpy as np
import pyarrow as pa
import pytest
import soundfile
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem
from pyarrow import parquet

from htsat.audio import load_audio, open_audio
from htsat.bulk.inputs import Input, find_inputs
from htsat.bulk.units import Cutting, cut_units
from htsat.errors import AudioError, DataError


class _File(AbstractBufferedFile):
    def _fetch_range(self, start: int, end: int) -> bytes:
        Counted.ranges.append((start, end))
        if Counted.is_broken:
            raise RuntimeError("the store is tired\nno answer")
        return Counted.files[self.path][start:end]


class Counted(AbstractFileSystem):  # type: ignore[misc]
    """Files in memory that are fetched by ranges."""

    protocol = "counted"
    files: ClassVar[dict[str, bytes]] = {}
    ranges: ClassVar[list[tuple[int, int]]] = []
    listed: ClassVar[list[str]] = []
    is_broken = False

    def ls(self, path: str, detail: bool = True, **_: object) -> list[Any]:
        path = self._strip_protocol(path)
        Counted.listed.append(path)
        entries = {}
        for name, content in self.files.items():
            rest = name.removeprefix(f"{path}/") if path else name
            if name == path:
                entries[name] = {
                    "name": name,
                    "size": len(content),
                    "type": "file",
                    "ETag": str(len(content)),
                }
            elif rest != name or not path:
                child = f"{path}/{rest.split('/')[0]}".strip("/")
                is_file = "/" not in rest
                size = len(content) if is_file else 0
                kind = "file" if is_file else "directory"
                entries[child] = {"name": child, "size": size, "type": kind, "ETag": str(size)}
        if not entries:
            raise FileNotFoundError(path)
        return list(entries.values()) if detail else list(entries)

    def _open(self, path: str, mode: str = "rb", **options: Any) -> _File:
        return _File(self, path, mode, **options)


@pytest.fixture(autouse=True)
def store() -> Iterator[type[Counted]]:
    fsspec.register_implementation("counted", Counted, clobber=True)
    Counted.files, Counted.ranges, Counted.listed, Counted.is_broken = {}, [], [], False
    yield Counted
    Counted.clear_instance_cache()


def sound(seed: int, n_samples: int = 4000) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, 0.1 * np.random.default_rng(seed).standard_normal(n_samples), 8000, format="FLAC")
    return file.getvalue()


def shard_of(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


def names(inputs: list[Input]) -> list[str]:
    return [item.name.as_posix() for item in inputs]


def heard(item: Input) -> Any:
    assert item.opener is not None
    with open_audio(item.opener, 8000) as audio:
        return np.concatenate(list(audio.blocks()))


def test_a_shard_is_listed_by_its_headers_and_read_by_ranges(store: type[Counted], tmp_path: Path) -> None:
    long = [sound(number, 400_000) for number in range(6)]
    content = shard_of({f"deep/{number}.flac": flac for number, flac in enumerate(long)} | {"a.json": b"{}"})
    store.files = {"bucket/000.tar": content}
    inputs = find_inputs("counted://bucket/000.tar")
    assert names(inputs) == [f"000.tar/deep/{number}.flac" for number in range(6)]
    assert inputs[2].title == "counted://bucket/000.tar/deep/2.flac"
    # A request for each member and one for what follows, of the size that is asked for around a header.
    assert len(store.ranges) <= 8
    assert sum(end - start for start, end in store.ranges) < 0.2 * len(content)
    store.ranges = []
    (tmp_path / "2.flac").write_bytes(long[2])
    np.testing.assert_array_equal(heard(inputs[2]), load_audio(tmp_path / "2.flac", 8000))
    [(start, end)] = store.ranges
    assert end - start == len(long[2])
    assert content[start:end] == long[2]


def test_small_members_come_many_at_a_time(store: type[Counted]) -> None:
    content = shard_of({f"{number:03d}.flac": sound(number, 400) for number in range(300)})
    store.files = {"bucket/000.tar": content}
    assert len(find_inputs("counted://bucket/000.tar")) == 300
    assert len(store.ranges) <= 2 + len(content) // 2**16


def test_patterns_find_shards_and_folders_do_not(store: type[Counted]) -> None:
    shard = shard_of({"x.flac": sound(0), "../../out.flac": sound(1)})
    store.files = {"bucket/s/000.tar": shard, "bucket/s/001.tar": shard, "bucket/s/b.flac": sound(2)}
    found = ["000.tar/x.flac", "000.tar/out.flac", "001.tar/x.flac", "001.tar/out.flac"]
    assert names(find_inputs("counted://bucket/s/*.tar")) == found
    assert names(find_inputs("counted://bucket/s/*")) == [*found, "b.flac"]
    assert names(find_inputs("counted://bucket/s")) == ["b.flac"]


def test_a_shard_that_changes_makes_other_units(store: type[Counted]) -> None:
    def keys() -> list[str]:
        return [unit.key for unit in cut_units(find_inputs("counted://bucket/a.tar"), "", Cutting())]

    store.files = {"bucket/a.tar": shard_of({"x.flac": sound(0)})}
    before = keys()
    assert keys() == before
    store.files = {"bucket/a.tar": shard_of({"x.flac": sound(0), "y.json": b"{}" * 9999})}
    assert keys() != before


@pytest.mark.parametrize("n_kept", [300, 700])
def test_a_shard_that_is_cut_off(store: type[Counted], n_kept: int) -> None:
    store.files = {"bucket/a.tar": shard_of({"x.flac": sound(0)})[:n_kept]}
    with pytest.raises(DataError, match=r"^counted://bucket/a.tar: cannot be read as a tar shard \(unexpec"):
        find_inputs("counted://bucket/a.tar")


def test_a_store_that_fails_is_told_in_one_line(store: type[Counted]) -> None:
    store.files = {"bucket/a.tar": shard_of({"x.flac": sound(0)}), "bucket/m.csv": b"file\na.wav\n"}
    [item] = find_inputs("counted://bucket/a.tar")
    store.is_broken = True
    for name in ("a.tar", "m.csv"):
        with pytest.raises(DataError, match=f"^counted://bucket/{name}: no answer$"):
            find_inputs(f"counted://bucket/{name}")
    with pytest.raises(AudioError, match=r"^counted://bucket/a.tar/x.flac: no answer$"):
        heard(item)


def rows_as(name: str, files: list[str]) -> bytes:
    if name.endswith(".parquet"):
        file = io.BytesIO()
        parquet.write_table(pa.table({"file": files}), file)
        return file.getvalue()
    if name.endswith(".jsonl"):
        return "".join(json.dumps({"file": file}) + "\n" for file in files).encode()
    return ("file\n" + "".join(f"{file}\n" for file in files)).encode()


@pytest.mark.parametrize("name", ["m.csv", "m.tsv", "m.jsonl", "m.parquet"])
def test_a_manifest_names_files_of_its_store(store: type[Counted], name: str) -> None:
    rows = ["deep/a.flac", "b.flac", "deep/a.flac", "counted://other/c.flac", "gone.flac"]
    store.files = {f"bucket/lists/{name}": rows_as(name, rows), "bucket/lists/deep/a.flac": sound(1)}
    store.files |= {"bucket/lists/b.flac": sound(2), "other/c.flac": sound(3)}
    inputs = find_inputs(f"counted://bucket/lists/{name}")
    assert names(inputs) == ["deep/a.flac", "b.flac", "c.flac", "gone.flac"]
    titles = [
        f"counted://{path}" for path in ("bucket/lists/deep/a.flac", "bucket/lists/b.flac", "other/c.flac")
    ]
    assert [item.title for item in inputs[:3]] == titles
    sizes = [item.opener.size for item in inputs if item.opener is not None]  # type: ignore[union-attr]
    assert sizes == [len(sound(1)), len(sound(2)), len(sound(3)), 0]
    assert len(heard(inputs[2])) == 4000
    with pytest.raises(AudioError, match=r"^counted://bucket/lists/gone.flac: No such file or directory$"):
        heard(inputs[3])


def test_each_folder_of_a_manifest_is_listed_once(store: type[Counted]) -> None:
    files = [f"{folder}/{number}.flac" for folder in "ab" for number in range(50)]
    store.files = {"bucket/m.csv": rows_as("m.csv", files)} | {f"bucket/{file}": b"1" for file in files}
    assert len(find_inputs("counted://bucket/m.csv")) == 100
    assert [store.listed.count(f"bucket/{folder}") for folder in "ab"] == [1, 1]


@pytest.mark.parametrize("row", ["/etc/passwd", "../a.wav", "file:///etc/passwd", "s3://bucket/a.wav"])
def test_manifests_never_lead_out_of_their_store(store: type[Counted], row: str) -> None:
    store.files = {"bucket/m.csv": rows_as("m.csv", [row])}
    with pytest.raises(DataError, match=rf"^counted://bucket/m.csv: names {row}, which is not in the same s"):
        find_inputs("counted://bucket/m.csv")


def test_stores_without_ranges_of_their_own() -> None:
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.pipe("/sounds/a.tar", shard_of({"x.flac": sound(1)}))
    memory.pipe("/sounds/m.parquet", rows_as("m.parquet", ["b.flac"]))
    memory.pipe("/sounds/b.flac", sound(1))
    for name in ("a.tar", "m.parquet"):
        [item] = find_inputs(f"memory://sounds/{name}")
        assert len(heard(item)) == 4000


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """The address of a folder on a web server that gives files from the first byte to the last."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def copyfile(self, *files: Any) -> None:
            with suppress(ConnectionError):  # who asked for a part may not wait for the rest
                super().copyfile(*files)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_web_server_without_ranges(web: str, tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    (tmp_path / "a.tar").write_bytes(shard_of({f"{number}.flac": sound(number) for number in range(3)}))
    (tmp_path / "b.flac").write_bytes(sound(0))
    with pytest.raises(
        DataError, match=rf"^{web}/a.tar: the web server must know byte ranges, and does not$"
    ):
        find_inputs(f"{web}/a.tar")
    [item] = find_inputs(f"{web}/b.flac")
    assert len(heard(item)) == 4000
