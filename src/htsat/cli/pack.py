"""`htsat pack`: put many recordings into few tar shards."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

from tqdm import tqdm

from htsat.cli.labelled import read_labelled
from htsat.cli.parser import MAX_THREADS, Parser, count, count_to, target_path
from htsat.cli.terminal import say
from htsat.data.encoding import Format
from htsat.data.manifest import INDEX_NAME
from htsat.data.packing import Packing, pack

_DESCRIPTION = """Put the recordings of a manifest into tar shards with one index, SHARDS/index.parquet.
Commands take SHARDS as they take the manifest. Rows become recordings of their own, mono and cut to their
stretch. Killed at any moment, the same command goes on where it was."""
_EXAMPLE = "htsat pack data/audioset/manifest.tsv -o shards/audioset --format mp3 --jobs 8"


def main(argv: list[str]) -> int:
    """Run the command."""
    args = _parser().parse(argv)
    packing = Packing(format=args.format, sample_rate=args.sample_rate, shard_mb=args.shard_mb)
    manifest = read_labelled(args.source)
    with tqdm(total=len(manifest.clips), unit="clip", disable=not sys.stderr.isatty()) as bar:
        packed = pack(manifest, args.output, packing, args.jobs, bar.update)
    for broken in packed.broken:
        say(f"left out: {broken.reason}")
    print(f"{packed.n_clips} clips, {packed.n_shards} shards: {args.output / INDEX_NAME}")
    return 1 if packed.broken else 0


def _parser() -> Parser:
    parser = Parser("pack", _DESCRIPTION, _EXAMPLE)
    parser.add_argument("source", type=Path, metavar="DATA", help="manifest, or folder as for finetune")
    parser.add_argument(
        "-o", "--output", type=target_path, required=True, metavar="SHARDS", help="folder to write"
    )
    parser.add_argument(
        "--format", choices=get_args(Format), default="flac", help="flac keeps 16 bits (default: flac)"
    )
    parser.add_argument(
        "--sample-rate", type=count, metavar="HZ", help="of the shards (default: 32000, Opus 48000)"
    )
    parser.add_argument(
        "--shard-mb", type=float, default=1000.0, metavar="MB", help="size of a shard (default: 1000)"
    )
    parser.add_argument(
        "--jobs",
        type=count_to(MAX_THREADS),
        default=1,
        metavar="N",
        help="clips that are encoded at once (default: 1)",
    )
    return parser
