from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile

from htsat.cli.class_options import split_classes
from htsat.errors import ConfigError
from htsat.formats import audacity, jsonl, raven
from htsat.labels import LabelSet
from htsat.loading import load
from htsat.recognition.recognizer import Recognizer

Run = Callable[..., int]


class Captured(NamedTuple):
    out: str
    err: str


@pytest.fixture
def captured(capsys: pytest.CaptureFixture[str]) -> Callable[[], Captured]:
    return lambda: Captured(*capsys.readouterr())


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_tag_gives_the_tags_of_the_recogniser(htsat: Run, model: Path, recordings: Path, captured) -> None:  # type: ignore[no-untyped-def]
    assert htsat("tag", recordings / "a.wav", "--top", 2) == 0
    expected = load(model).tag(recordings / "a.wav", top=2)
    shown = rows(captured().out)
    assert [row["label"] for row in shown] == [label for label, _ in expected]
    assert [float(row["probability"]) for row in shown] == pytest.approx([p for _, p in expected], abs=1e-6)
    assert shown[0]["file"] == str(recordings / "a.wav")


def test_detect_gives_the_events_of_the_recogniser(
    htsat: Run, model: Path, recordings: Path, captured
) -> None:  # type: ignore[no-untyped-def]
    assert htsat("detect", recordings / "a.wav", "--format", "jsonl") == 0
    document = json.loads(captured().out)
    expected = load(model).detect(recordings / "a.wav")
    assert expected
    assert document["duration"] == 1.5
    assert [event["label"] for event in document["events"]] == [event.label for event in expected]
    assert [event["onset"] for event in document["events"]] == pytest.approx(
        [event.onset_s for event in expected], abs=1e-4
    )


def test_embed_writes_vectors_and_says_what_each_is_of(htsat: Run, model: Path, recordings: Path) -> None:
    output = recordings.parent / "vectors.npy"
    assert htsat("embed", recordings, "-o", output) == 0
    listed = rows((recordings.parent / "vectors.rows.csv").read_text())
    vectors = np.load(output)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(listed), 16)
    is_a = [row["file"] == str(recordings / "a.wav") for row in listed]
    np.testing.assert_allclose(vectors[is_a], load(model).embed(recordings / "a.wav"), atol=1e-6)
    assert [row["start"] for row in listed][:2] == ["0.0000", "0.5000"]


def test_embed_gives_a_vector_per_frame(htsat: Run, model: Path, recordings: Path) -> None:
    output = recordings.parent / "frames.npy"
    assert htsat("embed", recordings / "a.wav", "--per", "frame", "-o", output) == 0
    np.testing.assert_allclose(
        np.load(output), load(model).embed(recordings / "a.wav", per="frame"), atol=1e-6
    )
    starts = [row["start"] for row in rows((recordings.parent / "frames.rows.csv").read_text())]
    assert starts[:3] == ["0.0000", "0.0312", "0.0625"]
    assert len(starts) == 1.5 * 32


def test_embed_writes_a_file_for_each_recording_into_a_folder(htsat: Run, recordings: Path) -> None:
    output = recordings.parent / "vectors"
    assert htsat("embed", recordings, "-o", f"{output}/") == 0
    assert sorted(path.relative_to(output).as_posix() for path in output.rglob("*.npy")) == [
        "a.npy",
        "b.npy",
        "deep/c.npy",
    ]


def test_many_recordings_come_in_order_in_one_file(htsat: Run, recordings: Path) -> None:
    output = recordings.parent / "new" / "tags.jsonl"
    assert htsat("tag", recordings, "-o", output) == 0
    heard = jsonl.read_tags(output)
    assert [recording.file for recording in heard] == [
        str(recordings / n) for n in ["a.wav", "b.WAV", "deep/c.flac"]
    ]
    assert [recording.duration_s for recording in heard] == [1.5, 2.5, 3.5]
    assert all(len(recording.tags) == 3 for recording in heard)


@pytest.mark.parametrize("command", ["tag", "detect", "embed"])
def test_threads_that_decode_ahead_change_nothing(htsat: Run, recordings: Path, command: str) -> None:
    (recordings / "b2.wav").write_text("no sound")
    outputs = [recordings.parent / f"{jobs}" for jobs in (1, 3)]
    suffix = ".npy" if command == "embed" else ".csv"
    for output in outputs:
        assert htsat(command, recordings, "--jobs", output.name, "-o", f"{output}{suffix}") == 1
    one, three = (output.with_suffix(suffix).read_bytes() for output in outputs)
    assert one == three != b""


def test_clips_below_the_gate_are_heard_as_silence(htsat: Run, recordings: Path, captured) -> None:  # type: ignore[no-untyped-def]
    soundfile.write(recordings / "silence.wav", np.zeros(12_000), 8_000)

    def tags(name: str, *options: str) -> list[str]:
        assert htsat("tag", recordings / name, *options) == 0
        return [row["probability"] for row in rows(captured().out)]

    # The recordings have a level of -20 dBFS.
    assert tags("a.wav", "--gate", "-19") == tags("silence.wav")
    assert tags("a.wav", "--gate", "-21") == tags("a.wav") != tags("silence.wav")


def test_formats_of_one_recording_give_a_file_for_each(htsat: Run, recordings: Path) -> None:
    output = recordings.parent / "labels"
    assert htsat("detect", recordings, "--format", "raven", "-o", f"{output}/") == 0
    assert raven.read_events(output / "deep/c.selections.txt")
    assert htsat("detect", recordings / "a.wav", "--format", "audacity", "-o", output / "a.txt") == 0
    assert audacity.read_events(output / "a.txt")


def test_the_default_format_is_a_table_on_a_terminal(
    htsat: Run, recordings: Path, captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert htsat("tag", recordings / "a.wav") == 0
    assert captured().out.startswith(f"{recordings / 'a.wav'} (1.50 s)\n")


def test_the_suffix_of_the_output_tells_the_format(htsat: Run, recordings: Path, tmp_path: Path) -> None:
    for suffix, start in [
        ("tsv", "filename\tonset"),
        ("CSV", "file,onset"),
        ("jsonl", '{"file"'),
        ("x", "file,onset"),
    ]:
        assert htsat("detect", recordings / "a.wav", "-o", tmp_path / f"events.{suffix}") == 0
        assert (tmp_path / f"events.{suffix}").read_text().startswith(start)


def test_standard_input(htsat: Run, recordings: Path, captured, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    outputs = []
    for source in (recordings / "deep/c.flac", "-"):
        with (recordings / "deep/c.flac").open("rb") as file:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file))
            assert htsat("detect", source) == 0
        outputs.append([row | {"file": ""} for row in rows(captured().out)])
    assert outputs[0] == outputs[1] != []


def test_embedding_standard_input(htsat: Run, recordings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for source, name in ((recordings / "a.wav", "file"), ("-", "stream")):
        with (recordings / "a.wav").open("rb") as file:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file))
            assert htsat("embed", source, "-o", recordings.parent / f"{name}.npy") == 0
    np.testing.assert_array_equal(
        *(np.load(recordings.parent / f"{name}.npy") for name in ("file", "stream"))
    )


def test_min_probability_leaves_out_tags(htsat: Run, recordings: Path, captured) -> None:  # type: ignore[no-untyped-def]
    assert htsat("tag", recordings / "a.wav", "--min-probability", "1", "--format", "table") == 0
    assert "no tags" in captured().out


def test_rules_reach_the_events(htsat: Run, recordings: Path, captured) -> None:  # type: ignore[no-untyped-def]
    def events(*options: str) -> list[dict[str, str]]:
        plain = ("--max-gap", "0", "--clip-threshold", "0")
        assert htsat("detect", recordings / "deep/c.flac", *plain, *options) == 0
        return rows(captured().out)

    every = events()
    assert {row["label"] for row in every} > {row["label"] for row in events("--classes", "Dog")}
    assert events("--threshold", "1") == []
    assert events("--threshold", "0") != every
    assert events("--clip-threshold", "1") == []
    assert len(events("--max-gap", "9")) < len(every)
    assert len(events("--median-filter", "0.2")) < len(every)
    long_enough = events("--min-duration", "0.1")
    assert 0 < len(long_enough) < len(every)
    assert all(float(row["offset"]) - float(row["onset"]) > 0.0999 for row in long_enough)


def test_class_names_may_hold_commas() -> None:
    labels = LabelSet(("Dog", "Speech", "Male speech, man speaking", "Water", "Water, tap"))
    assert split_classes("Dog", labels) == {"Dog"}
    assert split_classes("Male speech, man speaking, Dog", labels) == {"Male speech, man speaking", "Dog"}
    assert split_classes("Water, tap,Water", labels) == {"Water", "Water, tap"}
    with pytest.raises(ConfigError, match="the model has no class 'Spech'; did you mean 'Speech'"):
        split_classes("Dog,Spech", labels)


def test_other_settings_of_the_model_change_little(htsat: Run, recordings: Path, captured) -> None:  # type: ignore[no-untyped-def]
    results = []
    settings: list[list[object]] = [
        [],
        ["--batch-size", 1],
        ["--overlap", 0],
        ["--precision", "bf16", "--device", "cpu"],
        ["--threads", 1],
    ]
    for options in settings:
        assert htsat("tag", recordings / "b.WAV", *options) == 0
        results.append({row["label"]: float(row["probability"]) for row in rows(captured().out)})
    assert results[1] == pytest.approx(results[0], abs=2e-6)
    assert all(result == pytest.approx(results[0], abs=0.05) for result in results)
    assert results[2] != results[0] != results[3]


def test_short_recordings_are_repeated_or_padded(htsat: Run, tmp_path: Path, captured) -> None:  # type: ignore[no-untyped-def]
    soundfile.write(tmp_path / "short.wav", 0.5 * np.random.default_rng(0).standard_normal(1_600), 8_000)
    shown = []
    for short in ("repeat", "pad"):
        assert htsat("tag", tmp_path / "short.wav", "--short", short) == 0
        shown.append(captured().out)
    assert shown[0] != shown[1]


def test_the_others_go_on_when_one_fails(htsat: Run, recordings: Path, captured) -> None:  # type: ignore[no-untyped-def]
    (recordings / "b2.wav").write_text("not audio")
    output = recordings.parent / "tags.csv"
    assert htsat("tag", recordings, recordings / "gone.wav", recordings / "*.mp3", "-o", output) == 1
    messages = captured().err.splitlines()
    assert len(messages) == 4
    assert messages[0] == f"htsat: {recordings}/*.mp3: no audio files found"
    assert messages[1].startswith(f"htsat: {recordings / 'b2.wav'}: ")
    assert messages[2] == f"htsat: {recordings / 'gone.wav'}: No such file or directory"
    assert messages[3] == "htsat: 3 of 6 inputs failed"
    assert {Path(row["file"]).name for row in rows(output.read_text())} == {"a.wav", "b.WAV", "c.flac"}


def test_old_results_stay_when_nothing_could_be_heard(htsat: Run, tmp_path: Path) -> None:
    output = tmp_path / "tags.csv"
    output.write_text("old")
    assert htsat("tag", tmp_path / "gone.wav", "-o", output) == 1
    assert output.read_text() == "old"
    assert list(tmp_path.iterdir()) == [output]


def test_debug_shows_where_a_recording_fails(htsat: Run, tmp_path: Path, captured) -> None:  # type: ignore[no-untyped-def]
    assert htsat("tag", tmp_path / "gone.wav", "--debug") == 1
    shown = captured().err
    assert "FileNotFoundError" in shown
    assert shown.endswith(f"\nhtsat: {tmp_path / 'gone.wav'}: No such file or directory\n")


def interrupted_after(monkeypatch: pytest.MonkeyPatch, n_recordings: int) -> None:
    hear_all = Recognizer.hear_all

    def interrupted(*arguments, **options):  # type: ignore[no-untyped-def]
        yield from islice(hear_all(*arguments, **options), n_recordings)
        raise KeyboardInterrupt

    monkeypatch.setattr(Recognizer, "hear_all", interrupted)


def test_finished_results_are_kept_on_interruption(
    htsat: Run, recordings: Path, captured, monkeypatch
) -> None:  # type: ignore[no-untyped-def]
    interrupted_after(monkeypatch, 2)
    output = recordings.parent / "tags.csv"
    assert htsat("tag", recordings, "-o", output) == 130
    assert captured().err == "htsat: interrupted; the results of 2 of 3 recordings are kept\n"
    assert {Path(row["file"]).name for row in rows(output.read_text())} == {"a.wav", "b.WAV"}


def test_an_early_interruption_leaves_nothing(htsat: Run, recordings: Path, captured, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    interrupted_after(monkeypatch, 0)
    assert htsat("tag", recordings, "-o", recordings.parent / "tags.csv") == 130
    assert captured().err == "htsat: interrupted\n"
    assert list(recordings.parent.iterdir()) == [recordings]


def test_a_bar_moves_on_a_terminal_only_beside_a_file(
    htsat: Run, recordings: Path, captured, monkeypatch
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert htsat("tag", recordings, "-o", recordings.parent / "tags.csv") == 0
    assert "3/3" in captured().err
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert htsat("tag", recordings) == 0
    assert captured().err == ""


def test_a_real_process_with_results_on_a_pipe(model: Path, recordings: Path) -> None:
    command = [sys.executable, "-m", "htsat", "tag", str(recordings), "gone.wav", "--model", str(model)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr == "htsat: gone.wav: No such file or directory\nhtsat: 1 of 4 inputs failed\n"
    assert len(rows(run.stdout)) == 9
