"""Tar shards of anybody: `python fuzz/tars.py -max_total_time=60`."""

from __future__ import annotations

from pathlib import Path, PurePath

import atheris

with atheris.instrument_imports(include=["htsat"]):
    from htsat.bulk.inputs import find_inputs
    from htsat.data.shards import iterate_shard
    from htsat.tar_members import members

import made_sounds
import made_tars
from harness import fuzz


def walked(path: Path) -> None:
    """All members lie within the file, one behind the other."""
    n_bytes, end = path.stat().st_size, 0
    with path.open("rb") as file:
        for member in members(file):
            assert end < member.offset <= member.offset + member.size <= n_bytes
            end = member.offset + member.size


def inputs(path: Path) -> None:
    """As `htsat tag` lists it: no name leads out of a folder of results, and what is listed can be read."""
    for item in find_inputs(str(path)):
        assert not item.name.is_absolute()
        assert ".." not in PurePath(item.name).parts
        assert item.opener is not None
        with item.opener.open() as file:
            file.read()


def samples(path: Path) -> None:
    """As WebDataset reads it."""
    for _, files in iterate_shard(path):
        assert sum(map(len, files.values())) <= path.stat().st_size


if __name__ == "__main__":
    readers = {"walked.bin": walked, "inputs.tar": inputs, "samples.bin": samples}
    sound = made_sounds.encoded("FLAC", "PCM_16", n_samples=40)
    tars = made_tars.whole(sound) | made_tars.damaged(sound)
    fuzz(readers, {f"{reader} {name}": tar for name, tar in tars.items() for reader in readers})
