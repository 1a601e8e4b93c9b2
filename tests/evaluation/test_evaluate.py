import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest

from htsat.data.clip import Row
from htsat.data.manifest import Clip, Manifest
from htsat.errors import DataError
from htsat.evaluation.curve_store import CurveStore
from htsat.evaluation.ensemble import Ensemble
from htsat.evaluation.evaluate import Listener, clip_list_sha256, evaluate, hear_clips
from htsat.evaluation.report import Confusion, to_json
from htsat.labels import LabelSet
from htsat.processes import Processes


@pytest.fixture
def ensemble(make_model):
    return Ensemble([make_model()])


@pytest.fixture
def multi_label(make_model):
    return Ensemble([make_model(task="multi_label")])


def test_accuracy_counts_the_clips_that_tag_names_rightly(ensemble, make_model, manifest):
    model = make_model()
    right = [model.tag(clip.path, top=1)[0].label in clip.labels for clip in manifest.clips]
    assert sum(right) == 5
    report = evaluate(ensemble, manifest, "six clips")
    assert report.summary.accuracy == pytest.approx(5 / 6)
    assert (report.n_clips, report.models, report.data) == (6, ("pitches",), "six clips")
    assert report.task == "multi_class"


def test_what_was_heard_instead_is_counted(ensemble, manifest):
    report = evaluate(ensemble, manifest, "")
    assert report.confusions == (Confusion("low", "high", 1),)
    classes = {entry.label: entry for entry in report.per_class}
    assert [entry.label for entry in report.per_class] == ["low", "middle", "high"]
    assert (classes["low"].n_positives, classes["middle"].n_positives, classes["high"].n_positives) == (
        3,
        2,
        1,
    )
    assert (classes["low"].recall, classes["low"].precision) == (pytest.approx(2 / 3), 1.0)
    assert (classes["high"].recall, classes["high"].precision) == (1.0, 0.5)
    assert classes["middle"].average_precision == 1.0


def test_the_worst_clip_is_the_one_with_the_wrong_label(ensemble, manifest):
    worst = evaluate(ensemble, manifest, "").worst_clips
    assert len(worst) == 6
    assert worst[0].clip == manifest.clips[-1]
    assert [tag.label for tag in worst[0].tags] == ["high"]
    surprises = [clip.cross_entropy for clip in worst]
    assert surprises == sorted(surprises, reverse=True)


def test_classes_that_no_clip_has_are_counted_and_left_out(make_model, multi_label, recording):
    clips = (Clip(recording("a", "low"), ("low",)), Clip(recording("b", "high"), ()))
    report = evaluate(multi_label, Manifest(clips, LabelSet(("low",))), "")
    assert report.n_classes_without_positives == 2
    assert report.summary.mean_average_precision == 1.0
    assert report.summary.mean_roc_auc == 1.0


def test_a_clip_without_labels_is_a_negative_of_every_class(multi_label, recording):
    clips = (Clip(recording("a", "low"), ()), Clip(recording("b", "low"), ("low",)))
    known = Manifest(clips, LabelSet(("low",)))
    with CurveStore() as store:
        heard = hear_clips(Listener.of(multi_label, known), known, store)
    np.testing.assert_array_equal(heard.targets, [[0, 0, 0], [1, 0, 0]])


def test_clips_of_several_labels_are_shown_with_as_many_classes(multi_label, recording):
    clips = (
        Clip(recording("a", "low", "high"), ("low", "high")),
        Clip(recording("b", "middle"), ()),
    )
    report = evaluate(multi_label, Manifest(clips, multi_label.labels), "")
    shown = {worst.clip.path.name: [tag.label for tag in worst.tags] for worst in report.worst_clips}
    assert sorted(shown["a.wav"]) == ["high", "low"]
    assert shown["b.wav"] == ["middle"]
    assert report.confusions == ()
    assert report.per_class[0].recall is None


@pytest.mark.parametrize(("labels", "n_labels"), [((), 0), (("low", "high"), 2)])
def test_a_multi_class_model_needs_one_label_per_clip(ensemble, manifest, labels, n_labels):
    wrong = manifest.only([dataclasses.replace(manifest.clips[0], labels=labels)])
    message = rf"0\.wav: has {n_labels} labels; a multi-class model needs exactly one per clip"
    with pytest.raises(DataError, match=message):
        evaluate(ensemble, wrong, "")


def test_unknown_classes_are_refused_before_anything_is_heard(ensemble, tmp_path):
    manifest = Manifest((Clip(tmp_path / "gone.wav", ("lwo",)),), LabelSet(("lwo",)))
    with pytest.raises(DataError, match="has no class 'lwo'; did you mean 'low'"):
        evaluate(ensemble, manifest, "")


def test_clips_that_cannot_be_heard_are_listed_and_not_counted(ensemble, manifest, recording, tmp_path):
    (tmp_path / "text.wav").write_text("this is not sound")
    broken = [
        Clip(tmp_path / "text.wav", ("low",)),
        Clip(recording("x", "low", loudness=1.5), ("low",)),
        Clip(manifest.clips[0].path, ("low",), start_s=60.0),
    ]
    report = evaluate(ensemble, manifest.only([*broken, *manifest.clips]), "")
    assert [entry.clip for entry in report.broken] == broken
    assert [entry.reason.partition(":")[0] for entry in report.broken] == [
        str(tmp_path / "text.wav"),
        str(tmp_path / "x.wav"),
        f"{manifest.clips[0].path}, from 60 s",
    ]
    whole = evaluate(ensemble, manifest, "")
    assert report.summary == whole.summary
    assert report.clip_list_sha256 == whole.clip_list_sha256


def test_if_nothing_can_be_heard_there_is_no_report(ensemble, manifest, tmp_path):
    gone = Clip(tmp_path / "gone.wav", ("low",))
    with pytest.raises(DataError, match=r"none of the 2 clips can be heard; the first: .*gone\.wav"):
        evaluate(ensemble, manifest.only([gone, gone]), "")


def test_progress_follows_the_clips(ensemble, manifest):
    seen = []

    def watch(clips):
        for clip in clips:
            yield clip
            seen.append(clip)

    evaluate(ensemble, manifest, "", watch)
    assert seen == list(manifest.clips)


def test_processes_share_the_clips_and_all_get_the_report_of_one(ensemble, manifest, tmp_path):
    """Each of three hears its share; what the others heard comes from hearing their shares here."""
    gone = Clip(tmp_path / "gone.wav", ("low",))
    clips = manifest.only([gone, *manifest.clips])
    listener = Listener.of(ensemble, clips)
    seen = []

    class Others(Processes):
        def gather(self, share):
            seen.append(len(share))
            shares = [
                [listener.answer(clip) for clip in Processes(r, 3).share(clips.clips)] for r in range(3)
            ]
            np.testing.assert_equal(list(share), shares[self.rank])
            return [shares[number % 3][number // 3] for number in range(len(clips.clips))]

    alone = evaluate(ensemble, clips, "")
    for rank in range(3):
        assert to_json(evaluate(ensemble, clips, "", iter, Others(rank, 3))) == to_json(alone)
    assert seen == [3, 2, 2]


def test_the_fingerprint_knows_clips_by_name_and_place():
    clips = [Clip(Path("x/b.wav"), ()), Clip(Path("x/a.wav"), ())]
    assert clip_list_sha256(clips) == hashlib.sha256(b"a.wav\nb.wav").hexdigest()
    assert clip_list_sha256(clips[::-1]) == clip_list_sha256(clips)
    moved = [dataclasses.replace(clip, path=Path("elsewhere") / clip.path.name) for clip in clips]
    assert clip_list_sha256(moved) == clip_list_sha256(clips)
    packed = [dataclasses.replace(clip, place=Row(number)) for number, clip in enumerate(clips)]
    assert clip_list_sha256(packed) == hashlib.sha256(b"a.wav[1]\nb.wav[0]").hexdigest()
    later = [dataclasses.replace(clip, start_s=1.0) for clip in clips]
    shorter = [dataclasses.replace(clip, duration_s=1.0) for clip in clips]
    assert len({clip_list_sha256(some) for some in (clips, later, shorter, clips[:1], clips * 2)}) == 5
