"""What the harnesses share: an input becomes a file, and a reader reads it, or refuses it in one line."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import atheris

LONGEST_MESSAGE = 4000
LIMITS = ("-rss_limit_mb=3000", "-timeout=60", "-max_len=8192", "-print_final_stats=1")

Reader = Callable[[Path], object]


def fuzz(readers: Mapping[str, Reader], seeds: Mapping[str, bytes]) -> None:
    """Try inputs until the options of libFuzzer on the command line say that it is enough.

    Args:
        readers: by the name that the file has for them; the first byte of an input chooses one.
        seeds: inputs to begin with, by the name of a reader.
    """
    from htsat.errors import HtsatError

    folder = Path(
        tempfile.mkdtemp(prefix="htsat-fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
    )
    names = list(readers)

    def try_one(data: bytes) -> None:
        name = names[data[0] % len(names)] if data else names[0]
        path = folder / name
        path.write_bytes(data[1:])
        try:
            readers[name](path)
        except HtsatError as error:
            message = str(error)
            if len(message) > LONGEST_MESSAGE or "\n" in message:
                raise AssertionError(f"not a line that can be read: {message[:200]!r}") from error

    corpus = folder / "corpus"
    corpus.mkdir()
    for number, (name, content) in enumerate(seeds.items()):
        reader = name.partition(" ")[0]
        (corpus / f"seed-{number}").write_bytes(bytes([names.index(reader)]) + content)
    atheris.Setup([sys.argv[0], *LIMITS, *sys.argv[1:], str(corpus)], try_one)
    atheris.Fuzz()
