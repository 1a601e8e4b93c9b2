"""Whatever stops a command at any point: files are the old or the new ones, and it can be called again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from .cases import CASES, EVERY_POINT, Case, content, contents, copy, is_whole
from .conftest import Ended, Fault, Warm

KINDS = ("kill", "half", "full", "fail")


class Undisturbed(NamedTuple):
    """A case, the folder before it, and what it leaves where nothing disturbs it, in how many calls."""

    case: Case
    before: Path
    out: Path
    old: dict[str, object]
    new: dict[str, object]
    n_calls: int


@pytest.fixture(scope="session", params=CASES)
def undisturbed(request, warm: Warm, things: Path, tmp_path_factory) -> Undisturbed:  # type: ignore[no-untyped-def]
    case = CASES[request.param]
    folder = tmp_path_factory.mktemp("case")
    before, out = folder / "before", folder / "out"
    before.mkdir()
    copy(before, out)
    if case.before is not None:
        ended = warm(out, "command", *case.call(case.before, things, out))
        assert ended.code == 0, ended.err
        copy(out, before)
    old = contents(before)
    ended = warm(out, "command", *case.call(case.words, things, out))
    assert ended.code == 0, ended.err
    assert set(old) <= set(contents(out))
    assert contents(out) != old
    return Undisturbed(case, before, out, old, contents(out), len(ended.calls))


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_lost(undisturbed: Undisturbed, warm: Warm, things: Path, kind: str) -> None:  # type: ignore[no-untyped-def]
    case, out = undisturbed.case, undisturbed.out
    codes: Counter[int] = Counter()
    for number in points(case, undisturbed.n_calls, kind, every=EVERY_POINT):
        copy(undisturbed.before, out)
        ended = warm(out, "command", *case.call(case.words, things, out), fault=Fault(kind, number))
        codes[ended.code] += 1
        about = f"{kind} at {ended.calls[number - 1 :][:1]}: {ended.code} {ended.err}"
        check_end(ended, out, kind, about)
        check_files(undisturbed, about)
        if not ended.code:
            assert visible(contents(out)) == visible(undisturbed.new), about
        if ended.code or contents(out) != undisturbed.new:
            words = case.again if case.again and (out / "run" / "state.ckpt").exists() else case.words
            ended = warm(out, "command", *case.call(words, things, out))
            assert ended.code == 0, about + ended.err
        assert contents(out) == undisturbed.new, about
    print(kind, sum(codes.values()), dict(codes))
    # Of a sample all points may be calls that need no room, or whose failure does not matter.
    assert codes[-9] if kind in ("kill", "half") else codes[1] or codes[2] or not EVERY_POINT


def points(case: Case, n_calls: int, kind: str, *, every: bool) -> Iterator[int]:
    """Calls at which something happens: of a sample each point has another kind."""
    first, step = (1, 1) if every else (1 + KINDS.index(kind) * case.every, len(KINDS) * case.every)
    yield from range(first, n_calls + 1, step)


def check_end(ended: Ended, out: Path, kind: str, about: str) -> None:
    """Killed, or one line that names the place."""
    if kind in ("kill", "half"):
        assert ended.code in (-9, 0), about
        return
    assert ended.code in (0, 1, 2), about
    assert "Traceback" not in ended.err, about
    assert "internal error" not in ended.err, about
    if ended.code:
        [*_, last] = ended.err.splitlines()
        assert last.startswith("htsat: "), about
        assert str(out) in last, about


def check_files(undisturbed: Undisturbed, about: str) -> None:
    """Old files are there; each file is an old or a new one, or hidden because it is not whole."""
    out, old, new = undisturbed.out, undisturbed.old, undisturbed.new
    there = {path for path in out.rglob("*") if path.is_file() and not is_aside(path.relative_to(out))}
    assert set(old) <= {str(path.relative_to(out)) for path in there}, about
    for path in there:
        name = str(path.relative_to(out)).replace("s.unfinished/", "s/")
        if undisturbed.case.grows and is_whole(path):
            continue
        assert content(path) in (old.get(name), new.get(name)), f"{name}: {about}"


def is_aside(path: Path) -> bool:
    """Whether its name, or that of a folder that it is in, says that it is not whole."""
    return any(part.startswith((".", "fetching-")) for part in path.parts)


def visible(files: dict[str, object]) -> dict[str, object]:
    """The files that are results."""
    return {name: found for name, found in files.items() if not is_aside(Path(name))}
