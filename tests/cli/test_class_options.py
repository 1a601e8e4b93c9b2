"""`--class-map`, `--group`, `--classes` and `--hide` on tags, events and live sounds."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from htsat.loading import load

Rows = Callable[..., list[dict[str, str]]]
SPEECH = "Male speech, man speaking"


@pytest.fixture
def rows(htsat: Callable[..., int], recordings: Path, capsys: pytest.CaptureFixture[str]) -> Rows:
    """What a command prints about a recording."""

    def run(command: str, *options: object) -> list[dict[str, str]]:
        assert htsat(command, recordings / "a.wav", *options) == 0
        return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))

    return run


@pytest.fixture
def table(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        (tmp_path / "own.tsv").write_text(text)
        return tmp_path / "own.tsv"

    return write


def probabilities(rows: list[dict[str, str]]) -> dict[str, float]:
    return {row["label"]: float(row["probability"]) for row in rows}


def test_tags_of_own_classes(rows: Rows, table) -> None:  # type: ignore[no-untyped-def]
    own = probabilities(rows("tag"))
    found = probabilities(
        rows(
            "tag", "--class-map", table(f"class\ttarget\nDog\tHund & Co\nSiren\tHund & Co\n{SPEECH}\tMann\n")
        )
    )
    assert found == pytest.approx({"Hund & Co": max(own["Dog"], own["Siren"]), "Mann": own[SPEECH]}, abs=1e-6)


def test_tags_with_parents(rows: Rows, table) -> None:  # type: ignore[no-untyped-def]
    own = probabilities(rows("tag"))
    tree = table(f"class\tparent\nDog\tanimal\nanimal\tlife\n{SPEECH}\tlife\n")
    parents = {"animal": own["Dog"], "life": max(own["Dog"], own[SPEECH])}
    assert probabilities(rows("tag", "--group", tree)) == pytest.approx(own | parents, abs=1e-6)
    assert probabilities(rows("tag", "--group", "audioset"))["Animal"] == pytest.approx(own["Dog"], abs=1e-6)


def test_a_map_comes_before_a_tree(rows: Rows, table, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    class_map = tmp_path / "map.tsv"
    class_map.write_text("class\ttarget\nDog\tHund\n")
    tree = table("class\tparent\nHund\tTier\n")
    assert set(probabilities(rows("tag", "--class-map", class_map, "--group", tree))) == {"Hund", "Tier"}


def test_events_of_own_classes(rows: Rows, table, model: Path, recordings: Path) -> None:  # type: ignore[no-untyped-def]
    plain = ("--max-gap", 0, "--clip-threshold", 0)
    everything = rows("detect", *plain)
    both = table("class\ttarget\nDog\tboth\nSiren\tboth\n")
    found = rows("detect", *plain, "--class-map", both)
    scores = load(model).frame_scores(recordings / "a.wav")
    active = (scores.probabilities > 0.5)[:, [0, 2]].any(axis=1)
    lengths = [float(row["offset"]) - float(row["onset"]) for row in found]
    assert {row["label"] for row in found} == {"both"}
    assert sum(lengths) == pytest.approx(scores.grid.durations_s[active].sum(), abs=1e-3)
    assert everything != found


@pytest.mark.parametrize("command", ["tag", "detect"])
def test_classes_are_hidden_and_chosen_by_their_new_names(command: str, rows: Rows, table) -> None:  # type: ignore[no-untyped-def]
    def labels(*options: object) -> set[str]:
        return {row["label"] for row in rows(command, *options)}

    every = labels()
    assert labels("--hide", "Dog") == every - {"Dog"}
    assert labels("--classes", f"Dog,{SPEECH}", "--hide", SPEECH) == every & {"Dog"}
    tree = table("class\tparent\nDog\tanimal\n")
    assert labels("--group", tree, "--classes", "animal") == ({"animal"} if "Dog" in every else set())


def test_the_most_probable_of_the_shown_classes_are_tags(rows: Rows) -> None:
    first, second, *_ = rows("tag")
    assert rows("tag", "--top", 1, "--hide", first["label"]) == [second]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--hide", "Dgo"], 2, "--hide: the model has no class 'Dgo'; did you mean 'Dog'?"),
        (["--hide", f"Dog,{SPEECH},Siren"], 2, "--hide leaves no class to show"),
        (["--class-map", "dessed"], 1, "no class map 'dessed'; did you mean 'desed'?"),
        (["--group", "audiset"], 1, "no hierarchy 'audiset'; did you mean 'audioset'?"),
    ],
)
def test_mistakes(options: list[str], code: int, message: str, htsat, recordings: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    for command in ("tag", "detect"):
        assert htsat(command, recordings / "a.wav", *options) == code
        assert capsys.readouterr().err.startswith(f"htsat: {message}")


def test_a_map_that_does_not_fit_the_model(htsat, recordings: Path, table, capsys) -> None:  # type: ignore[no-untyped-def]
    wrong = table("class\ttarget\nDgo\tx\n")
    assert htsat("tag", recordings / "a.wav", "--class-map", wrong) == 1
    assert "has no class 'Dgo'; did you mean 'Dog'?" in capsys.readouterr().err


def test_parquet(htsat, recordings: Path, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    from htsat.formats import csv as text
    from htsat.formats import parquet

    for command, own, other in (
        ("tag", parquet.read_tags, text.read_tags),
        ("detect", parquet.read_events, text.read_events),
    ):
        assert htsat(command, recordings, "-o", tmp_path / "a.parquet") == 0
        assert htsat(command, recordings, "-o", tmp_path / "a.csv") == 0
        binary, table = own(tmp_path / "a.parquet"), other(tmp_path / "a.csv")
        assert list(binary) == list(table) != []
        for file, found in binary.items():
            assert [entry.label for entry in found] == [entry.label for entry in table[file]]
            assert [entry.probability for entry in found] == pytest.approx(
                [entry.probability for entry in table[file]], abs=1e-6
            )
    assert htsat("tag", recordings, "--format", "parquet") == 2
    assert capsys.readouterr().err == "htsat: results in this format go to a file: -o PATH.parquet\n"
