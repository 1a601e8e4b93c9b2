"""Units on a Ray cluster: the same parts as in one process, whichever of its processes is killed."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import pickle
import re
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import soundfile

from htsat.audio import open_audio
from htsat.bulk.inputs import Input, find_inputs
from htsat.bulk.journal import Failure, Journal, Tally
from htsat.bulk.layouts import layout_of
from htsat.bulk.ray import sound
from htsat.bulk.ray.session import cluster_for
from htsat.bulk.ray.sound import (
    Blocks,
    Decode,
    End,
    LaneError,
    Lanes,
    Place,
    Portion,
    _received,
    in_turn,
    portions_of,
)
from htsat.bulk.ray.workers import Job, Needs, Worker, run_on_workers
from htsat.bulk.run import Work, run_units
from htsat.bulk.units import Cutting, Unit, cut_units
from htsat.errors import AudioError, ConfigError, HtsatError, MissingExtraError
from htsat.formats import csv
from htsat.formats.recording import TaggedRecording
from htsat.scores import Tag

pytestmark = pytest.mark.filterwarnings(r"ignore::DeprecationWarning:ray\.")
SAMPLE_RATE = 8_000
NEEDS = Needs(1, 0, 1)
N_RECORDINGS = 24
N_SECONDS = 50


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """A cluster on this machine, for all tests here."""
    package = pytest.importorskip("ray")
    package.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    with cluster_for(NEEDS, 2):
        yield package


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sound of a sum that no task decodes at once; one file is no sound, and one is cut off."""
    folder = tmp_path_factory.mktemp("sound")
    for number in range(N_RECORDINGS):
        noise = np.random.default_rng(number).integers(-3000, 3000, N_SECONDS * SAMPLE_RATE).astype(np.int16)
        soundfile.write(folder / f"{number:02d}.wav", noise, SAMPLE_RATE)
    (folder / "05.wav").write_text("no sound")
    whole = (folder / "09.wav").read_bytes()
    (folder / "09.wav").write_bytes(whole[: len(whole) // 2])
    return folder


@pytest.fixture
def units(folder: Path) -> list[Unit]:
    return list(cut_units(find_inputs(str(folder)), "", Cutting(6, 12)))


@contextmanager
def decoded_here(recordings: Sequence[Any], sample_rate: int) -> Iterator[Iterator[Blocks]]:
    yield in_turn([portions_of(recordings, sample_rate, 10_000)], len(recordings))


def work_of(decode: Decode) -> Work[Any]:
    """A stand-in for listening: what it hears are digests of all samples."""

    def hear(inputs: Sequence[Input]) -> Generator[Any | HtsatError, None, None]:
        with decode([item.path or item.opener for item in inputs], SAMPLE_RATE) as recordings:
            for item, blocks in zip(inputs, recordings, strict=True):
                try:
                    yield described(item, blocks)
                except HtsatError as error:
                    yield error

    return Work(hear, lambda found: found.duration_s, layout_of(csv.TAGS))


def described(item: Input, blocks: Blocks) -> TaggedRecording:
    digest, n_samples = hashlib.sha256(), 0
    for block in blocks:
        digest.update(np.ascontiguousarray(block))
        n_samples += len(block)
    return TaggedRecording(item.title, n_samples / SAMPLE_RATE, [Tag(digest.hexdigest(), 0.5)])


class Heard:
    """What a driver is told."""

    def __init__(self) -> None:
        self.failures: list[Failure] = []
        self.n_recordings = self.n_units = 0

    def heard(self, failure: Failure | None) -> None:
        self.n_recordings += 1
        self.failures += [] if failure is None else [failure]

    def finished(self, _: Unit, __: Tally) -> None:
        self.n_units += 1


def on_cluster(
    make: Callable[[Decode], Work[Any]], units: list[Unit], folder: Path, n_lanes: int = 1
) -> Heard:
    journal, heard = Journal(folder, ".csv"), Heard()
    journal.begin()
    with journal.staging("attempts") as attempts:
        job = Job(make, journal, Lanes(n_lanes, str(Path.cwd())), attempts)
        run_on_workers(units, job, NEEDS, min(2, len(units)), heard)
    return heard


def parts(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "parts").iterdir()}


@pytest.fixture
def undisturbed(tmp_path: Path, units: list[Unit]) -> Path:
    """What one process writes."""
    journal = Journal(tmp_path / "undisturbed", ".csv")
    journal.begin()
    run_units(units, work_of(decoded_here), journal, Heard())
    return journal.folder


def same(folder: Path, undisturbed: Path, units: list[Unit]) -> bool:
    journals = [Journal(path, ".csv") for path in (folder, undisturbed)]
    records = [[journal.record(unit.key) for unit in units] for journal in journals]
    told = [[record and record._replace(took_s=0) for record in listed] for listed in records]
    return parts(folder) == parts(undisturbed) != {} and told[0] == told[1]


@pytest.mark.slow
@pytest.mark.parametrize("n_lanes", [1, 3])
def test_the_same_parts_and_records(
    ray: Any, tmp_path: Path, units: list[Unit], undisturbed: Path, n_lanes: int
) -> None:
    heard = on_cluster(work_of, units, tmp_path / "cluster", n_lanes)
    assert same(tmp_path / "cluster", undisturbed, units)
    assert (heard.n_units, heard.n_recordings) == (len(units), N_RECORDINGS)
    assert sorted(Path(failure.file).name for failure in heard.failures) == ["05.wav", "09.wav"]


def killing_itself_once(decode: Decode, flag: Path) -> Work[Any]:
    """The first worker that hears a unit is killed in the middle of it."""

    @contextmanager
    def fatal(recordings: Sequence[Any], sample_rate: int) -> Iterator[Iterator[Blocks]]:
        with decode(recordings, sample_rate) as decoded:
            yield (deadly(blocks) if number == 2 else blocks for number, blocks in enumerate(decoded))

    def deadly(blocks: Blocks) -> Blocks:
        if not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        yield from blocks

    return work_of(fatal)


@pytest.mark.slow
def test_a_worker_that_is_killed(ray: Any, tmp_path: Path, units: list[Unit], undisturbed: Path) -> None:
    make = partial(killing_itself_once, flag=tmp_path / "killed")
    heard = on_cluster(make, units, tmp_path / "cluster")
    assert (tmp_path / "killed").exists()
    assert heard.n_units == len(units)
    assert same(tmp_path / "cluster", undisturbed, units)


def waiting(decode: Decode, signs: Path) -> Work[Any]:
    """Says when it has begun, and hears no more before it may."""

    @contextmanager
    def slow(recordings: Sequence[Any], sample_rate: int) -> Iterator[Iterator[Blocks]]:
        with decode(recordings, sample_rate) as decoded:
            yield (held(blocks) if number == 1 else blocks for number, blocks in enumerate(decoded))

    def held(blocks: Blocks) -> Blocks:
        (signs / "begun").touch()
        while not (signs / "go").exists():
            time.sleep(0.01)
        yield from blocks

    return work_of(slow)


def descendants(name: bytes) -> list[int]:
    """Processes of a name that this one has started, or those that it has started."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    return [pid for pid in parents if _is_below(pid, parents) and name in _command(pid)]


def _is_below(pid: int, parents: dict[int, int]) -> bool:
    while pid in parents and pid != os.getpid():
        pid = parents[pid]
    return pid == os.getpid()


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_task_that_decodes_is_killed(ray: Any, tmp_path: Path, folder: Path) -> None:
    # One unit, of which the task decodes only a part before the worker takes it.
    units = list(cut_units(find_inputs(str(folder)), "", Cutting(10**9, N_RECORDINGS)))
    undisturbed = Journal(tmp_path / "undisturbed", ".csv")
    undisturbed.begin()
    run_units(units, work_of(decoded_here), undisturbed, Heard())
    killed: list[int] = []

    def kill() -> None:
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
        for pid in descendants(b"_decode_in"):
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)
        (tmp_path / "go").touch()

    killer = Thread(target=kill)
    killer.start()
    on_cluster(partial(waiting, signs=tmp_path), units, tmp_path / "cluster")
    killer.join()
    assert len(killed) == 1
    assert same(tmp_path / "cluster", undisturbed.folder, units)


def always_dying(_: Decode) -> Work[Any]:
    def hear(_: Sequence[Input]) -> Generator[Any, None, None]:
        os.kill(os.getpid(), signal.SIGKILL)
        yield

    return Work(hear, lambda _: None, layout_of(csv.TAGS))


@pytest.mark.slow
def test_a_unit_that_kills_every_worker_ends_the_run(ray: Any, tmp_path: Path, units: list[Unit]) -> None:
    with pytest.raises(HtsatError, match="4 workers died one after the other while they heard the "):
        on_cluster(always_dying, units[:1], tmp_path / "cluster")
    assert parts(tmp_path / "cluster") == {}


def test_sound_that_changes_when_it_is_decoded_again_is_refused(ray: Any, folder: Path) -> None:
    second = np.zeros(SAMPLE_RATE, np.float32)
    before, after = Portion(Place(), [second, second]), Portion(Place(1, 0), [second, End()])
    portions = _received([ray.put(before), ray.put(after)], [folder / "00.wav", folder / "01.wav"])
    next(portions)
    with pytest.raises(LaneError, match=r"00\.wav or what is before it gave other sound"):
        next(portions)


@pytest.mark.slow
def test_faults_of_a_worker_are_raised_here(ray: Any, tmp_path: Path, units: list[Unit]) -> None:
    def full(_: Decode) -> Work[Any]:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a file")

    with pytest.raises(OSError, match="No space left") as raised:
        on_cluster(full, units, tmp_path / "full")
    assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, "a file")


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (ConfigError("another model"), ConfigError, "another model"),
        (
            MissingExtraError("a model", "torch"),
            HtsatError,
            "a model needs packages that are not installed: ",
        ),
        (LaneError("decoding ended at a.wav"), HtsatError, "decoding ended at a.wav"),
        (OSError(errno.EACCES, "No access", "a file"), OSError, r"\[Errno 13\] No access: 'a file'"),
        (ZeroDivisionError("a bug"), RuntimeError, "a worker ended with ZeroDivisionError: a bug"),
    ],
)
def test_problems_of_a_worker_travel(
    tmp_path: Path, units: list[Unit], error: Exception, kind: type[Exception], words: str
) -> None:
    def broken(_: Decode) -> Work[Any]:
        raise error

    job = Job(broken, Journal(tmp_path, ".csv"), Lanes(1, str(Path.cwd())), tmp_path)
    [outcome] = Worker(job)(pa.table({"unit": [pickle.dumps(units[0])]}))["outcome"].to_pylist()
    problem = pickle.loads(outcome).problem
    with pytest.raises(kind, match=words):
        raise problem
    assert "in broken" in problem.__notes__[0]


@pytest.mark.slow
def test_a_recording_that_kills_whoever_decodes_it_is_named(ray: Any, folder: Path, tmp_path: Path) -> None:
    @ray.remote(num_returns="streaming", max_retries=1)
    def deadly() -> Iterator[Portion]:
        yield Portion(Place(), [np.zeros(1, np.float32), End()])
        while not (tmp_path / "taken").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)

    portions = _received(deadly.remote(), [folder / "00.wav", folder / "01.wav"])
    assert len(next(portions).contents) == 2
    (tmp_path / "taken").touch()
    with pytest.raises(LaneError, match=r"decoding ended at .*/01\.wav: "):
        next(portions)


@pytest.mark.parametrize(
    ("needs", "wanted", "words"),
    [
        (NEEDS, 3, "room for 2 workers: each takes 1 for the network, 1 that decode"),
        (
            Needs(0, 1, 1),
            None,
            "and 0 GPUs, room for 0 workers: each takes 0 for the network, 1 that decode, a GPU",
        ),
        (Needs(8, 0, 1), None, "the cluster has 4 processors and 0 GPUs, room for 0 workers"),
    ],
)
def test_no_room(ray: Any, needs: Needs, wanted: int | None, words: str) -> None:
    with pytest.raises(ConfigError, match=words), cluster_for(needs, wanted):
        pass


def test_as_many_workers_as_there_is_room_for(ray: Any) -> None:
    with cluster_for(NEEDS, None) as n_workers:
        assert n_workers == 2
    with cluster_for(NEEDS, 1) as n_workers:
        assert n_workers == 1


@pytest.mark.parametrize(
    ("needs", "wanted"), [(NEEDS, 1_000_000), (Needs(1, 0, 100_000), None), (Needs(1, 0, 100_000), 1)]
)
def test_a_cluster_on_this_machine_has_bounds(
    monkeypatch: pytest.MonkeyPatch, needs: Needs, wanted: int | None
) -> None:
    without_cluster(monkeypatch)
    words = r"^this machine has \d+ processors, room for \d+ workers: "
    with pytest.raises(ConfigError, match=words), cluster_for(needs, wanted):
        pass


@pytest.mark.parametrize(
    ("address", "error", "words"),
    [
        ("127.0.0.1:1", HtsatError, "RAY_ADDRESS=127.0.0.1:1: no Ray cluster answers (Connection refused)"),
        ("ray://127.0.0.1:1", HtsatError, "RAY_ADDRESS=ray://127.0.0.1:1: no Ray cluster answers (Connec"),
        ("nowhere.invalid:6379", HtsatError, "RAY_ADDRESS=nowhere.invalid:6379: no Ray cluster answers ("),
        *(
            (
                word,
                ConfigError,
                f"RAY_ADDRESS must be HOST:PORT, ray://HOST:PORT, auto or local, got '{word}'",
            )
            for word in ("head", "head:x", "1:99999999", ":6379", "[::1")
        ),
    ],
)
def test_an_address_where_nobody_is(
    monkeypatch: pytest.MonkeyPatch, address: str, error: type[HtsatError], words: str
) -> None:
    without_cluster(monkeypatch)
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(error, match=f"^{re.escape(words)}"), cluster_for(NEEDS, None):
        pass


def without_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has joined none, and joins none."""
    package = pytest.importorskip("ray")
    monkeypatch.setattr(package, "is_initialized", lambda: False)
    monkeypatch.setattr(package, "shutdown", lambda: None)
    monkeypatch.setattr(package, "init", lambda **_: pytest.fail("joined a cluster"))


def test_what_others_listen_with_is_not_silenced(ray: Any) -> None:
    handler = logging.StreamHandler()
    logger = logging.getLogger("ray.data")
    logger.addHandler(handler)
    try:
        with cluster_for(NEEDS, 1):
            assert handler.level == logging.NOTSET
    finally:
        logger.removeHandler(handler)


def test_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'htsat\[ray\]'"), cluster_for(NEEDS, None):
        pass


@pytest.mark.parametrize("n_bytes", [1, 100_000, 10**9])
@pytest.mark.parametrize("n_lanes", [1, 2, 5])
def test_sound_arrives_as_it_was_decoded(folder: Path, n_bytes: int, n_lanes: int) -> None:
    recordings = sorted(folder.glob("*.wav"))[:11]
    lanes = [portions_of(recordings[first::n_lanes], SAMPLE_RATE, n_bytes) for first in range(n_lanes)]
    for path, blocks in zip(recordings, in_turn(lanes, len(recordings)), strict=True):
        assert taken(blocks) == taken(opened(path)), path


def opened(path: Path) -> Blocks:
    with open_audio(path, SAMPLE_RATE) as audio:
        yield from audio.blocks()


def taken(blocks: Blocks) -> tuple[str, str]:
    """A digest of the samples, and how they end."""
    digest = hashlib.sha256()
    try:
        for block in blocks:
            digest.update(np.ascontiguousarray(block))
    except AudioError as error:
        return digest.hexdigest(), str(error)
    return digest.hexdigest(), ""


def test_portions_are_bounded(folder: Path) -> None:
    recordings = sorted(folder.glob("*.wav"))
    sizes = [
        sum(content.nbytes for content in portion.contents if not isinstance(content, End))
        for portion in portions_of(recordings, SAMPLE_RATE, 10**6)
    ]
    block = SAMPLE_RATE * 4
    assert max(sizes) < 10**6 + block
    assert min(sizes[:-1]) >= 10**6


def test_a_full_disk_is_no_fault_of_a_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> AbstractContextManager[Any]:
        error = AudioError("a.wav: No space left on device")
        raise error from OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sound, "open_audio", full)
    [blocks] = in_turn([portions_of([tmp_path / "a.wav"], SAMPLE_RATE, 1)], 1)
    with pytest.raises(OSError, match="No space left"):
        list(blocks)


def test_a_stream_without_an_end_is_refused() -> None:
    [blocks] = in_turn([[Portion(Place(), [np.zeros(3, np.float32)])]], 1)
    with pytest.raises(RuntimeError, match="has no end"):
        list(blocks)
