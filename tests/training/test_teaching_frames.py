"""A teacher's answers for frames: where they lie, what is kept of them, what is learned from them."""

from __future__ import annotations

import dataclasses
import json
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from htsat.checkpoints import load_model
from htsat.data.dataset import Draw, Sample, TrainingClips
from htsat.errors import ConfigError, DataError
from htsat.labels import LabelSet
from htsat.network import ModelConfig
from htsat.scores import FloatArray, probabilities
from htsat.training.batches import Batch, Collator
from htsat.training.experiment import Detection, Experiment, Optimisation, Teaching
from htsat.training.mixing import Mixup
from htsat.training.origin import Fingerprint
from htsat.training.split import open_split, read_split, resolve_task, training_clips
from htsat.training.start import start_network
from htsat.training.teaching import Answers, Questions, open_answers, probabilities_in_frames
from htsat.training.teaching.asking import Pace, write_answers
from htsat.training.teaching.frames import frame_shares, logits_in_frames
from htsat.training.teaching.logits import keep_loudest
from htsat.training.teaching.teachers import Heard, Teacher, ask, function_teacher
from htsat.training.teaching.writer import AnswerPlan, AnswerWriter
from htsat.training.train import Watcher, resume, train

HearFrames = Callable[[Path], tuple[np.ndarray, np.ndarray]]

SAMPLE_RATE, CLIP_SAMPLES = 8_000, 4_000
N_CLIPS, N_PASSES, N_CLASSES, N_FRAMES, TOP_K = 5, 2, 6, 4, 2
LABELS = LabelSet.of(f"class {number}" for number in range(N_CLASSES))


# Where frames lie


@pytest.mark.parametrize(
    ("edges", "n_frames"),
    [
        (np.arange(257), 32),
        (np.arange(33), 256),
        (np.arange(8), 3),
        (np.arange(4), 7),
        (np.array([0.0, 0.3125, 0.625, 0.9375, 1.0]), 16),
    ],
)
def test_shares_are_the_time_that_frames_have_in_common(edges: NDArray[np.float64], n_frames: int) -> None:
    """By the place of a hundred thousand moments."""
    moments = (np.arange(100_000) + 0.5) / 100_000
    there = np.searchsorted(edges / edges[-1], moments, side="right") - 1
    here = (moments * n_frames).astype(int)
    expected = np.zeros((n_frames, len(edges) - 1))
    np.add.at(expected, (here, there), n_frames / 100_000)
    found = frame_shares(edges, n_frames)
    np.testing.assert_allclose(found, expected, atol=0.01)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-12)


@pytest.mark.parametrize(("n_there", "n_here"), [(8, 2), (2, 8), (6, 4), (5, 5)])
def test_probabilities_are_averaged_not_logits(n_there: int, n_here: int) -> None:
    logits = 3 * np.random.default_rng(0).standard_normal((2, n_there, 3))
    edges = np.arange(n_there + 1.0)
    expected = frame_shares(edges, n_here) @ probabilities(logits, "multi_label")  # type: ignore[arg-type]
    found = logits_in_frames(logits, edges, n_here)
    np.testing.assert_allclose(probabilities(found, "multi_label"), expected, rtol=1e-12)  # type: ignore[arg-type]
    in_training = probabilities_in_frames(torch.tensor(logits).float().sigmoid(), n_here)
    np.testing.assert_allclose(in_training, expected, rtol=1e-5)


def test_shorter_frames_repeat_longer_ones() -> None:
    known = torch.tensor([[[0.1], [0.9]]])
    assert probabilities_in_frames(known, 6)[0, :, 0].tolist() == pytest.approx([0.1] * 3 + [0.9] * 3)


def test_certainty_stays_finite() -> None:
    logits = np.array([[[1e9], [1e9], [-1e9], [-1e9], [1e9], [-1e9]]])
    found = logits_in_frames(logits, np.arange(7.0), 3)[0, :, 0]
    assert found[0] > 400
    assert found[1] < -400
    assert found[2] == pytest.approx(0.0)


# What is kept


def filled_frames(logits: NDArray[np.float64], top_k: int) -> FloatArray:
    """The frames that `look_up` gives for one clip, by a second implementation. Shape: `(T, K)`."""
    loudest = sorted(range(logits.shape[1]), key=lambda index: -logits[:, index].max())[:top_k]
    others = [index for index in range(logits.shape[1]) if index not in loudest]
    frames = logits.astype(np.float16)
    if others:
        frames[:, others] = logits[:, others].mean(axis=1, keepdims=True).astype(np.float16)
    return frames.astype(np.float32)


def test_a_short_loud_class_is_kept() -> None:
    logits = np.full((1, 8, 3), -2.0)
    logits[0, :, 0] = 1.0
    logits[0, 5, 2] = 9.0  # for one frame only: its mean is the smallest but one
    kept = keep_loudest(logits, 2)
    assert kept.frame_classes.tolist() == [[2, 0]]
    assert kept.frame_logits[0, 5].tolist() == [9.0, 1.0]
    assert kept.frame_rest.tolist() == [[-2.0] * 8]


# Writing and reading


class Clips:
    """Crops of 16 samples that depend on pass and clip alone."""

    def __len__(self) -> int:
        return N_CLIPS

    def __getitem__(self, draw: Draw) -> Sample:
        seed = 1000 * draw.epoch + draw.index
        waveform = np.random.default_rng(seed).standard_normal(16).astype(np.float32)
        return Sample(waveform, np.zeros(N_CLASSES, np.float32), seed, draw)


MIXED = np.random.default_rng(5).standard_normal((4, N_CLASSES))


def frames_of(row: FloatArray) -> NDArray[np.float64]:
    """Logits for four frames of four samples. Shape: `(16,)` -> `(4, K)`."""
    return np.stack([part.astype(np.float64) @ MIXED for part in row.reshape(4, 4)])


def hear(waveforms: FloatArray, sample_rate: int) -> Heard:
    frames = np.stack([frames_of(row) for row in waveforms])
    return Heard(frames.mean(axis=1), frames)


TEACHER = Teacher("frames", "0123", hear)


@pytest.fixture
def questions() -> Questions:
    return Questions(
        clips=Fingerprint(N_CLIPS, "ab"),
        labels=LABELS.names,
        task="multi_label",
        seed=3,
        sample_rate=SAMPLE_RATE,
        clip_samples=16,
        augmentation={"time_roll": True},
    )


@pytest.fixture
def plan(questions: Questions) -> AnswerPlan:
    return AnswerPlan(questions, (TEACHER,), N_PASSES, TOP_K, N_FRAMES)


def write(folder: Path, plan: AnswerPlan, n_batches: int | None = None) -> Path:
    """All answers, or so many batches of two."""
    with AnswerWriter(folder, plan) as writer:
        for number, _ in enumerate(write_answers(writer, Clips(), plan.teachers, Pace(batch_size=2)), 1):
            if number == n_batches:
                break
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_frame_has_the_answer_of_the_teacher(tmp_path: Path, plan: AnswerPlan) -> None:
    answers = Answers(write(tmp_path / "a", plan), plan.questions)
    for draw in [Draw(pass_, index) for pass_ in range(N_PASSES) for index in range(N_CLIPS)]:
        expected = filled_frames(frames_of(Clips()[draw].waveform), TOP_K)
        found = answers.look_up(draw.epoch, draw.index).frames
        assert found is not None
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected)
    sent = pickle.loads(pickle.dumps(answers.look_up))
    np.testing.assert_array_equal(sent(1, 4).frames, answers.look_up(1, 4).frames)


def test_files_are_plain_arrays_of_the_size_that_is_told(tmp_path: Path, plan: AnswerPlan) -> None:
    folder = write(tmp_path / "a", plan)
    arrays = {path.stem: np.load(path) for path in folder.glob("frame_*.npy")}
    assert {name: (array.dtype.name, array.shape) for name, array in arrays.items()} == {
        "frame_logits": ("float16", (N_PASSES, N_CLIPS, N_FRAMES, TOP_K)),
        "frame_classes": ("uint16", (N_PASSES, N_CLIPS, TOP_K)),
        "frame_rest": ("float16", (N_PASSES, N_CLIPS, N_FRAMES)),
    }
    assert plan.sizes.n_bytes == sum(np.load(path).nbytes for path in folder.glob("*.npy"))


@pytest.mark.parametrize("n_batches", [1, 3])
def test_a_stopped_writer_goes_on_to_the_same_bytes(n_batches: int, tmp_path: Path, plan: AnswerPlan) -> None:
    write(tmp_path / "stopped", plan, n_batches)
    with (tmp_path / "stopped" / "frame_logits.npy").open("ab") as file:
        file.write(b"\x07")
    assert content(write(tmp_path / "stopped", plan)) == content(write(tmp_path / "whole", plan))


def as_version_1(folder: Path) -> None:
    """What an earlier version of htsat wrote down."""
    path = folder / "answers.json"
    facts = json.loads(path.read_text())
    assert facts.pop("n_frames") is None
    path.write_text(json.dumps(facts | {"format_version": 1}))


@pytest.mark.parametrize("n_batches", [2, None])
def test_older_answers_are_read_and_finished(n_batches: int | None, tmp_path: Path, plan: AnswerPlan) -> None:
    for_clips = dataclasses.replace(plan, n_frames=None)
    as_version_1(write(tmp_path / "old", for_clips, n_batches))
    if n_batches is None:
        assert Answers(tmp_path / "old", plan.questions).look_up(1, 2).frames is None
    assert content(write(tmp_path / "old", for_clips)) == content(write(tmp_path / "new", for_clips))


def test_answers_for_clips_alone_get_no_frames_afterwards(tmp_path: Path, plan: AnswerPlan) -> None:
    folder = write(tmp_path / "a", dataclasses.replace(plan, n_frames=None))
    with pytest.raises(DataError, match=r"was begun with n_frames None, here 4; choose"):
        AnswerWriter(folder, plan)


def test_damaged_frames_are_refused(tmp_path: Path, plan: AnswerPlan) -> None:
    folder = write(tmp_path / "a", plan)
    np.save(folder / "frame_rest.npy", np.zeros((N_PASSES, N_CLIPS, 9), np.float16))
    with pytest.raises(DataError, match=r"frame_rest.npy: expected <f2 \(2, 5, 4\), got float16 \(2, 5, 9\)"):
        Answers(folder, plan.questions)


def test_a_choice_has_no_frames(questions: Questions) -> None:
    choice = dataclasses.replace(questions, task="multi_class")
    with pytest.raises(ConfigError, match=r"^frames need the task multi_label, got multi_class \(--task\)$"):
        AnswerPlan(choice, (TEACHER,), 1, 1, N_FRAMES)


# Teachers


@pytest.mark.parametrize(
    ("heard", "problem"),
    [
        (
            Heard(np.zeros((2, 6))),
            r"expected a pair of logits \(clips, classes\) and \(clips, frames, classes",
        ),
        (
            Heard(np.zeros((2, 6)), np.zeros((2, 6))),
            r"\(clips, frames, classes\) \(2, any, 6\), got .* \(2, 6\)",
        ),
        (Heard(np.zeros((2, 6)), np.zeros((2, 9, 5))), r"\(2, any, 6\), got float64 \(2, 9, 5\)"),
        (Heard(np.zeros((2, 6)), np.zeros((2, 0, 6))), r"\(2, any, 6\), got float64 \(2, 0, 6\)"),
        (Heard(np.zeros((2, 9, 6)), np.zeros((2, 9, 6))), r"\(clips, classes\) \(2, 6\), got .* \(2, 9, 6\)"),
        (Heard(np.zeros((2, 6)), np.full((2, 9, 6), np.inf)), "gave logits that are NaN or infinite"),
    ],
)
def test_answers_without_frames_are_refused(heard: Heard, problem: str) -> None:
    teacher = Teacher("bad", "", lambda rows, rate: heard)
    with pytest.raises(DataError, match=f"^teacher 'bad': .*{problem}") as refused:
        ask([teacher], np.zeros((2, 16), np.float32), SAMPLE_RATE, LABELS, "multi_label", 8)
    assert "\n" not in str(refused.value)


def test_teachers_of_other_frames_answer_together() -> None:
    """One says yes, then no; the other has four frames, of which the last is cut and says yes."""
    sure = 50.0
    two = Heard(np.zeros((1, 1)), np.array([[[sure], [-sure]]]))
    cut = Heard(np.zeros((1, 1)), np.array([[[-sure], [-sure], [-sure], [sure]]]), np.array([0, 2, 4, 6, 7]))
    teachers = [Teacher("two", "", lambda *_: two), Teacher("cut", "", lambda *_: cut)]
    answer = ask(teachers, np.zeros((1, 16), np.float32), SAMPLE_RATE, LabelSet(("a",)), "multi_label", 7)
    assert answer.frames is not None
    mean = probabilities(answer.frames[0, :, 0], "multi_label")  # type: ignore[arg-type]
    np.testing.assert_allclose(mean, [0.5, 0.5, 0.5, 0.25, 0, 0, 0.5], atol=1e-12)


def test_a_function_answers_with_a_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "frame_teacher.py").write_text(
        "import torch\n"
        "def hear(waveforms, sample_rate, labels):\n"
        "    frames = torch.tensor(waveforms)[:, :, None] * torch.ones(len(labels))\n"
        "    return frames.mean(dim=1), frames\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    teacher = function_teacher("frame_teacher:hear", LabelSet(("a", "b")))
    answer = teacher.logits(np.array([[1, 5]], np.float32), SAMPLE_RATE, 2, 2)
    assert answer.clips.tolist() == [[3.0, 3.0]]
    assert answer.frames is not None
    assert answer.frames.tolist() == [[[1.0, 1.0], [5.0, 5.0]]]
    assert teacher.logits(np.array([[1, 5]], np.float32), SAMPLE_RATE, 2, None).frames is None


# Learning


def hear_tones(waveforms: FloatArray, sample_rate: int) -> Heard:
    """Finds the tones of 2,000 and of 300 Hz in forty frames, by how loud they are."""
    frames = waveforms.reshape(len(waveforms), 40, -1)
    spectra = np.abs(np.fft.rfft(frames * np.hanning(frames.shape[-1]), axis=-1)) ** 2
    places_hz = np.fft.rfftfreq(frames.shape[-1], 1 / sample_rate)
    bands = [(places_hz > 1_700) & (places_hz < 2_300), (places_hz > 150) & (places_hz < 450)]
    level_db = 10 * np.log10(np.stack([spectra[..., band].max(axis=-1) for band in bands], axis=-1))
    return Heard(level_db.max(axis=1), level_db)


TONES = Teacher("tones", "4567", hear_tones)


@pytest.fixture
def weak(tmp_path: Path, scenes: Path) -> Path:
    """The strongly labelled recordings in pieces of half a second, of which only the classes are told."""
    folder = tmp_path / "weak"
    folder.mkdir()
    rows = ["path\tlabels"]
    for path in sorted(scenes.parent.glob("strong*.wav")):
        for number, piece in enumerate(soundfile.read(path)[0].reshape(-1, CLIP_SAMPLES)):
            soundfile.write(folder / f"{path.stem}-{number}.wav", piece, SAMPLE_RATE)
            heard = hear_tones(piece[None].astype(np.float32), SAMPLE_RATE).clips[0] > 0
            labels = [label for label, is_heard in zip(("high", "low"), heard, strict=True) if is_heard]
            rows.append(f"{path.stem}-{number}.wav\t{';'.join(labels)}")
    (folder / "manifest.tsv").write_text("\n".join(rows) + "\n")
    (folder / "labels.txt").write_text("high\nlow\n")
    return folder / "manifest.tsv"


def taught(experiment: Experiment, folder: Path, n_frames: int | None = 16, n_passes: int = 4) -> Experiment:
    """Let the teacher answer what an experiment asks, as `htsat teach` does."""
    split = read_split(experiment)
    experiment, labels = resolve_task(experiment, split.train), split.train.labels
    config = start_network(experiment, labels).config
    opened = open_split(split, experiment, config, iter)
    questions = Questions.of(experiment, labels, opened.train.sounds, config.clip_samples)
    plan = AnswerPlan(questions, (TONES,), n_passes, len(labels), n_frames)
    clips = training_clips(experiment, opened, labels, config)
    with AnswerWriter(folder, plan) as writer:
        for _ in write_answers(writer, clips, plan.teachers):
            pass
    return dataclasses.replace(
        experiment, teaching=dataclasses.replace(experiment.teaching, answers=str(folder))
    )


@pytest.fixture
def settings(
    weak: Path, experiment: Callable[..., Experiment], quick_learning: Optimisation
) -> Callable[..., Experiment]:
    """Maker of settings that learn from recordings without strong labels, with a fine head."""

    def make(**changes: object) -> Experiment:
        values: dict[str, object] = {
            "data": str(weak),
            "valid_share": 0.0,
            "task": "multi_label",
            "network": {"fine_width": 16},
            "teaching": Teaching(weight=0.9),
            "optimisation": quick_learning,
        }
        return experiment(**{**values, **changes})

    return make


@pytest.fixture
def agreement(heard_frames: HearFrames) -> Callable[[Path], float]:
    """The share of frames of a new recording about which a model is right."""

    def measured(model: Path) -> float:
        logits, truth = heard_frames(model)
        return float(((logits > 0) == truth).mean())

    return measured


def losses(run: Path) -> list[float]:
    events = map(json.loads, (run / "log.jsonl").read_text().splitlines())
    return [event["loss"] for event in events if event["event"] == "step"]


@pytest.mark.usefixtures("small_network")
@pytest.mark.parametrize(
    ("network", "n_frames", "expected"),
    [({"fine_width": 16}, 16, 0.93), ({"fine_width": 16}, 40, 0.93), ({}, 16, 0.85)],
    ids=["fine_head", "other_frames", "papers_head"],
)
def test_a_student_learns_when_tones_sound_from_the_frames_of_its_teacher(
    network: dict[str, int],
    n_frames: int,
    expected: float,
    settings: Callable[..., Experiment],
    agreement: Callable[[Path], float],
    tmp_path: Path,
) -> None:
    """No strong label tells it; clips are rolled in time, and mixed."""
    experiment = taught(settings(network=network), tmp_path / "answers", n_frames)
    outcome = train(experiment, tmp_path / "run")
    assert agreement(outcome.model) > expected
    found = losses(tmp_path / "run")
    assert np.mean(found[-4:]) < 0.6 * np.mean(found[:4])


@pytest.mark.usefixtures("small_network")
def test_a_stopped_student_goes_on_as_if_it_had_not_been(
    settings: Callable[..., Experiment], tmp_path: Path
) -> None:
    class StoppedError(Exception):
        pass

    def stop(event: dict[str, object]) -> None:
        if event["event"] == "step" and event["epoch"] == 2.0:
            raise StoppedError

    few = Optimisation(epochs=2, batch_size=8)
    experiment = taught(settings(optimisation=few), tmp_path / "answers", n_passes=1)
    whole = train(experiment, tmp_path / "whole")
    with pytest.raises(StoppedError):
        train(experiment, tmp_path / "stopped", Watcher(event=stop))
    states = [
        load_model(outcome.model).network.state_dict()
        for outcome in (whole, resume(experiment, tmp_path / "stopped"))
    ]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def strong_batch(experiment: Experiment) -> Batch:
    """Twelve clips with their strong labels and the teacher's answers, as a batch of training has them."""
    split = read_split(experiment)
    config = start_network(experiment, split.train.labels).config
    opened = open_split(split, experiment, config, iter)
    answers = open_answers(experiment, split.train.labels, opened.train.sounds, config.clip_samples)
    assert answers is not None
    clips: TrainingClips = training_clips(experiment, opened, split.train.labels, config, answers.n_passes)
    return Collator(answers.look_up)([clips[Draw(epoch, index)] for epoch in (0, 5) for index in range(6)])


@pytest.mark.usefixtures("small_network")
def test_frames_of_the_teacher_lie_where_strong_labels_do(
    settings: Callable[..., Experiment], scenes: Path, tmp_path: Path
) -> None:
    """Through changes of speed, cutting, rotation and mixing; a frame too early or too late they do not."""
    experiment = settings(data=str(scenes), train_folds=("strong",))
    batch = strong_batch(taught(experiment, tmp_path / "answers", n_frames=40))
    assert batch.answers is not None
    assert batch.answers.frames is not None
    assert batch.moments is not None
    mix = Mixup(alpha=1.0).draw(batch.seeds, torch.device("cpu"))
    assert 0.1 < float(mix.own.min()) < 0.5
    labelled = mix.targets(batch.moments.frames)
    heard = mix.targets(probabilities_in_frames(batch.answers.frames.sigmoid(), labelled.shape[1]))
    distances = {shift: float((heard.roll(shift, dims=1) - labelled).abs().mean()) for shift in (-1, 0, 1)}
    assert distances[0] < 0.03
    assert min(distances[-1], distances[1]) > 2 * distances[0]


@pytest.mark.usefixtures("small_network")
def test_labels_and_teacher_share_the_loss_of_frames(
    settings: Callable[..., Experiment], scenes: Path, tmp_path: Path
) -> None:
    """The loss of the first step is linear in both weights, and with weight 0 that without a teacher."""
    strong = settings(
        data=str(scenes),
        train_folds=("strong",),
        optimisation=Optimisation(epochs=1, batch_size=30, label_smoothing=0.0),
    )

    def first_loss(experiment: Experiment, weight: float, detection: float) -> float:
        changed = dataclasses.replace(
            experiment,
            teaching=dataclasses.replace(experiment.teaching, weight=weight),
            detection=Detection(weight=detection),
            network={},
        )
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        train(changed, tmp_path / "run")
        return losses(tmp_path / "run")[0]

    both = taught(strong, tmp_path / "both", n_passes=1)
    for_clips = taught(strong, tmp_path / "clips", n_frames=None, n_passes=1)
    assert first_loss(both, 0.0, 1.0) == pytest.approx(first_loss(strong, 0.5, 1.0), rel=1e-6)
    labels, teacher = first_loss(both, 0.0, 2.0), first_loss(both, 1.0, 2.0)
    assert first_loss(both, 0.25, 2.0) == pytest.approx(0.75 * labels + 0.25 * teacher, rel=1e-6)
    assert first_loss(both, 1.0, 0.0) == pytest.approx(first_loss(for_clips, 1.0, 0.0), rel=1e-6)
    assert teacher != pytest.approx(first_loss(for_clips, 1.0, 2.0), rel=1e-3), "labels alone tell of frames"


@pytest.mark.usefixtures("small_network")
def test_a_fine_head_needs_answers_for_frames(settings: Callable[..., Experiment], tmp_path: Path) -> None:
    for_clips = taught(settings(), tmp_path / "clips", n_frames=None, n_passes=1)
    for_frames = taught(settings(), tmp_path / "frames", n_passes=1)
    unheeded = dataclasses.replace(for_frames.teaching, weight=0.0)
    for experiment, lack in [
        (for_clips, "this run has neither"),
        (dataclasses.replace(for_frames, teaching=unheeded), "this run has neither"),
        (dataclasses.replace(for_frames, detection=Detection(weight=0.0)), r"detection\.weight is 0"),
    ]:
        with pytest.raises(ConfigError, match=f"teach --frames\\), and {lack}: set network.fine_width 0"):
            train(experiment, tmp_path / "run")
    gone = dataclasses.replace(for_frames.teaching, answers=str(tmp_path / "gone"))
    with pytest.raises(DataError, match="no answers of a teacher here"):
        train(dataclasses.replace(for_frames, teaching=gone), tmp_path / "run")


def test_the_small_student_has_sixteen_frames(half_second_config: ModelConfig) -> None:
    """What the tests above count on: two and a half frames of the teacher are one of the fine head."""
    assert dataclasses.replace(half_second_config, fine_width=16).n_frames == 16
    assert half_second_config.n_frames == 8
