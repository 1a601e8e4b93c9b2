"""HDF5 and Parquet with sound that somebody made to do harm: samples or one line, and of no other file."""

from __future__ import annotations

import io
import runpy
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from htsat.data.clip import Clip, Row
from htsat.data.stores import SoundReader
from htsat.errors import AudioError

MADE: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[2] / "fuzz" / "made_sounds.py"))
SOUND: bytes = MADE["encoded"]("FLAC", "PCM_16")
ROWS = np.full((2, 32_000), 1000, np.int16)


def read(path: Path, row: int = 0, n_samples: int | None = 3200) -> int:
    """How many samples a row gives."""
    reader, clip = SoundReader(32_000), Clip(path=path, labels=(), place=Row(row))
    try:
        reader.n_samples(clip)
        return len(reader.read(clip, 0, n_samples))
    finally:
        reader.close()


def hdf5(folder: Path, fill: Callable[[Any], object]) -> Path:
    with h5py.File(folder / "a.h5", "w") as file:
        fill(file)
    return folder / "a.h5"


@pytest.mark.parametrize("rate", [0, -1, 1, 2**40])
def test_sample_rates_that_no_recording_has(tmp_path: Path, rate: int) -> None:
    def fill(file: Any) -> None:
        file["waveform"] = ROWS
        file["waveform"].attrs["sample_rate"] = rate

    with pytest.raises(
        AudioError, match=rf"a\.h5: expected a sample rate of 100 to 10000000 Hz, got {rate} Hz"
    ):
        read(hdf5(tmp_path, fill))


@pytest.mark.parametrize("rate", [np.inf, np.nan, "x", [1, 2], np.zeros(8000)])
def test_sample_rates_that_are_no_numbers(tmp_path: Path, rate: object) -> None:
    def fill(file: Any) -> None:
        file["waveform"] = ROWS
        file.attrs["sample_rate"] = rate

    with pytest.raises(AudioError, match=r"a\.h5: expected a number as 'sample_rate', got ") as info:
        read(hdf5(tmp_path, fill))
    assert len(str(info.value)) < 300


def test_no_other_file_is_heard(tmp_path: Path) -> None:
    secret, other = tmp_path / "secret", tmp_path / "other.h5"
    secret.write_bytes(bytes(64_000))
    with h5py.File(other, "w") as file:
        file["waveform"] = ROWS
    layout = h5py.VirtualLayout((2, 32_000), "i2")
    layout[:] = h5py.VirtualSource(str(other), "waveform", (2, 32_000))
    for fill in (
        lambda file: file.create_dataset("waveform", (1, 32_000), "i2", external=[(str(secret), 0, 64_000)]),
        lambda file: file.create_virtual_dataset("waveform", layout),
    ):
        with pytest.raises(
            AudioError, match="the samples of 'waveform' lie in other files, which are not read"
        ):
            read(hdf5(tmp_path, fill))
    for link in (h5py.ExternalLink(str(other), "waveform"), h5py.SoftLink("/waveform")):
        with pytest.raises(AudioError, match=r"expected a data set 'waveform' \(n, L\), found waveform"):
            read(hdf5(tmp_path, lambda file, link=link: file.__setitem__("waveform", link)))


def test_a_chunk_is_no_bomb(tmp_path: Path) -> None:
    """A GB of zeros in 1 MB would be unpacked for the first sample."""

    def fill(file: Any) -> None:
        rows = file.create_dataset("waveform", (1, 2**29), "i2", chunks=(1, 2**29), compression="gzip")
        rows.id.write_direct_chunk((0, 0), zlib.compress(bytes(1000)))

    with pytest.raises(AudioError, match="are larger than 268435456 bytes"):
        read(hdf5(tmp_path, fill))


def test_rows_that_say_they_are_endless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("htsat.audio.stretch.MAX_STRETCH_S", 60)
    path = hdf5(
        tmp_path, lambda file: file.create_dataset("waveform", (2**40, 2**40), "i2", chunks=(1, 1024))
    )
    assert read(path, row=2**39) == 3200
    with pytest.raises(AudioError, match=r"a\.h5\[0\]: lasts longer than 60 s"):
        read(path, n_samples=None)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_rows_without_sound(tmp_path: Path, value: float) -> None:
    path = hdf5(tmp_path, lambda file: file.create_dataset("waveform", data=np.full((2, 3200), value)))
    with pytest.raises(AudioError, match=r"a\.h5\[0\]: contains NaN or infinite samples"):
        read(path)


def test_objects_are_no_samples(tmp_path: Path) -> None:
    for kind in (h5py.string_dtype(), h5py.vlen_dtype(np.int16)):
        path = hdf5(tmp_path, lambda file, kind=kind: file.create_dataset("waveform", (2, 2), kind))
        with pytest.raises(
            AudioError, match=r"expected 'waveform' \(n, L\) of int16 or float, got \(2, 2\) of obj"
        ):
            read(path)


def test_long_lists_of_names_are_cut(tmp_path: Path) -> None:
    path = hdf5(tmp_path, lambda file: [file.create_group(f"group {number}") for number in range(1000)])
    with pytest.raises(AudioError, match="expected a data set 'waveform'") as info:
        read(path)
    assert len(str(info.value)) < 400
    with pytest.raises(AudioError, match="no column holds bytes") as info:
        read(table(tmp_path, {f"column {number}": [1] for number in range(1000)}))
    assert len(str(info.value)) < 400


def table(folder: Path, columns: dict[str, Any] | pa.Table, **options: Any) -> Path:
    parquet.write_table(
        columns if isinstance(columns, pa.Table) else pa.table(columns), folder / "a.parquet", **options
    )
    return folder / "a.parquet"


@pytest.mark.parametrize("row", [SOUND, {"bytes": SOUND, "path": "a"}])
def test_equal_recordings_are_no_bomb(tmp_path: Path, row: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred of them take the room of one."""
    path = table(tmp_path, {"audio": [row] * 100})
    assert path.stat().st_size < 10 * len(SOUND)
    assert read(path, 99) == 3200
    monkeypatch.setattr("htsat.data.stores.parquet._MAX_GROUP_BYTES", 50 * len(SOUND))
    with pytest.raises(AudioError, match=r"a\.parquet\[99\]: row group 0 holds more than \d+ bytes"):
        read(path, 99)


def test_names_that_lead_into_structures(tmp_path: Path) -> None:
    assert read(table(tmp_path, {"a.b": [SOUND]})) == 3200
    assert read(table(tmp_path, {"a.b": [{"bytes": SOUND}]})) == 3200
    assert read(table(tmp_path, pa.table([[SOUND], [b"x"]], names=["audio", "audio"]))) == 3200


def test_damaged_parquet_is_refused_in_one_line(tmp_path: Path) -> None:
    content = bytearray(table(tmp_path, {"audio": [SOUND] * 3}, compression="none").read_bytes())
    reasons = []
    for place in range(4, 40):
        (tmp_path / "b.parquet").write_bytes(content[:place] + b"\xff" + content[place + 1 :])
        try:
            read(tmp_path / "b.parquet", 2)
        except AudioError as error:
            reasons.append(str(error))
    assert reasons
    assert not [reason for reason in reasons if "\n" in reason]
    for whole in (b"PAR1\xff\xff\xff\x7fPAR1", b"PAR1" * 4, io.BytesIO(content).read(200)):
        (tmp_path / "b.parquet").write_bytes(whole)
        with pytest.raises(AudioError):
            read(tmp_path / "b.parquet")
