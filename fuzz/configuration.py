"""Settings, rules and the state of runs: `python fuzz/configuration.py -max_total_time=60`."""

from __future__ import annotations

from pathlib import Path

import atheris

with atheris.instrument_imports(include=["htsat"]):
    from htsat.bulk.journal import Journal
    from htsat.cli.learning import read_settings
    from htsat.evaluation.rule_sets import read_rules
    from htsat.labels import LabelSet
    from htsat.training.history import read_history
    from htsat.training.teaching.folder import Sizes, read_facts

from harness import fuzz

LABELS = LabelSet.of(["a", "b"])


def journal(path: Path) -> None:
    """A record of a unit; damaged ones are None."""
    own = Journal(path.with_suffix(""), ".csv")
    own.begin()
    (own.state / "units" / "key.json").write_bytes(path.read_bytes())
    own.record("key")
    own.done()


def history(path: Path) -> None:
    """Settings and log of a run, with a line between."""
    folder = path.with_suffix("")
    folder.mkdir(exist_ok=True)
    settings, _, log = path.read_bytes().partition(b"\n")
    (folder / "experiment.json").write_bytes(settings)
    (folder / "log.jsonl").write_bytes(log)
    read_history(folder)


def teaching(path: Path) -> None:
    """What a folder of answers says."""
    folder = path.with_suffix("")
    folder.mkdir(exist_ok=True)
    (folder / "answers.json").write_bytes(path.read_bytes())
    facts = read_facts(folder)
    Sizes(facts["n_passes"], 3, facts["top_k"], facts["n_frames"]).arrays()


if __name__ == "__main__":
    readers = {
        "settings.yaml": read_settings,
        "rules.json": lambda path: read_rules(str(path), LABELS),
        "journal.json": journal,
        "history.txt": history,
        "teaching.json": teaching,
    }
    seeds = {
        "settings.yaml": b"base: finetune\noptimisation: {epochs: 3, learning_rate_steps: [[0, 1e-3]]}\n",
        "rules.json": b'{"thresholds": {"a": 0.5, "b": 1}, "max_gap_s": 2, "boxes": {"step_s": 1}}',
        "journal.json": b'{"n_recordings": 2, "failures": [["a", "b"]], "heard_s": 1, "took_s": 1, '
        b'"files": ["x"]}',
        "history.txt": b'{"a": 1}\n{"event": "step", "loss": 1}\n',
        "teaching.json": b'{"format_version": 2, "questions": {}, "teachers": [], "n_passes": 1, "top_k": 2, '
        b'"n_frames": null, "n_answered": 3}',
    }
    fuzz(readers, seeds)
