import hashlib
import json

import pytest

from htsat.errors import DataError
from htsat.evaluation.event_based import EventList, classes_of, compare_events
from htsat.evaluation.event_report import (
    EventSettings,
    describe_events,
    event_json,
    write_event_report,
)
from htsat.labels import LabelSet
from htsat.scores import SoundEvent

LABELS = LabelSet(("Cat", "Cow", "Dog", "Owl"))
DURATIONS = {"x.wav": 10.0, "y.wav": 5.0, "z.wav": 1.0}


def event(label, onset_s, offset_s):
    return SoundEvent(label, onset_s, offset_s, 1.0)


REFERENCE = EventList(
    "true",
    {
        "x.wav": [event("Dog", 1.0, 2.0), event("Dog", 1.5, 3.0), event("Cat", 4.0, 6.0)],
        "y.wav": [event("Cat", 2.0, 2.0)],
        "z.wav": [],
    },
)
ESTIMATED = EventList(
    "heard",
    {"x.wav": [event("Dog", 1.0, 3.0), event("Cow", 4.0, 6.0)], "y.wav": [event("Dog", 4.0, 5.5)]},
)


def compare(overlaps="merge", reference=REFERENCE, estimated=ESTIMATED):
    return compare_events(reference, estimated, DURATIONS, LABELS, EventSettings(overlaps=overlaps))


def document_of(report):
    return json.loads(event_json(report))


def test_the_document_holds_figures_counts_and_parameters():
    document = document_of(compare())
    intersection = document["intersection_f1"]
    # The dog of y.wav is false and the cat of x.wav missed; the cat without length is left out here.
    assert intersection["per_class"] == {"Cat": 0, "Cow": 0, "Dog": pytest.approx(2 / 3), "Owl": None}
    assert intersection["macro"] == pytest.approx(1 / 3)
    assert intersection["micro"] == pytest.approx(2 / 5)
    assert intersection["parameters"] == {"dtc": 0.5, "gtc": 0.5, "cttc": 0.3}
    assert intersection["counts"]["Dog"] == {
        "true_positives": 1,
        "false_positives": 1,
        "false_negatives": 0,
    }
    assert document["collar_f1"]["parameters"] == {"collar": 0.2, "offset_share": 0.2}
    assert document["collar_f1"]["counts"]["Cat"]["false_negatives"] == 2
    assert document["segment_f1"]["parameters"] == {"segment": 1.0}
    assert document["segment_f1"]["counts"]["Dog"] == {
        "true_positives": 2,
        "false_positives": 2,
        "false_negatives": 0,
    }
    assert document["cross_triggers"] == [{"estimated": "Cow", "reference": "Cat", "n_events": 1}]


def test_the_document_says_on_what_all_was_counted():
    document = document_of(compare())
    assert (document["n_recordings"], document["duration"]) == (3, 16.0)
    expected = hashlib.sha256(b"x.wav\ny.wav\nz.wav").hexdigest()
    assert document["recording_list_sha256"] == expected
    assert (document["n_classes"], document["n_classes_only_estimated"], document["n_classes_absent"]) == (
        4,
        1,
        1,
    )
    reference, estimated = document["reference"], document["estimated"]
    assert reference["per_class"] == {"Cat": 2, "Cow": 0, "Dog": 1, "Owl": 0}
    assert (reference["n_events"], reference["n_overlapping"], reference["n_without_length"]) == (3, 1, 1)
    assert (estimated["n_events"], estimated["n_beyond_end"], estimated["source"]) == (3, 1, "heard")


def test_overlaps_are_merged_or_listed():
    merged, reported = document_of(compare("merge")), document_of(compare("report"))
    assert (merged["overlaps"], reported["overlaps"]) == ("merge", "report")
    assert merged["reference"]["n_overlapping"] == reported["reference"]["n_overlapping"] == 1
    assert merged["reference"]["overlapping"] == []
    assert reported["reference"]["overlapping"] == [
        {"file": "x.wav", "label": "Dog", "onset": 1.5, "offset": 3.0}
    ]
    assert (merged["reference"]["n_events"], reported["reference"]["n_events"]) == (3, 4)
    # Merged, the two dogs are the one that was heard.
    assert merged["collar_f1"]["counts"]["Dog"]["true_positives"] == 1
    assert reported["collar_f1"]["counts"]["Dog"] == {
        "true_positives": 0,
        "false_positives": 2,
        "false_negatives": 2,
    }


def test_what_does_not_exist_is_null():
    nothing = EventList("nothing", {})
    document = document_of(compare(reference=nothing, estimated=nothing))
    assert document["collar_f1"]["macro"] is None
    assert document["segment_f1"]["micro"] is None
    assert document["n_classes_absent"] == 4
    assert document["cross_triggers"] == []


def test_nothing_estimated_counts_zero():
    document = document_of(compare(estimated=EventList("nothing", {})))
    for metric in ("intersection_f1", "collar_f1", "segment_f1"):
        assert (document[metric]["macro"], document[metric]["micro"]) == (0, 0)


def test_the_lines_for_people():
    lines = list(describe_events(compare()))
    assert lines[0] == "estimated   heard: 3 events, 1 end after their recording"
    assert lines[1] == "reference   true: 3 events, 1 merged into earlier ones, 1 without length"
    assert lines[2].startswith("recordings  3, 16 s, list sha256 ")
    assert lines[3] == (
        "classes     2 in the reference: the macro mean is over these, 1 more only estimated, "
        "1 more in neither list"
    )
    assert "intersection   0.3333  0.4000  dtc 0.5, gtc 0.5, cttc 0.3" in lines
    assert "           -       -        -          0          0  Owl" in lines
    assert lines[-1] == "       1  Cat -> Cow"


def test_a_report_is_written_whatever_the_files_are_called(tmp_path):
    events = {"\udcff.wav": [event("Dog", 1.0, 2.0), event("Dog", 1.5, 3.0)]}
    listed = EventList("\udcff.tsv", events)
    report = compare_events(listed, listed, {"\udcff.wav": 5.0}, LABELS, EventSettings(overlaps="report"))
    write_event_report(tmp_path / "new" / "report.json", report)
    text = (tmp_path / "new" / "report.json").read_text(encoding="utf-8", errors="surrogateescape")
    assert json.loads(text)["reference"]["overlapping"][0]["file"] == "\udcff.wav"


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (
            {"x.waw": [], "y.wav": [], "w": []},
            "heard: recording 'x.waw' is not in the list of durations (1 more); did you mean 'x.wav'?",
        ),
        ({"x.wav": [event("Dgo", 0.0, 1.0)]}, "heard: unknown class 'Dgo' in 'x.wav'; did you mean 'Dog'?"),
    ],
)
def test_what_does_not_fit_is_refused(events, message):
    with pytest.raises(DataError) as caught:
        compare(estimated=EventList("heard", events))
    assert str(caught.value) == message


def test_a_reference_recording_needs_a_duration():
    with pytest.raises(DataError, match=r"^true: recording 'w' is not in the list of durations$"):
        compare(reference=EventList("true", {"w": []}))


def test_the_classes_are_those_of_the_reference():
    assert tuple(classes_of(REFERENCE)) == ("Cat", "Dog")
    with pytest.raises(DataError, match="empty: has no events, so it does not say which classes there are"):
        classes_of(EventList("empty", {"x.wav": []}))
