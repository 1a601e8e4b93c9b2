"""`htsat evaluate` where clips have strong labels: events, class maps, rules, and rules chosen before."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from htsat.cli.main import main
from htsat.loading import load

Run = Callable[..., int]

EVENTS = [
    *[("a.wav", start / 4, start / 4 + 0.2, "Dog") for start in range(5)],
    *[("b.WAV", start / 4, start / 4 + 0.2, "Dog") for start in range(0, 10, 2)],
    ("b.WAV", 1.0, 2.0, "Siren"),
]


@pytest.fixture
def strong(recordings: Path) -> Path:
    """A manifest of two recordings with strong labels, each a fold of its own, and one with weak labels."""
    rows = "".join("\t".join(map(str, row)) + "\n" for row in EVENTS)
    (recordings / "events.tsv").write_text(f"filename\tonset\toffset\tevent_label\n{rows}")
    (recordings / "durations.tsv").write_text("filename\tduration\na.wav\t1.5\nb.WAV\t2.5\n")
    path = recordings / "manifest.tsv"
    path.write_text(
        "path\tlabels\tfold\tevents\na.wav\tDog\tdev\tevents.tsv\nb.WAV\tDog;Siren\ttest\tevents.tsv\n"
        "deep/c.flac\tSiren\ttest\t\n"
    )
    return path


@pytest.fixture
def class_map(tmp_path: Path) -> Path:
    path = tmp_path / "map.tsv"
    path.write_text("class\ttarget\nDog\tDog\nMale speech, man speaking\tSiren\nSiren\tSiren\n")
    return path


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def test_events_are_those_of_detect_counted_as_evaluate_events_does(
    htsat: Run, strong: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = strong.parent
    assert htsat("evaluate", "--data", strong, "--report", tmp_path / "r.json") == 0
    shown, report = capsys.readouterr().out, read(tmp_path / "r.json")
    detected = tmp_path / "detected.tsv"
    recordings = [folder / "a.wav", folder / "b.WAV"]
    assert htsat("detect", *recordings, "--classes", "Dog,Siren", "--format", "tsv", "-o", detected) == 0
    detected.write_text(detected.read_text().replace(f"{folder}/", ""))
    lists = ["--reference", folder / "events.tsv", "--durations", folder / "durations.tsv"]
    command = ["evaluate-events", detected, *lists, "--report", tmp_path / "events.json"]
    assert main([*map(str, command)]) == 0
    expected = read(tmp_path / "events.json")
    assert expected["estimated"]["n_events"] > 0
    for name in ("intersection_f1", "collar_f1", "segment_f1"):
        assert report[name] == expected[name]
    assert 0 <= report["psds1"] <= 1
    assert report["events"]["recording_list_sha256"] == expected["recording_list_sha256"]
    assert report["n_clips"] == 3
    assert "events, in the clips with strong labels (1 more clips have none and do not count)" in shown
    assert f"collar        {report['collar_f1']['macro']:7.4f}" in shown
    assert f"PSDS1         {report['psds1']:7.4f}" in shown
    assert f"rules       those of {report['models'][0]}" in shown
    assert "worst clips (by intersections)" in shown


def test_classes_are_put_together_and_rules_read_from_files(
    htsat: Run, strong: Path, class_map: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps({"thresholds": {"Siren": 0.0, "Dog": 1.0}}))
    more = ["--class-map", class_map, "--rules", rules, "--report", tmp_path / "r.json", "--short", "pad"]
    assert htsat("evaluate", "--data", strong, *more) == 0
    report, shown = read(tmp_path / "r.json"), capsys.readouterr().out
    assert list(report["per_class"]) == ["Dog", "Siren"]
    # Siren throughout both recordings, Dog nowhere.
    assert report["events"]["estimated"]["per_class"] == {"Dog": 0, "Siren": 2}
    assert report["events"]["rules"]["thresholds"] == {"Dog": 1.0, "Siren": 0.0}
    assert report["class_map"] == str(class_map)
    assert f"map      classes put together by {class_map}" in shown
    assert f"rules       {rules}" in shown


def test_rules_are_chosen_on_another_fold(
    htsat: Run, strong: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folds = ["--fold", "test", "--tune-fold", "dev", "--tune", "thresholds", "--objective", "segment"]
    assert htsat("evaluate", "--data", strong, *folds, "--report", tmp_path / "r.json") == 0
    report = read(tmp_path / "r.json")
    assert report["events"]["n_recordings"] == 1
    source = report["events"]["rules_from"]
    assert source.startswith(f"thresholds chosen by segment on 1 clips of {strong}, fold dev, else those of ")
    assert source in capsys.readouterr().out
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps(report["events"]["rules"]))
    again = ["--fold", "test", "--rules", rules, "--report", tmp_path / "again.json"]
    assert htsat("evaluate", "--data", strong, *again) == 0
    assert read(tmp_path / "again.json")["collar_f1"] == report["collar_f1"]


def test_the_worst_clips_are_drawn(htsat: Run, strong: Path, tmp_path: Path) -> None:
    assert htsat("evaluate", "--data", strong, "--pictures", tmp_path / "drawn") == 0
    drawn = sorted(path.name for path in (tmp_path / "drawn").iterdir())
    assert drawn == ["classes.png", "events_1.png"]  # in a.wav nothing is missed or false


def test_recordings_shorter_than_a_clip_can_be_padded(
    htsat: Run, strong: Path, model: Path, tmp_path: Path
) -> None:
    short = 0.1 * np.random.default_rng(0).standard_normal(5_720)  # 0.715 s
    soundfile.write(strong.parent / "b.WAV", short, 8_000)
    heard = {}
    for filled in ("pad", "repeat"):
        more = ["--short", filled, "--overlap", 0, "--report", tmp_path / "r.json", "--fold", "test"]
        assert htsat("evaluate", "--data", strong, *more) == 0
        report = read(tmp_path / "r.json")
        assert report["events"]["duration"] == pytest.approx(0.715)
        [worst] = [clip for clip in report["worst_clips"] if clip["file"].endswith("b.WAV")]
        heard[filled] = worst["heard"][0]["probability"]
        alone = load(model, short=filled, overlap=0.0).tag(strong.parent / "b.WAV", top=1)
        assert heard[filled] == pytest.approx(alone[0].probability, rel=1e-5)
    assert heard["pad"] != heard["repeat"]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["--class-map", "dsed"], 1, "no class map 'dsed'; did you mean 'desed'?"),
        (["--class-map", "desed"], 1, "class map desed: model"),
        (["--rules", "desed-papre"], 2, "no rules 'desed-papre'; did you mean 'desed-paper'?"),
        (["--rules", "desed-paper"], 2, "desed-paper: unknown class 'Alarm_bell_ringing'"),
        (["--tune-fold", "dev"], 2, "--tune-fold dev needs another fold to measure on: --fold NAME"),
        (["--tune-fold", "dev", "--fold", "dev"], 2, "--tune-fold dev needs another fold"),
        (["--tune-fold", "de", "--fold", "dev"], 1, "no clip has fold de; the manifest's folds are"),
        (
            ["--tune-fold", "dev", "--fold", "test", "--tune", "thresholds", "--objective", "psds1"],
            2,
            "thresholds alone are chosen by collar, intersection, segment: psds1 has none",
        ),
        (["--rules", "{weak}", "--data", "{weak}"], 2, "--rules is about events, and no clip of"),
        (["--report", "{folder}/events.tsv"], 2, "is an input"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    htsat: Run,
    strong: Path,
    arguments: list[str],
    exit_code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (strong.parent / "weak.tsv").write_text("path\tlabels\na.wav\tDog\n")
    names = {"folder": strong.parent, "weak": strong.parent / "weak.tsv"}
    filled = [argument.format(**names) for argument in arguments]
    data = [] if "--data" in filled else ["--data", strong]
    assert htsat("evaluate", *data, *filled) == exit_code
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
