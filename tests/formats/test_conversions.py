"""Every format into every other keeps what both can hold; bands are read back by `crowsetta` too."""

from __future__ import annotations

import pickle
from pathlib import Path, PurePath

import crowsetta
import pytest

from htsat.errors import DataError
from htsat.formats import ALL_EVENT_FORMATS, DetectedRecording, audacity, csv, jsonl, raven
from htsat.formats.output import to_file
from htsat.formats.reading import READERS, UnknownFormatError, format_of, read_recordings
from htsat.scores import FrequencyBand, MarkedEvent, SoundEvent

# The package uses pandas in a way that is going to be dropped.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

FORMATS = {name: own for name, own in ALL_EVENT_FORMATS.items() if name != "table"} | {
    "csv": csv.EVENTS_WITH_BANDS
}
HOLD_PROBABILITIES = {"csv", "jsonl", "parquet", "raven", "jams"}
HOLD_BANDS = {"csv", "jsonl", "parquet", "raven", "audacity"}
HOLD_DURATIONS = {"jsonl", "textgrid", "jams"}
ALWAYS_HAVE_BANDS = {"raven"}

OWL = MarkedEvent.of(SoundEvent("Owl, near", 0.5, 1.25, 0.75), FrequencyBand(300.5, 900.0))
DOG = SoundEvent("Dog", 1.0, 2.5, 0.5)
RECORDING = DetectedRecording("x/a.wav", 4.0, [OWL, DOG], FrequencyBand(0.0, 16_000.0))


def written(path: Path, name: str, recording: DetectedRecording) -> Path:
    with to_file(path, FORMATS[name]) as write:
        write(PurePath("a"), recording)
    return path


def bands(recording: DetectedRecording) -> list[FrequencyBand | None]:
    return [event.band for event in recording.events]


def test_whatever_is_written_is_read() -> None:
    assert set(FORMATS) == set(READERS)


@pytest.mark.parametrize("first", sorted(FORMATS))
@pytest.mark.parametrize("second", sorted(FORMATS))
def test_two_conversions_keep_what_both_formats_hold(tmp_path: Path, first: str, second: str) -> None:
    (once,) = read_recordings(written(tmp_path / "a", first, RECORDING), first)
    (twice,) = read_recordings(written(tmp_path / "b", second, once._replace(file="x/a.wav")), second)
    both = {first, second}
    certain = not both <= HOLD_PROBABILITIES
    assert twice.events == [
        event._replace(probability=1.0 if certain else event.probability) for event in (OWL, DOG)
    ]
    kept = OWL.band if both <= HOLD_BANDS else None
    if first in ALWAYS_HAVE_BANDS and second in HOLD_BANDS:
        assert bands(twice) == [kept, (0, 16_000)]
    elif second in ALWAYS_HAVE_BANDS:
        assert bands(twice) == [kept or (0, 8000), (0, 8000)]
    else:
        assert bands(twice) == [kept, None]
    assert twice.duration_s == (4.0 if both <= HOLD_DURATIONS else 2.5)


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"tsv"}))
def test_the_content_of_a_file_tells_its_format(tmp_path: Path, name: str) -> None:
    assert format_of(written(tmp_path / "labels", name, RECORDING)) == name


def test_dcase_lists_are_tables_like_others(tmp_path: Path) -> None:
    path = written(tmp_path / "labels", "tsv", RECORDING)
    assert format_of(path) == "csv"
    assert read_recordings(path) == read_recordings(path, "tsv")


def test_entries_of_one_recording_add_up(tmp_path: Path) -> None:
    describe = jsonl.EVENTS.describe
    (tmp_path / "a.jsonl").write_text(
        describe(RECORDING) + describe(RECORDING._replace(events=[DOG], duration_s=9))
    )
    (recording,) = read_recordings(tmp_path / "a.jsonl")
    assert recording.events == [OWL, DOG, DOG]
    assert recording.duration_s == 9


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnknownFormatError, match=r"none\.txt: No such file or directory"):
        read_recordings(tmp_path / "none.txt")


def test_a_wrong_format_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not WebVTT"):
        read_recordings(written(tmp_path / "a", "csv", RECORDING), "webvtt")


def test_another_library_finds_the_bands_of_raven(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", "raven", RECORDING)
    boxes = crowsetta.formats.bbox.Raven.from_file(path).to_bbox()
    assert [(box.onset, box.offset, box.low_freq, box.high_freq, box.label) for box in boxes] == [
        (0.5, 1.25, 300.5, 900.0, "Owl, near"),
        (1.0, 2.5, 0.0, 16_000.0, "Dog"),
    ]


def test_another_library_finds_the_bands_of_audacity(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", "audacity", RECORDING._replace(events=[OWL]))
    (box,) = crowsetta.formats.bbox.AudBBox.from_file(path).to_bbox()
    assert (box.onset, box.offset, box.low_freq, box.high_freq, box.label) == (
        0.5,
        1.25,
        300.5,
        900,
        "Owl, near",
    )


def test_another_library_finds_labels_without_bands(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", "audacity", RECORDING._replace(events=[DOG]))
    sequence = crowsetta.formats.seq.AudSeq.from_file(path).to_seq()
    assert (sequence.onsets_s, sequence.offsets_s, sequence.labels) == ([1.0], [2.5], ["Dog"])


@pytest.mark.parametrize("kind", [crowsetta.formats.bbox.Raven, crowsetta.formats.bbox.AudBBox])
def test_what_another_library_writes_is_read(tmp_path: Path, kind: type) -> None:
    name = "raven" if kind is crowsetta.formats.bbox.Raven else "audacity"
    first = kind.from_file(written(tmp_path / "a.txt", name, RECORDING._replace(events=[OWL])))
    first.to_file(tmp_path / "b.txt")
    (recording,) = read_recordings(tmp_path / "b.txt")
    assert recording.events == [OWL._replace(probability=0.75 if name == "raven" else 1.0)]
    assert bands(recording) == [OWL.band]


@pytest.mark.parametrize(
    "header", ["onset,offset,label,Low Freq (Hz),High Freq (Hz)", "start_s,end_s,species,fmin,fmax_hz"]
)
def test_names_of_columns_of_bands(tmp_path: Path, header: str) -> None:
    (tmp_path / "a.csv").write_text(f"{header}\n0,1,a,100,200.5\n1,2,b,,\n2,3,c,100,\n")
    (recording,) = read_recordings(tmp_path / "a.csv")
    assert bands(recording) == [(100, 200.5), None, None]


def test_frequencies_in_other_units_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("onset,offset,label,low (kHz),high (kHz)\n0,1,a,0.1,0.2\n")
    (recording,) = read_recordings(tmp_path / "a.csv")
    assert bands(recording) == [None]


def test_a_band_in_json_needs_both_ends(tmp_path: Path) -> None:
    line = jsonl.EVENTS.describe(RECORDING)
    (tmp_path / "a.jsonl").write_text(line.replace(', "high_hz": 900.0', ""))
    with pytest.raises(DataError, match=r"line 1: .* no field 'high_hz'"):
        jsonl.read_events(tmp_path / "a.jsonl")


def test_a_marked_event_is_an_event() -> None:
    label, onset_s, offset_s, probability = OWL
    assert SoundEvent(label, onset_s, offset_s, probability) == OWL
    assert DOG.band is None
    again = pickle.loads(pickle.dumps(OWL))
    assert again == OWL
    assert again.band == OWL.band


def test_tables_without_bands_have_the_columns_of_the_contract() -> None:
    assert csv.EVENTS.describe(RECORDING).splitlines()[0] == 'x/a.wav,0.5000,1.2500,"Owl, near",0.750000'
    assert audacity.EVENTS.describe(RECORDING).splitlines()[1:] == [
        "\\\t300.500\t900.000",
        "1.0000\t2.5000\tDog",
    ]
    assert raven.EVENTS.describe(RECORDING._replace(heard=None)).splitlines()[1].split("\t")[5:7] == [
        "0.000",
        "8000.000",
    ]
