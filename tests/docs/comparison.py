"""Output that a page shows, beside what came.

Words must be the same, spaces and empty lines do not count. A line `...` stands for any lines. Whole numbers
must be the same; others may be off by 2 % or by two units of the last place that is shown, as runtimes and
processors round differently. Lines that begin with `htsat: ` are messages: those shown must have come.
"""

from __future__ import annotations

import re

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.])")
_MESSAGE = "htsat: "
_ANY_LINES = "..."


def difference(shown: str, came: str, messages: str = "") -> str | None:
    """What is shown and did not come, in one line; None if all did."""
    lines = [line for line in shown.splitlines() if line.strip()]
    told = [line for line in messages.splitlines() if line.startswith(_MESSAGE)]
    for line in lines:
        if line.startswith(_MESSAGE) and not any(same_line(line, other) for other in told):
            return f"no message {line!r}, but {told}"
    results = [line for line in lines if not line.startswith(_MESSAGE)]
    return _first_difference(results, [line for line in came.splitlines() if line.strip()])


def same_line(shown: str, came: str) -> bool:
    """Whether two lines say the same, but for the last digits of their numbers."""
    if _NUMBER.sub("#", shown).split() != _NUMBER.sub("#", came).split():
        return False
    pairs = zip(_NUMBER.findall(shown), _NUMBER.findall(came), strict=True)
    return all(_same_number(*pair) for pair in pairs)


def _first_difference(shown: list[str], came: list[str]) -> str | None:
    if not shown:
        return f"came, and is not shown: {came[0]!r}" if came else None
    if shown[0] == _ANY_LINES:
        ends = [_first_difference(shown[1:], came[start:]) for start in range(len(came) + 1)]
        return None if None in ends else ends[0]
    if not came:
        return f"shown, but nothing came: {shown[0]!r}"
    if not same_line(shown[0], came[0]):
        return f"shown {shown[0]!r}, came {came[0]!r}"
    return _first_difference(shown[1:], came[1:])


def _same_number(shown: str, came: str) -> bool:
    if "." not in shown and "e" not in shown:
        return shown == came
    digits, _, exponent = shown.partition("e")
    n_places = len(digits.partition(".")[2]) - int(exponent or 0)
    tolerance = max(0.02 * abs(float(shown)), 2.01 * 10.0**-n_places)
    return abs(float(shown) - float(came)) <= tolerance
