"""Recordings of people who mean ill: an answer or one line, in bounded memory, whatever the bytes say."""

from __future__ import annotations

import io
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from starlette.testclient import TestClient

import htsat
from htsat.audio import PcmFormat, Stretch, array_blocks, count_samples, open_audio, pcm_blocks, read_stretch
from htsat.data.clip import Clip
from htsat.data.manifest import Manifest
from htsat.data.packing import Packing, pack
from htsat.errors import AudioError
from htsat.labels import LabelSet
from htsat.web.app import create_app
from htsat.web.settings import ServiceSettings

FUZZ = Path(__file__).parents[2] / "fuzz"
MADE: dict[str, Any] = runpy.run_path(str(FUZZ / "made_sounds.py"))
LYING: dict[str, bytes] = MADE["lying"]()
RATE_HZ = 32_000

REFUSED = {
    "0 Hz": "cannot be decoded|holds no audio samples",
    "1 Hz": "expected a sample rate of 100 to 10000000 Hz, got 1 Hz",
    "99 Hz": "expected a sample rate of 100 to 10000000 Hz, got 99 Hz",
    "2147483647 Hz": "expected a sample rate of 100 to 10000000 Hz, got 2147483647 Hz",
    "4294967295 Hz": "cannot be decoded",
    "0 channels": "holds no audio samples",
    "1025 channels": "holds no audio samples",
    "10000 channels": "holds no audio samples",
    "65535 channels": "holds no audio samples",
    "0 bits": "unknown codec",
    "64 bits": "has samples of a type that is not read: s64",
    "65535 bits": "unknown codec",
    "samples without a type": "cannot be decoded",
    "a type without samples": "cannot be decoded",
    "a part of 4 GB": "cannot be decoded",
    "kind 2": "cannot be decoded|holds no audio samples",
    "kind 85": "holds no audio samples",
    "kind 65534": "unknown codec",
    "CAF of 2^63": "cannot be decoded",
    "CAF of NaN Hz": "holds no audio samples",
    "CAF of -1 Hz": "holds no audio samples",
    "AIFF of 1e9 Hz": "expected a sample rate of 100 to 10000000 Hz, got 800000000 Hz",
    "FLAC of 2^36": r"is cut off: 0\.10 s of 8589934\.59 s can be decoded",
}
"""What is said of headers that cannot be true; the others only say too much, and what is there is heard."""


def hear(path: Path) -> Iterator[np.ndarray[Any, Any]]:
    with open_audio(path, RATE_HZ) as audio:
        yield from audio.blocks()


@pytest.mark.parametrize("name", LYING)
def test_what_a_header_says_is_not_believed(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(LYING[name])
    if name in REFUSED:
        with pytest.raises(AudioError) as info:
            list(hear(path))
        assert str(info.value).startswith(f"{path}: ")
        assert re.search(REFUSED[name], str(info.value))
        assert "\n" not in str(info.value)
        return
    samples = np.concatenate(list(hear(path)))
    assert np.isfinite(samples).all()
    assert len(samples) <= 8 * len(LYING[name]) * RATE_HZ / MADE["RATE_HZ"]  # at least one bit a sample


@pytest.mark.parametrize("name", LYING)
@pytest.mark.parametrize("start", [0, 1600, 10**9, 2**40])
def test_stretches_of_liars(tmp_path: Path, name: str, start: int, capfd: pytest.CaptureFixture[str]) -> None:
    """As a file and in memory: samples or one line, and no library prints what it stumbled over."""
    (tmp_path / "a.wav").write_bytes(LYING[name])
    for source in (tmp_path / "a.wav", io.BytesIO(LYING[name])):
        try:
            count_samples(source, RATE_HZ)
            cut = read_stretch(source, Stretch(RATE_HZ, start, 3200))
        except AudioError:
            continue
        assert 0 < len(cut) <= 3200
        assert start < len(LYING[name]) * RATE_HZ
    assert "Traceback" not in capfd.readouterr().err


@pytest.fixture
def fork(tmp_path: Path) -> bytes:
    """What macOS keeps beside the samples of a Sound Designer 2 file: their rate and type."""
    soundfile.write(tmp_path / "designed.sd2", np.zeros(8000), 8000, "PCM_16", format="SD2")
    return (tmp_path / "._designed.sd2").read_bytes()


@pytest.mark.parametrize("where", ["._{}", ".AppleDouble/{}"])
@pytest.mark.parametrize("name", ["a.mp3", "a.wav"])
def test_what_lies_beside_a_file_is_no_part_of_it(tmp_path: Path, fork: bytes, where: str, name: str) -> None:
    """The library would take the bytes of an MP3 file for samples, and hear noise."""
    path = tmp_path / name
    soundfile.write(path, 0.1 * np.sin(np.arange(8000) / 5), 8000)
    expected = np.concatenate(list(hear(path)))
    beside = tmp_path / where.format(name)
    beside.parent.mkdir(exist_ok=True)
    beside.write_bytes(fork)
    np.testing.assert_array_equal(np.concatenate(list(hear(path))), expected)
    assert count_samples(path, RATE_HZ) == len(expected)


@pytest.mark.parametrize("where", ["._{}", ".AppleDouble/{}"])
def test_samples_whose_type_lies_beside_them_are_not_heard(tmp_path: Path, fork: bytes, where: str) -> None:
    path = tmp_path / "designed.sd2"
    (tmp_path / "._designed.sd2").unlink()
    (tmp_path / where.format(path.name)).parent.mkdir(exist_ok=True)
    (tmp_path / where.format(path.name)).write_bytes(fork)
    with pytest.raises(AudioError, match=r"designed\.sd2: cannot be decoded"):
        list(hear(path))


def test_liars_with_something_beside_them_make_no_library_print(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "._a.wav").touch()
    for content in LYING.values():
        (tmp_path / "a.wav").write_bytes(content)
        with suppress(AudioError):
            read_stretch(tmp_path / "a.wav", Stretch(RATE_HZ, 2**40, 3200))
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e38, -3e38])
def test_samples_that_are_no_sound_are_never_heard(tmp_path: Path, value: float) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(MADE["floats"](value))
    with pytest.raises(AudioError, match=r"contains (NaN or infinite|absurdly large) samples"):
        list(hear(path))


def test_channels_whose_sum_is_infinite_are_refused() -> None:
    for left, right in ((np.inf, -np.inf), (3e38, 3e38), (np.nan, 0)):
        both = np.tile(np.array([[left], [right]], np.float32), 800)
        with pytest.raises(AudioError, match="contains NaN or infinite samples"):
            list(array_blocks(both, 8000, RATE_HZ))


def test_a_page_that_ends_where_no_sound_is(tmp_path: Path) -> None:
    """The last page is believed to be where the sound ends: who reads up to there must notice the end."""
    whole = MADE["encoded"]("OGG", "VORBIS", n_samples=64_000)
    path = tmp_path / "a.ogg"
    path.write_bytes(MADE["granules"](whole, lambda frame: frame + 2**40))
    with pytest.raises(AudioError, match=r"ends before 62\.5 s"):
        read_stretch(path, Stretch(RATE_HZ, 2_000_000, 3200))
    assert len(read_stretch(path, Stretch(RATE_HZ, 0, 3200))) == 3200


def test_low_rates_do_not_explode() -> None:
    """At 100 Hz a sample becomes 320: of some seconds at a time, or of what one read gives."""
    assert max(map(len, array_blocks(np.zeros(50_000, np.float32), 100, RATE_HZ))) < 10 * RATE_HZ
    bare = pcm_blocks(io.BufferedReader(io.BytesIO(bytes(200_000))), PcmFormat(100), RATE_HZ)  # type: ignore[arg-type]
    assert max(map(len, bare)) < 2**16 * RATE_HZ / 100


def test_more_than_four_hours_are_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("htsat.audio.stretch.MAX_STRETCH_S", 60)
    path = tmp_path / "a.flac"
    for told_frames in (None, 0, 2**36 - 1):
        path.write_bytes(MADE["silence"](100, 8000, told_frames))
        with pytest.raises(AudioError, match=r"a\.flac: lasts longer than 60 s, .* give a start and a dur"):
            read_stretch(path, Stretch(RATE_HZ))
        assert len(read_stretch(path, Stretch(RATE_HZ, 0, 32_000))) == 32_000
    path.write_bytes(MADE["silence"](100, 8000, 800))
    assert (
        len(read_stretch(path, Stretch(RATE_HZ))) == 3200
    )  # what lies behind the end that it tells is not heard


def test_silence_without_end_is_not_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("htsat.audio.stretch.MAX_STRETCH_S", 60)
    for name, duration_s in (("bomb.flac", 100), ("good.flac", 20)):
        (tmp_path / name).write_bytes(MADE["silence"](duration_s, 8000))
    clips = tuple(Clip(path=tmp_path / name, labels=("a",)) for name in ("bomb.flac", "good.flac"))
    packed = pack(Manifest(clips, LabelSet.of(["a"])), tmp_path / "shards", Packing())
    assert packed.n_clips == 1
    assert "bomb.flac: lasts longer than 60 s" in packed.broken[0].reason


GROWTH = """
import json, sys
from pathlib import Path
{setup}
def peak_mb():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
for path in sys.argv[1:]:
    hear(Path(path))
    print(peak_mb())
"""
OPEN = """
from htsat.audio import open_audio
def hear(path):
    with open_audio(path, 32000) as audio:
        assert sum(map(len, audio.blocks())) > 0
"""
LISTEN = """
import htsat
model = htsat.load(n_threads=1)
def hear(path):
    model.hear(path), model.embed(path)
"""


def grown_mb(code: str, *paths: Path) -> float:
    """By how much the second recording needs more memory than the first, in a process of its own."""
    command = [sys.executable, "-c", GROWTH.format(setup=code), *map(str, paths)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    first, second = map(float, done.stdout.split())
    return second - first


linux = pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")


def bombs(folder: Path, short_s: int, long_s: int, rate_hz: int) -> tuple[Path, Path]:
    for name, duration_s in (("short.flac", short_s), ("long.flac", long_s)):
        (folder / name).write_bytes(MADE["silence"](duration_s, rate_hz))
    return folder / "short.flac", folder / "long.flac"


@linux
def test_hours_of_silence_are_decoded_in_constant_memory(tmp_path: Path) -> None:
    """A quarter of an hour is 115 MB of samples and 7 kB of file."""
    short, long = bombs(tmp_path, 30, 900, RATE_HZ)
    assert long.stat().st_size < 7000
    assert grown_mb(OPEN, short, long) < 20


@linux
@pytest.mark.slow
def test_hours_of_silence_are_heard_in_constant_memory(tmp_path: Path) -> None:
    """An hour is 461 MB of samples; embeddings of all clips are kept, 0.6 MB of them."""
    short, long = bombs(tmp_path, 120, 3600, 8000)
    assert grown_mb(LISTEN, short, long) < 50


QUICK = """
import random, runpy, sys
from pathlib import Path
from htsat.audio import Stretch, count_samples, open_audio, read_stretch
from htsat.errors import AudioError
made = runpy.run_path(sys.argv[1])
path, rng, n_tried = Path(sys.argv[2]), random.Random(int(sys.argv[3])), 0
for content in (made["whole"]() | made["lying"]()).values():
    for _ in range(3):
        damaged = bytearray(content[: rng.choice([len(content), rng.randrange(1, len(content))])])
        for _ in range(rng.randrange(1, 6)):
            place = rng.randrange(min(len(damaged), rng.choice([64, 512, 10**9])))
            new = rng.choice([b"\\xff" * 4, bytes(4), b"\\x7f\\xff", rng.randbytes(1)])
            damaged[place : place + len(new)] = new
        path.write_bytes(damaged)
        n_tried += 1
        try:
            with open_audio(path, 32000) as audio:
                for _, block in zip(range(60), audio.blocks()):
                    assert abs(block).max() < 1e13
            count_samples(path, 32000)
            read_stretch(path, Stretch(32000, 1600, 3200))
        except AudioError as error:
            assert "\\n" not in str(error), error
status = Path("/proc/self/status").read_text().splitlines()
print(n_tried, next(line for line in status if line.startswith("VmHWM")).split()[1])
"""


@linux
def test_damage_of_all_kinds(tmp_path: Path) -> None:
    """Three damaged twins of a file of each format: no crash of a library, no hang, no memory."""
    command = [sys.executable, "-c", QUICK, str(FUZZ / "made_sounds.py"), str(tmp_path / "a"), "7"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    # libsndfile prints about damaged MIDI dumps before.
    n_tried, peak_kb = map(int, done.stdout.splitlines()[-1].split())
    assert n_tried > 400
    assert peak_kb < 400_000


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    """A service that hears a minute."""
    app = create_app(htsat.load(n_threads=1), ServiceSettings(max_duration_s=60))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


@pytest.mark.parametrize("told_frames", [None, 0, 2**36 - 1])
def test_a_service_hears_no_longer_than_it_permits(client: TestClient, told_frames: int | None) -> None:
    """Ten minutes of silence in 1 kB, whose header tells how long they are, nothing, or 100 days."""
    answer = client.post("/v1/detect", content=MADE["silence"](600, 8000, told_frames))
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "too_long"
    assert client.post("/v1/tag", content=MADE["silence"](10, 8000)).status_code == 200


def test_a_name_that_writes_on_the_terminal_is_one_line_for_a_service(client: TestClient) -> None:
    answer = client.post("/v1/tag", params={"name": "\x1b[2J\r\n\x07a.wav"}, content=b"no sound")
    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith("[2J a.wav: ")


@pytest.mark.skipif(os.name != "posix", reason="pipes with a name")
def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.wav")  # opening it would wait for a writer for ever
    (tmp_path / "b.wav").symlink_to("/dev/zero")
    for name in ("a.wav", "b.wav"):
        with pytest.raises(AudioError, match="is not a file"):
            open_audio(tmp_path / name, RATE_HZ)
