"""Bad input: one line that says what is wrong, the right exit code, and never a traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from htsat.cli.main import main


class Bad(NamedTuple):
    """Arguments (formatted with the folder of bad files), exit code, what the one line says."""

    arguments: str
    exit_code: int
    message: str


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    """A folder with one of everything that is wrong."""
    folder = tmp_path_factory.mktemp("bad")
    noise = 0.1 * np.random.default_rng(0).standard_normal(12_000).astype(np.float32)
    soundfile.write(folder / "good.wav", noise, 8_000)
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("this is not sound\n" * 100)
    (folder / "noise.mp3").write_bytes(np.random.default_rng(1).bytes(4_000))
    (folder / "cut.wav").write_bytes((folder / "good.wav").read_bytes()[:30])
    soundfile.write(folder / "no_samples.wav", noise[:0], 8_000)
    soundfile.write(
        folder / "nan.wav", np.where(np.arange(12_000) == 8_000, np.nan, noise), 8_000, subtype="FLOAT"
    )
    soundfile.write(
        folder / "inf.wav", np.where(np.arange(12_000) == 80, np.inf, noise), 8_000, subtype="FLOAT"
    )
    soundfile.write(folder / "one.wav", noise[:1], 8_000)
    soundfile.write(folder / "short.wav", noise[:150], 8_000)
    (folder / "silent_folder").mkdir()
    (folder / "silent_folder" / "notes.txt").touch()
    (folder / "a.tar").touch()
    (folder / "list.csv").write_text("name\nx.wav\n")
    (folder / "here.csv").write_text("file\ngood.wav\n")
    (folder / "link.npy").symlink_to(folder / "good.wav")
    content = model.read_bytes()
    (folder / "cut.safetensors").write_bytes(content[: len(content) // 2])
    (folder / "text.safetensors").write_text("hello")
    with safe_open(model, "pt") as file:
        metadata, tensors = file.metadata(), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    save_file(tensors, folder / "foreign.safetensors")
    bias = tensors.pop("head.token_semantic.bias")
    save_file(tensors, folder / "no_bias.safetensors", metadata)
    save_file(tensors | {"head.token_semantic.bias": bias[:2]}, folder / "classes.safetensors", metadata)
    save_file(tensors | {"head.token_semantic.bias": bias * torch.nan}, folder / "nan.safetensors", metadata)
    (folder / "pickle.ckpt").write_bytes(b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00exit\x85R.")
    return folder


BAD = [
    Bad("tag {bad}/gone.wav", 1, "{bad}/gone.wav: No such file or directory"),
    Bad("tag {bad}/empty.wav", 1, "{bad}/empty.wav: is an empty file"),
    Bad("tag {bad}/text.wav", 1, "{bad}/text.wav: "),
    Bad("tag {bad}/noise.mp3", 1, "{bad}/noise.mp3: "),
    Bad("tag {bad}/cut.wav", 1, "{bad}/cut.wav: "),
    Bad("tag {bad}/no_samples.wav", 1, "{bad}/no_samples.wav: "),
    Bad("detect {bad}/nan.wav", 1, "{bad}/nan.wav: contains NaN or infinite samples (first at 1.000 s)"),
    Bad("detect {bad}/inf.wav", 1, "{bad}/inf.wav: contains NaN or infinite samples (first at 0.010 s)"),
    Bad("tag {bad}/one.wav", 1, "{bad}/one.wav: "),
    Bad("tag {bad}/short.wav", 1, "{bad}/short.wav: too short: 18.8 ms of audio, at least 20 ms are needed"),
    Bad("tag {bad}/silent_folder", 1, "{bad}/silent_folder: no audio files found"),
    Bad("tag {bad}/*.ogg", 1, "{bad}/*.ogg: no audio files found"),
    Bad("tag {bad}/a.tar", 1, "{bad}/a.tar: cannot be read as a tar shard (empty file)"),
    Bad("tag {bad}/list.csv", 1, "{bad}/list.csv: is not a manifest: no column names recordings (expected"),
    Bad(
        "tag {bad}/good.wav --format xml",
        2,
        "argument --format: invalid choice: 'xml' (choose from 'table', 'csv',",
    ),
    Bad("tag {bad}/good.wav --format audacity", 2, "argument --format: invalid choice: 'audacity'"),
    Bad("tag {bad}/good.wav --top 0", 2, "argument --top: expected a whole number, at least 1, got '0'"),
    Bad(
        "tag {bad}/good.wav --top many", 2, "argument --top: expected a whole number, at least 1, got 'many'"
    ),
    Bad(
        "tag {bad}/good.wav --min-probability 30%",
        2,
        "argument --min-probability: expected a number, got '30%'",
    ),
    Bad("tag {bad}/good.wav --gate 3", 2, "argument --gate: expected a level in dBFS, at most 0, got '3'"),
    Bad("tag {bad}/good.wav --jobs 0", 2, "argument --jobs: expected a whole number, at least 1, got '0'"),
    Bad("tag {bad}/good.wav --overlap 1", 2, "overlap must be at least 0 and less than 1, got 1.0"),
    Bad("tag {bad}/good.wav --device gpu", 2, "argument --device: invalid choice: 'gpu'"),
    Bad(
        "tag {bad}/good.wav --min-probabilty 0.5",
        2,
        "unknown option '--min-probabilty'; did you mean '--min-prob",
    ),
    Bad(
        "detect {bad}/good.wav --threshold 2",
        2,
        "argument --threshold: expected a number between 0 and 1, got '2'",
    ),
    Bad(
        "detect {bad}/good.wav --threshold nan",
        2,
        "argument --threshold: expected a number between 0 and 1, got 'nan'",
    ),
    Bad(
        "detect {bad}/good.wav --max-gap=-1", 2, "argument --max-gap: expected seconds, at least 0, got '-1'"
    ),
    Bad(
        "detect {bad}/good.wav --min-duration inf",
        2,
        "argument --min-duration: expected seconds, at least 0, got",
    ),
    Bad(
        "detect {bad}/good.wav --classes Dgo",
        2,
        "--classes: the model has no class 'Dgo'; did you mean 'Dog'?",
    ),
    Bad(
        "detect {bad}/good.wav {bad}/nan.wav --format raven",
        2,
        "this format describes one recording; results of",
    ),
    Bad("tag {bad}/good.wav -o {bad}/text.wav/x.csv", 1, "{bad}/text.wav: File exists"),
    Bad("tag {bad}/good.wav -o {bad}/good.wav", 2, "{bad}/good.wav is an input; results would replace it"),
    Bad(
        "tag {bad}/good.wav -o {bad}/silent_folder/../good.wav",
        2,
        "{bad}/silent_folder/../good.wav is an input",
    ),
    Bad("tag {bad}/here.csv -o {bad}/here.csv", 2, "{bad}/here.csv is an input; results would replace it"),
    Bad("embed {bad}/good.wav -o {bad}/link.npy", 2, "{bad}/link.npy is an input; results would replace it"),
    Bad("tag {bad}/good.wav -o {bad}/one.wav", 2, "{bad}/one.wav has the name of a recording; results go"),
    Bad("tag {bad}/good.wav -o {bad}/new.OGG", 2, "{bad}/new.OGG has the name of a recording; results go"),
    Bad("tag {bad}/good.wav -o {bad}/one.wav --resume", 2, "{bad}/one.wav has the name of a recording;"),
    Bad("tag {bad}/good.wav -o s3://x/y.csv", 2, "argument -o/--output: expected a path on a disk, got the"),
    Bad("export --to onnx -o s3://x/y.onnx", 2, "argument -o/--output: expected a path on a disk, got the"),
    Bad("labels convert {bad} s3://x/y.csv", 2, "argument B: expected a path on a disk, got the address"),
    Bad("detect {bad}/good.wav --plot s3://x/", 2, "argument --plot: expected a path on a disk, got the"),
    Bad("tag {bad}/good.wav -o -", 2, "argument -o/--output: expected a path, got '-' (./- for a file of"),
    Bad("tag {bad}/good.wav --output=", 2, "argument -o/--output: expected a name or a path, got ''"),
    Bad("tag {bad}/good.wav --model=", 2, "argument --model: expected a name or a path, got ''"),
    Bad(
        "tag {bad}/good.wav --batch-size 1000000000", 2, "argument --batch-size: expected a whole number, at"
    ),
    Bad(
        "tag {bad}/good.wav --threads 99999999999", 2, "argument --threads: expected a whole number, at most"
    ),
    Bad("listen extra", 2, "htsat listen takes no argument 'extra'"),
    Bad("tag {bad}/good.wav -o /dev/null", 2, "/dev/null is not a file that can be replaced"),
    Bad(
        "embed {bad}/good.wav -o {bad}/x.csv",
        2,
        "-o must be a .npy or .parquet file or a folder/, got '{bad}/x.csv'",
    ),
    Bad("embed {bad}/good.wav", 2, "the following arguments are required: -o/--output"),
    Bad(
        "embed {bad}/good.wav {bad}/good.wav -o {bad}/new/",
        2,
        "good.wav and good.wav would both be written to",
    ),
    Bad("tag {bad}/good.wav --model {bad}/gone.safetensors", 1, "{bad}/gone.safetensors: no such model file"),
    Bad("tag {bad}/good.wav --model nothing-like-it", 1, "no model 'nothing-like-it'"),
    Bad("tag {bad}/good.wav --model {bad}/text.safetensors", 1, "{bad}/text.safetensors: "),
    Bad("tag {bad}/good.wav --model {bad}/cut.safetensors", 1, "{bad}/cut.safetensors: "),
    Bad("tag {bad}/good.wav --model {bad}/foreign.safetensors", 1, "{bad}/foreign.safetensors: "),
    Bad("tag {bad}/good.wav --model {bad}/no_bias.safetensors", 1, "{bad}/no_bias.safetensors: "),
    Bad("tag {bad}/good.wav --model {bad}/classes.safetensors", 1, "{bad}/classes.safetensors: "),
    Bad("tag {bad}/good.wav --model {bad}/nan.safetensors", 1, "{bad}/nan.safetensors: "),
    Bad("tag {bad}/good.wav --model {bad}/pickle.ckpt", 1, "{bad}/pickle.ckpt: "),
    Bad("tag {bad}/good.wav --model {bad}/good.wav", 1, "{bad}/good.wav: "),
    Bad("tag {bad}/good.wav --model {bad}", 1, "{bad}: expected a folder with model.safetensors"),
]


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.arguments)
def test_bad_input_is_one_line(case: Bad, bad: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [argument.format(bad=bad) for argument in case.arguments.split()]
    if "--model" not in arguments:
        arguments += ["--model", str(model)]
    assert main(arguments) == case.exit_code
    shown = capsys.readouterr()
    assert shown.err.startswith("htsat: " + case.message.format(bad=bad))
    assert shown.err.count("\n") == 1


def test_a_video_without_sound(
    htsat: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "silent.mp4"), "w") as video:
        track = video.add_stream("mpeg4", rate=10)
        track.width, track.height, track.pix_fmt = 64, 64, "yuv420p"
        for _ in range(10):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            video.mux(track.encode(frame))
        video.mux(track.encode())
    assert htsat("tag", tmp_path / "silent.mp4") == 1
    assert capsys.readouterr().err == f"htsat: {tmp_path / 'silent.mp4'}: has no audio track\n"
