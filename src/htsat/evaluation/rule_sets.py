"""Rules of detection by the names of the classes, as files: `{"thresholds": {"Dog": 0.39, ...}, ...}`.

Every rule of `EventRules` may be there, under its name: one number for all classes, or one for each class by
its name; `boxes` hold those of `BoxRules`. What is not there is off.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import NamedTuple

from htsat.errors import ConfigError, HtsatError, did_you_mean
from htsat.evaluation.class_map import packaged, packaged_names
from htsat.labels import LabelSet
from htsat.rules import BoxRules, EventRules, PerClass


class NamedRules(NamedTuple):
    """Rules, and where they come from, in words."""

    source: str
    rules: EventRules


def read_rules(source: str, labels: LabelSet) -> NamedRules:
    """Rules that come with the package, by their name, or those of a file, for these classes.

    `desed-paper`: the thresholds that gave the paper's Table 3, and no other rule (official behaviour 12).

    Raises:
        ConfigError: when there are no such rules, or they are not those of these classes.
    """
    path = Path(source)
    file = path if path.is_file() else packaged("rule_sets", source, ".json")
    if file is None:
        known = packaged_names("rule_sets", ".json")
        raise ConfigError(
            f"no rules {source!r}{did_you_mean(source, known)} (a file, or one of: {', '.join(known)})"
        )
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{source}: is not JSON ({error})") from None
    try:
        return NamedRules(source, _rules(document, labels))
    except (HtsatError, OverflowError) as error:
        raise ConfigError(f"{source}: {error}") from None


def rules_document(rules: EventRules, labels: LabelSet) -> dict[str, object]:
    """The rules as `read_rules` finds them in a file."""
    return _by_name(asdict(rules), labels)


def _by_name(values: Mapping[str, object], labels: LabelSet) -> dict[str, object]:
    named: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            named[name] = _by_name(value, labels)
        else:
            named[name] = dict(zip(labels, value, strict=True)) if isinstance(value, tuple) else value
    return named


def _rules(document: object, labels: LabelSet) -> EventRules:
    values = _record(document, "rules", EventRules)
    if "thresholds" not in values:
        raise ConfigError("has no thresholds")
    boxes = values.pop("boxes", None)
    columns = {name: _per_class(name, value, labels) for name, value in values.items()}
    thresholds = columns.pop("thresholds")
    if not isinstance(thresholds, tuple):
        thresholds = (thresholds,) * len(labels)
    return EventRules(thresholds, **columns, boxes=_boxes(boxes, labels))


def _boxes(document: object, labels: LabelSet) -> BoxRules | None:
    if document is None:
        return None
    values = _record(document, "boxes", BoxRules)
    return BoxRules(**{name: _per_class(name, value, labels) for name, value in values.items()})


def _record(value: object, what: str, kind: type[EventRules] | type[BoxRules]) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ConfigError(f"expected {what} by their names, got {value!r:.60}")
    known = [field.name for field in fields(kind)]
    for name in value:
        if name not in known:
            raise ConfigError(f"unknown rule {name!r}{did_you_mean(name, known)}")
    return dict(value)


def _per_class(name: str, value: object, labels: LabelSet) -> PerClass:
    if not isinstance(value, dict):
        return _number(name, value)
    for label in value:
        labels.index(label)
    missing = [label for label in labels if label not in value]
    if missing:
        raise ConfigError(
            f"{name} lacks {len(missing)} of {len(labels)} classes, the first is {missing[0]!r}"
        )
    return tuple(_number(name, value[label]) for label in labels)


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{name} must be numbers, got {value!r:.60}")
    return float(value)
