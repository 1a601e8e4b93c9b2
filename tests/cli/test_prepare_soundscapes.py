"""`htsat prepare soundscapes`: recordings with strong labels from a folder of labelled clips."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from htsat.audio import SUFFIXES
from htsat.cli.main import main
from htsat.data.manifest import read_data

RATE = 8_000


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A manifest of two classes with two recordings each, in two folds, whose makers are thanked."""
    rows = []
    for number, name in enumerate(["cat-1", "cat-2", "dog-1", "dog-2"]):
        noise = 0.1 * np.random.default_rng(number).standard_normal(RATE)
        noise[RATE // 2 :] = 0
        soundfile.write(tmp_path / f"{name}.wav", noise, RATE)
        rows.append(f"{name}.wav\t{name[:3]}\t{name[4:]}")
    (tmp_path / "manifest.tsv").write_text("\n".join(["path\tlabels\tfold", *rows]))
    thanks = "".join(f"- `{name}.wav` (CC-BY): by {name}\n" for name in ("cat-1", "cat-2", "bat-1"))
    (tmp_path / "ATTRIBUTION.md").write_text(f"# Makers\n{thanks}")
    return tmp_path


@pytest.fixture
def prepare(clips: Path) -> Callable[..., int]:
    def run(*options: str) -> int:
        always = ["--duration", "2", "--sample-rate", str(RATE), "--n", "3"]
        return main(["prepare", "soundscapes", str(clips), "-o", str(clips / "out"), *always, *options])

    return run


def test_a_data_set_is_made(
    prepare: Callable[..., int], clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare("--fold", "1", "--as-fold", "test", "--seed", "2", "--events-per-recording", "1") == 0
    output = capsys.readouterr()
    manifest = clips / "out" / "manifest.tsv"
    counts = {line.split()[0]: int(line.split()[1]) for line in output.out.splitlines()[:2]}
    assert output.out.splitlines()[-1] == f"3 recordings, 3 events, 1 groups: {manifest}"
    assert output.err == ""
    read = read_data(clips / "out", SUFFIXES)
    assert counts == {name: sum(clip.labels == (name,) for clip in read.clips) for name in ("cat", "dog")}
    assert {clip.fold for clip in read.clips} == {"test"}
    sources = {
        Path(event["source"]).name
        for one in json.loads((clips / "out" / "recipe.json").read_text())["recordings"]
        for event in one["events"]
    }
    assert sources <= {"cat-1.wav", "dog-1.wav"}
    thanks = (clips / "out" / "ATTRIBUTION.md").read_text()
    assert thanks == "# Makers\n- `cat-1.wav` (CC-BY): by cat-1\n"


def test_options_reach_the_recipe(prepare: Callable[..., int], clips: Path) -> None:
    options = {"--snr": "-5-10", "--background-level": "-60--55.5", "--max-overlap": "3", "--longest": "0.3"}
    more = {"--reverberation": "0.5", "--rt60": "0.1-0.2", "--fade-ms": "5", "--groups": "2", "--jobs": "2"}
    activity = {"--threshold": "20", "--gap": "0.2", "--shortest": "0.05"}
    assert prepare(*(f"{name}={value}" for name, value in (options | more | activity).items())) == 0
    settings = json.loads((clips / "out" / "recipe.json").read_text())["settings"]
    expected = {
        "snr_db": "-5-10",
        "background_db": "-60--55.5",
        "max_overlap": 3,
        "longest_s": "0.3-0.3",
        "reverberation": 0.5,
        "rt60_s": "0.1-0.2",
        "fade_s": 0.005,
        "n_groups": 2,
        "activity": {"threshold_db": 20.0, "gap_s": 0.2, "shortest_s": 0.05},
        "n_recordings": 3,
    }
    assert {name: settings[name] for name in expected} == expected


def test_backgrounds_come_from_a_class_or_a_folder(prepare: Callable[..., int], clips: Path) -> None:
    long = 0.1 * np.random.default_rng(9).standard_normal(3 * RATE)
    (clips / "streets").mkdir()
    soundfile.write(clips / "streets" / "a.wav", long, RATE)
    assert prepare("--background", str(clips / "streets")) == 0
    first = json.loads((clips / "out" / "recipe.json").read_text())["recordings"][0]
    assert first["background"]["source"] == str(clips / "streets" / "a.wav")
    (clips / "out").rename(clips / "first")
    for name in ("dog-1", "dog-2"):
        soundfile.write(clips / f"{name}.wav", long, RATE)
    assert prepare("--background-classes", "dog") == 0
    assert read_data(clips / "out", SUFFIXES).labels.names == ("cat",)


def test_clips_that_cannot_be_used_are_named(
    prepare: Callable[..., int], clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (clips / "cat-1.wav").write_bytes(b"")
    soundfile.write(clips / "dog-2.wav", np.zeros(RATE), RATE)
    assert prepare() == 1
    output = capsys.readouterr()
    assert output.err.splitlines() == [
        f"htsat: left out: {clips / 'cat-1.wav'}: is an empty file",
        f"htsat: not used: {clips / 'dog-2.wav'}: no sound is 0.1 s long",
    ]
    assert output.out.splitlines()[-1].startswith("3 recordings, ")
    assert prepare() == 1, "again, though nothing is left to do"


def test_many_clips_without_a_sound_are_counted(
    prepare: Callable[..., int], clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(clips / "silent.wav", np.zeros(RATE), RATE)
    with (clips / "manifest.tsv").open("a") as file:
        file.write("\n" + "silent.wav\tcat\t1\n" * 13)
    assert prepare() == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11
    assert lines[-1] == "htsat: not used: 3 more clips, see recipe.json"


def test_events_without_a_place_are_counted(
    prepare: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare("--events-per-recording", "20", "--max-overlap", "1") == 0
    *_, places, total = capsys.readouterr().out.splitlines()
    n_without, n_events = int(places.split()[0]), int(total.split()[2])
    assert places.endswith(" events that were drawn found no place")
    assert n_without + n_events == 60


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--snr", "6-3"], 2, "SNR: a range goes from low to high, got 6-3"),
        (["--snr", "loud"], 2, "argument --snr: expected MIN-MAX, got 'loud'"),
        (["--longest", "1.2.3"], 2, "argument --longest: expected MIN-MAX, got '1.2.3'"),
        (["--threshold", "x"], 2, "argument --threshold: expected a number of dB, got 'x'"),
        (["--seed=-1"], 2, "argument --seed: expected a whole number, at least 0, got '-1'"),
        (["--max-overlap", "0"], 2, "expected a whole number, at least 1, got '0'"),
        (["--background", "x", "--background-classes", "dog"], 2, "not allowed with argument --background"),
        (["--fold", "3"], 1, "no clip has fold 3; the folds are: 1, 2"),
        (["--classes", "dgo"], 1, "unknown class 'dgo'; did you mean 'dog'"),
        (["--groups", "3"], 1, "some class has sounds of too few origins for 3 groups"),
        (["--reverb", "1"], 2, "unknown option '--reverb'; did you mean '--reverberation'"),
    ],
)
def test_wrong_use_is_one_line(
    prepare: Callable[..., int],
    clips: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    code: int,
    message: str,
) -> None:
    assert prepare(*options) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (clips / "out").exists()


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "soundscapes", "--help"]) == 0
    assert "example:\n  htsat prepare soundscapes data/esc50" in capsys.readouterr().out
    assert main(["prepare", "--help"]) == 0
    assert "  soundscapes      New recordings" in capsys.readouterr().out
