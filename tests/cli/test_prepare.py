import json

import numpy as np
import pytest
import soundfile

from htsat.cli.main import main
from htsat.data.manifest import read_manifest


@pytest.fixture
def words(tmp_path):
    """Two words of three speakers, laid out like Speech Commands."""
    for seed, name in enumerate(f"{word}/{who}_nohash_0.wav" for word in ("no", "yes") for who in "abc"):
        path = tmp_path / "words" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * np.random.default_rng(seed).standard_normal(800), 8_000)
    (tmp_path / "words" / "testing_list.txt").write_text("no/c_nohash_0.wav\nyes/c_nohash_0.wav\n")
    return tmp_path / "words"


@pytest.fixture
def prepare(tmp_path):
    return lambda *arguments: main(["prepare", *map(str, arguments), "-o", str(tmp_path / "out")])


def test_a_sound_data_set(words, prepare, tmp_path, capsys):
    assert prepare("speech-commands", words) == 0
    manifest = tmp_path / "out" / "manifest.tsv"
    output = capsys.readouterr()
    assert output.out.splitlines()[0] == f"Speech Commands: {words}"
    assert output.out.splitlines()[-1] == f"6 clips, 2 classes: {manifest}"
    assert output.err == ""
    assert [len(part.clips) for part in read_manifest(manifest).split_fold("testing")] == [4, 2]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("manifest.tsv", "labels.txt", "report.json", "report.md")
    }


def test_what_is_missing_or_broken_is_named_and_the_rest_written(words, prepare, tmp_path, capsys):
    (words / "yes" / "c_nohash_0.wav").unlink()
    (words / "no" / "a_nohash_0.wav").write_text("broken")
    assert prepare("speech-commands", words) == 1
    output = capsys.readouterr()
    missing, broken = output.err.splitlines()
    assert missing == "htsat: yes/c_nohash_0.wav: listed, but not there"
    assert broken.startswith(f"htsat: {words}/no/a_nohash_0.wav: cannot be decoded")
    assert output.out.splitlines()[-1].startswith("4 clips, 2 classes: ")


def test_only_some_problems_are_printed(words, prepare, capsys):
    (words / "testing_list.txt").write_text("".join(f"no/{number}_nohash_0.wav\n" for number in range(25)))
    assert prepare("speech-commands", words) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11
    assert lines[-1].startswith("htsat: 15 more in ")


def test_options_of_checks_and_format(words, prepare, tmp_path):
    for who in "bc":
        (words / f"no/{who}_nohash_0.wav").write_bytes((words / "no/a_nohash_0.wav").read_bytes())
    options = ("--drop", "duplicates", "--format", "parquet", "--jobs", "1", "--folds", "speaker")
    assert prepare("speech-commands", words, *options) == 0
    manifest = read_manifest(tmp_path / "out" / "manifest.parquet")
    assert [clip.fold for clip in manifest.clips] == ["a", "a", "b", "c"]
    assert prepare("speech-commands", words, "--check", "headers") == 0
    assert json.loads((tmp_path / "out" / "report.json").read_text())["check"] == "headers"


def test_an_own_folder_with_groups(words, prepare, tmp_path):
    assert prepare("folder", words, "--group", "^([a-z])_") == 0
    assert {clip.group for clip in read_manifest(tmp_path / "out" / "manifest.tsv").clips} == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no data set given (there are: audioset, esc50, speech-commands, desed, folder, soundscapes)"),
        (["esc5", "x"], "unknown data set 'esc5'; did you mean 'esc50'? (there are: "),
        (["esc50"], "the following arguments are required: SOURCE, -o/--output"),
        (["esc50", "x", "-o", "y", "--unlabelled"], "unknown option '--unlabelled'"),
        (
            ["folder", "x", "-o", "y", "--drop", "clipped"],
            "argument --drop: expected silent or duplicates, got 'cl",
        ),
        (
            ["folder", "x", "-o", "y", "--group", "abc"],
            "argument --group: expected a group in brackets, got 'abc'",
        ),
        (["folder", "x", "-o", "y", "--group", "("], "argument --group: is not a regular expression: "),
        (
            ["folder", "x", "-o", "y", "--check", "headers", "--drop", "silent"],
            "dropping silent needs check full",
        ),
    ],
)
def test_wrong_use(arguments, message, capsys):
    assert main(["prepare", *arguments]) == 2
    assert capsys.readouterr().err.startswith(f"htsat: {message}")


def test_help_names_the_data_sets_and_their_options(capsys):
    assert main(["prepare", "--help"]) == 0
    assert "speech-commands" in capsys.readouterr().out
    assert main(["prepare", "speech-commands", "--help"]) == 0
    assert "--label-order" in capsys.readouterr().out
