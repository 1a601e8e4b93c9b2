"""TextGrids are read back by the package `textgrid`, which knows nothing of ours."""

from __future__ import annotations

from pathlib import Path, PurePath

import pytest
from textgrid import TextGrid

from htsat.errors import DataError
from htsat.formats import DetectedRecording, textgrid
from htsat.formats.output import to_file
from htsat.scores import SoundEvent

EVENTS = [
    SoundEvent("Dog", 0.25, 2.5, 1.0),
    SoundEvent('Speech "close"', 1.0, 4.0, 1.0),
    SoundEvent("Dog", 2.0, 3.0, 1.0),
    SoundEvent("Dog", 2.5, 3.5, 1.0),
    SoundEvent("Dog", 9.0, 10.0, 1.0),
]


def written(path: Path, events: list[SoundEvent]) -> Path:
    with to_file(path, textgrid.EVENTS) as write:
        write(PurePath("a"), DetectedRecording("a.wav", 10.0, events))
    return path


def test_events_come_back(tmp_path: Path) -> None:
    assert textgrid.read_events(written(tmp_path / "a.TextGrid", EVENTS)) == EVENTS
    assert textgrid.read_events(written(tmp_path / "a.TextGrid", [])) == []


def test_another_library_finds_the_events(tmp_path: Path) -> None:
    grid = TextGrid.fromFile(str(written(tmp_path / "a.TextGrid", EVENTS)))
    assert (grid.minTime, grid.maxTime) == (0, 10)
    # The library leaves doubled quotes as they are in the file.
    assert [tier.name for tier in grid] == ["Dog", "Dog 2", 'Speech ""close""']
    intervals = [interval for tier in grid for interval in tier if interval.mark]
    found = [(float(i.minTime), float(i.maxTime), i.mark.replace('""', '"')) for i in intervals]
    assert sorted(found) == sorted((event.onset_s, event.offset_s, event.label) for event in EVENTS)


def test_tiers_have_neither_gaps_nor_overlaps(tmp_path: Path) -> None:
    for events in (EVENTS, []):
        for tier in TextGrid.fromFile(str(written(tmp_path / "a.TextGrid", events))):
            bounds = [(interval.minTime, interval.maxTime) for interval in tier]
            assert [start for start, _ in bounds] == [0, *(end for _, end in bounds[:-1])]
            assert bounds[-1][1] == 10
            assert all(start < end for start, end in bounds)


SHORT = """File type = "ooTextFile"
Object class = "TextGrid"

0
2
<exists>
2
"IntervalTier"
"Hund"
0
2
2
0
0.5
""
0.5
2
"bellt ""laut"" é" ! heard twice
"TextTier"
"clicks"
0
2
0
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be-with-mark"])
def test_the_short_form_and_the_encodings_of_praat(tmp_path: Path, encoding: str) -> None:
    is_big = encoding == "utf-16-be-with-mark"
    content = b"\xfe\xff" + SHORT.encode("utf-16-be") if is_big else SHORT.encode(encoding)
    (tmp_path / "a.TextGrid").write_bytes(content.replace(b"\n", b"\r\n") if encoding == "utf-8" else content)
    expected = [SoundEvent('bellt "laut" é', 0.5, 2.0, 1.0)]
    assert textgrid.read_events(tmp_path / "a.TextGrid") == expected


def test_what_another_library_writes_is_read(tmp_path: Path) -> None:
    grid = TextGrid(maxTime=5)
    grid.read(str(written(tmp_path / "a.TextGrid", EVENTS)))
    grid.write(str(tmp_path / "b.TextGrid"))
    onsets = [event.onset_s for event in textgrid.read_events(tmp_path / "b.TextGrid")]
    assert onsets == [event.onset_s for event in EVENTS]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"TextGrid"', '"Pitch"', r"a\.TextGrid: is not a TextGrid of Praat"),
        (
            '"clicks"\n0\n2\n0',
            '"clicks"\n0\n2\n1\n0.5\n"tick"',
            "line 20: tier 'clicks' holds points, expected",
        ),
        ('0\n0.5\n""', '0\n""', 'line 14: expected xmax, got ""'),
        ("0.5\n2\n", "2.5\n2\n", "line 18: expected 0 <= onset <= offset .* got 2.5, 2 and"),
        ('"TextTier"\n"clicks"\n0\n2\n0\n', "", "ends where class of a tier was expected"),
        ("<exists>\n2", "<exists>\n2.5", "line 7: expected number of tiers, got 2.5"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in SHORT
    (tmp_path / "a.TextGrid").write_text(SHORT.replace(old, new))
    with pytest.raises(DataError, match=message):
        textgrid.read_events(tmp_path / "a.TextGrid")
