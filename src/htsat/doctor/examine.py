"""All checks, each run in a process of its own, and what they come to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from htsat.doctor.checks import checks
from htsat.doctor.findings import Check, Finding
from htsat.errors import HtsatError, last_line

LIMIT_S = 180.0
"""How long a check may take; importing torch from a slow disk takes a minute."""
_N_AT_ONCE = 3
_CHILD = "import sys; from htsat.doctor.examine import answer; answer(*sys.argv[1:])"


class Examined(NamedTuple):
    """A check and what it has found, at least one thing."""

    check: Check
    findings: list[Finding]


def examine(chosen: Sequence[Check] | None = None) -> Iterator[Examined]:
    """Run the checks, all there are if none are chosen; each is told when it and those before it are done."""
    looked_at = checks() if chosen is None else chosen
    with ThreadPoolExecutor(_N_AT_ONCE) as pool:
        yield from map(Examined, looked_at, pool.map(look, looked_at))


def can_listen(examined: Iterable[Examined]) -> bool:
    """Whether something decodes, something resamples, and some engine hears what it should."""
    works = {check.role for check, findings in examined if findings[0].state == "ok"}
    return {"decoder", "resampler", "engine"} <= works


def look(check: Check) -> list[Finding]:
    """What a check finds; never raises."""
    absent = [module for module in check.packages if not _is_there(module)]
    if absent:
        detail = f"{check.purpose} (not installed: {', '.join(absent)})"
        return [Finding(check.name, "broken" if check.is_required else "missing", detail, check.fix)]
    try:
        return _isolated(check)
    except Exception as error:  # a doctor who faints helps nobody
        return check.broken(_words(error))


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # a module that was put out of reach
        return False


def _isolated(check: Check) -> list[Finding]:
    """Run a check in a process of its own, which finds the same modules as this one."""
    with tempfile.TemporaryDirectory() as folder:
        path, complaints = Path(folder) / "answer.json", Path(folder) / "complaints.txt"
        command = [sys.executable, "-c", _CHILD, json.dumps(check), str(path)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        nothing = subprocess.DEVNULL
        with complaints.open("wb") as told:
            code = subprocess.run(
                command,
                env=environment,
                stdin=nothing,
                stdout=nothing,
                stderr=told,
                timeout=LIMIT_S,
                check=False,
            ).returncode
        if path.is_file():
            return [Finding(*values) for values in json.loads(path.read_text(encoding="utf-8"))]
        lines = complaints.read_text(encoding="utf-8", errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "it gave no reason")
        return check.broken(f"{_ending(code)}: {last[:200]}")


def _ending(code: int) -> str:
    """How a process ended that gave no answer."""
    if code >= 0:
        return f"ended with {code}"
    return f"crashed ({signal.strsignal(-code) or -code})"


def _words(error: Exception) -> str:
    """What went wrong, in one line."""
    if isinstance(error, subprocess.TimeoutExpired):
        return f"gave no answer within {error.timeout:.3g} s"
    return (
        last_line(error) if isinstance(error, HtsatError) else f"{type(error).__name__}: {last_line(error)}"
    )


def answer(encoded: str, path: str) -> None:
    """Run one check in this process and write what it finds; what it raises is a finding."""
    section, name, function, packages, *rest = json.loads(encoded)
    check = Check(section, name, function, tuple(packages), *rest)
    module, _, called = function.partition(":")
    try:
        findings = getattr(import_module(module), called)(check)
    except Exception as error:  # of any library
        findings = check.broken(_words(error))
    written = Path(f"{path}.part")
    written.write_text(json.dumps(findings), encoding="utf-8")
    written.replace(path)
