from __future__ import annotations

import pytest
import torch

from htsat.checkpoints import load_model
from htsat.cli.convert import main
from htsat.errors import CheckpointError, ConfigError, DataError


@pytest.fixture(scope="module")
def checkpoint(official_state_dict, tmp_path_factory):
    """An official checkpoint with three classes."""
    tensors = dict(official_state_dict("h"))
    tensors |= {key: tensors[key][:3].clone() for key in ("head.weight", "head.bias")}
    path = tmp_path_factory.mktemp("checkpoint") / "author.ckpt"
    torch.save({"state_dict": {f"sed_model.{key}": tensor for key, tensor in tensors.items()}}, path)
    return path


@pytest.fixture
def names(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("dog\nrain\nbell\n", encoding="utf-8")
    return path


def test_a_checkpoint_becomes_a_model(checkpoint, names, tmp_path, capsys):
    output = tmp_path / "models" / "own.safetensors"
    assert main([str(checkpoint), "--labels", str(names), "-o", str(output)]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{output}\n"
    assert "htsat: left out relative_position_index (12): recomputed from the window\n" in printed.err
    assert "htsat: the file does not tell its task" in printed.err
    assert load_model(output).card.labels.names == ("dog", "rain", "bell")


def test_task_and_sample_rate_are_passed_on(checkpoint, names, tmp_path):
    output = tmp_path / "own.safetensors"
    options = ["--labels", str(names), "--task", "multi_class", "--sample-rate", "16000"]
    assert main([str(checkpoint), *options, "-o", str(output)]) == 0
    network, card = load_model(output)
    assert (network.config.sample_rate, card.task) == (16_000, "multi_class")


def test_labels_may_be_a_known_set(checkpoint, tmp_path):
    with pytest.raises(CheckpointError, match="has 3 classes, but there are 527 labels"):
        main([str(checkpoint), "--labels", "audioset", "-o", str(tmp_path / "own.safetensors")])
    with pytest.raises(DataError, match="no label set 'audiosets'; did you mean 'audioset'"):
        main([str(checkpoint), "--labels", "audiosets", "-o", str(tmp_path / "own.safetensors")])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"dog\nrain\ndog\n", "class name 'dog' occurs twice"), (b"\xff\xfe", "can't decode byte 0xff")],
)
def test_bad_label_files_are_named(checkpoint, names, tmp_path, content, message):
    names.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        main([str(checkpoint), "--labels", str(names), "-o", str(tmp_path / "own.safetensors")])
    assert str(caught.value).startswith(f"{names}: ")


def test_help_shows_an_example(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    assert "example:\n  htsat convert" in capsys.readouterr().out


def test_wrong_use_is_refused():
    with pytest.raises(ConfigError, match="argument --task: invalid choice: 'both'"):
        main(["author.ckpt", "-o", "own.safetensors", "--task", "both"])
