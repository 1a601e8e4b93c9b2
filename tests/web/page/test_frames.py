from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from htsat.engines.protocol import ModelDescription
from htsat.labels import LabelSet
from htsat.recognition.hearing import joined_scores
from htsat.rules import EventRules
from htsat.scores import FrameGrid, FrameScores, Task
from htsat.web.page import frames as frames_module
from htsat.web.page.events import find_events
from htsat.web.page.frames import FrameWriter, StoredFrames, open_frames


def describe(n_classes: int = 5, task: Task = "multi_label", n_frames: int = 32) -> ModelDescription:
    return ModelDescription(
        name="any",
        labels=LabelSet.of(f"class {index}" for index in range(n_classes)),
        task=task,
        rules=EventRules.usual((0.25,) * n_classes),
        sample_rate=800,
        clip_samples=8000,
        n_frames=n_frames,
        n_coarse_frames=32,
        embedding_dim=2,
    )


def pieces_of(model: ModelDescription, sizes: list[int], seed: int = 0) -> Iterator[FrameScores]:
    """Scores in pieces, of which those of clips change every seven frames."""
    rng = np.random.default_rng(seed)
    n_frames, n_classes = sum(sizes), len(model.labels)
    logits = rng.normal(-2, 2, (n_frames, n_classes)).astype(np.float32)
    clips = np.repeat(rng.normal(-2, 2, (n_frames // 7 + 1, n_classes)), 7, axis=0)[:n_frames]
    times_s = model.frame_s * np.arange(n_frames + 1)
    times_s[-1] -= model.frame_s / 3
    start = 0
    for size in sizes:
        part = slice(start, start + size)
        grid = FrameGrid(times_s[start : start + size + 1])
        yield FrameScores(
            logits[part], clips[part].astype(np.float32), grid, model.labels, model.task, logits[part] / 2
        )
        start += size


def write(folder: Path, model: ModelDescription, sizes: list[int]) -> FrameScores:
    pieces = list(pieces_of(model, sizes))
    writer = FrameWriter(folder, model)
    for piece in pieces:
        writer.append(piece)
    writer.finish()
    return joined_scores(pieces)


def check_equal(stored: StoredFrames, scores: FrameScores, classes: list[int], first: int, last: int) -> None:
    found = list(stored.read(np.array(classes, np.intp), first, last))
    joined = joined_scores(found)
    assert joined.labels.names == tuple(scores.labels[index] for index in classes)
    assert np.array_equal(joined.logits, scores.logits[first:last, classes])
    assert np.array_equal(joined.clip_logits, scores.clip_logits[first:last, classes])
    assert np.array_equal(joined.grid.boundaries_s, scores.grid.boundaries_s[first : last + 1])


@pytest.fixture(params=[16, 1024])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Blocks that are shorter, and longer, than the recordings here; short ones are read one by one."""
    monkeypatch.setattr(frames_module, "_BLOCK", request.param)
    monkeypatch.setattr(frames_module, "_CHUNK", request.param)
    return int(request.param)


@pytest.mark.parametrize("sizes", [[1], [16], [3, 5, 40, 1, 15], [64, 32, 4], [100, 1]])
def test_what_was_written_is_read_to_the_last_bit(tmp_path: Path, block: int, sizes: list[int]) -> None:
    model = describe()
    scores = write(tmp_path, model, sizes)
    stored = open_frames(tmp_path, model)
    assert stored is not None
    n_frames = scores.grid.n_frames
    assert stored.summary.duration_s == scores.grid.boundaries_s[-1]
    for first, last in [
        (0, n_frames),
        (n_frames // 3, n_frames),
        (0, -(-n_frames // 2)),
        (n_frames - 1, n_frames),
    ]:
        check_equal(stored, scores, [0, 1, 2, 3, 4], first, last)
        check_equal(stored, scores, [1, 4], first, last)
    assert np.array_equal(stored.summary.loudest, scores.logits.max(axis=0))
    assert np.allclose(stored.clip_scores().logits, scores.clip().logits, atol=1e-6)


def test_reading_while_writing(tmp_path: Path, block: int) -> None:
    model = describe()
    writer = FrameWriter(tmp_path, model)
    so_far: list[FrameScores] = []
    assert writer.view().summary.n_frames == 0
    assert list(writer.view().read(np.array([0]))) == []
    for piece in pieces_of(model, [5, 11, 1, 30, 16, 2]):
        writer.append(piece)
        so_far.append(piece)
        view = writer.view()
        check_equal(view, joined_scores(so_far), [0, 2], 0, view.summary.n_frames)
    early = view
    writer.finish()
    check_equal(early, joined_scores(so_far), [3], 0, 65)


def test_clip_logits_are_kept_once_for_each_change(tmp_path: Path) -> None:
    model = describe()
    write(tmp_path, model, [70, 70])
    assert (tmp_path / "clip_logits").stat().st_size == 4 * 5 * 20


def test_scores_without_an_end_are_none(tmp_path: Path) -> None:
    model = describe()
    assert open_frames(tmp_path / "nowhere", model) is None
    writer = FrameWriter(tmp_path, model)
    for piece in pieces_of(model, [5, 6]):
        writer.append(piece)
    writer.close()
    assert open_frames(tmp_path, model) is None


@pytest.mark.parametrize("name", ["logits", "clip_logits", "boundaries", "summary.npz"])
def test_damaged_scores_are_none(tmp_path: Path, name: str) -> None:
    model = describe()
    write(tmp_path, model, [40])
    content = (tmp_path / name).read_bytes()
    for damaged in (content[:-9], b""):
        (tmp_path / name).write_bytes(damaged)
        assert open_frames(tmp_path, model) is None
    (tmp_path / name).unlink()
    assert open_frames(tmp_path, model) is None


def test_writing_again_begins_anew(tmp_path: Path) -> None:
    model = describe()
    write(tmp_path, model, [40])
    FrameWriter(tmp_path, model).close()
    assert open_frames(tmp_path, model) is None
    scores = write(tmp_path, model, [9])
    stored = open_frames(tmp_path, model)
    assert stored is not None
    check_equal(stored, scores, [0, 1, 2, 3, 4], 0, 9)


def test_hours_need_little_memory(tmp_path: Path) -> None:
    """Three hours of 50 classes in frames of 40 ms: 54 MB of scores."""
    model = describe(n_classes=50, n_frames=256)
    loud, size, n_pieces = 7, 1024, 264
    rng = np.random.default_rng(1)
    quiet = rng.normal(-9, 0.5, (size, 50)).astype(np.float32)
    burst = quiet.copy()
    burst[100:300, loud] = 3
    clips = np.zeros((size, 50), np.float32)
    tracemalloc.start()
    try:
        writer = FrameWriter(tmp_path, model)
        for number in range(n_pieces):
            grid = FrameGrid(model.frame_s * np.arange(number * size, (number + 1) * size + 1))
            logits = burst if number % 10 == 0 else quiet
            writer.append(FrameScores(logits, clips, grid, model.labels, model.task))
        writer.finish()
        assert tracemalloc.get_traced_memory()[1] < 4e6
        stored = open_frames(tmp_path, model)
        assert stored is not None
        events = find_events(stored, model.rules)
        assert tracemalloc.get_traced_memory()[1] < 25e6
    finally:
        tracemalloc.stop()
    assert stored.summary.duration_s > 10_000
    assert len(events) == 27
    assert {event.label for event in events} == {"class 7"}
    assert events[1].onset_s == pytest.approx((10 * size + 100) * model.frame_s)
