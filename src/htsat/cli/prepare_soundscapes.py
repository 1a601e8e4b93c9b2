"""`htsat prepare soundscapes`: recordings with exact strong labels, mixed from labelled clips."""

from __future__ import annotations

import argparse
import io
import re
import sys
from argparse import Namespace
from pathlib import Path

from tqdm import tqdm

from htsat.audio import SUFFIXES
from htsat.cli.labelled import read_labelled
from htsat.cli.main import EXIT_FAILED
from htsat.cli.parser import MAX_THREADS, Parser, count, count_to, probability, seconds, target_path
from htsat.cli.terminal import say
from htsat.data.soundscapes.activity import Activity
from htsat.data.soundscapes.pool import Pool, find_pool
from htsat.data.soundscapes.recipe import Range, Recipe
from htsat.data.soundscapes.sources import Choice, choose, read_backgrounds
from htsat.data.soundscapes.write import Order, Written, write_soundscapes

_DESCRIPTION = """Mix recordings with exact strong labels from the sounds of labelled clips. A recording
depends on its number, the seed and the sounds alone. Interrupted, the same command goes on where it was."""
_EXAMPLE = "htsat prepare soundscapes data/esc50 -o data/scenes --fold 1,2,3 --classes dog,rooster --n 500"
_ATTRIBUTION = "ATTRIBUTION.md"
_CREDIT = re.compile(r"- `(.+?)`")
"""How a line about one clip begins."""
_RANGE = re.compile(r"(-?[\d.]+)(?:-(-?[\d.]+))?")
_N_SHOWN = 10


def run(argv: list[str]) -> int:
    """Run the command."""
    args = _parser().parse(argv)
    recipe = _recipe(args)
    choice = _choice(args)
    n_clips = len(choice.clips) + len(choice.backgrounds)
    with tqdm(total=n_clips, unit="clip", desc="sounds", disable=not sys.stderr.isatty(), leave=False) as bar:
        pool = find_pool(choice, recipe, args.jobs, bar.update)
    _name_problems(pool)
    order = Order(args.n, args.as_fold, _attribution(args, pool))
    with tqdm(total=args.n, unit="recording", disable=not sys.stderr.isatty(), leave=False) as bar:
        written = write_soundscapes(pool, recipe, order, args.output, args.jobs, bar.update)
    _summarise(written, args.output / "manifest.tsv")
    return EXIT_FAILED if any(one.is_broken for one in pool.skipped) else 0


def _recipe(args: Namespace) -> Recipe:
    return Recipe(
        duration_s=args.duration,
        sample_rate=args.sample_rate,
        seed=args.seed,
        n_events=args.events_per_recording,
        snr_db=args.snr,
        max_overlap=args.max_overlap,
        longest_s=args.longest,
        fade_s=args.fade_ms / 1000,
        background_db=args.background_level,
        reverberation=args.reverberation,
        rt60_s=args.rt60,
        n_groups=args.groups,
        activity=Activity(args.threshold, args.gap, args.shortest),
    )


def _choice(args: Namespace) -> Choice:
    manifest = read_labelled(args.source.absolute())
    choice = choose(manifest, args.fold, args.classes, args.background_classes)
    if args.background is None:
        return choice
    return choice._replace(backgrounds=read_backgrounds(args.background.absolute(), SUFFIXES))


def _attribution(args: Namespace, pool: Pool) -> str:
    """Whom the sources thank, without the lines of clips that are not heard."""
    sources = [source for source in (args.source, args.background) if source is not None]
    files = [(source if source.is_dir() else source.parent) / _ATTRIBUTION for source in sources]
    heard = {sound.clip.path.name for sound in pool.sounds()}
    lines = [
        line
        for path in dict.fromkeys(files)
        if path.is_file()
        for line in io.StringIO(path.read_text(encoding="utf-8", errors="surrogateescape"))
    ]
    named = [_CREDIT.match(line) for line in lines]
    return "".join(line for line, name in zip(lines, named, strict=True) if not name or name[1] in heard)


def _name_problems(pool: Pool) -> None:
    for one in [one for one in pool.skipped if one.is_broken]:
        say(f"left out: {one.reason}")
    unfit = [one.reason for one in pool.skipped if not one.is_broken]
    for reason in unfit[:_N_SHOWN]:
        say(f"not used: {reason}")
    if len(unfit) > _N_SHOWN:
        say(f"not used: {len(unfit) - _N_SHOWN:,} more clips, see recipe.json")


def _summarise(written: Written, manifest: Path) -> None:
    width = max(map(len, written.n_events))
    print("\n".join(f"{label:<{width}} {n:6d} events" for label, n in written.n_events.items()))
    if written.n_without_place:
        print(f"{written.n_without_place} events that were drawn found no place")
    n_events = sum(written.n_events.values())
    print(f"{written.n_recordings} recordings, {n_events} events, {written.n_groups} groups: {manifest}")


def _range(text: str) -> Range:
    """`MIN-MAX`, or one number for both; numbers may be negative."""
    match = _RANGE.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        return Range(float(match[1]), float(match[2] or match[1]))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected MIN-MAX, got {text!r}") from None


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _decibels(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number of dB, got {text!r}") from None


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number, at least 0, got {text!r}")
    return int(text)


def _parser() -> Parser:
    parser = Parser("prepare soundscapes", _DESCRIPTION, _EXAMPLE)
    add = parser.add_argument
    add("source", type=Path, metavar="DATA", help="manifest of labelled clips, or folder as for finetune")
    add("-o", "--output", type=target_path, required=True, metavar="FOLDER", help="folder to write")
    add("--n", type=count, default=1000, metavar="N", help="recordings (default: 1000)")
    add("--duration", type=seconds, default=10.0, metavar="S", help="of each (default: 10)")
    add("--sample-rate", type=count, default=32_000, metavar="HZ", help="(default: 32000)")
    add("--seed", type=_whole, default=0, metavar="N", help="other numbers, other recordings (default: 0)")
    add("--as-fold", metavar="NAME", help="fold that the recordings are given (default: none)")
    add(
        "--groups",
        type=count,
        metavar="N",
        help="deal the sources into so many groups that share none; a recording is made of one "
        "(default: 5, or as many as each class has sources for)",
    )
    add("--jobs", type=count_to(MAX_THREADS), default=1, metavar="N", help="threads (default: 1)")
    _add_sources(parser)
    _add_mixture(parser)
    return parser


def _add_sources(parser: Parser) -> None:
    group = parser.add_argument_group("sounds")
    add = group.add_argument
    add("--fold", type=_names, default=[], metavar="A,B", help="take clips of these folds (default: all)")
    add("--classes", type=_names, default=[], metavar="A,B", help="classes of the events (default: all)")
    _add_backgrounds(group.add_mutually_exclusive_group())
    add(
        "--threshold",
        type=_decibels,
        default=25.0,
        metavar="DB",
        help="a sound is at most so far below the loudest place of its clip (default: 25)",
    )
    add(
        "--gap",
        type=seconds,
        default=0.5,
        metavar="S",
        help="longer silences part a clip into several sounds (default: 0.5)",
    )
    add("--shortest", type=seconds, default=0.1, metavar="S", help="pass over shorter sounds (default: 0.1)")
    add(
        "--longest",
        type=_range,
        default=Range(2.0, 6.0),
        metavar="MIN-MAX",
        help="cut longer sounds to a length drawn from here, in seconds (default: 2-6)",
    )


def _add_backgrounds(group: argparse._MutuallyExclusiveGroup) -> None:
    group.add_argument(
        "--background",
        type=Path,
        metavar="PATH",
        help="folder or manifest of recordings to hear behind the events (default: noise is made)",
    )
    group.add_argument(
        "--background-classes",
        type=_names,
        default=[],
        metavar="A,B",
        help="take these classes of DATA as backgrounds; they are not labelled",
    )


def _add_mixture(parser: Parser) -> None:
    add = parser.add_argument_group("mixture").add_argument
    add(
        "--events-per-recording",
        type=_range,
        default=Range(1, 5),
        metavar="MIN-MAX",
        help="(default: 1-5)",
    )
    add(
        "--snr",
        type=_range,
        default=Range(6.0, 30.0),
        metavar="MIN-MAX",
        help="dB of an event over the background meanwhile; below 0 as --snr=-5-10 (default: 6-30)",
    )
    add("--max-overlap", type=count, default=2, metavar="N", help="events at any instant (default: 2)")
    add("--fade-ms", type=float, default=10.0, metavar="MS", help="at both ends of events (default: 10)")
    add(
        "--background-level",
        type=_range,
        default=Range(-50.0, -35.0),
        metavar="MIN-MAX",
        help="dB of full scale, as --background-level=-50--35 (the default)",
    )
    add(
        "--reverberation",
        type=probability,
        default=0.0,
        metavar="SHARE",
        help="share of the events that are heard in a room (default: 0)",
    )
    add(
        "--rt60",
        type=_range,
        default=Range(0.2, 0.8),
        metavar="MIN-MAX",
        help="reverberation times of the rooms in seconds (default: 0.2-0.8)",
    )
