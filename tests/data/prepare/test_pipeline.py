import json
from dataclasses import replace

import pytest

from htsat.data.manifest import Clip, read_manifest
from htsat.data.prepare.listing import Listing, Missing
from htsat.data.prepare.pipeline import Wishes, prepare
from htsat.data.prepare.summary import N_NAMED, summarise
from htsat.errors import ConfigError, DataError
from htsat.labels import LabelSet


@pytest.fixture
def listing(tmp_path, write_sound):
    """Three classes in two folds; a file is broken, one silent, two are equal, one group is parted."""
    source = tmp_path / "source"
    clips = (
        Clip(write_sound(source / "a.wav", 1), ("dog",), fold="1", group="x"),
        Clip(write_sound(source / "b.wav", 2), ("dog",), fold="2", group="x"),
        Clip(write_sound(source / "c.wav", 1), ("rain",), fold="2", group="y"),
        Clip(write_sound(source / "d.wav", 3, gain=0), ("rain",), fold="1", group="z"),
        Clip(write_sound(source / "e.wav", 4, gain=9), (), fold="1"),
        Clip(source / "f.wav", ("dog",), fold="1"),
    )
    clips[-1].path.write_text("broken")
    labels = LabelSet(("dog", "rain", "cat"))
    return Listing("Small", clips, labels, (Missing("g.wav", "2"),), published={"1": 4, "2": 4, "3": 2})


@pytest.fixture
def run(tmp_path):
    def run(listing, **wishes):
        return prepare(listing, tmp_path / "source", tmp_path / "out", Wishes(**wishes), lambda all_, _: all_)

    return run


def test_the_manifest_holds_what_can_be_used(listing, run, tmp_path):
    prepared = run(listing)
    manifest = read_manifest(tmp_path / "out" / "manifest.tsv")
    assert [clip.path.name for clip in manifest.clips] == ["a.wav", "b.wav", "c.wav", "d.wav", "e.wav"]
    assert manifest.labels == listing.labels
    assert (prepared.n_clips, prepared.manifest_path) == (5, tmp_path / "out" / "manifest.tsv")
    assert not prepared.report.is_sound


def test_parted_groups_become_one_for_each_fold(listing, run):
    manifest = read_manifest(run(listing).manifest_path)
    assert [clip.group for clip in manifest.clips] == ["x in 1", "x in 2", "y", "z", ""]
    assert [len(part.clips) for part in manifest.split_fold("1")] == [2, 3]


def test_silent_and_equal_recordings_are_dropped_on_demand(listing, run):
    prepared = run(listing, drop=frozenset({"silent", "duplicates"}))
    kept = [clip.path.name for clip in read_manifest(prepared.manifest_path).clips]
    assert kept == ["a.wav", "b.wav", "e.wav"]
    assert [title[-5:] for title in prepared.report.dropped] == ["c.wav", "d.wav"]


def test_dropping_needs_full_checks(listing):
    with pytest.raises(ConfigError, match="dropping silent needs check full, got headers"):
        Wishes(depth="headers", drop=frozenset({"silent"}))


def test_the_report_as_json(listing, run, tmp_path):
    run(listing)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    source = str(tmp_path / "source")
    assert {key: report[key] for key in ("check", "n_listed", "n_found", "n_written", "n_published")} == {
        "check": "full",
        **{"n_listed": 7, "n_found": 6, "n_written": 5, "n_published": 10},
    }
    assert report["folds"]["2"] == {"n_listed": 3, "n_found": 2, "n_written": 2, "n_published": 4}
    assert report["per_class"] == {"dog": 2, "rain": 2, "cat": 0}
    assert report["classes_without_clips"] == ["cat"]
    assert report["formats"] == [{"sample_rate": 8_000, "n_channels": 1, "n_recordings": 5}]
    assert report["durations"] == {"min_s": 0.1, "median_s": 0.1, "max_s": 0.1, "total_s": pytest.approx(0.5)}
    assert report["missing"] == [{"name": "g.wav", "fold": "2"}]
    assert report["broken"][0]["file"] == f"{source}/f.wav"
    assert report["silent"] == [f"{source}/d.wav"]
    assert report["clipped"][0]["file"] == f"{source}/e.wav"
    assert report["clipped"][0]["share"] == pytest.approx(8 / 9, abs=0.05)
    assert report["duplicates"] == [
        {"files": [f"{source}/a.wav", f"{source}/c.wav"], "in_several_folds": True, "labels_differ": True}
    ]
    assert report["groups_in_several_folds"] == ["x"]


def test_the_report_for_people(listing, run, tmp_path):
    lines = list(summarise(run(listing).report))
    assert lines[1] == "checked: every recording decoded to its end"
    assert lines[3:8] == [
        "fold  listed  there  written  published",
        "1          4      4        3          4",
        "2          3      2        2          4",
        "3          0      0        0          2",
        "all        7      6        5         10",
    ]
    for line in (
        "classes        3, 2 clips each",
        "formats        8,000 Hz mono (5)",
        "length         0.10 to 0.10 s, median 0.10 s, 0.0 h in all",
        "missing        1",
        "broken         1",
        "silent         1",
        "clipped        1 (at least 0.1% of samples at full scale)",
        "duplicates     1 (1 across folds, 1 with other labels)",
        "empty classes  1",
        "parted groups  1 (the folds part recordings of one origin)",
    ):
        assert line in lines
    page = (tmp_path / "out" / "report.md").read_text()
    assert "\n".join(lines) in page
    assert "## Duplicates\n\n- `a.wav` = `c.wav`\n" in page
    assert "## Broken\n\n- `f.wav`: cannot be decoded" in page
    assert "| dog | 2 |" in page


@pytest.mark.parametrize(
    ("folds", "shown"), [((None, None), ["all"]), (("1", "1"), ["1"]), (("1", "2"), ["1", "2", "all"])]
)
def test_sums_stand_below_several_folds(listing, run, folds, shown):
    clips = tuple(replace(clip, fold=fold) for clip, fold in zip(listing.clips[:2], folds, strict=True))
    lines = list(summarise(run(Listing("Small", clips, listing.labels)).report))
    assert [line.split()[0] for line in lines[4 : lines.index("", 4)]] == shown


def test_long_lists_are_cut_on_the_page_only(listing, run, tmp_path):
    missing = tuple(Missing(f"{number}.wav") for number in range(N_NAMED + 3))
    run(Listing("Small", listing.clips, listing.labels, missing))
    assert "- and 3 more, named in `report.json`" in (tmp_path / "out" / "report.md").read_text()
    assert len(json.loads((tmp_path / "out" / "report.json").read_text())["missing"]) == N_NAMED + 3


def test_headers_say_what_was_not_looked_at(listing, run):
    lines = list(summarise(run(listing, depth="headers").report))
    assert lines[1] == "checked: headers only; levels and duplicates were not looked at"
    assert not any(line.startswith(("silent", "clipped", "duplicates")) for line in lines)


def test_without_checks_broken_files_stay(listing, run):
    prepared = run(listing, depth="none")
    assert prepared.n_clips == 6
    assert not any(line.startswith("broken") for line in summarise(prepared.report))


def test_a_manifest_of_the_other_format_does_not_stay(listing, run, tmp_path):
    run(listing)
    prepared = run(listing, manifest_format="parquet")
    assert prepared.manifest_path.name == "manifest.parquet"
    assert len(read_manifest(prepared.manifest_path).clips) == 5
    assert not (tmp_path / "out" / "manifest.tsv").exists()


def test_large_manifests_are_parquet(listing, run, monkeypatch):
    monkeypatch.setattr("htsat.data.prepare.pipeline.N_TSV", 4)
    assert run(listing).manifest_path.suffix == ".parquet"
    assert run(listing, drop=frozenset({"silent"})).manifest_path.suffix == ".tsv"


def test_recordings_without_labels_have_a_list_of_their_own(listing, run, tmp_path):
    *labelled, unlabelled, broken = listing.clips
    run(Listing("Small", tuple(labelled), listing.labels, unlabelled=(unlabelled, broken)))
    source = tmp_path / "source"
    assert (tmp_path / "out" / "unlabelled.tsv").read_text() == f"path\tgroup\n{source}/e.wav\t\n"
    assert len(read_manifest(tmp_path / "out" / "manifest.tsv").clips) == 4


def test_durations_go_into_the_manifest_where_they_are_wanted(listing, run):
    assert {clip.duration_s for clip in read_manifest(run(listing).manifest_path).clips} == {None}
    wanted = Listing("Small", listing.clips, listing.labels, with_durations=True)
    assert {clip.duration_s for clip in read_manifest(run(wanted).manifest_path).clips} == {0.1}


def test_makers_of_what_is_used_are_named(listing, run, tmp_path):
    credits_ = {clip.path: f"- {clip.path.name} by ann" for clip in listing.clips}
    run(Listing("Small", listing.clips, listing.labels, credits=credits_))
    lines = (tmp_path / "out" / "ATTRIBUTION.md").read_text().splitlines()
    assert lines == [f"- {name}.wav by ann" for name in "abcde"]


def test_nothing_is_written_when_nothing_can_be_used(listing, run, tmp_path):
    with pytest.raises(DataError, match="none of 1 recordings can be used; the first: cannot be decoded"):
        run(Listing("Small", listing.clips[-1:], listing.labels))
    assert not (tmp_path / "out").exists()
