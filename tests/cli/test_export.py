from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from htsat.checkpoints import read_card
from htsat.cli import export, info
from htsat.cli.main import main
from htsat.engines import openvino_engine
from htsat.engines.exported import ParityError
from htsat.engines.onnx_engine import OnnxEngine
from htsat.engines.protocol import ModelDescription
from htsat.files import sha256

SAMPLE_RATE = 8_000


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """A manifest of six clips in two folds."""
    rows = ["path\tlabels\tfold"]
    for number, label in enumerate(["Dog", "Siren", "Male speech, man speaking"] * 2):
        noise = 0.1 * np.random.default_rng(number).standard_normal(SAMPLE_RATE)
        soundfile.write(tmp_path / f"{number}.wav", noise, SAMPLE_RATE)
        rows.append(f"{number}.wav\t{label}\t{number % 2}")
    (tmp_path / "manifest.tsv").write_text("\n".join(rows) + "\n")
    return tmp_path / "manifest.tsv"


def run(model: Path, output: Path, *options: object) -> int:
    return main(["export", "--model", str(model), "-o", str(output), *map(str, options)])


@pytest.mark.parametrize(("runtime", "name"), [("onnx", "small.onnx"), ("openvino", "small.xml")])
def test_a_model_is_exported_and_used(runtime, name, model, tmp_path, recordings, capsys):
    assert run(model, tmp_path / "out" / name, "--to", runtime) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == (f"{tmp_path / 'out' / name}\n", "")
    answers = []
    for each in (model, tmp_path / "out" / name):
        assert main(["tag", str(recordings), "--model", str(each), "--format", "csv"]) == 0
        answers.append(capsys.readouterr().out.splitlines())
    lines, exported = ([line.rpartition(",") for line in answer] for answer in answers)
    assert [line[0] for line in lines] == [line[0] for line in exported]
    for (_, _, before), (_, _, after) in zip(lines[1:], exported[1:], strict=True):
        assert float(after) == pytest.approx(float(before), abs=2e-6)


def test_the_comparison_with_the_original(model, labelled, tmp_path, capsys):
    assert run(model, tmp_path / "m.onnx", "--to", "onnx", "--precision", "fp16", "--data", labelled) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [str(tmp_path / "m.onnx"), "clips      6"]
    largest = re.fullmatch(r"largest difference of a clip's probability  (\S+)", lines[2])
    assert 0 < float(largest[1]) < 1e-2
    assert lines[3].split() == ["original", "exported", "change"]
    name, before, after, change = lines[4].split()
    assert name == "mAP"
    assert float(after) - float(before) == pytest.approx(float(change), abs=1e-3)
    assert len(lines) == 5


def test_one_fold_alone_is_compared(model, labelled, tmp_path, capsys):
    assert run(model, tmp_path / "m.onnx", "--to", "onnx", "--data", labelled, "--fold", 1) == 0
    assert "clips      3\n" in capsys.readouterr().out


def test_a_broken_clip_is_named_and_left_out_of_the_comparison(model, labelled, tmp_path, capsys):
    (tmp_path / "3.wav").write_text("no sound")
    assert run(model, tmp_path / "m.onnx", "--to", "onnx", "--data", labelled) == 1
    captured = capsys.readouterr()
    assert "clips      5\n" in captured.out
    [line] = captured.err.splitlines()
    assert line.startswith(f"htsat: {tmp_path / '3.wav'}: ")


def test_labels_of_others_cannot_be_compared(model, tmp_path, labelled, capsys):
    labelled.write_text(labelled.read_text().replace("Siren", "Cat"))
    assert run(model, tmp_path / "m.onnx", "--to", "onnx", "--data", labelled) == 1
    assert "Cat" in capsys.readouterr().err


def test_eight_bits_by_recordings(model, recordings, tmp_path, capsys):
    options = ("--to", "onnx", "--precision", "int8", "--calibration", recordings)
    assert run(model, tmp_path / "m.onnx", *options) == 0
    assert capsys.readouterr().err == ""
    exact = OnnxEngine(exported(model, tmp_path / "exact.onnx"), "m")
    clips = 0.1 * np.random.default_rng(9).standard_normal((1, SAMPLE_RATE)).astype(np.float32)
    rough = OnnxEngine(tmp_path / "m.onnx", "m").frame_scores(clips).frame_logits
    assert 1e-5 < np.abs(rough - exact.frame_scores(clips).frame_logits).max() < 0.5


def exported(model: Path, path: Path) -> Path:
    run(model, path, "--to", "onnx")
    return path


def test_calibration_hears_at_most_a_hundred_recordings(model, recordings, monkeypatch):
    (item,) = export.find_inputs(str(recordings / "a.wav"))
    monkeypatch.setattr(export, "find_inputs", lambda _: [item] * 50)
    description = ModelDescription.of("m", *read_card(model))
    for arguments, n_clips in ((["x"], 50), (["x", "y"], 100), (["x", "y", "z"], 75)):
        clips = list(export._calibration_clips(arguments, description))
        assert [clip.shape for clip in clips] == [(SAMPLE_RATE,)] * n_clips


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--to", "onnx", "-o", "m.xml"), "a file for onnx must end with .onnx, got 'm.xml'"),
        (("--to", "openvino", "-o", "m.onnx"), "a file for openvino must end with .xml, got 'm.onnx'"),
        (
            ("--to", "onnx", "-o", "m.onnx", "--precision", "int8"),
            "--precision int8 needs recordings to calibrate with: --calibration INPUT...",
        ),
        (
            ("--to", "onnx", "-o", "m.onnx", "--calibration", "a.wav"),
            "--calibration is for --precision int8, got fp32",
        ),
        (
            ("--to", "onnx", "-o", "m.onnx", "--fold", "4"),
            "--fold needs the data that it is a part of: --data MANIFEST|DATASET",
        ),
        (
            ("--to", "onnx", "-o", "m.onnx", "--precision", "int8", "--calibration", "-"),
            "--calibration: give files, as standard input and what lies in shards and stores is read once",
        ),
        (("--to", "tensorrt", "-o", "m.onnx"), "argument --to: invalid choice: 'tensorrt'"),
        (("--to", "onnx", "-o", "m.onnx", "--precision", "fp8"), "argument --precision: invalid choice"),
    ],
)
def test_wrong_use_is_one_line(options, message, model, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["export", "--model", str(model), *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"htsat: {message}")
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_help_shows_an_example(capsys):
    assert main(["export", "--help"]) == 0
    assert "example:\n  htsat export" in capsys.readouterr().out


def test_a_runtime_that_is_off_is_told_in_one_line(model, tmp_path, recordings, monkeypatch, capsys):
    run(model, tmp_path / "m.onnx", "--to", "onnx")

    def refuse(*_: object) -> None:
        raise ParityError("m: probabilities are off by 0.5")

    monkeypatch.setattr(openvino_engine, "require_parity", refuse)
    assert main(["tag", str(recordings / "a.wav"), "--model", str(tmp_path / "m.onnx")]) == 0
    assert capsys.readouterr().err == "htsat: m: probabilities are off by 0.5; trying another runtime\n"


@pytest.mark.parametrize(("runtime", "name"), [("onnx", "m.onnx"), ("openvino", "m.xml")])
def test_info_describes_exported_files(runtime, name, model, tmp_path, capsys):
    path = tmp_path / name
    run(model, path, "--to", runtime, "--precision", "fp16")
    capsys.readouterr()
    info.main([str(model), str(path)])
    original, shown = (facts_of(each) for each in capsys.readouterr().out.split("\n\n"))
    assert shown[0] == ("file", f"{path} ({path.stat().st_size / 1e6:.1f} MB)")
    assert shown[1] == ("sha256", sha256(path))
    assert ("precision", "fp16") in shown
    assert set(original[3:]) < set(shown)  # what comes after file, digest and number of parameters
    assert ("m.bin (" in str(shown)) is (runtime == "openvino")


def facts_of(text: str) -> list[tuple[str, str]]:
    return [(name, value.strip()) for name, _, value in (line.partition("  ") for line in text.splitlines())]
