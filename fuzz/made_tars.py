"""Tar files, header by header: whole ones to begin with, and such as no program writes."""

from __future__ import annotations

import io
import tarfile

END = bytes(1024)


def header(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    """A header with any size, below nothing too, and the checksum that belongs to it."""
    told = b"%011o\0" % size if 0 <= size < 8**11 else _binary(size)
    fields = [
        name.encode().ljust(100, b"\0")[:100],
        b"0000644\0" + 2 * b"0000000\0",
        told,
        b"00000000000\0" + 8 * b" " + kind,
        link.encode().ljust(100, b"\0")[:100],
        b"ustar\x0000",
    ]
    block = b"".join(fields).ljust(512, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _binary(size: int) -> bytes:
    """How GNU writes what is too large for octal digits."""
    return (b"\x80" if size >= 0 else b"\xff") + (size & (1 << 88) - 1).to_bytes(11, "big")


def member(name: str, content: bytes, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A member with its content."""
    return header(name, len(content), kind) + content + bytes(-len(content) % 512)


def pax(key: bytes, value: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    """A header that says one thing about the member behind it."""
    rest = b" " + key + b"=" + value + b"\n"
    size = next(n for n in range(len(rest), len(rest) + 20) if len(str(n)) + len(rest) == n)
    return member("pax", str(size).encode() + rest, kind)


def whole(sound: bytes) -> dict[str, bytes]:
    """Tar files as programs write them, by format."""
    tars = {}
    for number, name in (
        (tarfile.USTAR_FORMAT, "ustar"),
        (tarfile.GNU_FORMAT, "gnu"),
        (tarfile.PAX_FORMAT, "pax"),
    ):
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w", format=number) as tar:
            for title in ("a.flac", "d/" * 40 + "b" * 90 + ".flac", "c.json"):
                about = tarfile.TarInfo(title)
                about.size = len(sound)
                tar.addfile(about, io.BytesIO(sound))
        tars[name] = content.getvalue()
    return tars


def damaged(sound: bytes) -> dict[str, bytes]:
    """What must be refused, by what is wrong with it; a whole recording comes first."""
    first, last = member("a.flac", sound), member("b.flac", sound) + END
    sizes = {
        f"size {size}": first + header("b.flac", size) + END for size in (-512, -1024, -(10**6), 2**62, 2**80)
    }
    long_names = {
        f"name of {size}": first + header("b", size, b"L") for size in (-1024, 8**11 - 1, 2**62, 2**80)
    }
    headers = {
        f"header of {size}": first + header("b", size, b"x") for size in (-1024, 8**11 - 1, 2**62, 2**80)
    }
    told = {
        f"size is {size!r}": first + pax(b"size", size) + last
        for size in (b"-512", b"1e400", b"9" * 5000, b"inf")
    }
    shared = {"size of all": first + pax(b"size", b"-512", b"g") + last}
    records = {
        "a length without end": first + member("pax", b"1" * 200_000, b"x") + last,
        "a length of 0": first + member("pax", b"0 path=x\n", b"x") + last,
        "a length too large": first + member("pax", b"99999 path=x\n", b"x") + last,
    }
    ends = {
        "no end": first,
        "an end within": (first + last)[: len(first) + 700],
        "a header that is none": first + b"x" * 512 + last,
        "a checksum that is wrong": first + b"y" + last[1:],
    }
    return {**sizes, **long_names, **headers, **told, **shared, **records, **ends}
