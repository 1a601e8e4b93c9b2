from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from htsat.checkpoints import load_model, save_model
from htsat.cli.main import main
from htsat.formats import DetectedRecording, jsonl
from htsat.loading import load
from htsat.rules import BoxRules, EventRules

TUNED = EventRules((0.45, 0.5, 0.4), 0.1, (0.0, 0.1, 0.05), (0.1, 0.0, 0.2), 0.2)
BOXES = EventRules((0.45, 0.5, 0.4), min_duration_s=0.04, boxes=BoxRules((0.1, 0.06, 0.2), 0.01, 0.02))

Detect = Callable[..., str]


@pytest.fixture
def detect(model: Path, recordings: Path, tmp_path: Path) -> Callable[[EventRules], Detect]:
    """Of the small model with these rules: what `htsat detect` prints, in JSONL, and what the rules find."""
    network, card = load_model(model)

    def of(rules: EventRules) -> Detect:
        path = tmp_path / "tuned.safetensors"
        save_model(path, network, replace(card, rules=rules))
        options = ["--model", str(path), "--format", "jsonl", "-o", str(tmp_path / "events.jsonl")]

        def run(*arguments: str) -> str:
            assert main(["detect", str(recordings / "b.WAV"), *options, *arguments]) == 0
            return (tmp_path / "events.jsonl").read_text(encoding="utf-8")

        return run

    return of


@pytest.fixture
def found(model: Path, recordings: Path) -> Callable[[EventRules], str]:
    """What rules find in the recording, in JSONL."""
    recognizer, path = load(model), recordings / "b.WAV"

    def by(rules: EventRules) -> str:
        hearing = recognizer.hear(path, rules)
        assert hearing.events
        return jsonl.EVENTS.describe(DetectedRecording(str(path), hearing.duration_s, hearing.events))

    return by


@pytest.mark.parametrize("rules", [TUNED, BOXES])
def test_the_rules_of_the_model_apply(detect, found, rules: EventRules) -> None:  # type: ignore[no-untyped-def]
    assert detect(rules)() == found(rules)


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        (("--threshold", "0.3"), {"thresholds": (0.3,) * 3}),
        (("--median-filter", "0"), {"median_filter_s": 0.0}),
        (("--min-duration", "0.03", "--max-gap", "0.3"), {"min_duration_s": 0.03, "max_gap_s": 0.3}),
        (("--clip-threshold", "0.1"), {"clip_threshold": 0.1}),
    ],
)
def test_options_override_single_rules(detect, found, options, changes) -> None:  # type: ignore[no-untyped-def]
    assert detect(TUNED)(*options) == found(replace(TUNED, **changes))


def test_boxes_can_be_asked_for_and_declined(detect, found) -> None:  # type: ignore[no-untyped-def]
    low = ("--threshold", "0.3")
    usual = EventRules.usual((0.3,) * 3)
    boxes = EventRules((0.3,) * 3, min_duration_s=TUNED.min_duration_s, boxes=BoxRules())
    assert detect(TUNED)("--boxes", *low) == found(boxes)
    assert detect(TUNED)("--no-boxes") == found(TUNED)
    assert detect(BOXES)("--boxes") == found(BOXES)
    assert detect(BOXES)("--no-boxes", *low) == found(replace(usual, min_duration_s=0.04))


def test_boxes_have_no_rules_on_frames(model: Path, recordings: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    assert (
        main(["detect", str(recordings / "a.wav"), "--model", str(model), "--boxes", "--max-gap", "1"]) == 2
    )
    assert capsys.readouterr().err == "htsat: max_gap_s is a rule on frames and must be 0 for boxes\n"
