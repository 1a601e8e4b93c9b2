from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import pytest

from htsat.cli.main import main
from htsat.zoo.catalog import known_models


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    for name in ("HTSAT_OFFLINE", "HF_HUB_OFFLINE", "HTSAT_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTSAT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


def test_every_known_model_is_listed_and_which_are_here(capsys, cache):
    cache.mkdir(parents=True)
    (cache / "audioset-2.onnx").touch()
    (cache / "my birds.onnx").touch()
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    states = {line.split()[0]: line.split()[-1] for line in lines if line.endswith((" here", " -"))}
    assert list(states) == [model.name for model in known_models()]
    assert [name for name, state in states.items() if state == "here"] == ["nano-esc50", "audioset-2"]
    assert max(len(line) for line in lines) <= 110
    assert lines[-3:] == ["  my birds", "", f"The cache is {cache}"]


def test_the_list_is_json_too(capsys, cache):
    cache.mkdir(parents=True)
    (cache / "birds.onnx").touch()
    assert main(["models", "--json"]) == 0
    *known, own = json.loads(capsys.readouterr().out)
    assert [record["name"] for record in known] == [model.name for model in known_models()]
    assert own == {"name": "birds", "path": str(cache / "birds.onnx")}
    first, second = known[:2]
    assert first["path"].endswith("nano-esc50.onnx")
    assert first["get"] is None
    assert second["path"] is None
    assert second["get"] == "htsat models get audioset-1 --from FOLDER"


def test_a_model_is_got_and_used_by_its_name(capsys, cache, model, recordings):
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    assert main(["models", "get", model.as_uri()]) == 0
    out, messages = capsys.readouterr()
    assert out == f"{cache / 'small.safetensors'}\n"
    assert f"no SHA-256 is known to compare with; this file has {digest}" in messages
    assert "use it as: --model small" in messages
    assert main(["tag", str(recordings / "a.wav"), "--model", "small", "--top", "1"]) == 0
    capsys.readouterr()
    assert main(["models", "get", "small"]) == 0
    assert "small is here already (--again fetches it anew)" in capsys.readouterr().err
    assert main(["models", "get", model.as_uri(), "--sha256", digest.upper()]) == 0
    assert "compare" not in capsys.readouterr().err


def test_the_list_loads_nothing_heavy():
    heavy = ("torch", "onnxruntime", "openvino", "huggingface_hub", "matplotlib")
    code = "import sys; from htsat.cli.models import main; main([]); "
    code += f"sys.exit(any(name in sys.modules for name in {heavy}))"
    assert (
        subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0
    )


def test_an_exported_model_comes_from_a_mirror_and_is_checked(capsys, cache, tmp_path, monkeypatch):
    monkeypatch.setenv("HTSAT_MIRROR", str(tmp_path))
    (tmp_path / "birds.onnx").write_bytes(b"no model")
    assert main(["models", "get", "birds"]) == 1
    assert "birds.onnx: " in capsys.readouterr().err
    assert not list(cache.parent.rglob("*.onnx"))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["get"], 2, "get needs the name of a model (htsat models lists them)"),
        (["got"], 2, "argument action: invalid choice: 'got' (choose from "),
        (["get", "a", "b", "--sha256", "0" * 64], 2, "--sha256 is the digest of one file, but several"),
        (["get", "a", "--sha256", "xyz"], 2, "argument --sha256: expected 64 hexadecimal digits, got 'xyz'"),
        (["get", "audiose-1"], 2, "no model 'audiose-1'; did you mean 'audioset-1'?"),
        (["get", "audioset-1"], 2, "HTSAT_AudioSet_Saved_1.ckpt is fetched with a browser (Google Drive,"),
        (
            ["get", "audioset-1", "--from", "/none"],
            1,
            "audioset-1 could not be fetched from /none/HTSAT_AudioSet_Saved_1.ckpt: No such file",
        ),
    ],
)
def test_what_cannot_be_got_is_told_in_one_line(capsys, arguments, code, message):
    assert main(["models", *arguments]) == code
    assert capsys.readouterr().err.startswith(f"htsat: {message}")


def test_offline_nothing_is_asked(capsys, monkeypatch):
    monkeypatch.setenv("HTSAT_OFFLINE", "1")
    assert main(["models", "get", "clap-630k", "clap-htsat-unfused"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(line.endswith("was not asked, because HTSAT_OFFLINE is set") for line in lines)
