"""What is installed beside htsat: bounded on both sides, and under licences that bind nobody else."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
FOR_DEVELOPMENT = {"test", "reference", "docs", "dev"}
FOR_USERS = sorted({*EXTRAS} - FOR_DEVELOPMENT)
HTSAT = "htsat"

COPYLEFT = re.compile(r"\b(A?GPL|GNU (Affero )?General Public)", re.IGNORECASE)
"""The GPL and AGPL. The LGPL, of soxr, permits use as a library: it does not match."""


def requirements(lines: list[str]) -> Iterator[Requirement]:
    """Those on other packages."""
    yield from (one for one in map(Requirement, lines) if one.name != HTSAT)


ALL = [*requirements([*PROJECT["dependencies"], *(line for lines in EXTRAS.values() for line in lines)])]


@pytest.mark.parametrize("requirement", sorted({str(one) for one in ALL}))
def test_every_dependency_is_bounded_on_both_sides(requirement: str) -> None:
    operators = {bound.operator for bound in Requirement(requirement).specifier}
    assert "==" in operators or ({">=", ">"} & operators and {"<", "<=", "~="} & operators)


def test_extras_of_several_kinds_agree() -> None:
    """A package that two extras bring has the same bounds in both: users may install any two."""
    bounds: dict[str, set[str]] = {}
    for name in FOR_USERS:
        for one in requirements(EXTRAS[name]):
            bounds.setdefault(canonicalize_name(one.name), set()).add(str(one.specifier))
    assert {name: found for name, found in bounds.items() if len(found) > 1} == {}


@pytest.mark.parametrize("extra", ["", *FOR_USERS])
def test_what_is_installed_is_within_the_bounds(extra: str) -> None:
    """So the newest versions that were tested are those that the upper bounds admit."""
    lines = EXTRAS[extra] if extra else PROJECT["dependencies"]
    outside = {
        f"{one}: {there.version}"
        for one in requirements(lines)
        if (there := installed(one.name)) and not one.specifier.contains(there.version, prereleases=True)
    }
    assert outside == set()


@pytest.mark.parametrize("extra", ["", *FOR_USERS])
def test_no_licence_binds_what_uses_it(extra: str) -> None:
    """Everything that the extra brings, and what that brings, as far as it is installed here."""
    lines = EXTRAS[extra] if extra else PROJECT["dependencies"]
    found = {name: licence_of(package) for name, package in closure(lines).items()}
    assert {name: text for name, text in found.items() if COPYLEFT.search(text)} == {}
    if not extra:
        assert {"numpy", "onnxruntime", "soundfile", "soxr", "starlette"} <= found.keys()
        assert all(found.values()), "each says what its licence is"


@pytest.mark.parametrize(
    ("text", "binds"),
    [
        ("GPL-3.0-or-later", True),
        ("GNU General Public License v3 (GPLv3)", True),
        ("AGPL-3.0", True),
        ("LGPL-2.1-or-later", False),
        ("GNU Lesser General Public License v3 (LGPLv3)", False),
        ("MIT", False),
    ],
)
def test_which_licences_do(text: str, binds: bool) -> None:
    assert bool(COPYLEFT.search(text)) == binds


def installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def closure(lines: list[str]) -> dict[str, Distribution]:
    """The packages that requirements bring, at any depth, by their names."""
    waiting = [Requirement(line) for line in lines]
    found: dict[str, Distribution] = {}
    seen: set[str] = set()
    while waiting:
        one = waiting.pop()
        if str(one) in seen:
            continue
        seen.add(str(one))
        if canonicalize_name(one.name) == HTSAT:
            waiting += [Requirement(line) for extra in one.extras for line in EXTRAS[extra]]
        elif package := installed(one.name):
            found[canonicalize_name(one.name)] = package
            waiting += wanted(package, one.extras)
    return found


def wanted(package: Distribution, extras: set[str]) -> list[Requirement]:
    """What a package needs on this machine, with some of its extras."""
    environments = [{"extra": extra} for extra in ("", *extras)]
    needed = map(Requirement, package.requires or ())
    return [one for one in needed if one.marker is None or any(map(one.marker.evaluate, environments))]


def licence_of(package: Distribution) -> str:
    """What it says of its licence: as an expression, as classifiers, or in words, of which the first line."""
    about = package.metadata
    classified = [line for line in about.get_all("Classifier") or () if line.startswith("License ::")]
    words = (about.get("License") or "").strip().split("\n")[0]
    return about.get("License-Expression") or "; ".join(classified) or words
