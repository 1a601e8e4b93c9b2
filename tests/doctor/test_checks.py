"""Each check, run here and not in a process of its own: where all is well, and where it is not."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import soxr

from htsat.doctor import extras, hearing, machine, sound, storage
from htsat.doctor.findings import Check
from htsat.engines.exported import ParityError
from htsat.zoo.cache import models_folder

CHECK = Check("section", "it", "", fix="mend it")


def only(findings):
    (finding,) = findings
    return finding


@pytest.mark.parametrize(
    "function",
    [machine.python, machine.system, machine.package, machine.processor, machine.memory, machine.temporary],
)
def test_the_machine_is_described(function):
    finding = only(function(CHECK))
    assert finding.state == "ok"
    assert finding.detail


def test_a_full_disk_is_told(monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1e8))
    finding = only(machine.temporary(CHECK))
    assert (finding.state, finding.fix) == ("broken", "mend it")
    assert finding.detail.endswith("0.1 GB free")


def test_a_machine_that_tells_little_is_described_with_that(monkeypatch):
    def refused(*_, **__):
        raise OSError

    monkeypatch.setattr(Path, "read_text", refused)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.delattr(os, "sysconf")
    assert only(machine.memory(CHECK)).detail == "not told by this system"
    assert f"{os.cpu_count()} core" in only(machine.processor(CHECK)).detail


def test_little_memory_is_told(monkeypatch):
    monkeypatch.setattr(machine, "_memory_bytes", lambda: (4_000_000_000, 100_000_000))
    finding = only(machine.memory(CHECK))
    assert finding.state == "broken"
    assert finding.detail == "4.0 GB, 0.1 GB of it free: listening takes about 0.4 GB"


def test_a_container_has_the_time_it_was_given(monkeypatch):
    monkeypatch.setattr(machine, "_quota", lambda: 0.5)
    assert "of which the container may use 0.5" in only(machine.processor(CHECK)).detail


def test_decoders_are_tried_on_sound():
    finding = only(sound.libsndfile(CHECK))
    assert finding.state == "ok"
    assert finding.detail.endswith("decodes WAV, FLAC, Ogg Vorbis, MP3, Opus")


def test_a_format_that_this_library_lacks_is_named(monkeypatch):
    usual = soundfile.write

    def old(*arguments, **options):
        if options["subtype"] == "OPUS":
            raise soundfile.LibsndfileError(9, "Error opening: ")
        usual(*arguments, **options)

    monkeypatch.setattr(soundfile, "write", old)
    first, opus = sound.libsndfile(CHECK)
    assert first.state == "ok"
    assert first.detail.endswith("decodes WAV, FLAC, Ogg Vorbis, MP3")
    assert (opus.name, opus.state, opus.fix) == ("Opus", "broken", "mend it")
    assert opus.detail.startswith("Error opening: ")


def test_a_decoder_that_gives_another_sound_is_found_out(monkeypatch):
    usual = soundfile.write
    monkeypatch.setattr(
        soundfile, "write", lambda path, tone, *rest, **options: usual(path, tone[::2], *rest, **options)
    )
    first, *others = sound.libsndfile(CHECK)
    assert first.state == "broken"
    assert {finding.detail for finding in others} == {"0.250 s of 0.5 s came back"}


def test_resampling_keeps_the_pitch(monkeypatch):
    assert only(sound.resampling(CHECK)).state == "ok"
    monkeypatch.setattr(soxr, "resample", lambda tone, *_: tone)
    with pytest.raises(ValueError, match="a tone of 440 Hz came back as 293 Hz"):
        sound.resampling(CHECK)


def test_ffmpeg_decodes_what_libsndfile_cannot():
    assert only(sound.ffmpeg(CHECK)).state == "ok"


def test_numbers_are_computed(monkeypatch):
    assert only(sound.numbers(CHECK)).state == "ok"
    monkeypatch.setattr(np.linalg, "norm", lambda _: 0.0)
    assert only(sound.numbers(CHECK)).state == "broken"


@pytest.mark.parametrize("engine", [hearing.onnx, hearing.openvino, hearing.torch])
def test_engines_hear_what_they_should(engine):
    finding = only(engine(CHECK))
    assert finding.state == "ok"
    assert ": hears 5 s in " in finding.detail


def test_an_engine_that_hears_something_else_is_found_out(monkeypatch):
    usual = hearing.read_exported

    def wrong(path):
        exported = usual(path)
        reference = exported.reference._replace(embedding=-exported.reference.embedding)
        return exported._replace(reference=reference)

    monkeypatch.setattr(hearing, "read_exported", wrong)
    with pytest.raises(ParityError, match="must not be used so on this machine"):
        hearing.torch(CHECK)


def test_what_an_extra_brings_is_imported():
    finding = only(extras.imported(CHECK._replace(packages=("numpy", "htsat.rules"))))
    assert finding.detail == f"numpy {np.__version__}, htsat.rules"
    with pytest.raises(ModuleNotFoundError):
        extras.imported(CHECK._replace(packages=("no_such_module",)))


def test_a_machine_without_a_microphone_says_what_else_can_be_done(monkeypatch):
    library = SimpleNamespace(__version__="1", query_devices=lambda **_: [])
    monkeypatch.setitem(sys.modules, "sounddevice", library)
    assert only(extras.microphone(CHECK)).state == "missing"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HTSAT_CACHE", str(tmp_path / "cache"))
    return models_folder()


def test_the_packaged_weights_are_whole_or_not(monkeypatch):
    assert only(storage.packaged(CHECK)).state == "ok"
    monkeypatch.setattr(storage, "sha256", lambda _: "0" * 64)
    assert only(storage.packaged(CHECK)).state == "broken"


def test_the_cache_is_described(cache, monkeypatch):
    assert only(storage.cache(CHECK)).detail == (f"{cache}: empty (htsat models lists what there is to get)")
    cache.mkdir(parents=True)
    (cache / "birds.onnx").write_bytes(bytes(2_000_000))
    assert only(storage.cache(CHECK)).detail == f"{cache}: birds (2 MB)"
    monkeypatch.setattr(storage, "_is_writable", lambda _: False)
    assert only(storage.cache(CHECK)).state == "missing"


def test_the_cache_of_the_hub_is_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    (tmp_path / "models--owner--repo").mkdir()
    (tmp_path / "models--owner--repo" / "model.onnx").write_bytes(bytes(3_000_000))
    assert only(storage.hub_cache(CHECK)).detail == f"{tmp_path}: 1 models, 3 MB"


def test_switches_and_mirrors_are_told(tmp_path, monkeypatch):
    for name in ("HTSAT_OFFLINE", "HF_HUB_OFFLINE", "HTSAT_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    assert only(storage.network(CHECK)).detail == "used only to get models that are asked for"
    monkeypatch.setenv("HTSAT_OFFLINE", "1")
    monkeypatch.setenv("HTSAT_MIRROR", f"https://lab/models;{tmp_path}")
    finding = only(storage.network(CHECK))
    assert finding.detail == f"switched off by HTSAT_OFFLINE; HTSAT_MIRROR is https://lab/models, {tmp_path}"
    monkeypatch.setenv("HTSAT_MIRROR", str(tmp_path / "none"))
    finding = only(storage.network(CHECK))
    assert finding.state == "broken"
    assert finding.detail.endswith(f"no such folder: {tmp_path / 'none'}")
