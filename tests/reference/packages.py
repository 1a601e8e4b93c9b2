"""The packages of reference behind one signature each: a case in, plain numbers out."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

EXACT = {
    "psds1": {"dtc_threshold": 0.7, "gtc_threshold": 0.7, "alpha_ct": 0.0, "alpha_st": 1.0},
    "psds2": {
        "dtc_threshold": 0.1,
        "gtc_threshold": 0.1,
        "cttc_threshold": 0.3,
        "alpha_ct": 0.5,
        "alpha_st": 1.0,
    },
}
"""The two settings as `sed_scores_eval` takes them; false positives are counted up to 100 per hour."""

SAMPLED: Mapping[str, NDArray[np.float64]] = {
    # Between the scores of one decimal: all operating points, so that sampling costs nothing.
    "eleven_scores": np.arange(0.05, 1.0, 0.1).round(2),
    "ties": np.arange(0.05, 1.0, 0.1).round(2),
    # What the DCASE baselines do.
    "ten_classes": np.linspace(0.01, 0.99, 50),
}
"""Thresholds at which `psds_eval` looks."""


def psds(case: Any, setting: str) -> dict[str, Any]:
    """`sed_scores_eval`, exact. Classes without true events, which it refuses, are left out before."""
    from sed_scores_eval.intersection_based import psds as reference

    value, classes, *_ = reference(*_inputs(case), **EXACT[setting], max_efpr=100.0)
    return {"value": float(value), "classes": _floats(classes)}


def pi_psds(cases: list[Any], setting: str) -> dict[str, Any]:
    """`sed_scores_eval`, the best of several post-processings."""
    from sed_scores_eval.intersection_based.pipsds import postprocessing_independent_psds as reference

    processed = [_inputs(case)[0] for case in cases]
    _, truth, durations = _inputs(cases[0])
    value, classes, *_ = reference(
        None,
        truth,
        durations,
        postprocessing_functions=None,
        scores_processed=processed,
        **EXACT[setting],
        max_efpr=100.0,
        num_jobs=len(processed),  # fewer jobs than post-processings are refused
    )
    return {"value": float(value), "classes": _floats(classes)}


def sampled_psds(case: Any, setting: str, thresholds: NDArray[np.float64]) -> float:
    """`psds_eval` at some thresholds."""
    from sed_scores_eval.intersection_based.reference import approximate_psds as reference

    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        value, *_ = reference(*_inputs(case), thresholds=thresholds, **EXACT[setting], max_efpr=100.0)
    return float(value)


def _inputs(case: Any) -> tuple[dict[str, Any], dict[str, list[tuple[float, float, str]]], dict[str, float]]:
    from sed_scores_eval.base_modules.scores import create_score_dataframe

    present = sorted({event.class_index for event in case.events})
    names = [f"c{index}" for index in present]
    scores, truth = {}, {}
    for number, (values, boundaries_s) in enumerate(zip(case.scores, case.boundaries_s, strict=True)):
        scores[f"r{number:04}"] = create_score_dataframe(values[:, present], boundaries_s, names)
        truth[f"r{number:04}"] = [
            (event.onset_s, event.offset_s, f"c{event.class_index}")
            for event in case.events
            if event.recording == number
        ]
    durations = {f"r{number:04}": float(duration_s) for number, duration_s in enumerate(case.durations_s)}
    return scores, truth, durations


def _floats(values: Mapping[str, Any]) -> dict[str, float | None]:
    """By name; None for what is not a number."""
    return {name: None if np.isnan(value) else float(value) for name, value in sorted(values.items())}


# Events that are already decided: collar, intersection and segment F1.


def event_case() -> dict[str, Any]:
    """True and estimated events of 40 recordings and 6 classes; one class never estimated, one never right.

    Events of one class and recording neither overlap nor touch. Times have three decimals.
    """
    random = np.random.RandomState(11)
    labels = [f"c{index}" for index in range(6)]
    reference: list[list[Any]] = []
    estimated: list[list[Any]] = []
    durations = {f"r{number:02}.wav": 8.0 + 0.5 * (number % 7) for number in range(40)}
    for name, duration_s in durations.items():
        for index, label in enumerate(labels):
            onset_s = random.exponential(3.0)
            while (offset_s := onset_s + 0.3 + random.exponential(1.5)) < duration_s:
                reference.append([name, round(onset_s, 3), round(offset_s, 3), label])
                shift, stretch = 0.15 * random.standard_normal(2)
                found = [
                    name,
                    round(max(onset_s + shift, 0), 3),
                    round(min(offset_s + stretch, duration_s), 3),
                ]
                if index < 4 and random.random_sample() < 0.8 and found[2] > found[1] + 0.05:
                    estimated.append([*found, label])
                onset_s = offset_s + 0.7 + random.exponential(3.0)
            if index == 5 and random.random_sample() < 0.3:
                estimated.append([name, 0.0, 0.1 + round(random.random_sample(), 3), label])
    return {"labels": labels, "durations": durations, "reference": reference, "estimated": _apart(estimated)}


def _apart(events: list[list[Any]]) -> list[list[Any]]:
    kept: list[list[Any]] = []
    for event in sorted(events, key=lambda event: (event[0], event[3], event[1])):
        same = bool(kept) and (kept[-1][0], kept[-1][3]) == (event[0], event[3])
        if not same or event[1] > kept[-1][2] + 0.01:
            kept.append(event)
    return kept


COLLAR = {"onset_collar": 0.2, "offset_collar": 0.2, "offset_collar_rate": 0.2}
INTERSECTION = {"dtc_threshold": 0.5, "gtc_threshold": 0.5}
STRICT_INTERSECTION = {"dtc_threshold": 0.7, "gtc_threshold": 0.7}


def collar(case: dict[str, Any]) -> dict[str, Any]:
    """Onset within 200 ms, offset within the larger of 200 ms and 20 % of the true event."""
    from sed_eval.sound_event import EventBasedMetrics
    from sed_scores_eval.collar_based import fscore

    metrics = EventBasedMetrics(
        case["labels"], t_collar=0.2, percentage_of_length=0.2, event_matching_type="optimal"
    )
    return {
        "parameters": COLLAR,
        "sed_eval": _sed_eval(metrics, case),
        "sed_scores_eval": _scored(fscore(*_decided(case)[:2], 0.5, **COLLAR)),
    }


def segment(case: dict[str, Any]) -> dict[str, Any]:
    """Segments of one second."""
    from sed_eval.sound_event import SegmentBasedMetrics
    from sed_scores_eval.segment_based import fscore

    metrics = SegmentBasedMetrics(case["labels"], time_resolution=1.0)
    return {
        "parameters": {"segment_length": 1.0},
        "sed_eval": _sed_eval(metrics, case),
        "sed_scores_eval": _scored(fscore(*_decided(case), 0.5, segment_length=1.0)),
    }


def intersection(case: dict[str, Any]) -> dict[str, Any]:
    """DTC and GTC of 0.5 (the paper's) and of 0.7; the CTTC of `psds_eval` does not change F1."""
    from sed_scores_eval.intersection_based import fscore

    return {
        setting: {
            "parameters": parameters,
            "psds_eval": _psds_eval(case, parameters),
            "sed_scores_eval": _scored(fscore(*_decided(case)[:2], 0.5, **parameters)),
        }
        for setting, parameters in (("half", INTERSECTION), ("strict", STRICT_INTERSECTION))
    }


def _decided(case: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, float]]:
    """Estimated events as scores of 0 and 1, on frames that begin and end where events do."""
    from sed_scores_eval.base_modules.scores import create_score_dataframe

    scores, truth, durations = {}, {}, {}
    for name, duration_s in case["durations"].items():
        heard = [event for event in case["estimated"] if event[0] == name]
        boundaries_s = np.unique([0.0, duration_s, *(time for event in heard for time in event[1:3])])
        values = np.zeros((len(boundaries_s) - 1, len(case["labels"])))
        for _, onset_s, offset_s, label in heard:
            inside = (boundaries_s[:-1] >= onset_s) & (boundaries_s[1:] <= offset_s)
            values[inside, case["labels"].index(label)] = 1.0
        stem = name.removesuffix(".wav")
        scores[stem] = create_score_dataframe(values, boundaries_s, case["labels"])
        truth[stem] = [tuple(event[1:]) for event in case["reference"] if event[0] == name]
        durations[stem] = duration_s
    return scores, truth, durations


def _scored(answer: tuple[Any, ...]) -> dict[str, Any]:
    """F1 of each class, macro and micro average."""
    f1 = _floats(answer[0])
    return {"macro": f1.pop("macro_average"), "micro": f1.pop("micro_average"), "per_class": f1}


def _sed_eval(metrics: Any, case: dict[str, Any]) -> dict[str, Any]:
    from dcase_util.containers import MetaDataContainer

    for name, duration_s in case["durations"].items():
        lists = []
        for events in (case["reference"], case["estimated"]):
            rows = [
                {"filename": name, "onset": onset_s, "offset": offset_s, "event_label": label}
                for file, onset_s, offset_s, label in events
                if file == name
            ]
            lists.append(MetaDataContainer(rows))
        length = {"evaluated_length_seconds": duration_s} if hasattr(metrics, "time_resolution") else {}
        metrics.evaluate(reference_event_list=lists[0], estimated_event_list=lists[1], **length)
    per_class = metrics.results_class_wise_metrics()
    return {
        "macro": float(metrics.results_class_wise_average_metrics()["f_measure"]["f_measure"]),
        "micro": float(metrics.results_overall_metrics()["f_measure"]["f_measure"]),
        "per_class": _floats({name: row["f_measure"]["f_measure"] for name, row in per_class.items()}),
    }


def _psds_eval(case: dict[str, Any], parameters: dict[str, float]) -> dict[str, Any]:
    """A class without true positives has no F1 there (NaN) and does not count in the macro average."""
    import pandas as pd
    from psds_eval import PSDSEval

    columns = ["filename", "onset", "offset", "event_label"]
    counter = PSDSEval(
        ground_truth=pd.DataFrame(case["reference"], columns=columns),
        metadata=pd.DataFrame(case["durations"].items(), columns=["filename", "duration"]),
        class_names=case["labels"],
        **parameters,
    )
    with np.errstate(all="ignore"):
        macro, per_class = counter.compute_macro_f_score(pd.DataFrame(case["estimated"], columns=columns))
    return {"macro_of_found": float(macro), "per_class": _floats(per_class)}
