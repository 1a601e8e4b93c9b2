"""Which names have come already, in little memory."""

from __future__ import annotations

import os
from hashlib import blake2b

_DIGEST_BYTES = 16


class Seen:
    """A set of names that keeps a digest of 128 bits of each, whatever their length.

    Two names of a million have the same digest with a probability of 1e-27.
    """

    def __init__(self) -> None:
        self._digests: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._digests)

    def is_new(self, name: str) -> bool:
        """Take a name; tells whether it is the first of its kind."""
        digest = blake2b(os.fsencode(name), digest_size=_DIGEST_BYTES).digest()
        n_before = len(self._digests)
        self._digests.add(digest)
        return len(self._digests) > n_before
