"""`htsat doctor`: what works on this machine, what is missing, and what mends it."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from htsat.cli.main import EXIT_FAILED
from htsat.cli.parser import Parser
from htsat.doctor.checks import checks
from htsat.doctor.examine import Examined, can_listen, examine
from htsat.doctor.findings import Finding

_DESCRIPTION = """Look at everything that listening needs, and at what it can use beside: decoders are tried
on small sounds, engines on the packaged model. Exit code 0 if recordings can be listened to, else 1."""
_EXAMPLE = "htsat doctor"
_MARKS = {"ok": "ok", "missing": "--", "broken": "!!"}
_MAX_COLUMNS, _MIN_COLUMNS = 110, 30


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = Parser("doctor", _DESCRIPTION, _EXAMPLE)
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    args = parser.parse(argv)
    examined = list(examine()) if args.json else list(_told(examine()))
    if args.json:
        print(json.dumps(_record(examined), indent=2, ensure_ascii=False))
    else:
        print("\n".join(["", *_verdict(examined)]))
    return 0 if can_listen(examined) else EXIT_FAILED


def _record(examined: Sequence[Examined]) -> dict[str, object]:
    findings = [
        {"section": check.section, **finding._asdict()} for check, found in examined for finding in found
    ]
    return {"can_listen": can_listen(examined), "findings": findings}


def _told(examined: Iterable[Examined]) -> Iterator[Examined]:
    """Print each finding as it comes, in sections."""
    width = max(len(check.name) for check in checks())
    columns = min(shutil.get_terminal_size().columns, _MAX_COLUMNS)
    section = ""
    for one in examined:
        if one.check.section != section:
            print(f"\n{one.check.section}" if section else one.check.section)
            section = one.check.section
        for finding in one.findings:
            print("\n".join(_lines(finding, width, columns)), flush=True)
        yield one


def _lines(finding: Finding, width: int, columns: int) -> Iterator[str]:
    """A line with a mark, and what mends it below."""
    head = f"  {_MARKS[finding.state]}  {finding.name:<{width}}  "
    space = max(columns - len(head), _MIN_COLUMNS)
    for number, line in enumerate(
        textwrap.wrap(finding.detail, space, break_long_words=False, break_on_hyphens=False)
    ):
        yield (head if number == 0 else " " * len(head)) + line
    if finding.fix:
        yield f"{' ' * len(head)}-> {finding.fix}"


def _verdict(examined: Sequence[Examined]) -> Iterator[str]:
    broken = [finding.name for _, found in examined for finding in found if finding.state == "broken"]
    yield "htsat can listen." if can_listen(examined) else "htsat cannot listen."
    if broken:
        yield f"To be mended (!!): {', '.join(broken)}."
