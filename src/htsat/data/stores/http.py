"""Recordings inside tar shards on a web server (`http`, `https`), read by ranges of bytes.

A server that fails for a while is asked again, for minutes, and a warning says so. One that goes on failing,
has no such file, or whose shard is not the one that the manifest tells of, ends the work with one line:
nothing is left out.

Needs urllib3, which comes with the extra `remote`.
"""

from __future__ import annotations

import io
import math
import tarfile
import time
import warnings
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from htsat.audio import Stretch, count_samples, read_stretch
from htsat.data.clip import Clip, Member, address_of
from htsat.data.stores.files import NamedBytes
from htsat.data.stores.store import OpenFiles
from htsat.errors import DataError, HtsatWarning, MissingExtraError
from htsat.scores import FloatArray

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager, Retry

_SILENCE_S = 30.0
"""How long a server may say nothing."""
_N_RETRIES = 10
_BACKOFF_S = 0.25
_LONGEST_WAIT_S = 60.0
"""Between two attempts, whatever the server asks for: all of them take three minutes, or up to ten."""
_UNTOLD_S = 5.0
"""After so long somebody is told that a server is asked again."""
_PASSING = (408, 425, 429, 500, 502, 503, 504)
"""Answers of a server that may do better later."""
_N_DAMAGED = 3
"""How often bytes may come that are not those of the recording."""
_HEAD = tarfile.BLOCKSIZE
_NO_ADDRESS = "is no address that can be asked"


class HttpStore:
    """Recordings inside tar shards on web servers."""

    def __init__(self) -> None:
        self._servers = OpenFiles(_Server)

    def n_samples(self, clip: Clip, sample_rate: int) -> int:
        """Length as the header of the member says."""
        return count_samples(self._member(clip), sample_rate)

    def read(self, clip: Clip, stretch: Stretch) -> FloatArray:
        """A stretch, decoded in memory; raises DataError when the server does not give the recording."""
        return read_stretch(self._member(clip), stretch)

    def close(self) -> None:
        """Close the connections."""
        self._servers.close()

    def _member(self, clip: Clip) -> io.BytesIO:
        address = address_of(clip.path)
        if not isinstance(clip.place, Member) or address is None:
            raise DataError(f"{clip.title}: only tar shards are read from a web server (offset and size)")
        try:
            parts = urlsplit(address)
        except ValueError:
            raise DataError(f"{address}: {_NO_ADDRESS}") from None
        data = self._servers.get(f"{parts.scheme}://{parts.netloc}").member(address, clip.place)
        return NamedBytes(data, clip.title)


class _Version(NamedTuple):
    """What tells one content of an address from another; None where the server does not say."""

    n_bytes: str
    tag: str | None

    def __str__(self) -> str:
        return f"{self.n_bytes} bytes, {self.tag or 'no ETag'}"


class _Server:
    """Connections that are kept, and what the shards were when they were first asked for."""

    def __init__(self, origin: str) -> None:
        self._pool = _connect(origin)
        self._versions: dict[str, _Version] = {}

    def member(self, address: str, place: Member) -> bytes:
        """The content of a member; raises DataError."""
        for _ in range(_N_DAMAGED if place.offset >= _HEAD else 0):
            received = self._received(address, place)
            head, data = received[:_HEAD], received[_HEAD:]
            if len(data) == place.size == _size_in(head):
                return data
        raise DataError(
            f"{address}: has no member of {place.size} bytes at byte {place.offset}; "
            "the shard is damaged, or not the one that the manifest tells of"
        )

    def _received(self, address: str, place: Member) -> bytes:
        """A member and the header before it, asked for again while that may help; no more is taken."""
        from urllib3.exceptions import HTTPError, LocationValueError, MaxRetryError

        where, retries, told_at_s = address, _retries(), time.monotonic() + _UNTOLD_S
        while True:
            response, onward, trouble = None, None, None
            try:
                with closing(self._asked(where, place)) as response:
                    onward = response.get_redirect_location()
                    if not onward and response.status not in _PASSING:
                        self._refuse_other(address, response, place)
                        return response.read(_HEAD + place.size + 1)
            except LocationValueError:
                raise DataError(f"{where}: {_NO_ADDRESS}") from None
            except HTTPError as error:
                trouble = error
            try:
                retries = retries.increment("GET", where, response, trouble)
            except MaxRetryError as error:
                n_asked = len(retries.history) + 1
                raise DataError(f"{address}: {_reason(error.reason)} (asked {n_asked} times)") from error
            if not onward and time.monotonic() >= told_at_s:
                reason = _reason(retries.history[-1].error or f"answer {retries.history[-1].status}")
                warnings.warn(f"{address}: {reason}; asked again, for minutes", HtsatWarning, stacklevel=2)
                told_at_s = math.inf
            retries.sleep(response)
            where = _followed(where, onward) if onward else where

    def _asked(self, address: str, place: Member) -> BaseHTTPResponse:
        """The beginning of the answer to one request."""
        span = f"bytes={place.offset - _HEAD}-{place.offset + place.size - 1}"
        return self._pool.urlopen(
            "GET",
            address,
            headers={"Range": span, "User-Agent": "htsat", "Accept-Encoding": "identity"},
            timeout=_SILENCE_S,
            redirect=False,
            retries=False,
            preload_content=False,
        )

    def _refuse_other(self, address: str, response: BaseHTTPResponse, place: Member) -> None:
        """Take nothing but a part of the shard, as it was at first."""
        if response.status == 200:
            raise DataError(f"{address}: the server sends whole files only, and ranges of bytes are needed")
        n_bytes = response.headers.get("Content-Range", "").rpartition("/")[2]
        if response.status == 416:
            raise DataError(
                f"{address}: has {n_bytes or 'too few'} bytes, and the manifest tells of one that ends at "
                f"byte {place.offset + place.size}"
            )
        if response.status != 206:
            raise DataError(f"{address}: {response.status} {response.reason or 'is no answer to a request'}")
        version = _Version(n_bytes, response.headers.get("ETag"))
        first = self._versions.setdefault(address, version)
        if version != first:
            raise DataError(f"{address}: was changed while it was in use ({first}; now {version})")

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()


def _reason(error: Exception | str | None) -> str:
    """What urllib3 says of a problem, without the names of its objects."""
    return " ".join(str(error).split()).rpartition(": ")[2]


def _size_in(head: bytes) -> int | None:
    """The size that the header of a member tells; None where it is none."""
    try:
        return tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape").size
    except tarfile.HeaderError:
        return None


def _connect(origin: str) -> PoolManager:
    urllib3 = _urllib3()
    scheme, _, host = origin.partition("://")
    proxy = None if proxy_bypass(host) else getproxies().get(scheme)
    pool: PoolManager = urllib3.ProxyManager(proxy) if proxy else urllib3.PoolManager()
    return pool


def _retries() -> Retry:
    retries: Retry = _urllib3().Retry(
        total=_N_RETRIES,
        redirect=5,
        backoff_factor=_BACKOFF_S,
        backoff_max=_LONGEST_WAIT_S,
        backoff_jitter=_BACKOFF_S,
        retry_after_max=int(_LONGEST_WAIT_S),
    )
    return retries


def _followed(address: str, onward: str) -> str:
    """Where a redirection leads: to other hosts too, but never from `https` to an open connection."""
    scheme = urlsplit(address).scheme
    try:
        there = urljoin(address, onward)
        is_safe = urlsplit(there).scheme in ("https", scheme)
    except ValueError:
        raise DataError(f"{address}: leads to {onward!r:.200}, which {_NO_ADDRESS}") from None
    if not is_safe:
        raise DataError(f"{address}: leads from {scheme} to {there}")
    return there


def _urllib3() -> Any:
    try:
        import urllib3
    except ModuleNotFoundError as error:
        raise MissingExtraError("reading shards from a web server", "remote") from error
    return urllib3
