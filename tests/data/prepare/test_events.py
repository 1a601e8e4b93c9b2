import json

import pytest

from htsat.data.events import EventFiles
from htsat.data.manifest import read_data, read_manifest
from htsat.data.prepare.folder import read_own_folder
from htsat.data.prepare.pipeline import Wishes, prepare
from htsat.data.prepare.summary import summarise

LABELS = """0.1\t0.9\tdog
0.5\t0.6\tdog
0.5\t1.5\train
0.2\t0.21\train
"""


@pytest.fixture
def source(tmp_path, write_sound):
    """A labelled recording of 1 s, one in which nothing is heard, and one of which nothing is known."""
    source = tmp_path / "yard"
    for seed, name in enumerate(("a.wav", "silence.wav", "deep/unknown.wav")):
        write_sound(source / name, seed, n_samples=8_000)
    (source / "a.txt").write_text(LABELS)
    (source / "silence.txt").touch()
    (source / "lost.TextGrid").write_text(
        'File type = "ooTextFile"\nObject class = "TextGrid"\n0 1 <absent>\n'
    )
    return source


@pytest.fixture
def prepared(source, tmp_path):
    return prepare(read_own_folder(source), source, tmp_path / "out", Wishes(), lambda all_, _: all_)


def test_the_manifest_holds_events_and_their_classes(prepared, source):
    manifest = read_manifest(prepared.manifest_path)
    assert [(clip.path.name, clip.labels, clip.events.name) for clip in manifest.clips] == [
        ("a.wav", ("dog", "rain"), "a.txt"),
        ("silence.wav", (), "silence.txt"),
    ]
    assert manifest.clips == read_data(source, frozenset({".wav"})).clips
    assert len(EventFiles(manifest.clips).of(manifest.clips[0])) == 4


def test_recordings_of_which_nothing_is_known_are_listed_apart(prepared, tmp_path):
    rows = (tmp_path / "out" / "unlabelled.tsv").read_text().splitlines()
    assert len(rows) == 2
    assert rows[1].startswith(str(tmp_path / "yard/deep/unknown.wav"))
    assert prepared.report.notes == ("of 1 recordings nothing is known: no label file tells of them",)


def test_the_report_counts_and_names_events(prepared, source, tmp_path):
    events = json.loads((tmp_path / "out" / "report.json").read_text())["events"]
    assert (events["n_recordings"], events["n_events"]) == (2, 4)
    assert events["per_class"]["dog"] == {
        "n_events": 2,
        "total_s": pytest.approx(0.9),
        "median_s": pytest.approx(0.45),
    }
    file = str(source / "a.wav")
    assert events["beyond_end"] == [{"file": file, "label": "rain", "onset": 0.5, "offset": 1.5}]
    assert events["overlapping"] == [{"file": file, "label": "dog", "onset": 0.5, "offset": 0.6}]
    assert events["short"] == [{"file": file, "label": "rain", "onset": 0.2, "offset": 0.21}]


def test_the_summary_and_the_page_name_them_too(prepared, tmp_path):
    lines = list(summarise(prepared.report))
    assert "events          4 in 2 recordings, median by class 0.45 to 0.51 s" in lines
    assert "beyond the end  1 (events that end behind their recording)" in lines
    assert "very short      1 (events below 0.05 s)" in lines
    page = (tmp_path / "out" / "report.md").read_text()
    assert "## Events beyond the end\n\n- `a.wav`: rain, 0.5 to 1.5 s\n" in page
    assert "| dog | 2 | 0.9 | 0.45 |" in page


def test_data_sets_without_strong_labels_have_no_events(tmp_path, write_sound):
    write_sound(tmp_path / "yard/dog/a.wav")
    listing = read_own_folder(tmp_path / "yard")
    report = prepare(listing, tmp_path, tmp_path / "out", Wishes(), lambda all_, _: all_).report
    assert report.events is None
    assert not [line for line in summarise(report) if "events" in line]
