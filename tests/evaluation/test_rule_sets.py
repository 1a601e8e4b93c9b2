import json

import pytest

from htsat.errors import ConfigError
from htsat.evaluation.rule_sets import NamedRules, read_rules, rules_document
from htsat.labels import LabelSet
from htsat.rules import BoxRules, EventRules

LABELS = LabelSet(("Dog", "Cat"))


def test_the_thresholds_of_the_paper_and_nothing_else():
    labels = LabelSet.named("desed")
    source, rules = read_rules("desed-paper", labels)
    assert source == "desed-paper"
    assert rules == EventRules(rules.thresholds)
    assert dict(zip(labels, rules.thresholds, strict=True)) == {
        "Alarm_bell_ringing": 0.18,
        "Blender": 0.48,
        "Cat": 0.51,
        "Dishes": 0.2,
        "Dog": 0.39,
        "Electric_shaver_toothbrush": 0.2,
        "Frying": 0.2,
        "Running_water": 0.23,
        "Speech": 0.275,
        "Vacuum_cleaner": 0.14,
    }


def test_rules_are_given_by_the_names_of_the_classes(tmp_path):
    path = tmp_path / "rules.json"
    path.write_text(json.dumps({"thresholds": {"Cat": 0.2, "Dog": 0.3}, "max_gap_s": 1}))
    assert read_rules(str(path), LABELS) == NamedRules(str(path), EventRules((0.3, 0.2), max_gap_s=1.0))
    path.write_text(json.dumps({"thresholds": 0.4}))
    assert read_rules(str(path), LABELS).rules == EventRules((0.4, 0.4))


@pytest.mark.parametrize(
    "rules",
    [
        EventRules((0.3, 0.2), median_filter_s=(0.1, 0.5), max_gap_s=0.3, clip_threshold=0.1),
        EventRules((0.3, 0.2), min_duration_s=0.2, boxes=BoxRules(step_s=(0.3, 0.4), max_dip=0.1)),
    ],
)
def test_what_a_report_holds_can_be_read_again(tmp_path, rules):
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(rules_document(rules, LABELS)))
    assert read_rules(str(path), LABELS).rules == rules


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[1]", r"expected rules by their names, got \[1\]"),
        ("{}", "has no thresholds"),
        ('{"threshold": 0.5}', "unknown rule 'threshold'; did you mean 'thresholds'"),
        ('{"thresholds": 2}', r"thresholds must be between 0 and 1, got 2\.0"),
        ('{"thresholds": true}', "thresholds must be numbers, got True"),
        ('{"thresholds": {"Dog": 0.5}}', "thresholds lacks 1 of 2 classes, the first is 'Cat'"),
        ('{"thresholds": {"Dog": 0.5, "Cta": 0.5}}', "unknown class 'Cta'; did you mean 'Cat'"),
        ('{"thresholds": 0.5, "boxes": {"step": 1}}', "unknown rule 'step'; did you mean 'step_s'"),
        ('{"thresholds": 0.5, "boxes": 1}', "expected boxes by their names, got 1"),
        ('{"thresholds": 0.5, "boxes": {}, "max_gap_s": 1}', "max_gap_s is a rule on frames"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_file(tmp_path, text, message):
    path = tmp_path / "rules.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=rf"rules\.json: {message}"):
        read_rules(str(path), LABELS)


def test_unknown_rules_are_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"no rules 'desed-papre'; did you mean 'desed-paper'\? \(a file"):
        read_rules("desed-papre", LABELS)
