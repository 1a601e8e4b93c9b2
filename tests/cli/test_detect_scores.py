"""`htsat detect --scores`: `htsat evaluate-events --scores` makes of it what `htsat evaluate` says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from htsat.cli.main import main
from htsat.evaluation.event_curves import event_curves
from htsat.formats.score_tables import read_npz
from htsat.loading import load
from htsat.rules import EventRules

Run = Callable[..., int]

EVENTS = [
    *[("a.wav", start / 4, start / 4 + 0.2, "Dog") for start in range(5)],
    *[("c.flac", start / 4, start / 4 + 0.2, "Dog") for start in range(0, 10, 2)],
    ("c.flac", 1.0, 2.0, "Siren"),
]
LABELS = ("Dog", "Male speech, man speaking", "Siren")
RULES = ("--median-filter", "0.7", "--max-gap", "0.4", "--min-duration", "0.5")


@pytest.fixture
def strong(recordings: Path) -> Path:
    rows = "".join("\t".join(map(str, row)) + "\n" for row in EVENTS)
    (recordings / "events.tsv").write_text(f"filename\tonset\toffset\tevent_label\n{rows}")
    path = recordings / "manifest.tsv"
    path.write_text("path\tlabels\tevents\na.wav\tDog\tevents.tsv\ndeep/c.flac\tDog;Siren\tevents.tsv\n")
    return path


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def duration_s(path: Path) -> float:
    return float(read_npz(path).grid.boundaries_s[-1])


@pytest.mark.parametrize("boxes", [False, True])
def test_the_round_trip_gives_the_figures_of_evaluate(
    htsat: Run, strong: Path, tmp_path: Path, boxes: bool
) -> None:
    folder = strong.parent
    rules: dict[str, object] = {"thresholds": dict.fromkeys(LABELS, 0.25)}
    rules |= {"boxes": {}} if boxes else {"median_filter_s": 0.7, "max_gap_s": 0.4, "min_duration_s": 0.5}
    (tmp_path / "rules.json").write_text(json.dumps(rules))
    options = ("--boxes",) if boxes else (*RULES, "--clip-threshold", "0")
    recordings = [folder / "a.wav", folder / "deep" / "c.flac"]
    detected, scores = tmp_path / "found.tsv", tmp_path / "scores"
    command = ["detect", *recordings, "--threshold", "0.25", *options, "--classes", "Dog,Siren"]
    assert htsat(*command, "--scores", scores, "--format", "tsv", "-o", detected) == 0
    assert sorted(path.name for path in scores.iterdir()) == ["a.npz", "c.npz"]
    detected.write_text(detected.read_text().replace(f"{folder}/deep/", "").replace(f"{folder}/", ""))
    lengths = {name: duration_s(scores / f"{name[0]}.npz") for name in ("a.wav", "c.flac")}
    rows = "".join(f"{name}\t{length!r}\n" for name, length in lengths.items())
    (tmp_path / "durations.tsv").write_text(f"filename\tduration\n{rows}")
    lists = ["--reference", folder / "events.tsv", "--durations", tmp_path / "durations.tsv"]
    command = ["evaluate-events", detected, *lists, "--scores", scores, "--report", tmp_path / "events.json"]
    assert main([*map(str, command)]) == 0
    given = ["--rules", tmp_path / "rules.json", "--report", tmp_path / "report.json"]
    assert htsat("evaluate", "--data", strong, *given) == 0
    of_events, of_evaluate = read(tmp_path / "events.json"), read(tmp_path / "report.json")
    for name in ("intersection_f1", "collar_f1", "segment_f1", "psds1", "psds2"):
        assert of_events[name] == of_evaluate[name]
    assert of_events["psds2_details"] == of_evaluate["psds2_details"]
    assert of_events["estimated"]["n_events"] > 0
    assert max(of_events["psds2_details"]["per_class"].values()) > 0


def test_scores_are_those_after_the_rules_and_without_rules_the_probabilities(
    htsat: Run, model: Path, recordings: Path, tmp_path: Path
) -> None:
    heard = load(model).frame_scores(recordings / "a.wav")
    off = [
        option
        for name in ("median-filter", "clip-threshold", "max-gap", "min-duration")
        for option in (f"--{name}", "0")
    ]
    for name, options in (("plain", off), ("ruled", [*RULES, "--clip-threshold", "0"])):
        command = ["detect", recordings / "a.wav", *options, "--scores", tmp_path / name]
        assert htsat(*command, "-o", tmp_path / "events.csv") == 0
    plain, ruled = (read_npz(tmp_path / name / "a.npz") for name in ("plain", "ruled"))
    assert plain.labels == heard.labels
    np.testing.assert_array_equal(plain.grid.boundaries_s, heard.grid.boundaries_s)
    np.testing.assert_array_equal(plain.probabilities, heard.probabilities)
    thresholds = (0.0,) * len(heard.labels)
    curves = event_curves(heard, EventRules(thresholds, 0.7, 0.5, 0.4))
    np.testing.assert_array_equal(ruled.probabilities, curves.probabilities)


def test_events_are_the_same_with_scores_and_without(htsat: Run, recordings: Path, tmp_path: Path) -> None:
    inputs = [recordings / "a.wav", recordings / "deep" / "c.flac"]
    for name, options in (("with", ["--scores", tmp_path / "scores"]), ("without", [])):
        assert htsat("detect", *inputs, *options, "-o", tmp_path / f"{name}.csv") == 0
    assert (tmp_path / "with.csv").read_bytes() == (tmp_path / "without.csv").read_bytes()


def test_what_cannot_be_heard_or_written_is_named_and_the_others_go_on(
    htsat: Run, recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scores" / "a.npz").mkdir(parents=True)
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no sound")
    inputs = [recordings / "a.wav", broken, recordings / "deep" / "c.flac"]
    assert htsat("detect", *inputs, "--scores", tmp_path / "scores", "-o", tmp_path / "events.csv") == 1
    said = capsys.readouterr().err
    assert "a.npz is not a file that can be replaced" in said
    assert "broken.wav" in said
    assert "2 of 3 inputs failed" in said
    assert sorted(path.name for path in (tmp_path / "scores").iterdir()) == ["a.npz", "c.npz"]


def test_folders_that_cannot_hold_scores(
    htsat: Run, recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert htsat("detect", recordings / "a.wav", "--scores", tmp_path / "file") == 2
    assert f"--scores needs a folder, and {tmp_path / 'file'} is a file" in capsys.readouterr().err
    twin = tmp_path / "a.wav"
    twin.write_bytes((recordings / "a.wav").read_bytes())
    assert htsat("detect", recordings / "a.wav", twin, "--scores", tmp_path / "scores") == 2
    assert "would both be written to" in capsys.readouterr().err
