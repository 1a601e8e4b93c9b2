"""The paper's procedure on recordings whose events are known by hand, and on the authors' own detections."""

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from htsat.data.clip import Clip
from htsat.data.manifest import Manifest
from htsat.errors import DataError
from htsat.evaluation.class_map import ClassMap
from htsat.evaluation.curve_store import CurveStore
from htsat.evaluation.detection import (
    DetectedClip,
    StoredDetection,
    compare_detections,
    detect,
    worst_clips,
)
from htsat.evaluation.ensemble import Ensemble
from htsat.evaluation.evaluate import Listener, evaluate
from htsat.evaluation.joint_scores import grouped
from htsat.evaluation.report import to_json
from htsat.evaluation.rule_sets import read_rules
from htsat.formats.dcase import read_durations, read_events
from htsat.labels import LabelSet
from htsat.processes import Processes
from htsat.scores import FrameGrid, FrameScores

from .written import AUDIOSET, FRAME_S, frames, write, written_model

GOLDEN = Path(__file__).parents[1] / "golden" / "desed"
DESED = LabelSet.named("desed")
PAPER = read_rules("desed-paper", DESED)
TRUE = [
    ("a.wav", 0.6, 1.9, "Speech"),
    ("a.wav", 3.0, 4.0, "Dog"),
    ("a.wav", 6.3, 7.15, "Speech"),
    ("b.wav", 0.0, 3.0, "Cat"),
]


@pytest.fixture
def desed(tmp_path):
    """A clip of 7.15 s and one of 10 s with strong labels, one with weak labels."""
    write(
        tmp_path / "a.wav",
        7.15,
        {
            "Narration, monologue": frames(0.28, 2, 4),
            "Male speech, man speaking": {**frames(0.28, 4, 6), 8: 0.27},
            "Child speech, kid speaking": frames(0.9, 20, 23),
        },
    )
    write(tmp_path / "b.wav", 10.0, {"Meow": frames(0.52, 0, 4), "Bark": frames(0.38, 3, 9)})
    write(tmp_path / "weak.wav", 10.0, {"Blender": frames(0.9, 3, 30)})
    with (tmp_path / "events.tsv").open("w", newline="") as file:
        rows = csv.writer(file, delimiter="\t")
        rows.writerows([("filename", "onset", "offset", "event_label"), *TRUE])
    events = tmp_path / "events.tsv"
    clips = (
        Clip(tmp_path / "a.wav", ("Speech", "Dog"), events=events),
        Clip(tmp_path / "weak.wav", ("Blender",)),
        Clip(tmp_path / "b.wav", ("Cat",), events=events),
    )
    return Manifest(clips, DESED)


@pytest.fixture
def ensemble():
    return Ensemble([written_model()], class_map=ClassMap.of("desed"))


def counts(figure, label):
    return tuple(figure["counts"][label].values())


def test_the_papers_procedure(ensemble, desed):
    report = evaluate(ensemble, desed, "two clips and a weak one", rules=PAPER)
    document = json.loads(to_json(report))
    # Speech is cut at the end of the recording. The cat's detection lies in its event and covers too little.
    found = {worst.clip.path.name: worst.heard for worst in report.detection.worst_clips}
    assert [(event.label, event.onset_s, event.offset_s) for event in found["a.wav"]] == [
        ("Speech", 0.625, 1.875),
        ("Speech", 6.25, 7.15),
    ]
    assert [(event.label, event.onset_s, event.offset_s) for event in found["b.wav"]] == [("Cat", 0.0, 1.25)]
    figure = document["intersection_f1"]
    assert (counts(figure, "Speech"), counts(figure, "Dog"), counts(figure, "Cat")) == (
        (2, 0, 0),
        (0, 0, 1),
        (0, 0, 1),
    )
    assert figure["macro"] == pytest.approx(1 / 3)
    assert figure["parameters"] == {"dtc": 0.5, "gtc": 0.5, "cttc": 0.3}
    assert counts(document["collar_f1"], "Speech") == (2, 0, 0)
    assert counts(document["collar_f1"], "Cat") == (0, 1, 1)
    assert counts(document["segment_f1"], "Cat") == (2, 0, 1)
    events = document["events"]
    assert (events["n_recordings"], events["duration"]) == (2, pytest.approx(17.15))
    assert events["n_clips_without_strong_labels"] == 1
    assert (events["rules_from"], events["rules"]["thresholds"]["Cat"]) == ("desed-paper", 0.51)
    assert (document["class_map"], document["task"], document["n_clips"]) == ("desed", "multi_label", 3)


def test_psds_is_that_of_the_scores_whatever_the_thresholds(ensemble, desed):
    """The dog's detection is right at some threshold, though not at the published one."""
    reports = [evaluate(ensemble, desed, "", rules=rules) for rules in (PAPER, ensemble.own_rules())]
    first, second = (json.loads(to_json(report)) for report in reports)
    assert first["psds2"] == second["psds2"] > 0
    assert first["psds2_details"]["per_class"]["Cat"] == 1.0
    assert first["psds1_details"]["per_class"]["Cat"] == 0.0
    assert first["psds1_details"]["parameters"]["dtc"] == 0.7
    assert first["collar_f1"] != second["collar_f1"]


def test_tags_are_of_the_targets(ensemble, desed):
    single = Ensemble([written_model()])
    clip = desed.clips[0]
    alone = dict(zip(AUDIOSET, single.probabilities(clip), strict=True))
    own = dict(zip(DESED, ensemble.probabilities(clip), strict=True))
    assert list(ensemble.labels) == list(DESED)
    assert own["Speech"] == max(alone[name] for name in list(AUDIOSET)[:8])
    assert own["Vacuum_cleaner"] == alone["Vacuum cleaner"]
    np.testing.assert_allclose(ensemble.hear(clip).probabilities, ensemble.probabilities(clip), rtol=1e-5)


def test_several_models_detect_with_the_mean_of_their_probabilities(desed):
    """The dog's bark is heard at 0.38 and 0.623: their mean is above the threshold of 0.39."""
    models = [written_model(), written_model(name="louder", offset=1.0)]
    report = evaluate(Ensemble(models, class_map=ClassMap.of("desed")), desed, "", rules=PAPER)
    heard = {(event.label, event.onset_s) for worst in report.detection.worst_clips for event in worst.heard}
    assert ("Dog", 3 * FRAME_S) in heard
    assert report.detection.events.estimated.source == "written + louder"


def test_a_clip_that_cannot_be_heard_does_not_count(ensemble, desed, tmp_path):
    gone = dataclasses.replace(desed.clips[0], path=tmp_path / "gone.wav")
    whole = json.loads(to_json(evaluate(ensemble, desed, "", rules=PAPER)))
    more = json.loads(to_json(evaluate(ensemble, desed.only([gone, *desed.clips]), "", rules=PAPER)))
    assert (more["n_failed"], more["collar_f1"], more["events"]) == (1, whole["collar_f1"], whole["events"])


def test_clips_of_one_name_are_told_apart(ensemble, desed, tmp_path):
    twice = desed.only([*desed.clips, desed.clips[0]])
    report = evaluate(ensemble, twice, "", rules=PAPER)
    assert report.detection.events.recordings.n_recordings == 3
    assert report.detection.events.intersection.counts.true_positives[DESED.index("Speech")] == 4


def test_only_the_classes_of_the_manifest_count(desed):
    labels = LabelSet(("Cat", "Dog", "Speech"))
    clips = [clip for clip in desed.clips if clip.events is not None]
    classes = LabelSet(("Cat", "Speech"))
    kept = [dataclasses.replace(clips[1]), dataclasses.replace(clips[0], labels=("Speech",))]
    without_dog = "".join(
        line for line in clips[0].events.read_text().splitlines(True) if not line.rstrip().endswith("Dog")
    )
    clips[0].events.write_text(without_dog)
    path = desed.clips[0].path.with_name("c.wav")
    write(path, 5.0, {"Dog": frames(0.9, 0, 4)}, labels)
    ensemble = Ensemble([written_model(labels)])
    report = evaluate(ensemble, Manifest((*kept, Clip(path, (), events=clips[0].events)), classes), "")
    assert report.detection.events.labels == classes
    assert report.detection.events.estimated.n_events.sum() == 0


def test_a_class_in_the_label_file_that_the_manifest_does_not_have_is_refused(ensemble, desed):
    fewer = Manifest((dataclasses.replace(desed.clips[0], labels=("Speech",)),), LabelSet(("Speech", "Do")))
    known = dataclasses.replace(fewer, labels=LabelSet(("Speech", "Cat", "Dishes")))
    with pytest.raises(DataError, match=r"events\.tsv: unknown class 'Dog' in .*a\.wav"):
        evaluate(ensemble, known, "", rules=PAPER)


def test_where_nothing_is_true_there_is_no_psds(ensemble, desed):
    desed.clips[0].events.write_text("filename\tonset\toffset\tevent_label\n")
    silent = [dataclasses.replace(clip, labels=()) for clip in desed.clips]
    document = json.loads(to_json(evaluate(ensemble, desed.only(silent), "", rules=PAPER)))
    assert "psds1" not in document
    assert document["collar_f1"]["macro"] is None
    assert counts(document["collar_f1"], "Speech") == (0, 2, 0)


def test_without_strong_labels_nothing_is_detected(ensemble, desed):
    weak = desed.only([clip for clip in desed.clips if clip.events is None])
    report = evaluate(ensemble, weak, "")
    assert report.detection is None
    assert "collar_f1" not in json.loads(to_json(report))


def test_processes_share_the_clips(ensemble, desed):
    listener = Listener.of(ensemble, desed, PAPER)
    answers = [listener.answer(clip) for clip in desed.clips]

    class Others(Processes):
        def gather(self, share):
            assert len(share) == len(Processes(self.rank, 2).share(desed.clips))
            return answers

    alone = to_json(evaluate(ensemble, desed, "", rules=PAPER))
    for rank in range(2):
        assert to_json(evaluate(ensemble, desed, "", iter, Others(rank, 2), PAPER)) == alone


MEMBERS = {
    "Alarm_bell_ringing": "Whistle",
    "Blender": "Blender",
    "Cat": "Caterwaul",
    "Dishes": "Dishes, pots, and pans",
    "Dog": "Growling",
    "Electric_shaver_toothbrush": "Electric shaver, electric razor",
    "Frying": "Microwave oven",
    "Running_water": "Gurgling",
    "Speech": "Speech synthesizer",
    "Vacuum_cleaner": "Vacuum cleaner",
}


def published_scores(events, duration_s, groups):
    """Scores of AudioSet classes that are high where the authors' model detected something."""
    grid = FrameGrid.regular(int(np.ceil(duration_s / FRAME_S)), FRAME_S, duration_s)
    logits = np.full((grid.n_frames, len(AUDIOSET)), -10, np.float32)
    starts_s = grid.boundaries_s[:-1]
    for event in events:
        inside = (starts_s >= event.onset_s - 1e-6) & (starts_s < event.offset_s - 1e-6)
        logits[inside, AUDIOSET.index(MEMBERS[event.label])] = 10
    return grouped(FrameScores(logits, logits, grid, AUDIOSET, "multi_label"), groups)


def test_table_3_of_the_paper_from_scores():
    """The published detections, as scores of 527 classes, give the published figures by this path too."""
    groups = ClassMap.of("desed").grouped(AUDIOSET, "audioset")
    true = read_events(GOLDEN / "ground_truth.tsv")
    detected = read_events(GOLDEN / "htsat_single_model_events.tsv")
    with CurveStore() as store:
        clips = []
        for name, duration_s in read_durations(GOLDEN / "durations.tsv").items():
            scores = published_scores(detected.get(name, ()), duration_s, groups)
            found = detect(scores, PAPER.rules, DESED)
            stored = StoredDetection(found.events, store.add(found.curves))
            clips.append(DetectedClip(name, Clip(Path(name), ()), tuple(true.get(name, ())), stored))
        report = compare_detections(clips, DESED, "DESED, public", "published")
    found = report.intersection.counts
    assert 100 * found.macro_f() == pytest.approx(48.42, abs=0.005)
    assert found.true_positives.tolist() == [76, 45, 158, 87, 179, 47, 69, 54, 439, 56]
    assert found.false_positives.tolist() == [41, 41, 69, 122, 126, 64, 70, 88, 525, 76]
    assert 100 * report.collar.macro_f() == pytest.approx(6.76, abs=0.005)
    # 69.80 in the published table, where seven clips end up to 8 ms later, in another segment.
    assert round(100 * report.segment.macro_f(), 1) == 69.8
    worst = worst_clips(clips, DESED)
    n_errors = [clip.n_missed + clip.n_false for clip in worst]
    assert (len(worst), n_errors) == (20, sorted(n_errors, reverse=True))
