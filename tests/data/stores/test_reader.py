from __future__ import annotations

import os
import pickle
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from htsat.audio import load_audio
from htsat.data.clip import Clip, Member, Row
from htsat.data.stores import SoundReader
from htsat.errors import AudioError, MissingExtraError
from htsat.scores import FloatArray

from .conftest import DURATION_S, RATE, encoded

HEARD_HZ = 32_000
N_SAMPLES = round(HEARD_HZ * DURATION_S)

Store = Callable[[Path, FloatArray], Clip]


def as_file(folder: Path, waveform: FloatArray) -> Clip:
    soundfile.write(folder / "a.flac", waveform, RATE)
    return Clip(folder / "a.flac", ())


def as_member(folder: Path, waveform: FloatArray) -> Clip:
    with tarfile.open(folder / "shard.tar", "w") as shard:
        for name in ("before", "a", "after"):
            (folder / name).write_bytes(encoded(waveform, RATE))
            shard.add(folder / name)
    with tarfile.open(folder / "shard.tar") as shard:
        member = shard.getmembers()[1]
    return Clip(folder / "shard.tar", (), place=Member(member.offset_data, member.size))


def as_hdf5_row(folder: Path, waveform: FloatArray) -> Clip:
    h5py = pytest.importorskip("h5py")
    samples = np.round(waveform * 32_767).astype(np.int16)
    with h5py.File(folder / "a.h5", "w") as file:
        file["waveform"] = np.stack([0 * samples, samples, -samples])
        file.attrs["sample_rate"] = RATE
    return Clip(folder / "a.h5", (), place=Row(1))


def as_parquet_row(folder: Path, waveform: FloatArray) -> Clip:
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = [{"bytes": encoded(scale * waveform, RATE), "path": "a.flac"} for scale in (0.1, 0.2, 0.3, 1, 0.5)]
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    table = pa.table({"thumbnail": pa.array([b"x"] * 5), "audio": pa.array(rows, kind)})
    parquet.write_table(table, folder / "a.parquet", row_group_size=2)
    return Clip(folder / "a.parquet", (), place=Row(3))


STORES: list[Store] = [as_file, as_member, as_hdf5_row, as_parquet_row]


@pytest.fixture(params=STORES, ids=lambda store: store.__name__)
def clip(request: pytest.FixtureRequest, tmp_path: Path, sweep: FloatArray) -> Clip:
    """The sweep, stored."""
    stored: Clip = request.param(tmp_path, sweep)
    return stored


@pytest.fixture
def whole(tmp_path: Path, sweep: FloatArray) -> FloatArray:
    """What is heard of the sweep, all of it."""
    soundfile.write(tmp_path / "whole.wav", sweep, RATE, subtype="FLOAT")
    return load_audio(tmp_path / "whole.wav", HEARD_HZ)


@pytest.fixture
def reader() -> SoundReader:
    return SoundReader(HEARD_HZ)


def part(clip: Clip, start_s: float, duration_s: float | None = None) -> Clip:
    return Clip(clip.path, (), start_s, duration_s, place=clip.place)


def assert_close(samples: FloatArray, expected: FloatArray) -> None:
    assert samples.dtype == np.float32
    np.testing.assert_allclose(samples, expected, rtol=0, atol=1e-4)  # 16 bits


def test_every_store_gives_the_recording(clip: Clip, whole: FloatArray, reader: SoundReader) -> None:
    assert reader.n_samples(clip) == len(whole) == N_SAMPLES
    assert_close(reader.read(clip), whole)


def test_every_store_gives_stretches(clip: Clip, whole: FloatArray, reader: SoundReader) -> None:
    for start, n_samples in [(0, 10), (1234, 5000), (N_SAMPLES // 2, None), (N_SAMPLES - 7, 100)]:
        stop = None if n_samples is None else start + n_samples
        assert_close(reader.read(clip, start, n_samples), whole[start:stop])


def test_a_stretch_of_a_clip_of_a_recording(clip: Clip, whole: FloatArray, reader: SoundReader) -> None:
    middle = part(clip, 0.5, 1.0)
    assert reader.n_samples(middle) == HEARD_HZ
    assert_close(reader.read(middle), whole[HEARD_HZ // 2 : 3 * HEARD_HZ // 2])
    assert_close(reader.read(middle, 1000, 50), whole[HEARD_HZ // 2 + 1000 :][:50])
    assert len(reader.read(middle, HEARD_HZ - 10, 50)) == 10
    assert reader.n_samples(part(clip, 1.0)) == N_SAMPLES - HEARD_HZ


def test_the_length_of_packed_clips_needs_no_file(tmp_path: Path, reader: SoundReader) -> None:
    gone = Clip(tmp_path / "gone.tar", (), 0.0, 2.5, place=Member(512, 100))
    assert reader.n_samples(gone) == 2.5 * HEARD_HZ


def test_a_clip_ends_where_its_recording_ends(clip: Clip, reader: SoundReader) -> None:
    assert len(reader.read(part(clip, 2.0, 5.0))) == HEARD_HZ


def test_what_lies_behind_the_end_is_refused(clip: Clip, reader: SoundReader) -> None:
    for start_s in (3.0, 100.0):
        with pytest.raises(AudioError) as info:
            reader.read(part(clip, start_s))
        assert str(info.value) == f"{clip.title}: ends before {start_s:g} s"
        with pytest.raises(AudioError, match=r"ends before the clip's start at"):
            reader.n_samples(part(clip, start_s))
    with pytest.raises(AudioError, match=r"the clip ends before its sample 32000$"):
        reader.read(part(clip, 0.0, 1.0), HEARD_HZ)


def test_a_reader_can_be_sent_away_while_files_are_open(clip: Clip, reader: SoundReader) -> None:
    here = reader.read(clip)
    there = pickle.loads(pickle.dumps(reader))
    np.testing.assert_array_equal(there.read(clip), here)
    reader.close()
    np.testing.assert_array_equal(reader.read(clip), here)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_reader_survives_a_fork(clip: Clip, reader: SoundReader) -> None:
    here = reader.read(clip)
    child = os.fork()
    if child == 0:
        same = all(np.array_equal(reader.read(clip, start), here[start:]) for start in (0, 0))
        os._exit(0 if same else 1)
    for _ in range(3):
        np.testing.assert_array_equal(reader.read(clip), here)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_more_files_than_stay_open(tmp_path: Path, reader: SoundReader) -> None:
    clips = []
    for number in range(40):
        data = encoded(np.full(100, number / 100, np.float32), HEARD_HZ)
        (tmp_path / f"{number}.tar").write_bytes(data)
        clips.append(Clip(tmp_path / f"{number}.tar", (), place=Member(0, len(data))))
    for _ in range(2):
        heard = [reader.read(clip, 50, 1).item() for clip in clips]
        np.testing.assert_allclose(heard, np.arange(40) / 100, atol=1e-4)


def refused(clip: Clip, reader: SoundReader) -> str:
    """The one line about a clip that cannot be read, without its path, from both methods alike."""
    with pytest.raises(AudioError) as info:
        reader.read(clip)
    with pytest.raises(AudioError) as other:
        reader.n_samples(clip)
    assert str(other.value) == str(info.value)
    assert "\n" not in str(info.value)
    assert str(info.value).startswith(str(clip.path))
    return str(info.value).removeprefix(str(clip.path))


def test_missing_files_are_named(tmp_path: Path, reader: SoundReader) -> None:
    assert refused(Clip(tmp_path / "a.wav", ()), reader) == ": No such file or directory"
    assert refused(Clip(tmp_path / "a.h5", (), place=Row(0)), reader) == ": No such file or directory"
    member = Clip(tmp_path / "a.tar", (), place=Member(512, 10))
    assert refused(member, reader) == "[512]: No such file or directory"
    row = Clip(tmp_path / "a.parquet", (), place=Row(0))
    assert refused(row, reader) == ": No such file or directory"


def test_a_shard_that_was_cut_off(tmp_path: Path, sweep: FloatArray, reader: SoundReader) -> None:
    clip = as_member(tmp_path, sweep)
    assert isinstance(clip.place, Member)
    os.truncate(clip.path, clip.place.offset + clip.place.size - 5)
    assert refused(clip, reader) == f"[{clip.place.offset}]: the shard ends 5 bytes before the recording"
    behind = Clip(clip.path, (), place=Member(10**9, 10))
    assert refused(behind, reader) == "[1000000000]: the shard ends 10 bytes before the recording"


def test_an_offset_that_is_wrong(tmp_path: Path, sweep: FloatArray, reader: SoundReader) -> None:
    clip = as_member(tmp_path, sweep)
    assert refused(Clip(clip.path, (), place=Member(0, 3000)), reader).startswith("[0]: cannot be decoded (")


def test_int16_is_divided_by_32767(tmp_path: Path, reader: SoundReader) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["audio_name"] = np.array([b"Y1.wav"], "S20")
        file["target"] = np.zeros((1, 527), bool)
        file["waveform"] = np.array([[32_767, -32_767, 1, 0]], np.int16)
    clip = Clip(tmp_path / "a.h5", (), place=Row(0))
    np.testing.assert_array_equal(reader.read(clip), np.array([1, -1, 1 / 32_767, 0], np.float32))


def test_hdf5_that_does_not_fit(tmp_path: Path, reader: SoundReader) -> None:
    h5py = pytest.importorskip("h5py")
    clip = Clip(tmp_path / "a.h5", (), place=Row(2))
    expected = ": expected 'waveform' (n, L) of int16 or float, got"
    for content, reason in [
        ({}, ": expected a data set 'waveform' (n, L), found nothing"),
        ({"target": [[1]]}, ": expected a data set 'waveform' (n, L), found target"),
        ({"waveform": np.zeros(5, np.int16)}, f"{expected} (5,) of int16"),
        ({"waveform": np.zeros((3, 5), np.int64)}, f"{expected} (3, 5) of int64"),
        ({"waveform": np.zeros((2, 5), np.int16)}, "[2]: there are only 2 rows"),
    ]:
        with h5py.File(clip.path, "w") as file:
            for name, values in content.items():
                file[name] = values
        assert refused(clip, reader) == reason
        reader.close()
    clip.path.write_bytes(b"no HDF5" * 100)
    assert refused(clip, reader) == ": is not an HDF5 file, or is cut off"


def test_hdf5_with_samples_that_are_no_numbers(tmp_path: Path, reader: SoundReader) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["waveform"] = np.full((1, 10), np.nan, np.float32)
    with pytest.raises(AudioError, match=r"a\.h5\[0\]: contains NaN"):
        reader.read(Clip(tmp_path / "a.h5", (), place=Row(0)))


def test_parquet_of_plain_bytes(
    tmp_path: Path, sweep: FloatArray, whole: FloatArray, reader: SoundReader
) -> None:
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pa.table({"label": ["dog"], "sound": pa.array([encoded(sweep, RATE)], pa.large_binary())})
    parquet.write_table(table, tmp_path / "a.parquet")
    assert_close(reader.read(Clip(tmp_path / "a.parquet", (), place=Row(0))), whole)


def test_parquet_that_does_not_fit(tmp_path: Path, reader: SoundReader) -> None:
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    clip = Clip(tmp_path / "a.parquet", (), place=Row(1))
    sound = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    undecodable = "cannot be decoded (Invalid data found when processing input)"
    for content, reason in [
        ({"label": ["dog", "cat"]}, "no column holds bytes, found label"),
        ({"audio": [b"x"]}, "there are only 1 rows"),
        ({"audio": pa.array([None, {"path": "a"}], sound)}, "holds no bytes in column 'audio.bytes'"),
        ({"audio": [b"x", b"not a recording"]}, undecodable),
    ]:
        parquet.write_table(pa.table(content), clip.path)
        assert refused(clip, reader) == f"[1]: {reason}"
        reader.close()
    clip.path.write_bytes(b"no Parquet" * 100)
    assert refused(clip, reader).startswith("[1]: Parquet magic bytes not found")


def test_parquet_is_not_read_again_for_the_next_row(
    tmp_path: Path, sweep: FloatArray, reader: SoundReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    clip = as_parquet_row(tmp_path, sweep)
    n_groups_read = []
    read = parquet.ParquetFile.iter_batches
    monkeypatch.setattr(
        parquet.ParquetFile,
        "iter_batches",
        lambda self, *size, **options: (
            n_groups_read.extend(options["row_groups"]) or read(self, *size, **options)
        ),
    )
    for row in (0, 1, 2, 3, 0, 3, 4):
        reader.read(Clip(clip.path, (), place=Row(row)), 0, 10)
    assert n_groups_read == [0, 1, 2]


@pytest.mark.parametrize(("package", "store"), [("h5py", as_hdf5_row), ("pyarrow", as_parquet_row)])
def test_a_missing_package_names_the_extra(
    tmp_path: Path, sweep: FloatArray, package: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = store(tmp_path, sweep)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'htsat\[train\]'"):
        SoundReader(HEARD_HZ).read(clip)


def test_names_with_odd_characters(tmp_path: Path, sweep: FloatArray, reader: SoundReader) -> None:
    for store in STORES:
        folder = tmp_path / f"{store.__name__} ünïcode 'quotes' %20 #1"
        folder.mkdir()
        assert reader.n_samples(store(folder, sweep)) == N_SAMPLES
