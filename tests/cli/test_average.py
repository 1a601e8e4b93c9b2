from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from htsat.checkpoints import ModelCard, load_model, save_model
from htsat.checkpoints.average import mean_of_states
from htsat.cli.main import main
from htsat.files import sha256
from htsat.labels import LabelSet
from htsat.network import HTSAT

Read = pytest.CaptureFixture[str]


@pytest.fixture
def members(model: Path, tmp_path: Path) -> list[Path]:
    """The small model and two that went away from it, the last far away; the second is stored as float16."""
    folder = tmp_path / "top"
    for number, distance in enumerate((0.0, 0.02, 0.5)):
        network, card = load_model(model)
        torch.manual_seed(number)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(distance * torch.randn_like(parameter))
        save_model(folder / f"{number}.safetensors", network, card, half=number == 1)
    return sorted(folder.iterdir())


@pytest.fixture
def manifest(recordings: Path) -> Path:
    path = recordings / "manifest.tsv"
    path.write_text("path\tlabels\tfold\na.wav\tDog\t1\nb.WAV\tSiren;Dog\t1\ndeep/c.flac\tSiren\t2\n")
    return path


def average(*arguments: object) -> int:
    return main(["average", *map(str, arguments)])


def evaluated(model: Path, data: Path, report: Path, *options: object) -> float:
    """What `htsat evaluate` says."""
    assert (
        main([*map(str, ["evaluate", "--model", model, "--data", data, "--report", report, *options])]) == 0
    )
    score: float = json.loads(report.read_text())["mAP"]
    return score


def scores(shown: str) -> dict[str, float]:
    """The mAP of each line of a table, by the file name at its start."""
    lines = [line.split() for line in shown.splitlines() if line.count(".") and len(line.split()) > 1]
    return {Path(words[0]).name: float(words[1]) for words in lines if words[1].startswith("0.")}


def test_without_data_the_weights_are_averaged(members: list[Path], tmp_path: Path, capsys: Read) -> None:
    output = tmp_path / "new" / "mean.safetensors"
    assert average(members[0].parent, "-o", output) == 0
    assert capsys.readouterr().out == f"mean of 3 models: {output}\n"
    mean = load_model(output)
    expected = mean_of_states(load_model(path).network.state_dict() for path in members)
    assert all(torch.equal(tensor, expected[key]) for key, tensor in mean.network.state_dict().items())
    assert mean.card.provenance["averaged"] == "uniform mean of 3 of 3 models"
    assert json.loads(mean.card.provenance["members"]) == [
        {"file": path.name, "sha256": sha256(path)} for path in members
    ]


@pytest.mark.parametrize("method", ["uniform", "greedy"])
def test_scores_are_those_of_evaluate(
    method: str, members: list[Path], manifest: Path, tmp_path: Path, capsys: Read
) -> None:
    output = tmp_path / "mean.safetensors"
    assert average(*members, "-o", output, "--data", manifest.parent, "--method", method) == 0
    shown = capsys.readouterr().out
    for path in members:
        assert scores(shown)[path.name] == pytest.approx(
            evaluated(path, manifest, tmp_path / "r.json"), abs=1e-4
        )
    n_members = len(json.loads(load_model(output).card.provenance["members"]))
    mean = next(line for line in shown.splitlines() if line.startswith(f"mean of {n_members} "))
    assert f"{evaluated(output, manifest, tmp_path / 'r.json'):.4f}" in mean
    assert shown.count("left out") == 3 - n_members
    assert shown.endswith(f"{output}\n")


def test_the_greedy_mean_is_not_worse_than_the_best(
    members: list[Path], manifest: Path, tmp_path: Path
) -> None:
    output = tmp_path / "mean.safetensors"
    assert average(*members, "-o", output, "--data", manifest, "--method", "greedy", "--fold", 1) == 0
    best = max(evaluated(path, manifest, tmp_path / "r.json", "--fold", 1) for path in members)
    assert evaluated(output, manifest, tmp_path / "r.json", "--fold", 1) >= best
    assert load_model(output).card.provenance["averaged"].endswith(f"measured on {manifest}, fold 1")


def test_accuracy_stands_beside_for_one_class_per_clip(
    model: Path, recordings: Path, tmp_path: Path, capsys: Read
) -> None:
    for number in range(2):
        network, card = load_model(model)
        card = dataclasses.replace(card, task="multi_class")
        save_model(tmp_path / f"{number}.safetensors", network, card)
    (recordings / "m.tsv").write_text("path\tlabels\na.wav\tDog\nb.WAV\tSiren\n")
    pair = [tmp_path / f"{number}.safetensors" for number in range(2)]
    assert average(*pair, "-o", tmp_path / "mean.safetensors", "--data", recordings / "m.tsv") == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[3].split() == ["mAP", "accuracy"]
    figures = [line.split()[-2:] for line in shown[4:7]]
    assert figures[0] == figures[1] == figures[2], "three times the same model"


def test_broken_recordings_are_named_once(
    members: list[Path], manifest: Path, tmp_path: Path, capsys: Read
) -> None:
    with manifest.open("a") as file:
        file.write("notes.txt\tDog\t1\n")
    assert average(*members, "-o", tmp_path / "mean.safetensors", "--data", manifest) == 1
    assert capsys.readouterr().err.count("notes.txt: ") == 1
    assert (tmp_path / "mean.safetensors").is_file()


def test_a_run_is_its_model_and_names_work_as_everywhere(
    members: list[Path], tmp_path: Path, capsys: Read
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.safetensors").write_bytes(members[0].read_bytes())
    (tmp_path / "run" / "best.safetensors").write_bytes(members[2].read_bytes())
    output = tmp_path / "mean.safetensors"
    assert average(tmp_path / "run", members[1], "-o", output) == 0
    files = [entry["file"] for entry in json.loads(load_model(output).card.provenance["members"])]
    assert files == ["model.safetensors", "1.safetensors"]
    assert average("nano-esc50", members[0], "-o", output) == 1
    assert "nano-esc50.safetensors and " in capsys.readouterr().err


@pytest.fixture
def places(members: list[Path], manifest: Path, tmp_path: Path) -> dict[str, Path]:
    """Files that fit, and files that do not."""
    network, card = load_model(members[0])
    other = ModelCard(LabelSet(("Dog", "Male speech, man speaking", "Cat")), card.task, card.rules)
    save_model(tmp_path / "other.safetensors", HTSAT(network.config), other)
    (tmp_path / "text.safetensors").write_text("not a model")
    (tmp_path / "wrong.tsv").write_text("path\tlabels\nrecordings/a.wav\tDgo\n")
    (tmp_path / "empty").mkdir()
    return {
        "one": members[0],
        "two": members[1],
        "top": members[0].parent,
        "folder": tmp_path,
        "text": tmp_path / "text.safetensors",
        "other": tmp_path / "other.safetensors",
        "manifest": manifest,
    }


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["{one}"], 2, "expected at least two models to average, got "),
        (["{one}", "{two}", "{one}"], 2, "0.safetensors is named twice; it would count twice in the mean"),
        (["{one}", "{top}"], 2, "0.safetensors is named twice"),
        (
            ["{one}", "{two}", "--method", "greedy"],
            2,
            "greedy chooses by a score: give it recordings with --data",
        ),
        (["{one}", "{two}", "--method", "gready"], 2, "invalid choice: 'gready'"),
        (["{one}", "{text}"], 1, "text.safetensors: not a whole safetensors file"),
        (["{one}", "{folder}/gone.safetensors"], 1, "gone.safetensors: no such model file"),
        (["{one}", "{folder}/empty"], 1, "empty: no model files (.safetensors) in this folder"),
        (
            ["{one}", "{other}"],
            1,
            "0.safetensors and {other} cannot be averaged: only one of them has Siren, Cat",
        ),
        (["{one}", "{two}", "-o", "{two}"], 2, "1.safetensors is an input"),
        (["{one}", "{two}", "--data", "{manifest}", "-o", "{manifest}"], 2, "manifest.tsv is an input"),
        (["{one}", "{two}", "-o", "{folder}"], 2, "is not a file that can be replaced"),
        (["{one}", "{two}", "--data", "{folder}/gone.tsv"], 1, "gone.tsv: No such file or directory"),
        (["{one}", "{two}", "--data", "{folder}/wrong.tsv"], 1, "has no class 'Dgo'; did you mean 'Dog'?"),
        (["{one}", "{two}", "--data", "{manifest}", "--fold", "7"], 1, "no clip has fold 7"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    arguments: list[str],
    exit_code: int,
    message: str,
    places: dict[str, Path],
    tmp_path: Path,
    capsys: Read,
) -> None:
    before = {path: path.read_bytes() for path in (places["one"], places["two"])}
    filled = [argument.format(**places) for argument in arguments]
    output = [] if "-o" in filled else ["-o", tmp_path / "mean.safetensors"]
    assert average(*filled, *output) == exit_code
    captured = capsys.readouterr()
    assert message.format(**places) in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert not (tmp_path / "mean.safetensors").exists()
    assert {path: path.read_bytes() for path in before} == before
