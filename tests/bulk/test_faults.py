"""Whatever ends a run, the next call brings what an undisturbed run would have brought."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from htsat.bulk.layouts import layout_of
from htsat.bulk.run import Work
from htsat.errors import AudioError, ConfigError

from .stub import FORMATS, call, files, forbidding, hear, rows, work

pytestmark = pytest.mark.usefixtures("small_units")

WRITE_POINTS = ("replace", "fsync", "mkdir", "open")
"""What the system is asked for when something is written: names, a folder, a file, that it is on the disk."""


class Interfering:
    """Does something in place of the n-th call that writes; counts them all."""

    def __init__(self, act: Callable[[], None], number: int) -> None:
        self._act, self._number = act, number
        self.n_calls = 0

    def wrapped(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **options: Any) -> Any:
            if original is os.open and not args[1] & (os.O_WRONLY | os.O_RDWR):
                return original(*args, **options)
            self.n_calls += 1
            if self.n_calls == self._number:
                self._act()
            return original(*args, **options)

        return wrapper

    def install(self, patch: Callable[[object, str, object], None]) -> None:
        for name in WRITE_POINTS:
            patch(os, name, self.wrapped(getattr(os, name)))


def full_disk() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a file")


def is_stopped(recordings: Path, target: Path, name: str) -> bool:
    try:
        call(recordings, target, name)
    except OSError as error:
        return error.errno == errno.ENOSPC
    return False


@pytest.mark.parametrize(("name", "output"), [("csv", "out"), ("jsonl", "out.jsonl"), ("audacity", "own")])
def test_a_full_disk_at_any_write_point_loses_nothing(
    tmp_path: Path, recordings: Path, name: str, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = place(tmp_path / "undisturbed", output)
    counter = Interfering(lambda: None, 0)
    with monkeypatch.context() as patch:
        counter.install(patch.setattr)
        assert call(recordings, undisturbed, name) == 1
    assert counter.n_calls > 50
    n_stopped = 0
    for number in range(1, counter.n_calls + 1, 7):
        target = place(tmp_path / f"{number}", output)
        with monkeypatch.context() as patch:
            Interfering(full_disk, number).install(patch.setattr)
            n_stopped += is_stopped(recordings, target, name)
        assert call(recordings, target, name) == 1
        assert files(target.parent) == files(undisturbed.parent), number
    # A folder that is there already needs no room, and cleaning up may fail.
    assert n_stopped > counter.n_calls / 14


def place(folder: Path, output: str) -> Path:
    """Where results go: a file, or a folder that is there."""
    path = folder / output
    (path.parent if path.suffix else path).mkdir(parents=True)
    return path


KILLED = """
import os, signal, sys
from pathlib import Path
from htsat.bulk.units import Cutting
from htsat.cli import bulk_run
import importlib.util

sys.path.insert(0, sys.argv[1])
from bulk import stub, test_faults
bulk_run.CUTTING = Cutting(3, 6)
recordings, target, name = Path(sys.argv[2]), sys.argv[3], sys.argv[4]

def kill():
    os.kill(os.getpid(), signal.SIGKILL)

n_killed = 0
for number in range(int(sys.argv[5]), 10_000, int(sys.argv[6])):
    child = os.fork()
    if not child:
        test_faults.Interfering(kill, number).install(setattr)
        os._exit(stub.call(recordings, target, name))
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        break
    n_killed += 1
print(n_killed, os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are killed that fork made")
@pytest.mark.parametrize(("name", "output"), [("csv", "out"), ("csv", "out.csv"), ("audacity", "own")])
def test_kill_at_any_write_point_loses_nothing(
    tmp_path: Path, recordings: Path, name: str, output: str
) -> None:
    undisturbed, target = (place(tmp_path / folder, output) for folder in ("undisturbed", "target"))
    assert call(recordings, undisturbed, name) == 1
    arguments = [Path(__file__).parents[1], recordings, target, name, 1, 5]
    command = [sys.executable, "-c", KILLED, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    n_killed, code = map(int, done.stdout.split())
    assert n_killed > 5
    assert code == 1  # one recording is bad
    assert files(target.parent) == files(undisturbed.parent)
    assert not list(target.parent.rglob(".*.*.csv"))


def test_a_finished_unit_is_never_heard_again(tmp_path: Path, recordings: Path) -> None:
    heard: list[str] = []

    def counted(inputs):  # type: ignore[no-untyped-def]
        for item, result in zip(inputs, hear(inputs), strict=True):
            heard.append(item.title)
            if len(heard) == 15:
                raise KeyboardInterrupt
            yield result

    counting = Work(counted, lambda result: result.duration_s, layout_of(FORMATS["csv"]))
    (tmp_path / "out").mkdir()
    assert call(recordings, tmp_path / "out", work=counting) == 130
    n_finished = len(rows(tmp_path / "out"))
    assert 0 < n_finished < 15 * 3
    heard_before, heard[:] = list(heard), ["" for _ in range(100)]
    assert call(recordings, tmp_path / "out", work=counting) == 1
    again = set(heard) & set(heard_before)
    assert len(again) <= 6  # the unit that was not finished
    assert len(set(heard) - {""}) == 30 - len(set(heard_before)) + len(again)
    heard[:] = ["" for _ in range(100)]
    assert call(recordings, tmp_path / "out", work=counting) == 1
    assert set(heard) == {""}


def test_a_full_disk_while_decoding_blames_no_recording(tmp_path: Path, recordings: Path) -> None:
    def spooling(inputs):  # type: ignore[no-untyped-def]
        for item in inputs:
            error = AudioError(f"{item.title}: No space left on device")
            error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
            yield error

    (tmp_path / "out").mkdir()
    broken = Work(spooling, lambda _: None, layout_of(FORMATS["csv"]))
    with pytest.raises(OSError, match="No space left"):
        call(recordings, tmp_path / "out", work=broken)
    assert call(recordings, tmp_path / "out") == 1
    assert len((tmp_path / "out" / "failures.csv").read_text().splitlines()) == 2


def test_a_record_that_is_damaged_is_made_anew(tmp_path: Path, recordings: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    call(recordings, out)
    before = files(out)
    first, second, *_ = sorted((out / ".htsat" / "units").iterdir())
    first.write_bytes(b"\0\0")
    next((out / "parts").glob(f"{second.stem}.*")).unlink()
    assert call(recordings, out) == 1
    assert files(out) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "1" / "new.wav").write_text("sound new"),
        lambda folder: (folder / "1" / "r04.wav").write_text("another sound"),
        lambda folder: (folder / "1" / "r04.wav").unlink(),
        lambda folder: os.utime(folder / "2" / "r05.wav", (0, 0)),
    ],
    ids=["added", "changed", "removed", "clock set back"],
)
@pytest.mark.parametrize(("name", "output"), [("csv", "out"), ("audacity", "own"), ("csv", "out.csv")])
def test_recordings_that_change_between_calls(
    tmp_path: Path, recordings: Path, name: str, output: str, change: Callable[[Path], object]
) -> None:
    for folder in ("once", "twice"):
        (tmp_path / folder / output if "." not in output else tmp_path / folder).mkdir(parents=True)
    call(recordings, tmp_path / "twice" / output, name)
    change(recordings)
    assert call(recordings, tmp_path / "twice" / output, name) == 1
    assert call(recordings, tmp_path / "once" / output, name) == 1
    assert files(tmp_path / "twice") == files(tmp_path / "once")


def unmounted(folder: Path) -> None:
    folder.mkdir()


@pytest.mark.parametrize("what_is_left", [lambda folder: None, unmounted], ids=["nothing", "mount point"])
@pytest.mark.parametrize("output", ["out", "out.csv"])
def test_recordings_that_were_away_are_not_forgotten(
    tmp_path: Path,
    recordings: Path,
    output: str,
    what_is_left: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A folder that is not there now, as a disk that is not mounted, takes no results with it."""
    out = place(tmp_path / "results", output)
    arguments = [recordings / "0", recordings / "2"]
    call(arguments, out)
    before, rows_before = files(out.parent), set(rows(out))
    (recordings / "2").rename(tmp_path / "away")
    what_is_left(recordings / "2")
    (recordings / "0" / "new.wav").write_text("sound new")
    assert call(arguments, out) == 1
    assert set(rows(out)) >= rows_before
    said = capsys.readouterr().err
    assert ("out.csv stays as it is: it has recordings that cannot be listed now" in said) == out.is_file()
    (recordings / "0" / "new.wav").unlink()
    shutil.rmtree(recordings / "2", ignore_errors=True)
    (tmp_path / "away").rename(recordings / "2")
    assert call(arguments, out) == 1
    assert files(out.parent) == before


def test_a_subfolder_that_cannot_be_read_takes_no_results_with_it(
    tmp_path: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.csv"
    assert call(recordings, out) == 1
    before = out.read_bytes()
    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", forbidding(recordings / "1"))
        assert call(recordings, out) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"htsat: {recordings}/1: Permission denied\n")
    assert out.read_bytes() == before


def test_a_recording_that_comes_to_a_finished_file_makes_few_others_be_heard(
    tmp_path: Path, recordings: Path
) -> None:
    out, again = tmp_path / "out.csv", tmp_path / "again.csv"
    (recordings / "2" / "r17.wav").write_text("good")
    assert call(recordings, out) == 0
    heard: list[str] = []

    def counted(inputs):  # type: ignore[no-untyped-def]
        heard.extend(item.title for item in inputs)
        yield from hear(inputs)

    (recordings / "1" / "new.wav").write_text("sound new")
    assert call(recordings, out, work=replace(work(), hear=counted)) == 0
    assert str(recordings / "1" / "new.wav") in heard
    # No unit has more than six; that of the new one reaches back by five at most.
    assert heard[0] > str(recordings / "0" / "r12.wav")
    assert call(recordings, again) == 0
    assert out.read_bytes() == again.read_bytes()


def test_a_file_that_is_whole_is_not_made_again(tmp_path: Path, recordings: Path) -> None:
    (recordings / "2" / "r17.wav").write_text("good")
    out = tmp_path / "out.csv"
    assert call(recordings, out) == 0
    before = out.stat().st_mtime_ns
    assert call(recordings, out) == 0
    assert out.stat().st_mtime_ns == before
    assert sorted(path.name for path in tmp_path.glob("out*")) == [
        "out.csv",
        "out.csv.failures.csv",
        "out.csv.parts",
        "out.csv.summary.json",
    ]
    out.write_text("somebody's own\n")
    assert call(recordings, out) == 0
    assert len(rows(out)) == 90


@pytest.mark.skipif(os.name != "posix" or sys.platform == "darwin", reason="names of this system are text")
def test_names_that_are_no_text(tmp_path: Path, recordings: Path) -> None:
    name = os.fsdecode(b"caf\xe9.wav")
    (recordings / "0" / name).write_text("sound")
    for output in ("csv", "jsonl", "audacity"):
        (tmp_path / output).mkdir()
        assert call(recordings, tmp_path / output, output) == 1
        assert call(recordings, tmp_path / output, output) == 1
    table = tmp_path / os.fsdecode(b"\xe9") / "out.parquet"
    assert call(recordings, table, "parquet") == 1
    assert table.read_bytes().startswith(b"PAR1")
    assert sum(name in row for row in rows(tmp_path / "csv")) == 3
    assert (tmp_path / "audacity" / "0" / os.fsdecode(b"caf\xe9.txt")).is_file()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="may write everywhere")
def test_a_folder_that_is_read_only(tmp_path: Path, recordings: Path) -> None:
    out = tmp_path / "out"
    out.mkdir(mode=0o500)
    with pytest.raises(PermissionError):
        call(recordings, out)


@pytest.mark.parametrize("name", ["summary.json", "failures.csv"])
def test_a_folder_with_files_of_others_is_refused(tmp_path: Path, recordings: Path, name: str) -> None:
    out = place(tmp_path, "esc50")
    (out / name).write_text("of a cross-validation")
    for _ in range(2):
        with pytest.raises(
            ConfigError, match=f"esc50/{name} is not of a run in parts, which would replace it; "
        ):
            call(recordings, out)
    assert [path.name for path in out.iterdir()] == [name]
    assert (out / name).read_text() == "of a cross-validation"


def test_files_of_others_beside_the_output_stay(tmp_path: Path, recordings: Path) -> None:
    mine = tmp_path / ".out.csv.20240101.csv"
    mine.write_text("what was there in 2024")
    assert call(recordings, tmp_path / "out.csv") == 1
    assert mine.is_file()


def test_two_recordings_never_share_a_file(tmp_path: Path, recordings: Path) -> None:
    (recordings / "0" / "r00.flac").write_text("sound")
    (tmp_path / "own").mkdir()
    with pytest.raises(
        ConfigError, match=r"r00\.wav and another recording would both be written to 0/r00\.txt"
    ):
        call(recordings, tmp_path / "own", "audacity")
    assert work("audacity").layout.suffix is None
