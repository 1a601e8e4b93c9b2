"""What results become: files beside them for each recording, and parts of one array."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from htsat.bulk.inputs import Input, find_inputs
from htsat.bulk.layouts import NpyParts, accompanied, check_own_files, layout_of
from htsat.bulk.run import Work
from htsat.errors import ConfigError, HtsatError
from htsat.files import atomic_path
from htsat.formats.embeddings import EmbeddedRecording, Origin, to_npy
from htsat.formats.output import own_path
from htsat.formats.recording import TaggedRecording

from .stub import FORMATS, call, detect, files, hear
from .test_faults import Interfering, full_disk, place

pytestmark = pytest.mark.usefixtures("small_units")

ORIGIN = Origin("tiny", "00", "clip", 1.0, 0.5, (0.25, -1.0), "0")
OUTPUTS = [("csv", "out"), ("csv", "out.csv"), ("audacity", "own"), ("npy", "out.npy")]


class Marks:
    """A file for each recording, in a folder that is not that of the results."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path_of(self, item: Input) -> Path:
        return own_path(self.folder, item.name, ".mark")

    def write(self, path: Path, item: Input, result: Any) -> None:
        with atomic_path(path) as temporary:
            temporary.write_text(f"{item.title}: {result!r}", errors="surrogateescape")


def vectors_of(item: Input, result: TaggedRecording) -> EmbeddedRecording:
    """Vectors that follow from what the stub hears; one to three of them."""
    values = np.array([tag.probability for tag in result.tags], np.float32)
    n_rows = 1 + len(item.title) % 3
    return EmbeddedRecording(
        item.title, np.outer(np.arange(1, n_rows + 1), values).astype(np.float32), np.arange(n_rows) / 4
    )


def work(name: str, marks: Path) -> Work[Any]:
    """Listening with files beside the results, or with one array of vectors."""
    if name == "npy":
        layout = accompanied(NpyParts(ORIGIN), vectors_of, [])
        return Work(hear, lambda result: result.duration_s, layout)
    heard = detect if FORMATS[name].one_recording else hear
    layout = accompanied(layout_of(FORMATS[name]), lambda _, result: result, [Marks(marks)])
    return Work(heard, lambda result: result.duration_s, layout)


def run(recordings: Path, target: Path, name: str, **options: Any) -> int:
    return call(recordings, target, name, work=work(name, target.parent / "marks"), **options)


def kinds(folder: Path) -> set[str]:
    return {path.suffix for path in folder.rglob("*") if path.is_file() and ".htsat" not in path.parts}


@pytest.mark.parametrize(("name", "output"), OUTPUTS)
def test_each_recording_that_is_heard_has_its_file(
    tmp_path: Path, recordings: Path, name: str, output: str
) -> None:
    target = place(tmp_path / "at", output)
    assert run(recordings, target, name) == 1
    marks = sorted(path.relative_to(tmp_path / "at" / "marks") for path in tmp_path.rglob("*.mark"))
    names = [own_path(Path(), item.name, ".mark") for item in find_inputs(str(recordings))]
    assert marks == ([] if name == "npy" else [path for path in names if path.stem != "r17"])
    assert not list(tmp_path.rglob(".*.mark"))


@pytest.mark.parametrize(("name", "output"), OUTPUTS[1::2])
def test_a_full_disk_at_any_write_point_loses_nothing(
    tmp_path: Path, recordings: Path, name: str, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = place(tmp_path / "undisturbed", output)
    counter = Interfering(lambda: None, 0)
    with monkeypatch.context() as patch:
        counter.install(patch.setattr)
        assert run(recordings, undisturbed, name) == 1
    n_stopped = 0
    for number in range(1, counter.n_calls + 1, 101):
        target = place(tmp_path / f"{number}", output)
        with monkeypatch.context() as patch:
            Interfering(full_disk, number).install(patch.setattr)
            try:
                run(recordings, target, name)
            except OSError as error:
                n_stopped += error.errno == errno.ENOSPC
        assert run(recordings, target, name) == 1
        assert without_places(target.parent) == without_places(undisturbed.parent), number
    # A folder that is there already needs no room; how many of these come, the names of units decide.
    assert n_stopped > counter.n_calls / 404


def without_places(folder: Path) -> dict[str, bytes]:
    """All files; those of parts that stay because a recording failed have names that tell options apart."""
    return {Path(name).name: content for name, content in files(folder).items() if ".parts/" not in name}


KILLED = """
import os, signal, sys
from pathlib import Path
from htsat.bulk.units import Cutting
from htsat.cli import bulk_run

sys.path.insert(0, sys.argv[1])
from bulk import test_faults, test_layouts
bulk_run.CUTTING = Cutting(3, 6)
recordings, target, name = Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]

def kill():
    os.kill(os.getpid(), signal.SIGKILL)

n_killed = 0
for number in range(1, 10_000, 17):
    child = os.fork()
    if not child:
        test_faults.Interfering(kill, number).install(setattr)
        os._exit(test_layouts.run(recordings, target, name))
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        break
    n_killed += 1
print(n_killed, os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are killed that fork made")
@pytest.mark.parametrize(("name", "output"), OUTPUTS[1::2])
def test_kill_at_any_write_point_loses_nothing(
    tmp_path: Path, recordings: Path, name: str, output: str
) -> None:
    undisturbed, target = (place(tmp_path / folder, output) for folder in ("undisturbed", "target"))
    assert run(recordings, undisturbed, name) == 1
    command = [sys.executable, "-c", KILLED, Path(__file__).parents[1], recordings, target, name]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=True)
    n_killed, code = map(int, done.stdout.split())
    assert n_killed > 2
    assert code == 1  # one recording is bad
    assert without_places(target.parent) == without_places(undisturbed.parent)
    assert kinds(target.parent) == kinds(undisturbed.parent)


@pytest.mark.parametrize(("name", "output"), [("csv", "out"), ("audacity", "own")])
@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "1" / "new.wav").write_text("sound new"),
        lambda folder: (folder / "1" / "r04.wav").unlink(),
    ],
    ids=["added", "removed"],
)
def test_files_follow_the_recordings(
    tmp_path: Path, recordings: Path, name: str, output: str, change: Callable[[Path], object]
) -> None:
    once, twice = (place(tmp_path / folder, output) for folder in ("once", "twice"))
    run(recordings, twice, name)
    change(recordings)
    assert run(recordings, twice, name) == 1
    assert run(recordings, once, name) == 1
    assert files(twice.parent) == files(once.parent)


@pytest.mark.parametrize("name", ["{0}/precious", "{0}/marks/../precious", "../../precious"])
def test_records_that_name_files_of_others_remove_none(tmp_path: Path, recordings: Path, name: str) -> None:
    (tmp_path / "precious").write_text("not a result")
    target = place(tmp_path / "at", "out")
    run(recordings, target, "csv")
    record = {
        "n_recordings": 1,
        "failures": [],
        "heard_s": 1.0,
        "took_s": 1.0,
        "files": [name.format(tmp_path)],
    }
    (target / ".htsat" / "units" / f"{0:032x}.json").write_text(json.dumps(record))
    assert run(recordings, target, "csv") == 1
    assert (tmp_path / "precious").is_file()
    assert not (target / ".htsat" / "units" / f"{0:032x}.json").exists()


def test_shares_write_the_same(tmp_path: Path, recordings: Path) -> None:
    one, two = (place(tmp_path / folder, "out.csv") for folder in ("one", "two"))
    assert run(recordings, one, "csv") == 1
    codes = [run(recordings, two, "csv", shard=f"{number}/3") for number in (1, 2, 3)]
    assert sorted(codes) == [0, 0, 1]
    assert run(recordings, two, "csv") == 1
    assert without_places(two.parent) == without_places(one.parent)


def test_files_may_lie_on_another_disk(
    tmp_path: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = (place(tmp_path / folder, "out") for folder in ("here", "there"))
    assert run(recordings, here, "csv") == 1
    original, n_refused = os.replace, 0

    def replace(source: Any, target: Any, **options: Any) -> None:
        nonlocal n_refused
        if "staging" in Path(source).parts and "staging" not in Path(target).parts and "marks" in str(target):
            n_refused += 1
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        original(source, target, **options)

    monkeypatch.setattr(os, "replace", replace)
    assert run(recordings, there, "csv") == 1
    assert n_refused == 29
    assert files(there.parent) == files(here.parent)


def test_a_file_that_cannot_be_replaced_fails_its_recording_alone(tmp_path: Path, recordings: Path) -> None:
    target = place(tmp_path / "at", "out")
    (target.parent / "marks" / "1" / "r04.mark").mkdir(parents=True)
    assert run(recordings, target, "csv") == 1
    failures = (target / "failures.csv").read_text().splitlines()[1:]
    assert len(failures) == 2
    assert failures[0].endswith("marks/1/r04.mark is not a file that can be replaced")
    assert len(list((target.parent / "marks").rglob("*.mark"))) == 29


def test_a_whole_file_without_its_files_is_made_again(tmp_path: Path, recordings: Path) -> None:
    (recordings / "2" / "r17.wav").write_text("good")
    target = place(tmp_path / "at", "out.csv")
    assert run(recordings, target, "csv") == 0
    marks = sorted((target.parent / "marks").rglob("*.mark"))
    marks[3].unlink()
    assert run(recordings, target, "csv") == 0
    assert sorted((target.parent / "marks").rglob("*.mark")) == marks


def test_two_recordings_never_share_a_file(tmp_path: Path, recordings: Path) -> None:
    (recordings / "0" / "r00.flac").write_text("sound")
    message = r"r00\.wav (and another recording )?would both be written to .*marks/0/r00\.mark"
    with pytest.raises(ConfigError, match=message):
        run(recordings, place(tmp_path / "at", "out"), "csv")
    with pytest.raises(ConfigError, match=message):
        check_own_files([Marks(tmp_path / "marks")], find_inputs(str(recordings)))


def plain(recordings: Path, path: Path) -> None:
    inputs = find_inputs(str(recordings))
    with to_npy(path, ORIGIN) as write:
        for item, result in zip(inputs, hear(inputs), strict=True):
            if not isinstance(result, HtsatError):
                write(vectors_of(item, result))


@pytest.mark.skipif(os.name != "posix" or sys.platform == "darwin", reason="names of this system are text")
def test_parts_become_the_array_of_a_plain_run(tmp_path: Path, recordings: Path) -> None:
    (recordings / "0" / os.fsdecode(b"caf\xe9, 1.wav")).write_text("sound")
    resumed = place(tmp_path / "resumed", "a.npy")
    assert run(recordings, resumed, "npy") == 1
    (tmp_path / "plain").mkdir()
    plain(recordings, tmp_path / "plain" / "a.npy")
    for name in ("a.npy", "a.rows.csv", "a.origin.json"):
        assert (resumed.parent / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()
    assert np.load(resumed).dtype == np.float32
