from __future__ import annotations

import errno
import io
import itertools
import json
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from htsat.audio import SUFFIXES
from htsat.data import packing as packing_module
from htsat.data.clip import Clip, Member
from htsat.data.encoding import encode
from htsat.data.events import EventFiles
from htsat.data.manifest import Manifest, read_data, write_manifest
from htsat.data.packing import Packing, pack
from htsat.data.shards import ShardWriter, iterate_shard
from htsat.data.stores import SoundReader
from htsat.errors import ConfigError, DataError
from htsat.labels import LabelSet
from htsat.scores import FloatArray

pytest.importorskip("pyarrow")

RATE = 16_000
LABELS = LabelSet.of(["dog", "cat"])
SMALL = Packing(sample_rate=RATE, shard_mb=0.05)
"""Shards of about three recordings."""


def waveform(number: int, duration_s: float = 0.5) -> FloatArray:
    """Noise in steps of 16 bits."""
    noise = 3000 * np.random.default_rng(number).standard_normal(round(RATE * duration_s))
    return (np.round(noise) / 32_768).astype(np.float32)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Ten recordings, of which the third and the last are broken."""
    clips = []
    (tmp_path / "sounds").mkdir()
    for number in range(10):
        path = tmp_path / "sounds" / f"ünit {number}.flac"
        if number in (2, 9):
            path.write_bytes(bytes(1000))
        else:
            soundfile.write(path, waveform(number), RATE)
        labels = (("dog",), ("cat", "dog"), ())[number % 3]
        clips.append(Clip(path, labels, fold=str(number % 2), group=f"g{number // 2}", weight=1.0 + number))
    return Manifest(tuple(clips), LABELS)


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_shards_are_the_manifest_again(manifest: Manifest, tmp_path: Path) -> None:
    packed = pack(manifest, tmp_path / "shards", SMALL)
    index = read_data(tmp_path / "shards", SUFFIXES)
    sound = [clip for number, clip in enumerate(manifest.clips) if number not in (2, 9)]
    assert (packed.n_clips, len(index.clips), index.labels) == (8, 8, LABELS)
    assert packed.n_shards == len({clip.path for clip in index.clips}) == 3
    reader = SoundReader(RATE)
    for clip, origin in zip(index.clips, sound, strict=True):
        same = ("labels", "fold", "group", "weight")
        assert [getattr(clip, name) for name in same] == [getattr(origin, name) for name in same]
        assert clip.duration_s == 0.5
        np.testing.assert_array_equal(reader.read(clip), reader.read(origin))


def test_broken_clips_are_listed(manifest: Manifest, tmp_path: Path) -> None:
    packed = pack(manifest, tmp_path / "shards", SMALL)
    assert [broken.number for broken in packed.broken] == [2, 9]
    table = (tmp_path / "shards" / "broken.tsv").read_text(encoding="utf-8").splitlines()
    assert table[0] == "path\treason"
    assert table[1].startswith(f"{manifest.clips[2].path}\t{manifest.clips[2].path}: holds no audio samples")
    assert len(table) == 3


def test_only_broken_clips_are_refused(manifest: Manifest, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^none of the 2 clips can be read; the first: .*ünit 2\.flac: "):
        pack(manifest.only([manifest.clips[2], manifest.clips[9]]), tmp_path / "shards", SMALL)
    assert not list((tmp_path / "shards").glob("*.tar"))


def test_rows_are_cut_to_their_stretch(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", waveform(0, 3.0), RATE)
    clips = [Clip(tmp_path / "long.wav", ("dog",), start, 0.25) for start in (0.0, 1.0, 2.5)]
    pack(Manifest(tuple(clips), LABELS), tmp_path / "shards", SMALL)
    index = read_data(tmp_path / "shards", SUFFIXES).clips
    for clip, row in zip(index, clips, strict=True):
        assert (clip.start_s, clip.duration_s) == (0.0, 0.25)
        first = round(row.start_s * RATE)
        np.testing.assert_array_equal(SoundReader(RATE).read(clip), waveform(0, 3.0)[first : first + 4000])


def test_clips_of_one_recording_stay_a_group(tmp_path: Path) -> None:
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", waveform(0, 2.0), RATE)
    clips = [Clip(tmp_path / "a.wav", (), start, 1.0) for start in (0.0, 1.0)]
    pack(Manifest((*clips, Clip(tmp_path / "b.wav", ())), LABELS), tmp_path / "shards", SMALL)
    index = read_data(tmp_path / "shards", SUFFIXES).clips
    assert [clip.group for clip in index] == [str(tmp_path / "a.wav")] * 2 + [""]
    assert len({clip.origin for clip in index}) == 2


@pytest.mark.parametrize("audio_format", ["flac", "opus", "mp3"])
def test_every_format_keeps_length_and_sound(tmp_path: Path, audio_format: str) -> None:
    time_s = np.arange(2 * RATE) / RATE
    tone = (0.3 * np.sin(2 * np.pi * 440 * time_s)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", tone, RATE)
    manifest = Manifest((Clip(tmp_path / "a.wav", ()),), LABELS)
    pack(manifest, tmp_path / "shards", Packing(format=audio_format, sample_rate=RATE))
    clip = read_data(tmp_path / "shards", SUFFIXES).clips[0]
    reader = SoundReader(RATE)
    assert reader.n_samples(clip) == len(reader.read(clip)) == len(tone)
    np.testing.assert_allclose(reader.read(clip, 5000, 20_000), tone[5000:25_000], atol=0.02)


@pytest.mark.parametrize("audio_format", ["flac", "opus", "mp3"])
def test_equal_sounds_make_equal_bytes(audio_format: str) -> None:
    for n_samples in (1, 500, 30_000):
        first, second = (encode(waveform(1, 2.0)[:n_samples], RATE, audio_format) for _ in range(2))
        assert first == second
        assert len(soundfile.read(io.BytesIO(first))[0]) == n_samples


def test_an_ogg_file_stays_whole_under_a_fixed_serial_number() -> None:
    other = io.BytesIO()
    soundfile.write(other, waveform(1), RATE, format="OGG", subtype="OPUS")
    ours = encode(waveform(1), RATE, "opus")
    assert ours[14:18] == bytes(4)
    np.testing.assert_array_equal(
        soundfile.read(io.BytesIO(ours))[0], soundfile.read(io.BytesIO(other.getvalue()))[0]
    )
    av = pytest.importorskip("av")
    with av.open(io.BytesIO(ours)) as container:  # FFmpeg drops pages with a wrong checksum
        assert sum(frame.samples for frame in container.decode(audio=0)) >= 3 * RATE // 2


def test_threads_do_not_change_the_bytes(manifest: Manifest, tmp_path: Path) -> None:
    for n_jobs in (1, 4):
        pack(manifest, tmp_path / f"{n_jobs}", SMALL, n_jobs)
    assert contents(tmp_path / "1") == contents(tmp_path / "4")


def test_progress_counts_every_clip(manifest: Manifest, tmp_path: Path) -> None:
    told: list[int] = []
    pack(manifest, tmp_path / "shards", SMALL, on_clips=told.append)
    assert sum(told) == len(manifest.clips)
    again: list[int] = []
    pack(manifest, tmp_path / "shards", SMALL, on_clips=again.append)
    assert again == [10]


class StoppedError(Exception):
    """Raised where a process would have been killed."""


@pytest.mark.parametrize("n_calls", range(1, 12))
def test_stopped_at_any_write_it_goes_on_to_the_same_bytes(
    manifest: Manifest, tmp_path: Path, n_calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack(manifest, tmp_path / "whole", SMALL)
    calls = itertools.count(1)
    replace = Path.replace

    def stop_at(self: Path, target: Path) -> Path:
        if next(calls) == n_calls:
            raise StoppedError
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", stop_at)
    try:
        pack(manifest, tmp_path / "shards", SMALL)
    except StoppedError:
        monkeypatch.undo()
        pack(manifest, tmp_path / "shards", SMALL)
    else:
        assert n_calls > 10  # state, three shards with notes, broken, index, labels, state
    assert contents(tmp_path / "shards") == contents(tmp_path / "whole")


def test_whole_shards_are_not_made_again(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_done = 0

    def watch(n: int) -> None:
        nonlocal n_done
        n_done += n
        if n_done == 8:
            raise StoppedError

    with pytest.raises(StoppedError):
        pack(manifest, tmp_path / "shards", SMALL, on_clips=watch)
    before = {path.name: path.stat().st_ino for path in (tmp_path / "shards").glob("*.tar")}
    assert before
    encoded: list[int] = []
    encode_one = packing_module.encode
    monkeypatch.setattr(packing_module, "encode", lambda *args: encoded.append(1) or encode_one(*args))
    pack(manifest, tmp_path / "shards", SMALL)
    after = {path.name: path.stat().st_ino for path in (tmp_path / "shards").glob("*.tar")}
    assert before.items() <= after.items()
    assert len(encoded) < 8


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_killed_it_goes_on_to_the_same_bytes(manifest: Manifest, tmp_path: Path) -> None:
    pack(manifest, tmp_path / "whole", SMALL)
    script = """
import os, signal, sys
from pathlib import Path
from htsat.data import packing
from htsat.data.manifest import read_manifest
n = 0
def on_clips(more):
    global n
    n += more
    if n >= 5:
        os.kill(os.getpid(), signal.SIGKILL)
small = packing.Packing(sample_rate=16000, shard_mb=0.05)
packing.pack(read_manifest(Path(sys.argv[1])), Path(sys.argv[2]), small, 2, on_clips)
"""
    write_manifest(tmp_path / "manifest.tsv", manifest)
    killed = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "manifest.tsv", tmp_path / "shards"], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert list((tmp_path / "shards").glob(".shard-*"))
    pack(manifest, tmp_path / "shards", SMALL)
    assert contents(tmp_path / "shards") == contents(tmp_path / "whole")


def test_a_full_disk_is_one_line_and_can_be_gone_on_from(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack(manifest, tmp_path / "whole", SMALL)
    add = ShardWriter.add

    def full(self: ShardWriter, key: str, files: dict[str, bytes]) -> dict[str, int]:
        if int(key) == 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        return add(self, key, files)

    monkeypatch.setattr(ShardWriter, "add", full)
    with pytest.raises(DataError, match=r"shards: No space left on device; the same command goes on"):
        pack(manifest, tmp_path / "shards", SMALL)
    assert not list((tmp_path / "shards").glob(".shard-*"))
    monkeypatch.undo()
    pack(manifest, tmp_path / "shards", SMALL)
    assert contents(tmp_path / "shards") == contents(tmp_path / "whole")


def test_other_settings_and_other_clips_are_refused(manifest: Manifest, tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    pack(manifest, folder, SMALL)
    before = contents(folder)
    with pytest.raises(DataError, match=r"shards: was begun with format flac, not mp3; take another folder"):
        pack(manifest, folder, Packing(format="mp3", sample_rate=RATE, shard_mb=0.05))
    with pytest.raises(DataError, match="was begun with sample_rate 16000, not 32000"):
        pack(manifest, folder, Packing(shard_mb=0.05))
    with pytest.raises(DataError, match=r"was begun with clips 10 \(SHA-256 \w+\), not 9 \(SHA-256 \w+\)"):
        pack(manifest.only(manifest.clips[1:]), folder, SMALL)
    with pytest.raises(DataError, match="was begun with clips"):
        pack(Manifest(manifest.clips, LabelSet.of(["cat", "dog"])), folder, SMALL)
    assert contents(folder) == before


def test_a_folder_with_other_things_is_refused(manifest: Manifest, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"sounds: is not empty, and no packing was begun in it"):
        pack(manifest, tmp_path / "sounds", SMALL)
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "packing.json").write_text("{}")
    with pytest.raises(DataError, match=r"packing\.json: cannot be read as the state of a packing"):
        pack(manifest, tmp_path / "shards", SMALL)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"format": "opus", "sample_rate": 32_000},
            "opus takes 8000, 12000, 16000, 24000, 48000 Hz, got 32000 Hz",
        ),
        ({"sample_rate": 1}, "flac takes 1000 to 655350 Hz, got 1 Hz"),
        ({"shard_mb": 0.0}, "shards must be larger than 0 MB, got 0"),
        ({"shard_mb": float("nan")}, "shards must be larger than 0 MB, got nan"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}$"):
        Packing(**settings)


def test_the_rate_is_the_usual_one_of_the_format() -> None:
    assert [Packing(format=name).rate_hz for name in ("flac", "opus", "mp3")] == [32_000, 48_000, 32_000]


def test_shards_can_be_moved(manifest: Manifest, tmp_path: Path) -> None:
    pack(manifest, tmp_path / "shards", SMALL)
    (tmp_path / "shards").rename(tmp_path / "moved")
    clip = read_data(tmp_path / "moved", SUFFIXES).clips[0]
    np.testing.assert_array_equal(SoundReader(RATE).read(clip), waveform(0))


def test_shards_can_be_packed_again(manifest: Manifest, tmp_path: Path) -> None:
    pack(manifest, tmp_path / "once", SMALL)
    pack(read_data(tmp_path / "once", SUFFIXES), tmp_path / "twice", SMALL)
    once, twice = (read_data(tmp_path / name, SUFFIXES).clips for name in ("once", "twice"))
    for first, second in zip(once, twice, strict=True):
        np.testing.assert_array_equal(SoundReader(RATE).read(first), SoundReader(RATE).read(second))


def test_tarfile_finds_what_the_index_says(manifest: Manifest, tmp_path: Path) -> None:
    pack(manifest, tmp_path / "shards", SMALL)
    for clip in read_data(tmp_path / "shards", SUFFIXES).clips:
        with tarfile.open(clip.path) as shard:
            places = {Member(member.offset_data, member.size) for member in shard}
            assert clip.place in places
        assert clip.path.stat().st_size <= SMALL.shard_mb * 1e6


def test_a_shard_without_the_index(manifest: Manifest, tmp_path: Path) -> None:
    pack(manifest, tmp_path / "shards", SMALL)
    samples = [
        sample for path in sorted((tmp_path / "shards").glob("*.tar")) for sample in iterate_shard(path)
    ]
    assert [int(key) for key, _ in samples] == [0, 1, 3, 4, 5, 6, 7, 8]
    facts = json.loads(samples[1][1]["json"])
    assert facts == {
        "labels": ["cat", "dog"],
        "source": "ünit 1.flac",
        "start": 0.0,
        "duration": 0.5,
        "fold": "1",
        "group": "g0",
        "weight": 2.0,
    }
    np.testing.assert_array_equal(
        soundfile.read(io.BytesIO(samples[1][1]["flac"]), dtype="float32")[0], waveform(1)
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_webdataset_reads_our_shards(manifest: Manifest, tmp_path: Path) -> None:
    theirs = pytest.importorskip("webdataset.tariterators")
    pack(manifest, tmp_path / "shards", SMALL)
    for path in (tmp_path / "shards").glob("*.tar"):
        with path.open("rb") as file:  # the whole of WebDataset leaves shards open
            files = theirs.tar_file_expander([{"url": str(path), "stream": file}])
            samples = list(theirs.group_by_keys(files))
        assert [(sample["__key__"], sample["flac"], sample["json"]) for sample in samples] == [
            (key, files["flac"], files["json"]) for key, files in iterate_shard(path)
        ]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_we_read_the_shards_of_webdataset(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    with webdataset.TarWriter(str(tmp_path / "theirs.tar")) as shard:
        for number in range(3):
            shard.write({"__key__": f"deep/{number}", "flac": b"sound", "seg1.txt": "words", "cls": number})
    samples = list(iterate_shard(tmp_path / "theirs.tar"))
    assert [key for key, _ in samples] == ["deep/0", "deep/1", "deep/2"]
    assert samples[2][1] == {"cls": b"2", "flac": b"sound", "seg1.txt": b"words"}


def test_what_is_no_shard_is_refused(tmp_path: Path) -> None:
    def refused(path: Path) -> str:
        with pytest.raises(DataError) as info:
            list(iterate_shard(path))
        return str(info.value).removeprefix(f"{path}: ")

    assert refused(tmp_path / "gone.tar") == "No such file or directory"
    (tmp_path / "text.tar").write_text("no tar file")
    assert refused(tmp_path / "text.tar").startswith("cannot be read as a tar shard (")
    with (tmp_path / "cut.tar").open("wb") as file:
        shard = ShardWriter(file)
        shard.add("0", {"flac": bytes(5000)})
        shard.add("1", {"flac": bytes(5000)})
        shard.end()
    whole = (tmp_path / "cut.tar").read_bytes()
    for n_bytes in (100, 700, 5632, 5632 + 100, 5632 + 700, 2 * 5632):
        (tmp_path / "cut.tar").write_bytes(whole[:n_bytes])
        assert refused(tmp_path / "cut.tar").startswith("cannot be read as a tar shard (")


def test_files_without_a_suffix_are_passed_over(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as shard:
        for name in ("README", ".hidden", "a.b/c.FLAC", "a.b/c.json", "x.y.z"):
            member = tarfile.TarInfo(name)
            member.size = 1
            shard.addfile(member, io.BytesIO(b"!"))
    assert list(iterate_shard(tmp_path / "a.tar")) == [
        ("a.b/c", {"flac": b"!", "json": b"!"}),
        ("x", {"y.z": b"!"}),
    ]


def test_strong_labels_move_with_their_clips(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", waveform(0, 4.0), RATE)
    events = (
        "filename\tonset\toffset\tevent_label\na.wav\t0.5\t1.5\tdog\na.wav\t2.5\t3.5\tcat\nb.wav\t0\t1\tcat\n"
    )
    (tmp_path / "strong.tsv").write_text(events)
    clips = [
        Clip(tmp_path / "a.wav", ("dog",), start, duration, events=tmp_path / "strong.tsv")
        for start, duration in [(0.0, 2.0), (1.0, 2.0), (1.5, 1.0)]
    ]
    pack(Manifest((*clips, Clip(tmp_path / "a.wav", ())), LABELS), tmp_path / "shards", SMALL)
    index = read_data(tmp_path / "shards", SUFFIXES).clips
    files = EventFiles(index)
    assert [[event[:3] for event in files.of(clip)] for clip in index] == [
        [("dog", 0.5, 1.5)],
        [("dog", 0.0, 0.5), ("cat", 1.5, 2.0)],
        [],
        [],
    ]
    assert index[3].events is None
    _, files_of_first = next(iterate_shard(index[0].path))
    assert json.loads(files_of_first["json"])["events"] == [[0.5, 1.5, "dog"]]


def test_names_that_are_no_text_are_packed(tmp_path: Path) -> None:
    path = tmp_path / "\udcff\udce9.flac"
    try:
        path.write_bytes(encode(waveform(0), RATE, "flac"))
    except OSError:
        pytest.skip("this file system wants UTF-8")
    clips = (Clip(path, (), 0.0, 0.1), Clip(path, (), 0.1, 0.1), Clip(path.with_name("\udcff gone"), ()))
    packed = pack(Manifest(clips, LABELS), tmp_path / "shards", SMALL)
    assert (packed.n_clips, len(packed.broken)) == (2, 1)
    assert len({clip.group for clip in read_data(tmp_path / "shards", SUFFIXES).clips}) == 1
