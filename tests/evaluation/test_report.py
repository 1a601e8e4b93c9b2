import dataclasses
import json
import math

import pytest

from htsat.data.dataset import BrokenClip
from htsat.data.manifest import Clip, Manifest
from htsat.evaluation.ensemble import Ensemble
from htsat.evaluation.evaluate import evaluate
from htsat.evaluation.report import to_json, write_report


@pytest.fixture
def report(make_model, manifest):
    gone = Clip(manifest.clips[0].path.with_name("gone.wav"), ("low",), start_s=2.0, duration_s=1.0)
    return evaluate(Ensemble([make_model()], n_passes=2), manifest.only([*manifest.clips, gone]), "six clips")


def test_the_document_holds_all_figures(report):
    document = json.loads(to_json(report))
    assert document["n_clips"] == 6
    assert document["tta"] == 2
    assert document["task"] == "multi_class"
    assert document["accuracy"] == report.summary.accuracy
    assert document["mAP"] == report.summary.mean_average_precision
    assert document["mAUC"] == report.summary.mean_roc_auc
    assert document["d_prime"] == report.summary.d_prime
    assert document["interval_95"]["mAP"] == list(report.interval_95.mean_average_precision)
    assert document["bootstrap"] == {"n_resamples": 1000, "seed": 0}
    assert document["clip_list_sha256"] == report.clip_list_sha256
    assert document["confusions"] == [{"true": "low", "heard": "high", "n_clips": 1}]
    assert set(document["per_class"]) == {"low", "middle", "high"}
    assert document["per_class"]["low"]["n_positives"] == 3


def test_the_title_is_short(report):
    models = ("/home/me/runs/first/model.safetensors", "hf://owner/model-1.5", "nano")
    title = dataclasses.replace(report, models=models).title
    assert title == "first/model + owner/model-1.5 + nano on six clips"


def test_the_document_names_clips_and_reasons(report, manifest):
    document = json.loads(to_json(report))
    worst = document["worst_clips"][0]
    assert (worst["file"], worst["labels"]) == (str(manifest.clips[-1].path), ["low"])
    assert worst["heard"][0]["label"] == "high"
    (failed,) = document["failed"]
    assert document["n_failed"] == 1
    assert (failed["start"], failed["duration"]) == (2.0, 1.0)
    assert failed["reason"].endswith("gone.wav: No such file or directory")


def test_what_does_not_exist_is_null(make_model, recording):
    clips = (Clip(recording("a", "low"), ("low",)), Clip(recording("b", "high"), ()))
    ensemble = Ensemble([make_model(task="multi_label")])
    report = evaluate(ensemble, Manifest(clips, ensemble.labels), "")
    assert math.isinf(report.summary.d_prime)
    document = json.loads(to_json(report))
    assert document["d_prime"] is None
    assert document["per_class"]["middle"]["average_precision"] is None
    assert document["n_classes_without_positives"] == 2
    assert "accuracy" not in document
    assert "accuracy" not in document["interval_95"]


def test_a_report_is_written_whatever_the_files_are_called(report, tmp_path):
    odd = BrokenClip(Clip(tmp_path / "\udcff \u2028.wav", ()), "it is broken")
    write_report(tmp_path / "new" / "report.json", dataclasses.replace(report, broken=(odd,)))
    text = (tmp_path / "new" / "report.json").read_text(encoding="utf-8", errors="surrogateescape")
    assert json.loads(text)["failed"][0]["file"] == str(odd.clip.path)
