"""The query of a request: known names, each of its kind, and the rules of events that they make."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any, TypeVar

from starlette.datastructures import QueryParams

from htsat.engines.protocol import ModelDescription
from htsat.errors import did_you_mean
from htsat.rules import EventRules
from htsat.web.problems import BadRequestError

T = TypeVar("T")

RULES = {
    "median_filter": "median_filter_s",
    "clip_threshold": "clip_threshold",
    "max_gap": "max_gap_s",
    "min_duration": "min_duration_s",
}
"""Parameters that override single rules of the model."""

LONGEST_FILTER_S = 60.0
"""The frames that a median filter still needs are kept in memory."""

_MOST_DIGITS = 9
_NEVER = 1.0
"""A threshold that no probability exceeds."""


class Query:
    """The parameters of a request; each may be there once, but for lists.

    Raises:
        BadRequestError: for a name that is not `known`; from the methods, for a value of another kind.
    """

    def __init__(self, parameters: QueryParams, known: Collection[str]) -> None:
        self._parameters = parameters
        for name in parameters:
            if name not in known:
                raise BadRequestError(f"unknown parameter {name!r}{did_you_mean(name, known)}")

    def texts(self, name: str) -> list[str]:
        """All values of a parameter that may be there more than once."""
        return self._parameters.getlist(name)

    def count(self, name: str, default: int) -> int:
        """A whole number, 1 or more."""
        return self._parsed(name, _count, "a whole number, at least 1", default)

    def probability(self, name: str) -> float | None:
        """A number between 0 and 1."""
        return self._parsed(name, _probability, "a number between 0 and 1", None)

    def seconds(self, name: str) -> float | None:
        """A length of time, 0 or more."""
        return self._parsed(name, _seconds, "seconds, at least 0", None)

    def filter_seconds(self, name: str) -> float | None:
        """The length of a filter, which has an end."""
        expected = f"seconds, at least 0 and at most {LONGEST_FILTER_S:g}"
        return self._parsed(name, _filter_seconds, expected, None)

    def choice(self, name: str, choices: Collection[str], default: str) -> str:
        """One of some words."""
        return self._parsed(name, lambda text: _chosen(text, choices), " or ".join(choices), default)

    def _parsed(self, name: str, parse: Callable[[str], T], expected: str, default: T) -> T:
        values = self.texts(name)
        if len(values) > 1:
            raise BadRequestError(f"{name}: expected one value, got {len(values)}")
        if not values:
            return default
        try:
            return parse(values[0])
        except ValueError:
            raise BadRequestError(f"{name}: expected {expected}, got {values[0]!r}") from None


def chosen_rules(query: Query, model: ModelDescription) -> EventRules:
    """The model's own rules, of which `threshold`, those of `RULES` and `classes` override single ones.

    Raises:
        BadRequestError: for a value out of range, or a class that the model does not have.
        ConfigError: for rules that do not fit each other.
    """
    rules = replace(model.rules, **_overridden(query))
    threshold = query.probability("threshold")
    if threshold is not None:
        rules = replace(rules, thresholds=(threshold,) * len(model.labels))
    classes = query.texts("classes")
    return _only(rules, classes, model) if classes else rules


def _overridden(query: Query) -> dict[str, Any]:
    read = {"clip_threshold": query.probability, "median_filter": query.filter_seconds}
    given = {field: read.get(name, query.seconds)(name) for name, field in RULES.items()}
    return {field: value for field, value in given.items() if value is not None}


def _only(rules: EventRules, classes: list[str], model: ModelDescription) -> EventRules:
    for name in classes:
        if name not in model.labels:
            raise BadRequestError(
                f"classes: the model has no class {name!r}{did_you_mean(name, model.labels)}"
            )
    thresholds = tuple(
        threshold if label in classes else _NEVER
        for label, threshold in zip(model.labels, rules.thresholds, strict=True)
    )
    return replace(rules, thresholds=thresholds)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS and int(text)):
        raise ValueError
    return int(text)


def _probability(text: str) -> float:
    if not 0 <= float(text) <= 1:
        raise ValueError
    return float(text)


def _seconds(text: str) -> float:
    if not 0 <= float(text) < float("inf"):
        raise ValueError
    return float(text)


def _filter_seconds(text: str) -> float:
    if _seconds(text) > LONGEST_FILTER_S:
        raise ValueError
    return float(text)


def _chosen(text: str, choices: Collection[str]) -> str:
    if text not in choices:
        raise ValueError
    return text
