from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from htsat.checkpoints import load_model, read_card
from htsat.cli.main import main
from htsat.data.manifest import Clip, Manifest, write_manifest
from htsat.evaluation import tuning
from htsat.labels import LabelSet
from htsat.loading import load

LABELS, SAMPLE_RATE = ("Dog", "Male speech, man speaking", "Siren"), 8_000

Run = Callable[..., int]
EVENTS = {0: "Dog", 1: "Siren", 2: "Dog", 3: "Male speech, man speaking"}


@pytest.fixture(autouse=True)
def few_values(monkeypatch: pytest.MonkeyPatch) -> None:
    few = {kind: {name: values[:2] for name, values in grid.items()} for kind, grid in tuning._VARIED.items()}
    monkeypatch.setattr(tuning, "_VARIED", few)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four recordings of 2 s with a louder second of one class in each, and strong labels."""
    folder = tmp_path / "dev"
    folder.mkdir()
    for number in range(4):
        noise = 0.02 * np.random.default_rng(number).standard_normal(2 * SAMPLE_RATE)
        noise[4000 + 800 * number :][:SAMPLE_RATE] *= 10
        soundfile.write(folder / f"{number}.wav", noise, SAMPLE_RATE)
    rows = [f"{n}.wav\t{0.5 + 0.1 * n}\t{1.5 + 0.1 * n}\t{label}" for n, label in EVENTS.items()]
    (folder / "events.tsv").write_text("\n".join(["filename\tonset\toffset\tevent_label", *rows]) + "\n")
    clips = [
        Clip(folder / f"{n}.wav", (label,), duration_s=2.0, events=folder / "events.tsv")
        for n, label in EVENTS.items()
    ]
    write_manifest(folder / "manifest.tsv", Manifest(tuple(clips), LabelSet(LABELS)))
    return folder


@pytest.fixture
def tune(model: Path, data: Path, tmp_path: Path) -> Run:
    """Runs the command on these recordings; returns the exit code."""

    def run(*options: object) -> int:
        fixed = ["--model", model, "--data", data, "-o", tmp_path / "tuned.safetensors", "--min-events", 1]
        return main(["tune", *map(str, [*fixed, *options])])

    return run


def test_a_model_with_its_rules_and_a_report(tune, model, data, tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    assert tune("--report", tmp_path / "report.json", "--cross-validation") == 0
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    card = read_card(tmp_path / "tuned.safetensors")[1]
    shown = capsys.readouterr().out
    assert report["macro"]["after"]["collar"] >= report["macro"]["before"]["collar"]
    assert set(report["macro"]) == {"before", "after", "other_half"}
    assert set(report["macro"]["after"]) == {"collar", "intersection", "segment", "psds1", "psds2"}
    assert [report["per_class"][label]["n_events"] for label in LABELS] == [2, 1, 1]
    stored = [report["per_class"][label]["rules"]["threshold"] for label in LABELS]
    assert card.rules.thresholds == pytest.approx(stored)
    assert card.rules != read_card(model)[1].rules
    assert card.provenance["rules"] == f"chosen by F1, collar on 4 recordings of {data}"
    assert f"{data}: 4 recordings, 0.1 minutes, 4 events" in shown
    assert f"F1, collar{report['macro']['before']['collar']:22.4f}" in shown
    assert "'after' flatters" in shown


def test_the_tuned_model_detects_by_its_rules(tune, data, tmp_path) -> None:  # type: ignore[no-untyped-def]
    assert tune("--kind", "boxes", "--objective", "intersection") == 0
    tuned = load(tmp_path / "tuned.safetensors")
    assert tuned.default_rules.boxes is not None
    events = [event for number in range(4) for event in tuned.detect(data / f"{number}.wav")]
    assert events
    thresholds = dict(zip(LABELS, tuned.default_rules.thresholds, strict=True))
    assert all(event.probability > thresholds[event.label] for event in events)


def test_calibrated_logits_are_part_of_the_weights(tune, model, data, tmp_path) -> None:  # type: ignore[no-untyped-def]
    assert tune("--calibrate", "--pictures", tmp_path / "pictures") == 0
    assert (tmp_path / "pictures" / "reliability.png").stat().st_size > 10_000
    tuned = tmp_path / "tuned.safetensors"
    samples, _ = soundfile.read(data / "0.wav", dtype="float32")
    before, after = (load(path).scores(samples, SAMPLE_RATE).logits for path in (model, tuned))
    for k in range(len(LABELS)):
        scale, offset = np.polyfit(before[:, k], after[:, k], 1)
        np.testing.assert_allclose(after[:, k], scale * before[:, k] + offset, atol=1e-3)
        assert abs(offset) > 0.1
    card = load_model(tuned).card
    assert card.provenance["calibration"] == f"on 4 recordings of {data}"


def test_weak_labels_choose_thresholds_only(tune, model, data, tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    clips = tuple(Clip(data / f"{n}.wav", (label,)) for n, label in EVENTS.items())
    write_manifest(data / "manifest.tsv", Manifest(clips, LabelSet(LABELS)))
    assert tune() == 0
    before, after = read_card(model)[1].rules, read_card(tmp_path / "tuned.safetensors")[1].rules
    assert after.thresholds != before.thresholds
    assert replace(after, thresholds=before.thresholds) == before
    shown = capsys.readouterr().out
    assert "thresholds only: there are no strong labels" in shown
    assert "F1 of tags" in shown


def test_broken_recordings_are_named_and_left_out(tune, data, capsys) -> None:  # type: ignore[no-untyped-def]
    (data / "2.wav").write_bytes(b"")
    assert tune("--kind", "frames") == 1
    shown = capsys.readouterr()
    assert shown.err == f"htsat: {data}/2.wav: is an empty file\n"
    assert "3 recordings, 0.1 minutes, 3 events, 1 more could not be heard" in shown.out


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--objective", "psds"), 2, "argument --objective: invalid choice: 'psds'"),
        (("--pictures", "here"), 2, "--pictures shows what calibration does: add --calibrate"),
        (("--min-events", "3"), 1, "no class has 3 events; the most has 2"),
        (("--fold", "9"), 1, "no clip has fold 9"),
    ],
)
def test_what_cannot_be_done_is_refused(tune, tmp_path, capsys, options, code, message) -> None:  # type: ignore[no-untyped-def]
    assert tune(*options) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "tuned.safetensors").exists()


@pytest.mark.parametrize("name", ["manifest.tsv", "events.tsv", "1.wav"])
def test_nothing_that_is_read_is_replaced(tune, data, capsys, name) -> None:  # type: ignore[no-untyped-def]
    before = (data / name).read_bytes()
    assert tune("-o", data / name) == 2
    assert capsys.readouterr().err == f"htsat: {data / name} is an input; results would replace it\n"
    assert (data / name).read_bytes() == before


def test_the_model_itself_is_not_replaced(tune, model, capsys) -> None:  # type: ignore[no-untyped-def]
    assert tune("-o", model) == 2
    assert "is an input; results would replace it" in capsys.readouterr().err


def test_an_unknown_class_is_refused_before_anything_is_heard(tune, data, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("htsat.data.stores.SoundReader.read", None)
    text = (data / "events.tsv").read_text().replace("Siren", "Sirne")
    (data / "events.tsv").write_text(text)
    assert tune() == 1
    assert "'Sirne'" in capsys.readouterr().err
