"""Measuring and tuning where classes are missing, or everywhere: figures are a dash, and null in JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from htsat.checkpoints import ModelCard, load_model, read_card, save_model
from htsat.cli.main import main
from htsat.evaluation import tuning
from htsat.labels import LabelSet
from htsat.rules import EventRules

Run = Callable[..., int]

CLASSES = "Dog", "Male speech, man speaking", "Siren"
LABELLINGS = {
    "nobody": ("", "", ""),
    "one class": ("Dog", "", ""),
    "in every clip": ("Dog", "Dog", "Dog"),
    "all in all": (";".join(CLASSES),) * 3,
    "as usual": ("Dog", "Siren", ""),
}


@pytest.fixture(autouse=True)
def few_values(monkeypatch: pytest.MonkeyPatch) -> None:
    few = {kind: {name: values[:2] for name, values in grid.items()} for kind, grid in tuning._VARIED.items()}
    monkeypatch.setattr(tuning, "_VARIED", few)


def strict(path: Path) -> Any:
    """JSON as all other programs read it."""
    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse_constant)


def refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} in JSON")


def write(recordings: Path, labels: tuple[str, ...]) -> Path:
    path = recordings / "manifest.tsv"
    rows = zip(("a.wav", "b.WAV", "deep/c.flac"), labels, strict=True)
    path.write_text("path\tlabels\n" + "".join(f"{name}\t{own}\n" for name, own in rows))
    (recordings / "labels.txt").write_text("\n".join(CLASSES) + "\n")
    return path


@pytest.mark.parametrize("labelling", LABELLINGS)
def test_a_report_where_classes_are_missing(
    htsat: Run, recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], labelling: str
) -> None:
    labels = LABELLINGS[labelling]
    manifest, report = write(recordings, labels), tmp_path / "report.json"
    assert htsat("evaluate", "--data", manifest, "--report", report, "--pictures", tmp_path / "pictures") == 0
    shown, document = capsys.readouterr().out, strict(report)
    there = {name for own in labels for name in own.split(";") if name}
    everywhere = {name for name in CLASSES if all(name in own.split(";") for own in labels)}
    assert document["n_classes_without_positives"] == 3 - len(there)
    for name, figures in document["per_class"].items():
        assert (figures["average_precision"] is not None) == (name in there)
        assert (figures["roc_auc"] is not None) == (name in there - everywhere)
    assert (document["mAP"] is not None) == bool(there)
    assert (document["mAUC"] is not None) == bool(there - everywhere)
    assert not re.search(r"\bnan\b", shown)
    assert re.search(r"^mAP +(0|1)\.\d{4} " if there else r"^mAP +- +- to -$", shown, re.MULTILINE)
    assert (f"{3 - len(there)} without positives, left out of the means" in shown) == (len(there) < 3)


def test_every_clip_of_one_class_in_a_multi_class_model(
    model: Path, recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, report = tmp_path / "one.safetensors", tmp_path / "report.json"
    rules = EventRules.usual((0.5, 0.5, 0.5))
    save_model(path, load_model(model).network, ModelCard(LabelSet(CLASSES), "multi_class", rules))
    manifest = write(recordings, ("Dog", "Dog", "Dog"))
    words = ["evaluate", "--model", path, "--data", manifest, "--report", report]
    assert main([str(word) for word in words]) == 0
    document = strict(report)
    assert document["mAP"] == 1.0
    assert document["mAUC"] is document["d_prime"] is None
    assert document["per_class"]["Siren"]["recall"] is None
    assert "nan" not in capsys.readouterr().out


@pytest.mark.parametrize("labelling", LABELLINGS)
@pytest.mark.parametrize("min_events", [1, 2])
def test_tags_are_tuned_and_calibrated_where_they_can_be(
    model: Path,
    recordings: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    labelling: str,
    min_events: int,
) -> None:
    """Other classes keep the threshold that they have, and their logits as they are."""
    labels = LABELLINGS[labelling]
    manifest, tuned, report = (
        write(recordings, labels),
        tmp_path / "tuned.safetensors",
        tmp_path / "tuned.json",
    )
    words = ["tune", "--model", model, "--data", manifest, "-o", tuned, "--report", report, "--calibrate"]
    code = main([str(word) for word in [*words, "--min-events", min_events]])
    shown = capsys.readouterr()
    counts = {name: sum(name in own.split(";") for own in labels) for name in CLASSES}
    if max(counts.values()) < min_events:
        assert code == 1
        assert re.fullmatch(r"htsat: .*no class has .*\n", shown.err.splitlines(keepends=True)[-1])
        return
    assert code == 0
    assert "nan" not in shown.out
    document = strict(report)
    before, after = (read_card(path)[1].rules.thresholds for path in (model, tuned))
    for name, old, new in zip(CLASSES, before, after, strict=True):
        assert 0 <= new <= 1
        assert document["per_class"][name]["is_tuned"] == (counts[name] >= min_events)
        if counts[name] < min_events:
            assert old == pytest.approx(new)


@pytest.fixture
def silent(tmp_path: Path) -> Path:
    """Three recordings with strong labels: silence, all of it labelled, a part, and nothing."""
    folder = tmp_path / "silent"
    folder.mkdir()
    for number in range(3):
        soundfile.write(folder / f"{number}.wav", np.zeros(16_000), 8_000)
    (folder / "events.tsv").write_text(
        "filename\tonset\toffset\tevent_label\n0.wav\t0\t2\tDog\n1.wav\t0.5\t1.5\tDog\n2.wav\t\t\t\n"
    )
    rows = [f"{number}.wav\t{'Dog' if number < 2 else ''}\tevents.tsv\n" for number in range(3)]
    (folder / "manifest.tsv").write_text("path\tlabels\tevents\n" + "".join(rows))
    (folder / "labels.txt").write_text("\n".join(CLASSES) + "\n")
    return folder


def test_events_in_silence_are_measured_and_tuned(
    model: Path, silent: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("evaluate", "tune"):
        report = tmp_path / f"{command}.json"
        words = [command, "--model", model, "--data", silent, "--report", report]
        words += ["-o", tmp_path / "tuned.safetensors", "--min-events", 1, "--calibrate"] * (
            command == "tune"
        )
        assert main([str(word) for word in words]) == 0
        strict(report)
        assert "nan" not in capsys.readouterr().out


def test_without_any_event_there_are_no_figures_of_events(
    model: Path, silent: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (silent / "events.tsv").write_text(
        "filename\tonset\toffset\tevent_label\n" + "".join(f"{n}.wav\t\t\t\n" for n in range(3))
    )
    report = tmp_path / "report.json"
    words = ["--model", model, "--data", silent]
    assert main([str(word) for word in ["evaluate", *words, "--report", report]]) == 0
    document = strict(report)
    assert "psds1" not in document
    assert document["collar_f1"]["macro"] is None
    assert "nan" not in capsys.readouterr().out
    assert main([str(word) for word in ["tune", *words, "-o", tmp_path / "tuned.safetensors"]]) == 1
    assert "no class has" in capsys.readouterr().err
