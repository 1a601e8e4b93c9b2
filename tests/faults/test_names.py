"""File names that are no text, through every command that takes files."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from htsat.bulk.manifests import files_in

from .cases import _LEARNING
from .conftest import Warm

NO_TEXT = os.fsdecode(b"caf\xe9 \xff")
WITH_MODEL = """\
tag {odd}/recordings -o {out}/t.csv
tag {odd}/recordings -o {out}/t.jsonl
tag {odd}/recordings -o {out}/t.parquet
detect {odd}/recordings -o {out}/d.csv
detect {odd}/recordings -o {out}/many/ --format csv --resume
detect {odd}/recordings -o {out}/own/ --format audacity
detect {odd}/recordings -o {out}/eaf/ --format elan
embed {odd}/recordings -o {out}/e.npy
embed {odd}/recordings -o {out}/e.parquet
search {odd}/recordings/r0.wav {out}/e.npy
plot {odd}/recordings/r0.wav -o {out}/p.png
plot {odd}/recordings/r0.wav -o {out}/p.html
segments {odd}/recordings -o {out}/segments
report {odd}/recordings -o {out}/r.html
evaluate --data {odd}/recordings --report {out}/ev.json
tune --data {odd}/recordings -o {out}/tuned.safetensors --min-events 1
export --to onnx -o {out}/x.onnx
export --to openvino -o {out}/x.xml
""".strip().splitlines()
WITHOUT_MODEL = f"""\
labels convert {{odd}}/recordings {{out}}/l.csv
labels convert {{odd}}/recordings {{out}}/raven/ --to raven
labels check {{odd}}/recordings
info {{odd}}/recordings/r0.wav
average {{odd}}/one.safetensors {{odd}}/other.safetensors -o {{out}}/m.safetensors
prepare folder {{odd}}/recordings -o {{out}}/prepared
prepare soundscapes {{odd}}/recordings -o {{out}}/scapes --n 1 --duration 1 --sample-rate 8000 --classes low
pack {{odd}}/recordings -o {{out}}/packed --sample-rate 8000
finetune {{plain}}/recordings -o {{plain}}/run --valid_share 0.34 {_LEARNING} --optimisation.epochs 1
""".strip().splitlines()


@pytest.mark.skipif(sys.platform != "linux", reason="names of this system are text")
def test_every_command_takes_names_that_are_no_text(warm: Warm, things: Path, tmp_path: Path) -> None:
    odd, out, plain = tmp_path / NO_TEXT, tmp_path / f"out {NO_TEXT}", tmp_path / "plain"
    out.mkdir()
    plain.mkdir()
    (odd / "recordings").mkdir(parents=True)
    for path in (things / "recordings").iterdir():
        shutil.copy(path, odd / "recordings" / path.name)
        shutil.copy(path, odd / "recordings" / f"{NO_TEXT} {path.name}")
    for name in ("one", "other"):
        shutil.copy(things / f"{name}.safetensors", odd / f"{name}.safetensors")
    shutil.copytree(odd / "recordings", plain / "recordings")
    failed = []
    for line in [f"{line} --model {{odd}}/one.safetensors" for line in WITH_MODEL] + WITHOUT_MODEL:
        words = [word.format(odd=odd, out=out, plain=plain) for word in line.split()]
        ended = warm(tmp_path / "nowhere", "command", *words)
        if ended.code or "Traceback" in ended.err:
            failed.append(f"{line}: {ended.code} {ended.err}")
    assert not failed, "\n".join(failed)
    assert NO_TEXT in os.fsdecode((out / "t.csv").read_bytes())
    for name in ("t.csv", "t.jsonl", "t.parquet"):
        assert f"{odd}/recordings/{NO_TEXT} r0.wav" in set(files_in(out / name))
    assert (out / "t.jsonl").read_bytes().decode("utf-8")
    assert (out / "own" / f"{NO_TEXT} r0.txt").is_file()


@pytest.mark.skipif(sys.platform != "linux", reason="names of this system are text")
def test_the_page_takes_names_that_are_no_text(warm: Warm, things: Path, tmp_path: Path) -> None:
    folder = tmp_path / NO_TEXT
    folder.mkdir()
    shutil.copy(things / "recordings" / "r0.wav", folder / f"{NO_TEXT}.wav")
    workspace = tmp_path / f"workspace {NO_TEXT}"
    assert warm(tmp_path / "nowhere", "look_and_listen", folder, workspace).out.startswith("done")
    assert warm(tmp_path / "nowhere", "put_labels", folder, workspace, "yes:0:1").code == 0
    assert (folder / f"{NO_TEXT}.wav.csv").is_file()
