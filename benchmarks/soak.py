"""Six hours of a service and of live sound, as fast as they go: is anything lost, does memory grow.

Usage: python benchmarks/soak.py [service] [listen] [--hours 6] [-o soak.json] [--picture soak.png]

The day of the service has a visit every 2 s: recordings of 5 to 10 s to be tagged, detected and embedded,
forms, streams, wrong requests, broken bodies, clients that go away at every stage, and people on the page who
bring a recording, correct it and remove it (`soak_visits.py`). The sound is an hour with known events, again
and again. What was measured before and is not asked for again stays in the file. Exit code 1 if anything was
lost.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from machine import machine, summary
from soak_listen import soak_listen
from soak_service import soak_service

PARTS = {"service": soak_service, "listen": soak_listen}


def main() -> int:
    args = arguments()
    document = json.loads(args.output.read_text()) if args.output and args.output.exists() else {}
    print(summary(facts := machine()))
    for part in args.parts or PARTS:
        document[part] = {"machine": facts} | PARTS[part](args.hours)
        show(document[part])
    if args.output:
        args.output.write_text(json.dumps(document) + "\n")
    if args.picture:
        draw(document, args.picture)
    return 1 if any(is_faulty(part, document[part]) for part in document) else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help="service, listen (default: both)")
    parser.add_argument("--hours", type=float, default=6.0, help="of the day that is played")
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--picture", type=Path, help="memory by visits and by hours of sound")
    args = parser.parse_args()
    for part in args.parts:
        if part not in PARTS:
            parser.error(f"expected service or listen, got {part!r}")
    return args


def show(measured: dict[str, Any]) -> None:
    for name, value in measured.items():
        if name not in ("machine", "samples"):
            print(f"{name:>28}  {value}")


def is_faulty(part: str, measured: dict[str, Any]) -> bool:
    """Whether something was lost, wrong or late."""
    if part == "service":
        return bool(measured["lost"] or measured["wrong_answers"])
    return set(measured["found_per_hour"]) != {measured["planted_per_hour"]}


def draw(document: dict[str, Any], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3), layout="constrained")
    axes = figure.subplots(1, len(document), squeeze=False)[0]
    axis_of = {"service": (1.0, "visits"), "listen": (3600.0, "hours of sound")}
    for axis, (part, measured) in zip(axes, document.items(), strict=True):
        unit, name = axis_of[part]
        done, memory_mib = zip(*(sample[:2] for sample in measured["samples"]), strict=True)
        axis.plot([part_done / unit for part_done in done], memory_mib)
        axis.set(title=f"htsat {'serve' if part == 'service' else part}", xlabel=name, ylabel="memory (MiB)")
        axis.set_ylim(0, 1.2 * max(memory_mib))
        axis.grid(alpha=0.3)
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    sys.exit(main())
