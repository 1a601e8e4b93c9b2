"""Settings, rules and states of runs that were made to do harm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from htsat.bulk.journal import Journal, Record
from htsat.cli.learning import read_settings
from htsat.errors import ConfigError, DataError, HtsatError
from htsat.evaluation.rule_sets import read_rules
from htsat.formats.embeddings import Origin
from htsat.labels import LabelSet
from htsat.training.history import read_history
from htsat.training.teaching.folder import read_facts

LABELS = LabelSet.of(["a", "b"])
DEEP = "[" * 100_000
DIGITS = "9" * 5000
LAUGHS = "a: &a [1, 1]\n" + "".join(f"b{n}: &b{n} [*{'a' if n == 0 else f'b{n - 1}'}]\n" for n in range(40))

SETTINGS = {
    "laughs": LAUGHS,
    "a circle": "a: &a [*a]",
    "a command": "a: !!python/object/apply:os.system ['touch executed']",
    "a name": "a: !!python/name:os.system",
    "deep": DEEP,
    "deep maps": "{a: " * 50_000,
    "digits": f"a: {DIGITS}",
    "a date": "a: 2001-99-99",
    "base": "base: 0.5",
    "other base": "base: ../../../etc/passwd",
    "bytes": b"\xff\xfe\x00",
    "nul": "a: \0",
    "list": "[1]",
    "unhashable": "{[1]: 2, {a: 1}: 3}",
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_that_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    content = SETTINGS[name]
    path = tmp_path / "a.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError) as caught:
        read_settings(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert list(tmp_path.iterdir()) == [path]


RULES = [DEEP, f'{{"thresholds": {DIGITS}}}', '{"thresholds": 1' + "0" * 400 + "}", '{"thresholds": NaN}']
RULES += [
    '{"thresholds": {"a": 1e999, "b": 1}}',
    '{"thresholds": true}',
    "[]",
    "\0",
    '{"thresholds": {"a": 1}}',
]
RULES += ['{"thresholds": 1, "boxes": []}', '{"thresholds": 1, "max_gap_s": -1}', '{"thresholds": {"c": 1}}']


@pytest.mark.parametrize("text", RULES, ids=range(len(RULES)))
def test_rules_that_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_rules(str(path), LABELS)
    assert "\n" not in str(caught.value)


ORIGIN = {"model": "a", "sha256": "b", "per": "clip", "span_s": 1, "overlap": 0, "probe": [1], "version": "1"}


@pytest.mark.parametrize("changes", [{"span_s": 10**400}, {"probe": [10**400]}, {"probe": 1}, {"per": "x"}])
def test_origins_of_embeddings_that_are_refused(changes: dict[str, Any]) -> None:
    for text in (json.dumps(ORIGIN | changes), DEEP, "[]", "\0"):
        with pytest.raises(DataError):
            Origin.from_json(text, Path("a"))


FACTS = {"format_version": 2, "questions": {}, "teachers": [], "n_passes": 1, "top_k": 2, "n_frames": None}
FACTS["n_answered"] = 3


@pytest.mark.parametrize(
    "changes",
    [
        {"n_passes": "x"},
        {"top_k": -1},
        {"n_frames": 2**70},
        {"n_answered": None},
        {"n_passes": True},
        {"questions": 1},
    ],
)
def test_answers_of_a_teacher_that_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    for text in (json.dumps(FACTS | changes), DEEP, "[]", DIGITS):
        (tmp_path / "answers.json").write_text(text, encoding="utf-8")
        with pytest.raises(DataError):
            read_facts(tmp_path)


@pytest.mark.parametrize(
    "log", [DEEP, DIGITS, "[]", '{"event": "step"}', '{"event": "step", "loss": 1e999, "step": []}']
)
def test_logs_of_runs_that_are_refused(tmp_path: Path, log: str) -> None:
    (tmp_path / "experiment.json").write_text("{}", encoding="utf-8")
    (tmp_path / "log.jsonl").write_text(f"{log}\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_history(tmp_path)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("name", ["../precious.txt", "/precious.txt", "a/../../precious.txt"])
def test_a_record_removes_nothing_outside_of_its_run(tmp_path: Path, name: str) -> None:
    """Results of recordings that are gone are removed by the names in their records."""
    precious = tmp_path / "precious.txt"
    precious.write_text("mine", encoding="utf-8")
    name = str(precious) if name.startswith("/") else name
    journal = Journal(tmp_path / "run", None)
    journal.begin()
    record = Record(1, (), None, 1.0, (name,))
    path = journal.state / "units" / "key.json"
    path.write_text(json.dumps(record._asdict()), encoding="utf-8")
    assert journal.record("key") is None
    assert journal.done() == {}
    journal.forget_others([], iter(()))
    assert precious.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    "text",
    [
        *(DEEP, DIGITS, "[]", "{}", '{"failures": [1]}', '{"failures": [], "x": 1}', "\0"),
        '{"n_recordings": "1", "failures": [], "heard_s": null, "took_s": 1}',
        '{"n_recordings": 1, "failures": [], "heard_s": "1", "took_s": 1}',
        '{"n_recordings": 1, "failures": [], "heard_s": null, "took_s": null}',
    ],
)
def test_records_that_are_damaged_count_as_none(tmp_path: Path, text: str) -> None:
    journal = Journal(tmp_path, ".csv")
    journal.begin()
    (journal.state / "units" / "key.json").write_text(text, encoding="utf-8")
    journal.part("key").touch()
    assert journal.record("key") is None
    assert journal.done() == {}


@settings(max_examples=80, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    text=st.lists(
        st.sampled_from([*"&*!|>%@`{}[],:?-#'\"\n\t \0", "base", "<<", "1e9"]) | st.text(max_size=3),
        max_size=20,
    )
)
def test_any_settings_are_read_or_refused(tmp_path: Path, text: list[str]) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("".join(text), encoding="utf-8", errors="surrogatepass")
    message = ""
    try:
        read_settings(path)
    except HtsatError as error:
        message = str(error)
    assert "\n" not in message
