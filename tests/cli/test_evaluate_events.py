from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from htsat.cli.main import main
from htsat.formats.score_tables import ScoreFolder, ScoreTable, write_npz
from htsat.labels import LabelSet
from htsat.metrics.event_table import EventTable
from htsat.metrics.psds import PSDS1, PSDS2, psds
from htsat.scores import FrameGrid, SoundEvent

HEADER = "filename\tonset\toffset\tevent_label\n"
DESED = Path(__file__).parents[1] / "golden" / "desed"

Compare = Callable[..., int]


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    """A folder with two lists of events and one of durations."""
    folder = tmp_path / "lists ä"
    folder.mkdir()
    reference = "x.wav\t0\t2\tDog\nx.wav\t1\t3\tDog\nx.wav\t5\t6\tCat\ny.wav\t\t\t\n"
    (folder / "true.tsv").write_text(HEADER + reference)
    (folder / "heard.tsv").write_text(HEADER + "x.wav\t0.1\t3.1\tDog\ny.wav\t1.0\t2.0\tCat\n")
    (folder / "lengths.tsv").write_text("filename\tduration\nx.wav\t10\ny.wav\t10\nz.wav\t10\n")
    return folder


@pytest.fixture
def compare(lists: Path) -> Compare:
    """Runs the command; returns the exit code."""

    def run(*more: object, estimated: Path | None = None) -> int:
        command = [
            *("evaluate-events", estimated or lists / "heard.tsv"),
            *("--reference", lists / "true.tsv", "--durations", lists / "lengths.tsv"),
        ]
        return main([*map(str, [*command, *more])])

    return run


def test_the_table_and_the_report_agree(
    compare: Compare, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "new" / "report.json"
    assert compare("--report", report) == 0
    document, shown = json.loads(report.read_text(encoding="utf-8")), capsys.readouterr().out
    for name in ("intersection", "collar", "segment"):
        figures = document[f"{name}_f1"]
        assert f"{name:<13} {figures['macro']:7.4f} {figures['micro']:7.4f}  " in shown
    assert f"recordings  3, 30 s, list sha256 {document['recording_list_sha256']}\n" in shown
    assert "true.tsv: 2 events, 1 merged into earlier ones\n" in shown
    assert shown.splitlines()[-2:] == [
        "      0.0000  0.0000   0.0000          1          1  Cat",
        "      1.0000  1.0000   0.8571          1          1  Dog",
    ]


def test_table_3_of_the_paper(capsys: pytest.CaptureFixture[str]) -> None:
    command = [
        *("evaluate-events", DESED / "htsat_single_model_events.tsv"),
        *("--reference", DESED / "ground_truth.tsv", "--durations", DESED / "durations.tsv"),
    ]
    assert main([*map(str, command)]) == 0
    shown = capsys.readouterr().out
    assert "intersection   0.4842  0.4657  dtc 0.5, gtc 0.5, cttc 0.3\n" in shown
    assert "collar         0.0676  0.0629  onset 0.2 s, offset 0.2 s or 20 % of a longer event\n" in shown
    assert "segment        0.6980  0.6952  segments of 1 s\n" in shown
    assert "      0.6767  0.2227   0.8018        240        245  Cat\n" in shown


def test_every_option_changes_what_it_names(
    compare: Compare, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "r.json"
    options = ["--dtc", 0.7, "--gtc", 0.6, "--cttc", 0.1, "--collar", 0.05, "--offset-share", 0.01]
    more = ["--segment", 0.5, "--overlaps", "report", "--report", report]
    assert compare(*options, *more) == 0
    document = json.loads(report.read_text(encoding="utf-8"))
    assert document["intersection_f1"]["parameters"] == {"dtc": 0.7, "gtc": 0.6, "cttc": 0.1}
    assert document["collar_f1"]["parameters"] == {"collar": 0.05, "offset_share": 0.01}
    assert document["collar_f1"]["macro"] == 0
    assert document["segment_f1"]["parameters"] == {"segment": 0.5}
    assert document["segment_f1"]["counts"]["Cat"]["false_negatives"] == 2
    assert document["reference"]["n_events"] == 3
    assert "true.tsv: 3 events, 1 overlap earlier ones\n" in capsys.readouterr().out


def test_classes_by_name_or_from_a_file(
    compare: Compare, lists: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (lists / "heard.tsv").write_text(HEADER + "x.wav\t0\t3\tCow\n")
    assert compare() == 1
    assert "heard.tsv: unknown class 'Cow' in 'x.wav'" in capsys.readouterr().err
    (lists / "classes.txt").write_text("Dog\nCow\nCat\n")
    assert compare("--labels", lists / "classes.txt") == 0
    shown = capsys.readouterr().out
    assert "classes     2 in the reference: the macro mean is over these, 1 more only estimated" in shown
    assert "3  Dog" not in shown
    assert compare("--labels", "desde") == 1
    assert "no label set 'desde'; did you mean 'desed'?" in capsys.readouterr().err


@pytest.fixture
def scores(lists: Path) -> Path:
    """Scores of the three recordings in frames of 0.5 s, with one class more and in another order.

    The dog of x.wav stands out of noise, and the cat as well, but twice as long as it is.
    """
    labels, rng = LabelSet(("Dog", "Cow", "Cat")), np.random.default_rng(0)
    (lists / "scores").mkdir()
    for stem in "xyz":
        values = rng.random((20, 3))
        if stem == "x":
            values[:6, 0] += 1
            values[10:14, 2] += 1
        table = ScoreTable(values, FrameGrid.regular(20, 0.5, 10.0), labels)
        write_npz(lists / "scores" / f"{stem}.npz", table)
    return lists / "scores"


def test_scores_give_psds(
    compare: Compare, scores: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "r.json"
    assert compare("--scores", scores, "--report", report, "--overlaps", "report") == 0
    document, shown = json.loads(report.read_text(encoding="utf-8")), capsys.readouterr().out
    labels, names = LabelSet(("Cat", "Dog")), ["x.wav", "y.wav", "z.wav"]
    true = {"x.wav": [SoundEvent("Dog", 0.0, 3.0, 1.0), SoundEvent("Cat", 5.0, 6.0, 1.0)]}
    for name, parameters in (("psds1", PSDS1), ("psds2", PSDS2)):
        source, table = ScoreFolder.of(scores, names, labels), EventTable.of(true, names, labels)
        expected = psds(source, table, np.full(3, 10.0), parameters)
        assert document[name] == expected.value
        assert list(document[f"{name}_details"]["per_class"].values()) == expected.class_values.tolist()
        assert document[f"{name}_details"]["parameters"]["dtc"] == parameters.dtc
        assert f"{name.upper():<13} {expected.value:7.4f}          dtc {parameters.dtc:g}, " in shown
    assert (document["psds1"], document["psds2"]) == (0, 1)


def test_without_scores_there_is_no_psds(compare: Compare, tmp_path: Path) -> None:
    assert compare("--report", tmp_path / "r.json") == 0
    assert not [key for key in json.loads((tmp_path / "r.json").read_text()) if key.startswith("psds")]


def test_every_recording_needs_scores(
    compare: Compare, scores: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (scores / "y.npz").unlink()
    assert compare("--scores", scores) == 1
    assert "expected one of y.npz and y.tsv, found none" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["--dtc", "1.5"], 2, "argument --dtc: expected a number between 0 and 1, got '1.5'"),
        (["--dtc", "0"], 2, "dtc must be above 0 and at most 1, got 0"),
        (["--segment", "0"], 2, "segments must last more than 0 seconds, got 0"),
        (["--collar", "-1"], 2, "argument --collar: expected seconds, at least 0, got '-1'"),
        (["--overlaps", "refuse"], 2, "argument --overlaps: invalid choice: 'refuse'"),
        (["--refrence", "x"], 2, "unknown option '--refrence'; did you mean '--reference'?"),
        (["--report", "{folder}/true.tsv"], 2, "true.tsv is an input; results would replace it"),
        (["--report", "{folder}"], 2, "is not a file that can be replaced"),
        (["--reference", "{folder}/gone.tsv"], 1, "gone.tsv: No such file or directory"),
        (
            ["--durations", "{folder}/true.tsv"],
            1,
            "true.tsv: is not a list of durations: no column 'duration'",
        ),
        (["--reference", "{folder}/lengths.tsv"], 1, "lengths.tsv: is not a DCASE event list: no column"),
        (
            ["--durations", "{folder}/short.tsv"],
            1,
            "true.tsv: recording 'y.wav' is not in the list of durations",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    compare: Compare,
    lists: Path,
    arguments: list[str],
    exit_code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (lists / "short.tsv").write_text("filename\tduration\nx.wav\t10\n")
    before = (lists / "true.tsv").read_bytes()
    assert compare(*(argument.format(folder=lists) for argument in arguments)) == exit_code
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert (lists / "true.tsv").read_bytes() == before
