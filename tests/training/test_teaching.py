from __future__ import annotations

import dataclasses
import errno
import json
import multiprocessing
import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from htsat.data.dataset import Draw, Sample
from htsat.errors import ConfigError, DataError, HtsatError
from htsat.labels import LabelSet
from htsat.scores import FloatArray, Task, probabilities
from htsat.training.experiment import Teaching
from htsat.training.origin import Fingerprint
from htsat.training.teaching import Answers, Questions, teacher_probabilities, teaching_loss
from htsat.training.teaching.asking import Pace, write_answers
from htsat.training.teaching.logits import keep_largest, mean_logits
from htsat.training.teaching.teachers import Heard, Teacher, ask, function_teacher, is_function
from htsat.training.teaching.writer import AnswerPlan, AnswerWriter

N_CLIPS, N_PASSES, N_CLASSES, TOP_K = 7, 3, 6, 2
LABELS = LabelSet.of(f"class {number}" for number in range(N_CLASSES))
MIXED = np.random.default_rng(5).standard_normal((16, N_CLASSES))


class Clips:
    """Crops of 16 samples that depend on pass and clip alone; the sixth clip cannot be read."""

    def __len__(self) -> int:
        return N_CLIPS

    def __getitem__(self, draw: Draw) -> Sample:
        broken: tuple[str, ...] = ()
        if draw.index == 5:
            draw, broken = dataclasses.replace(draw, index=6), ("five.wav: is broken",)
        seed = 1000 * draw.epoch + draw.index
        waveform = np.random.default_rng(seed).standard_normal(16).astype(np.float32)
        return Sample(waveform, np.zeros(N_CLASSES, np.float32), seed, draw, broken)


def linear(waveforms: FloatArray, sample_rate: int) -> NDArray[np.float64]:
    """Logits that are sums of the samples, each row by itself: the same in whatever batch."""
    assert sample_rate == 8_000
    return np.stack([row.astype(np.float64) @ MIXED for row in waveforms])


TEACHER = Teacher("linear", "0123", lambda rows, rate: Heard(linear(rows, rate)))


@pytest.fixture
def questions() -> Questions:
    return Questions(
        clips=Fingerprint(N_CLIPS, "ab"),
        labels=LABELS.names,
        task="multi_label",
        seed=3,
        sample_rate=8_000,
        clip_samples=16,
        augmentation={"speed": 1.25, "time_roll": True},
    )


@pytest.fixture
def write(questions: Questions) -> Callable[..., Path]:
    """Writes all answers into a folder."""

    def written(folder: Path, *, batch_size: int = 4, n_workers: int = 0, **changes: object) -> Path:
        plan = AnswerPlan(dataclasses.replace(questions, **changes), (TEACHER,), N_PASSES, TOP_K)  # type: ignore[arg-type]
        with AnswerWriter(folder, plan) as writer:
            for _ in write_answers(writer, Clips(), plan.teachers, Pace(batch_size, n_workers)):
                pass
        return folder

    return written


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# What is kept of logits


def filled(logits: NDArray[np.float64], top_k: int, task: Task) -> FloatArray:
    """The row that `look_up` gives, by a second implementation."""
    kept = keep_largest(logits, top_k, task)
    rows = np.repeat(kept.rest[:, None].astype(np.float32), logits.shape[1], axis=1)
    np.put_along_axis(rows, kept.classes.astype(np.int64), kept.logits.astype(np.float32), axis=1)
    return rows


@pytest.mark.parametrize("top_k", [1, 5, 49, 50])
def test_the_filled_row_keeps_the_mass_of_a_choice(top_k: int) -> None:
    logits = 4 * np.random.default_rng(0).standard_normal((20, 50)) + 300  # an offset changes nothing
    true = probabilities(logits, "multi_class")
    rows = filled(logits, top_k, "multi_class")
    best = np.argsort(-logits, axis=1)[:, :top_k]
    kept, expected = (np.take_along_axis(p, best, 1) for p in (probabilities(rows, "multi_class"), true))
    np.testing.assert_allclose(kept, expected, rtol=8e-3)
    np.testing.assert_allclose(kept.sum(axis=1), expected.sum(axis=1), rtol=2e-3)


def test_the_rest_of_several_labels_is_their_mean() -> None:
    logits = np.array([[5.0, -1.0, 3.0, -2.0]])
    assert filled(logits, 2, "multi_label").tolist() == [[5.0, -1.5, 3.0, -1.5]]
    assert filled(logits, 4, "multi_label").tolist() == logits.tolist()


@pytest.mark.parametrize("task", ["multi_label", "multi_class"])
def test_logits_beyond_float16_are_clamped(task: Task) -> None:
    rows = filled(np.array([[1e9, 1.1e9, -1e9, -1.2e9]]), 2, task)
    assert np.isfinite(rows).all()
    assert rows.argmax() == 1 or task == "multi_label"
    assert probabilities(rows, "multi_class")[0, 2:].max() == 0


def test_of_equal_logits_the_first_are_kept() -> None:
    assert keep_largest(np.zeros((1, 5)), 2, "multi_label").classes.tolist() == [[0, 1]]


# Several teachers


@pytest.mark.parametrize("task", ["multi_label", "multi_class"])
def test_several_teachers_answer_with_the_logits_of_their_mean_probabilities(task: Task) -> None:
    answers = 3 * np.random.default_rng(1).standard_normal((3, 4, 5))
    mean = np.mean([probabilities(one, task) for one in answers], axis=0)
    np.testing.assert_allclose(probabilities(mean_logits(answers, task), task), mean, rtol=1e-12)


def test_certainty_survives_the_mean() -> None:
    same = np.array([[[500.0, -500.0]]] * 2)
    np.testing.assert_allclose(mean_logits(same, "multi_label"), same[0], rtol=1e-12)


def test_teachers_are_asked_together() -> None:
    waveforms = np.ones((2, 16), np.float32)
    away = Teacher("away", "", lambda rows, rate: Heard(-linear(rows, rate)))
    both = ask([TEACHER, away], waveforms, 8_000, LABELS, "multi_label")
    np.testing.assert_allclose(both.clips, 0, atol=1e-12)
    alone = ask([TEACHER], waveforms, 8_000, LABELS, "multi_label")
    np.testing.assert_array_equal(alone.clips, linear(waveforms, 8_000))
    assert both.frames is alone.frames is None


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (np.zeros((2, 5)), r"expected logits \(clips, classes\) \(2, 6\), got float64 \(2, 5\)"),
        (np.zeros(6), r"got float64 \(6,\)"),
        (np.zeros((2, 6), complex), r"got complex128 \(2, 6\)"),
        (None, r"got object \(\)"),
        (np.full((2, 6), np.nan), "gave logits that are NaN or infinite"),
        (np.full((2, 6), -np.inf), "gave logits that are NaN or infinite"),
    ],
)
def test_answers_that_are_no_logits_are_refused(answer: object, problem: str) -> None:
    with pytest.raises(DataError, match=rf"^teacher 'bad': .*{problem}"):
        Teacher("bad", "", lambda rows, rate: Heard(answer)).logits(
            np.zeros((2, 16), np.float32), 8_000, 6, None
        )


# Functions of the user


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with modules that later tests do not see."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_function_in_the_current_folder_teaches(here: Path) -> None:
    (here / "my_teacher.py").write_text(
        "import torch\n"
        "def hear(waveforms, sample_rate, labels):\n"
        "    assert waveforms.dtype == 'float32' and sample_rate == 8_000\n"
        "    return torch.tensor([[row.sum() + len(name) for name in labels] for row in waveforms])\n"
    )
    teacher = function_teacher("my_teacher:hear", LabelSet(("a", "bb")))
    assert teacher.logits(np.ones((1, 4), np.float32), 8_000, 2, None).clips.tolist() == [[5.0, 6.0]]
    assert len(teacher.sha256) == 64


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (
            "nowhere_at_all:hear",
            "teacher 'nowhere_at_all:hear': no module 'nowhere_at_all' in the current folder",
        ),
        ("mine:heer", "teacher 'mine:heer': no such function; did you mean 'hear'?"),
        ("mine:RATE", "teacher 'mine:RATE': no such function"),
        ("needs_more:hear", "no module 'not_installed_here' in the current folder, and none is installed"),
        ("wrong:hear", "teacher 'wrong:hear' cannot be imported: ZeroDivisionError: division by zero"),
        ("sys:exit", "teacher 'sys:exit': sys is not a file of its own"),
    ],
)
def test_a_function_that_is_not_there_is_refused(here: Path, name: str, problem: str) -> None:
    (here / "mine.py").write_text("RATE = 1\ndef hear(waveforms, sample_rate, labels): ...\n")
    (here / "needs_more.py").write_text("import not_installed_here\n")
    (here / "wrong.py").write_text("1 / 0\n")
    with pytest.raises(ConfigError) as refused:
        function_teacher(name, LABELS)
    assert problem in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_function_that_fails_is_named(here: Path) -> None:
    (here / "fails.py").write_text(
        "def hear(waveforms, sample_rate, labels):\n    raise KeyError('two\\nlines')\n"
    )
    with pytest.raises(HtsatError, match=r"^teacher 'fails:hear': KeyError: 'two\\nlines'$"):
        function_teacher("fails:hear", LABELS).logits(np.zeros((1, 4), np.float32), 8_000, N_CLASSES, None)


@pytest.mark.parametrize(
    "name", ["model.safetensors", "hf://a/b", "nano-esc50", "C:\\m", "a/b:c", "1a:b", "a:b:c"]
)
def test_names_of_models_are_no_functions(name: str) -> None:
    assert not is_function(name)
    assert is_function("package.module:function")


# Writing and reading


def test_every_crop_has_the_answer_of_the_teacher(
    tmp_path: Path, write: Callable[..., Path], questions: Questions
) -> None:
    answers = Answers(write(tmp_path / "answers"), questions)
    assert answers.n_passes == N_PASSES
    for draw in [Draw(pass_, index) for pass_ in range(N_PASSES) for index in range(N_CLIPS)]:
        sample = Clips()[draw]
        expected = filled(linear(sample.waveform[None], 8_000), TOP_K, "multi_label")[0]
        found = answers.look_up(draw.epoch, draw.index)
        assert found.clip.dtype == np.float32
        np.testing.assert_array_equal(found.clip, expected)
        assert found.frames is None


def test_crops_that_are_drawn_differently_are_refused(
    tmp_path: Path, write: Callable[..., Path], questions: Questions
) -> None:
    answers = Answers(write(tmp_path / "a"), questions)
    answers.check_seeds(lambda draw: Clips()[draw].seed)
    answers.check_seeds(lambda draw: draw.index if draw.index == 4 else -1)
    with pytest.raises(DataError, match="written by a version of htsat that draws other crops"):
        answers.check_seeds(lambda draw: Clips()[draw].seed + 1)


def test_files_are_plain_numpy_arrays(tmp_path: Path, write: Callable[..., Path]) -> None:
    folder = write(tmp_path / "answers")
    arrays = {path.stem: np.load(path) for path in folder.glob("*.npy")}
    assert {name: (array.dtype.name, array.shape) for name, array in arrays.items()} == {
        "seeds": ("int64", (N_PASSES, N_CLIPS)),
        "logits": ("float16", (N_PASSES, N_CLIPS, TOP_K)),
        "classes": ("uint16", (N_PASSES, N_CLIPS, TOP_K)),
        "rest": ("float16", (N_PASSES, N_CLIPS)),
    }
    assert arrays["seeds"][:, 4].tolist() == [4, 1004, 2004]


def test_a_broken_clip_is_named_and_the_next_one_answers(
    tmp_path: Path, write: Callable[..., Path], questions: Questions
) -> None:
    plan = AnswerPlan(questions, (TEACHER,), 1, TOP_K)
    with AnswerWriter(tmp_path / "a", plan) as writer:
        batches = list(write_answers(writer, Clips(), plan.teachers, Pace(4)))
    assert [batch.n_crops for batch in batches] == [4, 3]
    assert [batch.broken for batch in batches] == [(), ("five.wav: is broken",)]
    answers = Answers(tmp_path / "a", questions)
    assert answers.look_up(0, 5).clip.tolist() == answers.look_up(0, 6).clip.tolist()


def test_workers_change_nothing(tmp_path: Path, write: Callable[..., Path]) -> None:
    assert content(write(tmp_path / "a")) == content(write(tmp_path / "b", n_workers=1))


@pytest.mark.parametrize("n_batches", [0, 1, 3, 5])
@pytest.mark.parametrize("secured", [True, False])
def test_a_stopped_writer_goes_on_to_the_same_bytes(
    n_batches: int,
    secured: bool,
    tmp_path: Path,
    write: Callable[..., Path],
    questions: Questions,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Unsecured: answers lie beyond those that count, and the last of them is cut within a number."""
    plan = AnswerPlan(questions, (TEACHER,), N_PASSES, TOP_K)
    with AnswerWriter(tmp_path / "stopped", plan) as writer:
        batches = write_answers(writer, Clips(), plan.teachers, Pace(4))
        for _ in range(n_batches):
            next(batches)
        if not secured:
            monkeypatch.setattr(writer, "secure", lambda: None)
    with (tmp_path / "stopped" / "classes.npy").open("ab") as file:
        file.write(b"\x07")
    facts = json.loads((tmp_path / "stopped" / "answers.json").read_text())
    assert facts["n_answered"] == (4 * n_batches if secured else 0)
    with pytest.raises(DataError, match=rf"half done \({facts['n_answered']} of 21 answers\)"):
        Answers(tmp_path / "stopped", questions)
    assert content(write(tmp_path / "stopped")) == content(write(tmp_path / "whole"))


def write_and_die(folder: Path, plan: AnswerPlan) -> None:
    """Ends like a process with `kill -9`, in the middle of the third batch."""

    def hear(rows: FloatArray, sample_rate: int) -> Heard:
        if writer.n_done == 8:
            os.kill(os.getpid(), signal.SIGKILL)
        return TEACHER.hear(rows, sample_rate)

    with AnswerWriter(folder, plan) as writer:
        for _ in write_answers(writer, Clips(), [Teacher(TEACHER.name, TEACHER.sha256, hear)], Pace(4)):
            writer.secure()


def test_a_killed_writer_goes_on_to_the_same_bytes(
    tmp_path: Path, write: Callable[..., Path], questions: Questions
) -> None:
    plan = AnswerPlan(questions, (TEACHER,), N_PASSES, TOP_K)
    process = multiprocessing.get_context("fork").Process(
        target=write_and_die, args=(tmp_path / "killed", plan)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert json.loads((tmp_path / "killed" / "answers.json").read_text())["n_answered"] == 8
    assert content(write(tmp_path / "killed")) == content(write(tmp_path / "whole"))


def interrupt(folder: Path, plan: AnswerPlan) -> None:
    with AnswerWriter(folder, plan) as writer:
        for _ in write_answers(writer, Clips(), plan.teachers, Pace(4)):
            raise KeyboardInterrupt


def test_an_interrupted_writer_keeps_what_it_has(tmp_path: Path, questions: Questions) -> None:
    plan = AnswerPlan(questions, (TEACHER,), N_PASSES, TOP_K)
    with pytest.raises(KeyboardInterrupt):
        interrupt(tmp_path / "a", plan)
    with AnswerWriter(tmp_path / "a", plan) as writer:
        assert writer.n_done == 4


def test_a_full_disk_is_told_in_one_line(
    tmp_path: Path, questions: Questions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    writer = AnswerWriter(tmp_path / "a", AnswerPlan(questions, (TEACHER,), N_PASSES, TOP_K))
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(DataError) as refused:
            writer.secure()
    with writer:
        pass  # closes the files
    assert str(refused.value) == f"{tmp_path / 'a'}: answers cannot be written (No space left on device)"


def test_a_finished_writer_asks_nobody(
    tmp_path: Path, write: Callable[..., Path], questions: Questions
) -> None:
    before = content(write(tmp_path / "a"))
    nobody = Teacher(TEACHER.name, TEACHER.sha256, lambda rows, rate: pytest.fail("was asked"))
    with AnswerWriter(tmp_path / "a", AnswerPlan(questions, (nobody,), N_PASSES, TOP_K)) as writer:
        assert list(write_answers(writer, Clips(), [nobody])) == []
    assert content(tmp_path / "a") == before


def test_other_processes_read_the_same(
    tmp_path: Path, write: Callable[..., Path], questions: Questions
) -> None:
    answers = Answers(write(tmp_path / "a"), questions)
    sent = pickle.dumps(answers.look_up)
    assert len(sent) < 1000, "the file itself is not sent"
    assert pickle.loads(sent)(2, 1).clip.tolist() == answers.look_up(2, 1).clip.tolist()
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.starmap(answers.look_up, [(0, 1)])[0].clip.tolist() == answers.look_up(0, 1).clip.tolist()


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"seed": 4}, "seed 3, here 4"),
        ({"sample_rate": 16_000}, "sample_rate 8000, here 16000"),
        ({"clip_samples": 8}, "clip_samples 16, here 8"),
        ({"task": "multi_class"}, "task multi_label, here multi_class"),
        ({"clips": Fingerprint(8, "ab")}, "7 clips, here 8"),
        ({"clips": Fingerprint(N_CLIPS, "cd")}, "other files, labels or folds among the 7 clips"),
        (
            {"augmentation": {"speed": 1.0, "time_roll": True}},
            "augmentation.speed 1.25, here 1.0",
        ),
        (
            {"labels": (*LABELS.names[:5], "dog")},
            "labels of 6 (number 6: class 5), here of 6 (number 6: dog)",
        ),
        ({"labels": LABELS.names[:5]}, "labels of 6 (number 6: class 5), here of 5"),
    ],
)
def test_answers_to_other_crops_are_refused(
    changes: dict[str, object],
    difference: str,
    tmp_path: Path,
    write: Callable[..., Path],
    questions: Questions,
) -> None:
    folder = write(tmp_path / "a")
    with pytest.raises(DataError) as refused:
        Answers(folder, dataclasses.replace(questions, **changes))  # type: ignore[arg-type]
    assert str(refused.value) == f"{folder}: answers to other crops than this run hears: {difference}"


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"n_passes": 4}, "n_passes 3, here 4"),
        ({"top_k": 3}, "top_k 2, here 3"),
        ({"n_frames": 4}, "n_frames None, here 4"),
        (
            {"teachers": (TEACHER, TEACHER)},
            "teachers of 1, here of 2 (number 2: {'name': 'linear', 'sha256': '0123'})",
        ),
    ],
)
def test_another_plan_is_not_written_over_the_answers(
    changes: dict[str, object],
    difference: str,
    tmp_path: Path,
    write: Callable[..., Path],
    questions: Questions,
) -> None:
    folder = write(tmp_path / "a")
    before = content(folder)
    plan = dataclasses.replace(AnswerPlan(questions, (TEACHER,), N_PASSES, TOP_K), **changes)  # type: ignore[arg-type]
    with pytest.raises(DataError) as refused:
        AnswerWriter(folder, plan)
    assert str(refused.value) == f"{folder}: was begun with {difference}; choose another folder"
    assert content(folder) == before


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, questions: Questions) -> None:
    (tmp_path / "logits.npy").write_text("mine")
    with pytest.raises(DataError, match="is not empty and holds no answers"):
        AnswerWriter(tmp_path, AnswerPlan(questions, (TEACHER,), 1, 1))
    assert content(tmp_path) == {"logits.npy": b"mine"}


@pytest.mark.parametrize("top_k", [0, 7])
def test_more_classes_than_there_are_cannot_be_kept(top_k: int, questions: Questions) -> None:
    with pytest.raises(ConfigError, match=rf"top-k must lie between 1 and the 6 classes, got {top_k}$"):
        AnswerPlan(questions, (TEACHER,), 1, top_k)


@pytest.mark.parametrize(
    ("file", "damage", "problem"),
    [
        ("answers.json", b"{", r"answers.json: is damaged \("),
        ("answers.json", b"[]", r"expected format version 1 or 2, got None"),
        (
            "answers.json",
            b'{"format_version": 1, "questions": {}}',
            "no n_answered, n_passes, teachers and 1 more",
        ),
        (
            "answers.json",
            b'{"format_version": 2, "questions": {}, "teachers": [], "n_passes": 1, "top_k": 1}',
            "is damaged: no n_answered, n_frames",
        ),
        ("logits.npy", b"", r"logits.npy: cannot be read \("),
        ("rest.npy", b"\x93NUMPY\x01\x00", r"rest.npy: cannot be read \("),
    ],
)
def test_damaged_answers_are_refused(
    file: str, damage: bytes, problem: str, tmp_path: Path, write: Callable[..., Path], questions: Questions
) -> None:
    folder = write(tmp_path / "a")
    (folder / file).write_bytes(damage)
    with pytest.raises(DataError, match=problem) as refused:
        Answers(folder, questions)
    assert "\n" not in str(refused.value)


def test_an_array_of_another_shape_is_refused(
    tmp_path: Path, write: Callable[..., Path], questions: Questions
) -> None:
    folder = write(tmp_path / "a")
    np.save(folder / "rest.npy", np.zeros((N_PASSES, 2), np.float16))
    with pytest.raises(DataError, match=r"rest.npy: expected <f2 \(3, 7\), got float16 \(3, 2\)"):
        Answers(folder, questions)


def test_answers_that_were_cut_off_are_refused(
    tmp_path: Path, write: Callable[..., Path], questions: Questions
) -> None:
    folder = write(tmp_path / "a")
    path = folder / "logits.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"logits.npy: cannot be read"):
        Answers(folder, questions)
    with pytest.raises(DataError, match="is damaged: it holds less than the 21 answers that were written"):
        write(folder)


def test_no_answers_at_all(tmp_path: Path, questions: Questions) -> None:
    with pytest.raises(DataError, match=r"no answers of a teacher here \(answers.json: No such file"):
        Answers(tmp_path, questions)


# The loss


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("task", ["multi_label", "multi_class"])
def test_the_loss_by_a_second_implementation(temperature: float, task: Task) -> None:
    rng = np.random.default_rng(0)
    student, teacher = rng.standard_normal((2, 5, 4))
    settings = Teaching(temperature=temperature)
    p = probabilities(student / temperature, task)
    q = probabilities(teacher / temperature, task)
    if task == "multi_label":
        expected = -(q * np.log(p) + (1 - q) * np.log(1 - p)).mean()
    else:
        expected = temperature**2 * (q * np.log(q / p)).sum(axis=1).mean()
    softened = teacher_probabilities(torch.tensor(teacher), settings, task)
    np.testing.assert_allclose(softened, q, rtol=1e-5)
    loss = teaching_loss(torch.tensor(student), softened, settings, task)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("task", ["multi_label", "multi_class"])
def test_a_student_that_agrees_has_nothing_to_learn(task: Task) -> None:
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    settings = Teaching(temperature=2.0)
    teaching_loss(logits, teacher_probabilities(logits.detach(), settings, task), settings, task).backward()
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad, torch.zeros(5, 4), rtol=0, atol=1e-7)


def test_certain_teachers_and_half_precision_students_have_a_finite_loss() -> None:
    answers = torch.tensor([[65504.0, -65504.0]])
    student = torch.tensor([[-30.0, 30.0]], dtype=torch.bfloat16, requires_grad=True)
    for task in ("multi_label", "multi_class"):
        loss = teaching_loss(student, teacher_probabilities(answers, Teaching(), task), Teaching(), task)  # type: ignore[arg-type]
        assert loss.isfinite()
        assert loss.dtype == torch.float32
