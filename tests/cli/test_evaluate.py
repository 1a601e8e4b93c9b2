from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from htsat.checkpoints import ModelCard, load_model, save_model
from htsat.cli.main import main
from htsat.labels import LabelSet
from htsat.loading import load
from htsat.rules import EventRules

Run = Callable[..., int]

CLASSES = ("Dog", "Male speech, man speaking", "Siren")


@pytest.fixture
def manifest(recordings: Path) -> Path:
    """Three recordings in two folds, one of them with two classes, beside the recordings."""
    path = recordings / "manifest.tsv"
    path.write_text("path\tlabels\tfold\na.wav\tDog\t1\nb.WAV\tSiren;Dog\t1\ndeep/c.flac\tSiren\t2\n")
    return path


@pytest.fixture(scope="session")
def multi_class_model(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of the small model as a model of exactly one class, in another order."""
    path = tmp_path_factory.mktemp("multi_class") / "one.safetensors"
    network, _ = load_model(model)
    save_model(
        path, network, ModelCard(LabelSet(CLASSES[::-1]), "multi_class", EventRules.usual((0.5, 0.5, 0.5)))
    )
    return path


def read(report: Path) -> dict:  # type: ignore[type-arg]
    document: dict = json.loads(report.read_text(encoding="utf-8"))  # type: ignore[type-arg]
    return document


def test_the_report_holds_what_the_table_shows(
    htsat: Run, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "new" / "report.json"
    assert htsat("evaluate", "--data", manifest, "--report", report) == 0
    document, shown = read(report), capsys.readouterr().out
    assert document["task"] == "multi_label"
    assert "accuracy" not in document
    assert document["n_clips"] == 3
    assert document["tta"] == 1
    assert document["n_classes_without_positives"] == 1
    assert document["per_class"]["Siren"]["n_positives"] == 2
    assert f"mAP       {document['mAP']:7.4f}" in shown
    assert f"clips    3, list sha256 {document['clip_list_sha256']}" in shown
    assert "task     multi-label, 3 classes (1 without positives, left out of the means)" in shown
    assert "passes   1 (no test-time shifts)" in shown
    assert "accuracy" not in shown
    assert "worst clips (by cross-entropy)" in shown


def test_accuracy_is_that_of_tag(
    manifest: Path, multi_class_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest.write_text("path\tlabels\na.wav\tDog\nb.WAV\tSiren\ndeep/c.flac\tDog\n")
    model = load(multi_class_model)
    files = {"a.wav": "Dog", "b.WAV": "Siren", "deep/c.flac": "Dog"}
    n_right = sum(model.tag(manifest.parent / file, top=1)[0].label == label for file, label in files.items())
    report = tmp_path / "report.json"
    command = ["evaluate", "--data", manifest, "--report", report, "--model", multi_class_model]
    assert main([*map(str, command)]) == 0
    assert read(report)["accuracy"] == pytest.approx(n_right / 3)
    assert "most frequent confusions" in capsys.readouterr().out


def test_only_one_fold_of_a_data_set(
    htsat: Run, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest.write_text("path\tlabels\tfold\na.wav\tDog\ttrain\ndeep/c.flac\tSiren\t2\n")
    for fold, file in (("2", "c.flac"), ("train", "a.wav")):
        more = ["--fold", fold, "--report", tmp_path / "r.json"]
        assert htsat("evaluate", "--data", manifest.parent, *more) == 0
        document = read(tmp_path / "r.json")
        assert [Path(worst["file"]).name for worst in document["worst_clips"]] == [file]
        assert document["data"] == f"{manifest.parent}, fold {fold}"
    assert htsat("evaluate", "--data", manifest, "--fold", 7) == 1
    assert "no clip has fold 7; the manifest's folds are" in capsys.readouterr().err


def test_a_folder_with_a_folder_for_each_class(htsat: Run, recordings: Path, tmp_path: Path) -> None:
    for name, file in (("Dog", "a.wav"), ("Siren,Dog", "b.WAV")):
        (recordings / "sorted" / name).mkdir(parents=True)
        (recordings / file).rename(recordings / "sorted" / name / file)
    assert htsat("evaluate", "--data", recordings / "sorted", "--report", tmp_path / "r.json") == 0
    document = read(tmp_path / "r.json")
    assert (document["per_class"]["Dog"]["n_positives"], document["n_clips"]) == (2, 2)


def test_pictures_are_drawn(
    htsat: Run, manifest: Path, multi_class_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert htsat("evaluate", "--data", manifest, "--pictures", tmp_path / "many") == 0
    assert sorted(path.name for path in (tmp_path / "many").iterdir()) == ["classes.png"]
    manifest.write_text("path\tlabels\na.wav\tDog\nb.WAV\tSiren\ndeep/c.flac\tDog\n")
    one = ["evaluate", "--data", manifest, "--pictures", tmp_path / "one", "--model", multi_class_model]
    assert main([*map(str, one)]) == 0
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["classes.png", "confusions.png"]
    assert htsat("evaluate", "--data", manifest, "--pictures", manifest) == 2
    assert f"--pictures needs a folder, and {manifest} is a file" in capsys.readouterr().err


def test_without_matplotlib_nothing_is_heard(
    htsat: Run,
    manifest: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert htsat("evaluate", "--data", manifest, "--pictures", tmp_path / "new") == 1
    captured = capsys.readouterr()
    assert "drawing pictures needs packages that are not installed: pip install 'htsat[plot]'" in captured.err
    assert captured.out == ""


def test_several_models_and_passes(
    htsat: Run, manifest: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network, card = load_model(model)
    with torch.no_grad():
        network.head.token_semantic.bias += torch.tensor([1.0, 0.0, -1.0])
    save_model(tmp_path / "other.safetensors", network, card)
    report = tmp_path / "r.json"
    more = ["--model", tmp_path / "other.safetensors", "--tta", 2]
    assert htsat("evaluate", "--data", manifest, "--report", report, *more) == 0
    document, shown = read(report), capsys.readouterr().out
    assert document["models"] == [str(tmp_path / "other.safetensors"), str(model)]
    assert document["tta"] == 2
    assert f"model    {tmp_path / 'other.safetensors'} + {model}" in shown
    assert "passes   2\n" in shown
    a = [load(path).clip_scores(manifest.parent / "a.wav").probabilities for path in document["models"]]
    heard = next(worst for worst in document["worst_clips"] if worst["file"].endswith("a.wav"))["heard"]
    assert heard[0]["label"] == CLASSES[int(np.mean(a, axis=0).argmax())]


def test_models_that_do_not_hear_the_same_are_refused(
    htsat: Run, manifest: Path, multi_class_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert htsat("evaluate", "--data", manifest, "--model", multi_class_model) == 1
    assert "differ in their task: multi_class and multi_label" in capsys.readouterr().err


def test_broken_recordings_are_named_and_counted(
    htsat: Run, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with manifest.open("a") as file:
        file.write("notes.txt\tDog\t1\ngone.wav\tSiren\t1\n")
    assert htsat("evaluate", "--data", manifest, "--report", tmp_path / "r.json") == 1
    captured = capsys.readouterr()
    assert f"htsat: {manifest.parent / 'notes.txt'}: " in captured.err
    assert f"htsat: {manifest.parent / 'gone.wav'}: No such file or directory\n" in captured.err
    assert "clips    3 (2 more could not be heard)" in captured.out
    assert read(tmp_path / "r.json")["n_failed"] == 2


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        ([], 2, "the following arguments are required: --data"),
        (["--data", "{folder}/gone.tsv"], 1, "gone.tsv: No such file or directory"),
        (["--data", "{folder}/deep"], 1, "no recordings in folders named after their class"),
        (
            ["--data", "{manifest}", "--tta", "0"],
            2,
            "expected a whole number, at least 1, got '0'",
        ),
        (
            ["--data", "{manifest}", "--report", "{folder}"],
            2,
            "is not a file that can be replaced",
        ),
        (["--data", "{manifest}", "--report", "{manifest}"], 2, "is an input"),
        (["--data", "{manifest}", "--report", "{folder}/a.wav"], 2, "is an input"),
        (
            ["--data", "{manifest}", "--folds", "1"],
            2,
            "unknown option '--folds'; did you mean '--fold'",
        ),
        (["--data", "{folder}/wrong.tsv"], 1, "has no class 'Dgo'; did you mean 'Dog'?"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    htsat: Run,
    manifest: Path,
    arguments: list[str],
    exit_code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (manifest.parent / "wrong.tsv").write_text("path\tlabels\na.wav\tDgo\n")
    before = manifest.read_bytes()
    filled = [argument.format(folder=manifest.parent, manifest=manifest) for argument in arguments]
    assert htsat("evaluate", *filled) == exit_code
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert manifest.read_bytes() == before


def test_a_multi_class_model_needs_one_label_each(
    manifest: Path, multi_class_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "--data", str(manifest), "--model", str(multi_class_model)]) == 1
    assert "b.WAV: has 2 labels; a multi-class model needs exactly one per clip" in capsys.readouterr().err
