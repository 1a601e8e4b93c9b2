"""`htsat search` and `htsat similar` on recordings of a small model."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from htsat.checkpoints import ModelCard, save_model
from htsat.cli.main import main
from htsat.labels import LabelSet
from htsat.loading import load
from htsat.network import HTSAT
from htsat.rules import EventRules
from htsat.search import Index

RATE = 8_000


@pytest.fixture(scope="module")
def model(tmp_path_factory, one_second_config, lively):
    """Weights as large as learned ones: different sounds have different embeddings."""
    path = tmp_path_factory.mktemp("model") / "lively.safetensors"
    card = ModelCard(LabelSet(("x", "y", "z")), "multi_label", EventRules.usual((0.5, 0.5, 0.5)))
    save_model(path, lively(one_second_config), card)
    return path


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Six recordings of 3 to 5 s, each of its own tone; the last holds, from 1 s on, 2 s of the first."""
    folder = tmp_path_factory.mktemp("sounds")
    waves = {}
    for number, name in enumerate(["a.wav", "b ü.wav", "deep/c.flac", "deep/d,e.wav", "f.wav"]):
        rng = np.random.default_rng(number)
        time_s = np.arange((3 + number % 3) * RATE) / RATE
        tone = np.sin(2 * np.pi * 200 * (number + 1) * time_s * (1 + 0.2 * np.sin(3 * time_s)))
        waves[name] = 0.2 * tone + 0.02 * rng.standard_normal(len(time_s))
    waves["g.wav"] = np.concatenate(
        [waves["f.wav"][:RATE], waves["a.wav"][: 2 * RATE], waves["f.wav"][:RATE]]
    )
    for name, wave in waves.items():
        (folder / name).parent.mkdir(exist_ok=True)
        soundfile.write(folder / name, wave, RATE)
    return folder


@pytest.fixture(scope="module")
def index(sounds, model):
    path = sounds.parent / f"{sounds.name}.parquet"
    assert main(["embed", str(sounds), "-o", str(path), "--model", str(model)]) == 0
    return path


@pytest.fixture
def run(capsys):
    """Runs a command that must do well; gives what it wrote."""

    def output_of(*arguments):
        assert main([str(argument) for argument in arguments]) == 0
        output = capsys.readouterr()
        assert output.err == ""
        return output.out

    return output_of


@pytest.fixture
def refused(capsys):
    """Runs a command that must fail; gives its exit code and its one line."""

    def line_of(*arguments):
        code = main([str(argument) for argument in arguments])
        output = capsys.readouterr()
        assert output.out == ""
        assert output.err.count("\n") == 1
        return code, output.err.strip()

    return line_of


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


CLIP = ("--start", "0.5", "--end", "1.5")
"""A clip of 1 s that the index holds too."""


def test_a_clip_finds_itself_first_and_each_recording_stands_there_once(run, sounds, index):
    for name in ("a.wav", "b ü.wav", "deep/c.flac"):
        found = rows(run("search", sounds / name, index, *CLIP, "--threads", 1))
        assert (found[0]["file"], found[0]["start"]) == (str(sounds / name), "0.5000")
        assert len(found) == len({row["file"] for row in found}) == 6
        similarities = [float(row["similarity"]) for row in found]
        assert similarities == sorted(similarities, reverse=True)
        assert similarities[0] == pytest.approx(1, abs=1e-4)


def test_a_part_of_a_recording_finds_where_else_it_is_heard(run, sounds, index):
    found = rows(run("search", sounds / "a.wav", index, *CLIP, "--per", "moment", "--top", 2))
    assert [(row["file"], float(row["start"])) for row in found] == [
        (str(sounds / "a.wav"), 0.5),
        (str(sounds / "g.wav"), 1.5),
    ]
    assert [float(row["similarity"]) for row in found] == pytest.approx([1, 1], abs=1e-4)


def test_the_list_is_that_of_the_python_interface(run, sounds, index, model):
    found = rows(run("search", sounds / "f.wav", index, "--top", 3))
    expected = Index.open(index).nearest(load(model).embed(sounds / "f.wav"), 3)
    assert [(row["file"], float(row["start"])) for row in found] == [hit[:2] for hit in expected]
    assert [float(row["similarity"]) for row in found] == pytest.approx(
        [h.similarity for h in expected], abs=2e-6
    )


def test_several_queries_count_the_same(run, sounds, index):
    one = run("search", sounds / "a.wav", sounds / "f.wav", index)
    assert run("search", sounds / "f.wav", sounds / "a.wav", index) == one
    assert run("search", sounds / "a.wav", sounds / "f.wav", sounds / "a.wav", sounds / "f.wav", index) == one
    assert one != run("search", sounds / "a.wav", index)


def test_formats_say_the_same(run, sounds, index, tmp_path):
    query = ["search", sounds / "deep" / "d,e.wav", index]
    listed = [(r["file"], float(r["start"]), float(r["similarity"])) for r in rows(run(*query))]
    assert run(*query, "-o", tmp_path / "hits.csv") == ""
    assert (tmp_path / "hits.csv").read_text() == run(*query, "--format", "csv")
    run(*query, "-o", tmp_path / "hits.jsonl")
    lines = (tmp_path / "hits.jsonl").read_text().splitlines()
    assert [tuple(json.loads(line).values()) for line in lines] == listed
    assert list(json.loads(lines[0])) == ["file", "start", "similarity"]
    table = run(*query, "--format", "table").splitlines()
    assert table[0] == f"  {listed[0][2]:6.3f}  {listed[0][1]:9.2f} s  {listed[0][0]}"
    assert len(table) == len(listed)


def test_every_kind_of_index_gives_the_same(run, sounds, index, model, tmp_path):
    expected = run("search", sounds / "a.wav", index)
    run("embed", sounds, "-o", tmp_path / "index.npy", "--model", model)
    assert run("search", sounds / "a.wav", tmp_path / "index.npy") == expected
    run("embed", sounds, "-o", f"{tmp_path}/parts/", "--model", model)
    assert len(list((tmp_path / "parts").rglob("*.origin.json"))) == 6
    assert sorted(run("search", sounds / "a.wav", tmp_path / "parts").splitlines()) == sorted(
        expected.splitlines()
    )


def part_of(path):
    """The second from 0.5 s on as a file of its own."""
    part = path.parents[1] / "part of it.wav"
    soundfile.write(part, soundfile.read(path)[0][RATE // 2 : 3 * RATE // 2], RATE)
    return part


def test_an_index_of_frames_is_searched_with_frames(run, sounds, model, tmp_path):
    index = tmp_path / "frames.parquet"
    run("embed", sounds, "--per", "frame", "-o", index, "--model", model)
    assert Index.open(index).origin.span_s == 1 / 32
    found = rows(run("search", sounds / "a.wav", index, *CLIP, "--top", 2))
    expected = Index.open(index).nearest(
        load(model, overlap=0.0).embed(part_of(sounds / "a.wav"), "frame"), 2
    )
    assert [row["file"] for row in found] == [hit.file for hit in expected]
    starts_s = [float(row["start"]) for row in found]
    assert starts_s == pytest.approx([hit.start_s for hit in expected], abs=1e-4)


def test_recordings_need_not_be_where_they_were(run, sounds, index, model, tmp_path):
    """An index that was built elsewhere: its names are only names."""
    elsewhere = tmp_path / "gone"
    shutil.copytree(sounds, elsewhere)
    run("embed", elsewhere, "-o", tmp_path / "index.parquet", "--model", model)
    shutil.rmtree(elsewhere)
    found = rows(run("search", sounds / "b ü.wav", tmp_path / "index.parquet", *CLIP))
    assert found[0]["file"] == str(elsewhere / "b ü.wav")


def test_similar_is_search_without_the_recording_itself(run, sounds, index):
    found = run("similar", index, "f.wav")
    searched = run("search", sounds / "f.wav", index).splitlines(keepends=True)
    assert found == "".join(line for line in searched if not line.startswith(f"{sounds / 'f.wav'},"))
    assert run("similar", index, sounds / "f.wav") == found
    two = rows(run("similar", index, "f.wav", "a.wav", "--top", 5))
    assert {row["file"] for row in two} == {
        str(sounds / n) for n in ("b ü.wav", "deep/c.flac", "deep/d,e.wav", "g.wav")
    }


def test_similar_at_a_time(run, sounds, index):
    found = rows(run("similar", index, "a.wav", "--at", 1.0, "--top", 1, "--per", "moment"))
    assert (found[0]["file"], found[0]["start"]) == (str(sounds / "g.wav"), "1.5000")


def test_pairs_are_recordings_that_hold_the_same(run, sounds, index):
    [first, second] = rows(run("similar", index, "--pairs", "--min-similarity", 0.999))
    assert {first["file"], second["file"]} == {str(sounds / "a.wav"), str(sounds / "f.wav")}
    assert first["other_file"] == second["other_file"] == str(sounds / "g.wav")
    assert float(first["similarity"]) > 0.9999
    table = run("similar", index, "--pairs", "--min-similarity", 0.999, "--format", "table").splitlines()
    assert table[0].startswith(f"  {float(first['similarity']):6.3f}  ")
    assert [line.count(" s  ") for line in table] == [2, 2]


def test_a_list_of_pairs_that_is_full_says_so(index, capsys):
    assert main(["similar", str(index), "--pairs", "--min-similarity", "0", "--top", "1"]) == 0
    output = capsys.readouterr()
    assert len(output.out.splitlines()) == 2
    assert output.err == "htsat: the list ends after 1 pairs, there may be more (--top)\n"


def test_no_pairs_are_an_empty_list(run, sounds, model, tmp_path):
    run("embed", sounds / "deep", "-o", tmp_path / "deep.npy", "--model", model)
    arguments = ["similar", tmp_path / "deep.npy", "--pairs", "--min-similarity", "1"]
    assert run(*arguments, "--format", "jsonl") == ""
    assert run(*arguments) == "file,start,other_file,other_start,similarity\n"


def test_approximate_search_builds_its_graph_once(sounds, index, tmp_path, capsys):
    pytest.importorskip("usearch")
    path = tmp_path / "index.parquet"
    shutil.copy(index, path)
    arguments = ["search", str(sounds / "a.wav"), str(path), "--approximate"]
    assert main(arguments) == 0
    first = capsys.readouterr()
    assert first.err == f"htsat: building {path}.usearch\n"
    assert main(arguments) == 0
    again = capsys.readouterr()
    assert (again.err, again.out) == ("", first.out)
    assert main(arguments[:3]) == 0
    exact = rows(capsys.readouterr().out)
    assert [row["file"] for row in rows(first.out)] == [row["file"] for row in exact]


@pytest.fixture(scope="module")
def other_model(tmp_path_factory, one_second_config):
    torch.manual_seed(7)
    path = tmp_path_factory.mktemp("other") / "other.safetensors"
    card = ModelCard(LabelSet(("x", "y", "z")), "multi_label", EventRules.usual((0.5, 0.5, 0.5)))
    save_model(path, HTSAT(one_second_config), card)
    return path


class TestModels:
    def test_another_model_is_refused(self, refused, sounds, index, other_model, model):
        code, line = refused("search", sounds / "a.wav", index, "--model", other_model)
        assert code == 2
        assert line == (
            f"htsat: {index} was made by model '{model}', whose embeddings are not those of '{other_model}'"
        )

    def test_the_same_model_under_another_name_is_taken(self, run, sounds, index, model, tmp_path):
        shutil.copy(model, tmp_path / "copy.safetensors")
        expected = run("search", sounds / "a.wav", index)
        assert run("search", sounds / "a.wav", index, "--model", tmp_path / "copy.safetensors") == expected

    def test_so_is_one_with_other_rules(self, run, sounds, index, model, tmp_path):
        from htsat.checkpoints.tuned import write_tuned

        tuned = tmp_path / "tuned.safetensors"
        write_tuned(tuned, model, EventRules.usual((0.1, 0.2, 0.3)), {})
        assert run("search", sounds / "a.wav", index, "--model", tuned) == run(
            "search", sounds / "a.wav", index
        )

    def test_a_model_that_is_not_here_is_named(self, refused, sounds, model, tmp_path, capsys):
        gone = tmp_path / "gone.safetensors"
        shutil.copy(model, gone)
        assert main(["embed", str(sounds), "-o", str(tmp_path / "i.parquet"), "--model", str(gone)]) == 0
        gone.unlink()
        code, line = refused("search", sounds / "a.wav", tmp_path / "i.parquet")
        assert code == 2
        assert "i.parquet was made by a model that is not here" in line
        assert f"{gone}: no such model file" in line
        assert line.endswith("name it with --model")

    def test_an_index_that_does_not_say_its_model_wants_it_named(self, refused, run, sounds, model, tmp_path):
        path = tmp_path / "index.npy"
        run("embed", sounds, "-o", path, "--model", model)
        path.with_suffix(".origin.json").unlink()
        assert refused("search", sounds / "a.wav", path) == (
            2,
            f"htsat: {path} does not say which model made it; name it with --model",
        )
        found = rows(run("search", sounds / "a.wav", path, *CLIP, "--model", model))
        assert found[0]["file"] == str(sounds / "a.wav")
        code, line = refused("search", sounds / "a.wav", path, "--model", "nano-esc50")
        assert (code, line) == (1, f"htsat: {path}: its vectors have 16 values, that of the query has 384")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("search {index}", 2, "search for recordings (QUERY... INDEX) or for --text, one of them"),
        (
            "search a.wav {index} --text dog",
            2,
            "search for recordings (QUERY... INDEX) or for --text, one of them",
        ),
        ("search {index} --text dog", 2, "--text needs words, and --text-model"),
        ("search {index} --text= --text-model x", 2, "--text needs words, and --text-model"),
        (
            "search {index} --text dog --text-model x --end 3",
            2,
            "--approximate, --start and --end go with recordings",
        ),
        ("search a.wav {index} --start 3 --end 3", 2, "--end must be after --start, got 3 s and 3 s"),
        ("search a.wav {index} --start -1", 2, "argument --start: expected seconds, at least 0, got '-1'"),
        ("search a.wav {index} --top 0", 2, "argument --top: expected a whole number, at least 1, got '0'"),
        ("search nothing.wav {index}", 1, "nothing.wav: No such file"),
        ("search {sounds}/a.wav {index} --start 100", 1, "a.wav: ends before 100 s"),
        ("search {sounds}/a.wav {index} --start 0 --end 0.001", 1, "a.wav: "),
        ("search {sounds}/a.wav nothing.parquet", 1, "nothing.parquet: no such file of embeddings"),
        ("search {sounds}/a.wav {sounds}/b\xa0ü.wav", 1, "no such file of embeddings"),
        ("search {sounds}/a.wav {sounds}/f.wav", 1, "f.wav: expected embeddings as .parquet or .npy"),
        ("similar {index}", 2, "name recordings of the index, or ask for --pairs, one of them"),
        ("similar {index} a.wav --pairs", 2, "name recordings of the index, or ask for --pairs, one of them"),
        ("similar {index} --pairs --at 1", 2, "--at goes with a recording, not with --pairs"),
        ("similar {index} a.wav f.wav --at 1", 2, "--at goes with one recording"),
        ("similar {index} z.wav", 1, "has no recording 'z.wav'"),
        ("similar {index} a.wav --at 60", 1, "a.wav: ends at 3 s or before, there is nothing at 60 s"),
        ("similar {index} --pairs --min-similarity 2", 2, "expected a number between 0 and 1, got '2'"),
        ("similar {sounds} a.wav", 1, "no embeddings in this folder"),
    ],
)
def test_wrong_use_is_one_line(refused, sounds, index, arguments, code, message):
    parts = [part.format(index=index, sounds=sounds) for part in arguments.split(" ")]
    got, line = refused(*parts)
    assert (got, message in line) == (code, True), line


def test_without_pyarrow_the_extra_is_named(refused, sounds, index, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    code, line = refused("search", sounds / "a.wav", index)
    assert (code, line) == (
        1,
        "htsat: reading Parquet needs packages that are not installed: pip install 'htsat[parquet]'",
    )


def test_help_has_an_example(capsys):
    for command in ("search", "similar"):
        assert main([command, "--help"]) == 0
        assert f"example:\n  htsat {command} " in capsys.readouterr().out


def test_a_plain_install_searches_npy(tmp_path):
    """Without torch, pyarrow, usearch and transformers, with the packaged model."""
    examples = Path(__file__).parents[2] / "examples"
    absent = ["torch", "safetensors", "pyarrow", "usearch", "transformers", "openvino", "scipy", "sklearn"]
    script = f"""
import sys
from pathlib import Path
sys.modules.update(dict.fromkeys({absent!r}))
from htsat.cli.main import main
index = {str(tmp_path / "index.npy")!r}
dog, rain = {str(examples / "dog.ogg")!r}, {str(examples / "rain.ogg")!r}
for command in (["embed", dog, rain, "-o", index], ["search", dog, index], ["similar", index, "dog.ogg"]):
    assert main(command) == 0, command
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, check=False, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = [line.split(",")[0] for line in done.stdout.splitlines()]
    names = [str(examples / name) for name in ("dog.ogg", "rain.ogg")]
    assert found == ["file", *names, "file", names[1]]
