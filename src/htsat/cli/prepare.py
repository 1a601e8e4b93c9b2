"""`htsat prepare`: check a data set and write the manifest that training reads."""

from __future__ import annotations

import sys
from pathlib import Path

from htsat.cli.parser import Parser
from htsat.data.manifest import write_manifest
from htsat.data.prepare.esc50 import read_esc50
from htsat.files import atomic_path

_DESCRIPTION = "Check a data set and write DATASET/manifest.tsv, labels.txt and ATTRIBUTION.md."
_EXAMPLE = "htsat prepare esc50 ESC-50-master -o data/esc50 --licences CC0,CC-BY"


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = Parser("prepare", _DESCRIPTION, _EXAMPLE)
    parser.add_argument("kind", choices=["esc50"], help="which data set")
    parser.add_argument("source", type=Path, metavar="SOURCE", help="its folder")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DATASET", help="folder to write")
    parser.add_argument(
        "--licences", default="", metavar="A,B", help="keep only clips with these licences (default: all)"
    )
    args = parser.parse(argv)
    licences = [name for name in args.licences.split(",") if name]
    data = read_esc50(args.source.absolute(), licences)
    write_manifest(args.output / "manifest.tsv", data.manifest)
    with atomic_path(args.output / "ATTRIBUTION.md") as temporary:
        temporary.write_text(data.attribution(), encoding="utf-8")
    for name in data.missing:
        print(f"htsat: {name}: listed, but not there", file=sys.stderr)
    n_clips, n_classes = len(data.manifest.clips), len(data.manifest.labels)
    print(f"{n_clips} clips, {n_classes} classes: {args.output / 'manifest.tsv'}")
    return 1 if data.missing else 0
