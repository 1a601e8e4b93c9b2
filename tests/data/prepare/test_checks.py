import av
import numpy as np
import pytest
import soundfile

from htsat.data.manifest import Clip
from htsat.data.prepare.checks import N_FULL, check, default_depth
from htsat.data.prepare.facts import Facts, header_facts, sample_facts

RATE = 8_000


def run(paths, depth="full", n_jobs=2):
    return check([Clip(path, ("a",)) for path in paths], depth, n_jobs, lambda examined, _: examined)


def write(path, samples, rate=RATE, **format_):
    soundfile.write(path, np.asarray(samples), rate, **format_)
    return path


def test_facts_of_a_file(tmp_path):
    samples = np.zeros((4_000, 2))
    samples[7] = -0.5, -0.25
    path = write(tmp_path / "a.flac", samples, 44_100)
    facts = sample_facts(path)
    assert facts[:3] == (44_100, 2, 4_000 / 44_100)
    assert facts.level == (pytest.approx(0.375, abs=1e-4), 0.0)
    assert header_facts(path) == Facts(44_100, 2, 4_000 / 44_100)


def test_formats_that_only_ffmpeg_reads(tmp_path):
    path = tmp_path / "a.m4a"
    with av.open(path, "w") as container:
        stream = container.add_stream("aac", rate=44_100, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1_024), np.float32), "fltp", "stereo")
        frame.sample_rate = 44_100
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    assert (header_facts(path).sample_rate, header_facts(path).n_channels) == (44_100, 2)
    assert run([path]).silent == (Clip(path, ("a",)),)


def test_broken_files_are_named_with_the_reason_and_the_others_stay(tmp_path, write_sound):
    good = write_sound(tmp_path / "good.wav")
    text, empty, gone = tmp_path / "text.wav", tmp_path / "empty.wav", tmp_path / "gone.wav"
    text.write_text("no sound at all")
    empty.touch()
    cut = tmp_path / "cut.flac"
    cut.write_bytes(write_sound(tmp_path / "whole.flac", n_samples=80_000).read_bytes()[:40_000])
    not_a_number = write(tmp_path / "nan.wav", [0.1, np.nan, 0.1], subtype="FLOAT")
    findings = run([text, empty, good, gone, cut, not_a_number])
    assert list(findings.facts) == [str(good)]
    reasons = {broken.clip.path.name: broken.reason for broken in findings.broken}
    assert reasons.pop("text.wav").startswith("cannot be decoded")
    assert reasons.pop("cut.flac").startswith("is cut off")
    assert reasons == {
        "empty.wav": "is an empty file",
        "gone.wav": "No such file or directory",
        "nan.wav": "contains NaN or infinite samples (first at 0.000 s)",
    }


@pytest.mark.parametrize(("peak", "is_silent"), [(0.0, True), (0.0009, True), (0.0011, False)])
def test_silence_ends_at_minus_60_db(tmp_path, peak, is_silent):
    samples = np.zeros(100)
    samples[50] = -peak
    findings = run([write(tmp_path / "a.wav", samples)])
    assert bool(findings.silent) == is_silent


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "FLOAT"])
@pytest.mark.parametrize(("n_full", "share"), [(0, None), (1, None), (2, 0.001), (500, 0.25)])
def test_clipping_is_a_share_of_samples_at_full_scale(tmp_path, subtype, n_full, share):
    samples = np.full(2_000, 0.5)
    samples[:n_full] = (-1.0) ** np.arange(n_full)
    findings = run([write(tmp_path / "a.wav", samples, subtype=subtype)])
    assert [clipped.share for clipped in findings.clipped] == ([] if share is None else [share])


def test_duplicates_are_equal_samples_at_one_rate_in_any_container(tmp_path, write_sound):
    same = [write_sound(tmp_path / name, seed=1) for name in ("a.wav", "b.flac", "c.wav")]
    write_sound(tmp_path / "d.wav", seed=2)
    write_sound(tmp_path / "e.wav", seed=1, rate=16_000)
    write_sound(tmp_path / "f.wav", seed=1, n_samples=801)
    findings = run(sorted(tmp_path.iterdir()))
    assert [[clip.path for clip in clips] for clips in findings.duplicates] == [same]


def test_silent_recordings_are_not_compared(tmp_path):
    findings = run([write(tmp_path / name, np.zeros(10)) for name in ("a.wav", "b.wav")])
    assert len(findings.silent) == 2
    assert not findings.duplicates


def test_the_number_of_threads_does_not_matter(tmp_path, write_sound):
    paths = [write_sound(tmp_path / f"{seed}.wav", seed=seed % 30, n_samples=20) for seed in range(40)]
    paths[5].write_text("broken")
    assert run(paths, n_jobs=1) == run(paths, n_jobs=4)
    assert len(run(paths).duplicates) == 9


def test_headers_find_broken_files_and_nothing_else(tmp_path, write_sound):
    paths = [write_sound(tmp_path / name, gain=0) for name in ("a.wav", "b.wav")]
    (tmp_path / "c.wav").write_text("broken")
    findings = run([*paths, tmp_path / "c.wav"], "headers")
    assert [broken.clip.path.name for broken in findings.broken] == ["c.wav"]
    assert not findings.silent
    assert {facts.level for facts in findings.facts.values()} == {None}


def test_without_checks_nothing_is_opened(tmp_path):
    findings = run([tmp_path / "gone.wav"], "none")
    assert not findings.broken
    assert not findings.facts


def test_progress_sees_every_recording(tmp_path, write_sound):
    paths = [write_sound(tmp_path / f"{seed}.wav", seed=seed, n_samples=20) for seed in range(20)]
    seen = []

    def progress(examined, n_recordings):
        for entry in examined:
            seen.append((entry.clip.path, n_recordings))
            yield entry

    check([Clip(path, ()) for path in paths], "full", 3, progress)
    assert seen == [(path, 20) for path in paths]


def test_large_sets_are_not_decoded_unless_asked_for():
    assert (default_depth(N_FULL), default_depth(N_FULL + 1)) == ("full", "headers")
