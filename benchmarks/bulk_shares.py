"""How units are dealt to machines: how even shares are, and what comes of lists made at different times.

Usage: python benchmarks/bulk_shares.py [--recordings 1000000] [--shares 8] [--draws 5]

Units are drawn as `htsat.bulk.units` cuts them, of about 256 recordings. Compared are what `Shard.of` does,
the key alone modulo the number of shares, and the largest unit to the smallest share. `largest` is the
largest share above the mean. `moved` are units that a new recording gives to another share. `nobody` are
units that are in no share where each machine listed one recording more than the one before.
"""

from __future__ import annotations

import argparse
import heapq
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import mean

from htsat.bulk.sharding import Shard
from htsat.bulk.units import Cutting, Unit

CUTTING = Cutting()
Deal = Callable[[Sequence[Unit], int], dict[str, int]]
"""The share of each unit by its key."""


def drawn(n_recordings: int, generator: random.Random) -> list[Unit]:
    units, n_waiting = [], 0
    for number in range(n_recordings):
        n_waiting += 1
        is_last = number == n_recordings - 1
        if is_last or generator.randrange(CUTTING.n_average) == 0 or n_waiting == CUTTING.n_most:
            units.append(Unit(_key(generator), n_waiting, 0, b""))
            n_waiting = 0
    return units


def with_another(units: Sequence[Unit], generator: random.Random) -> list[Unit]:
    """The units of a listing that has a recording more, somewhere."""
    place = generator.randrange(len(units))
    larger = replace(units[place], key=_key(generator), n_recordings=units[place].n_recordings + 1)
    return [*units[:place], larger, *units[place + 1 :]]


def _key(generator: random.Random) -> str:
    return f"{generator.getrandbits(128):032x}"


def in_stretches(units: Sequence[Unit], n: int) -> dict[str, int]:
    return {unit.key: index for index in range(n) for unit in Shard(index, n).of(units)}


def by_key(units: Sequence[Unit], n: int) -> dict[str, int]:
    return {unit.key: int(unit.key, 16) % n for unit in units}


def largest_first(units: Sequence[Unit], n: int) -> dict[str, int]:
    loads = [(0, index) for index in range(n)]
    owner = {}
    for unit in sorted(units, key=lambda unit: (-unit.n_recordings, unit.key)):
        load, index = loads[0]
        owner[unit.key] = index
        heapq.heapreplace(loads, (load + unit.n_recordings, index))
    return owner


def largest(units: Sequence[Unit], owner: dict[str, int], n: int) -> float:
    loads = [0] * n
    for unit in units:
        loads[owner[unit.key]] += unit.n_recordings
    return max(loads) * n / sum(loads) - 1


def compare(deal: Deal, n_recordings: int, n: int, seed: int) -> tuple[float, float, float]:
    generator = random.Random(seed)
    listings = [drawn(n_recordings, generator)]
    while len(listings) < n:
        listings.append(with_another(listings[-1], generator))
    owners = [deal(units, n) for units in listings]
    both = owners[0].keys() & owners[1].keys()
    moved = sum(owners[0][key] != owners[1][key] for key in both) / len(both)
    heard = {key for index, owner in enumerate(owners) for key, share in owner.items() if share == index}
    meant = owners[0].keys() & owners[-1].keys()
    return largest(listings[0], owners[0], n), moved, len(meant - heard) / len(meant)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=int, default=1_000_000)
    parser.add_argument("--shares", type=int, default=8)
    parser.add_argument("--draws", type=int, default=5)
    args = parser.parse_args()
    for deal in (in_stretches, by_key, largest_first):
        found = [compare(deal, args.recordings, args.shares, seed) for seed in range(args.draws)]
        figures = [100 * mean(values) for values in zip(*found, strict=True)]
        print("{}: largest +{:.2f} %, moved {:.2f} %, nobody {:.2f} %".format(deal.__name__, *figures))


if __name__ == "__main__":
    main()
