"""What a plain `pip install htsat` can do, and what it says of the rest: everything else is out of reach."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

EXAMPLES = Path(__file__).parents[2] / "examples"

# Listening reads and computes with numpy, soundfile, soxr, onnxruntime and tqdm.
_ABSENT = ["torch", "safetensors", "huggingface_hub", "lightning", "jsonargparse", "yaml", "transformers"]
_ABSENT += ["onnx", "ml_dtypes", "openvino", "pyarrow", "h5py", "matplotlib", "tensorboard", "av"]
_ABSENT += ["scipy", "sklearn", "pandas", "sounddevice", "wandb"]
_PLAIN = f"import sys; sys.modules.update(dict.fromkeys({_ABSENT!r}))"


def htsat(*arguments: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    code = f"{_PLAIN}; from htsat.cli.main import main; sys.exit(main())"
    return python(code, *arguments, stdin=stdin)


def python(code: str, *arguments: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, check=False)


def output_of(*arguments: object, stdin: bytes = b"") -> str:
    done = htsat(*arguments, stdin=stdin)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode()


def test_tag() -> None:
    lines = output_of("tag", EXAMPLES / "dog.ogg", EXAMPLES / "rain.ogg", "--top", 1).splitlines()
    assert [line.split(",")[1] for line in lines] == ["label", "dog", "rain"]


def test_detect() -> None:
    lines = output_of("detect", EXAMPLES / "scene.ogg", "--threads", 1).splitlines()
    assert len(lines) > 7
    assert any(",dog," in line for line in lines)


def test_embed(tmp_path: Path) -> None:
    output_of("embed", EXAMPLES / "dog.ogg", "-o", tmp_path / "dog.npy")
    vectors = np.load(tmp_path / "dog.npy")
    assert vectors.shape[1] == 384
    assert np.isfinite(vectors).all()


def test_listen() -> None:
    sound, rate = soundfile.read(EXAMPLES / "dog.ogg", dtype="int16")
    done = htsat("listen", "--input-rate", rate, stdin=sound.tobytes())
    assert done.returncode == 0
    assert b",dog," in done.stdout
    assert done.stderr.startswith(b"htsat: listening to standard input")
    assert done.stderr.count(b"\n") == 1


def test_info() -> None:
    assert "Vorbis" in output_of("info", EXAMPLES / "dog.ogg")
    shown = output_of("info", "nano-esc50")
    assert "nano-esc50.onnx (" in shown
    assert "  50 (dog, rooster, pig, cow, frog, ...)\n" in shown
    assert "precision       fp16\n" in shown


def test_nothing_is_left_in_the_home_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    output_of("tag", EXAMPLES / "dog.ogg")
    assert list(tmp_path.rglob("*")) == []


def test_help() -> None:
    assert "commands:" in output_of("--help")
    assert "example:" in output_of("detect", "--help")
    assert "example:" in output_of("export", "--help")


TORCH = "pip install 'htsat[torch]'"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("tag", "{dog}", "--model", "{model}"),
            f"m.safetensors needs packages that are not installed: {TORCH}",
        ),
        (
            ("tag", "{dog}", "--engine", "torch"),
            f"nano-esc50.safetensors needs packages that are not installed: {TORCH}",
        ),
        (
            ("tag", "{dog}", "--engine", "openvino"),
            "nano-esc50.onnx needs packages that are not installed: pip install 'htsat[openvino]'",
        ),
        (("info", "{model}"), f"this command needs packages that are not installed: {TORCH}"),
        (
            ("tag", "{dog}", "--model", "hf://somebody/something"),
            "models from the Hugging Face Hub needs packages that are not installed: pip install 'htsat[hub",
        ),
        (
            ("export", "--to", "onnx", "-o", "{model}.onnx"),
            "this command needs packages that are not installed: pip install 'htsat[",
        ),
        (
            ("finetune", "{folder}", "-o", "{folder}/run"),
            "this command needs packages that are not installed: pip install 'htsat[",
        ),
        (
            ("train", "esc50-scratch", "--data", "{folder}"),
            "this command needs packages that are not installed: pip install 'htsat[",
        ),
    ],
)
def test_what_needs_more_says_what_to_install(arguments, message, tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "m.safetensors").write_bytes(b"whatever it holds")
    places = {"dog": EXAMPLES / "dog.ogg", "model": tmp_path / "m.safetensors", "folder": tmp_path}
    done = htsat(*(argument.format(**places) for argument in arguments))
    assert done.returncode == 1
    assert done.stderr.decode().startswith(f"htsat: {message}")
    assert done.stderr.count(b"\n") == 1


def test_the_network_says_what_to_install() -> None:
    done = python(f"{_PLAIN}; from htsat.network import HTSAT")
    assert b"the network needs packages that are not installed: pip install 'htsat[torch]'" in done.stderr
    sizes = "from htsat.network import ModelConfig; print(ModelConfig.named('tiny').embedding_dim)"
    assert python(f"{_PLAIN}; {sizes}").stdout == b"768\n"
