from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from htsat.cli.main import main
from htsat.data.augment import WaveformAugmentation
from htsat.data.dataset import ClipMaker, Draw, Sample, TrainingClips, open_clips
from htsat.data.manifest import read_data
from htsat.loading import load

Read = pytest.CaptureFixture[str]
Teach = Callable[..., int]

SAMPLE_RATE = 8_000


@pytest.fixture
def data(recordings: Path) -> Path:
    """The recordings with classes that are two of the three of the model, in another order."""
    (recordings / "manifest.tsv").write_text("path\tlabels\na.wav\tSiren\nb.WAV\tDog\ndeep/c.flac\tSiren\n")
    (recordings / "labels.txt").write_text("Siren\nDog\n")
    return recordings


@pytest.fixture
def settings(model: Path, data: Path) -> list[str]:
    """A student of the size of the small model."""
    words = [
        "--data",
        data,
        "--init-from",
        model,
        "--valid-share",
        0,
        "--task",
        "multi_label",
        "--device",
        "cpu",
    ]
    return [*map(str, words)]


@pytest.fixture
def teach(settings: list[str], tmp_path: Path, model: Path) -> Teach:
    """Lets the small model teach; writes to `answers`."""

    def run(*options: object, teacher: object = model) -> int:
        words = ["--teacher", teacher, "-o", tmp_path / "answers", "--passes", 2, *options]
        return main(["teach", *settings, *map(str, words)])

    return run


def drawn(data: Path, draw: Draw, augmentation: WaveformAugmentation, seed: int) -> Sample:
    """What training draws."""
    manifest = read_data(data, frozenset())
    maker = ClipMaker(clip_samples=SAMPLE_RATE, augmentation=augmentation, seed=seed)
    return TrainingClips(open_clips(manifest.clips, SAMPLE_RATE, 1e9).sounds, manifest.labels, maker)[draw]


def arrays(folder: Path) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    return {path.stem: np.load(path) for path in folder.glob("*.npy")}


def test_each_crop_of_training_has_the_answer_of_the_model(
    teach: Teach, data: Path, model: Path, tmp_path: Path, capsys: Read
) -> None:
    assert teach("--seed", 5, "--augmentation.speed", 1.1) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'answers'}\n"
    found, teacher = arrays(tmp_path / "answers"), load(model)
    order = [teacher.description.labels.index(name) for name in ("Siren", "Dog")]
    for pass_ in range(2):
        for index in range(3):
            sample = drawn(data, Draw(pass_, index), WaveformAugmentation(speed=1.1), seed=5)
            heard = teacher.scores(sample.waveform, SAMPLE_RATE).clip().logits[order]
            assert found["seeds"][pass_, index] == sample.seed
            logits = np.empty(2)
            logits[found["classes"][pass_, index]] = found["logits"][pass_, index]
            np.testing.assert_allclose(logits, heard, rtol=1e-3, atol=1e-4)


def test_each_frame_of_training_has_the_answer_of_the_model(
    teach: Teach, data: Path, model: Path, tmp_path: Path, capsys: Read
) -> None:
    assert teach("--frames") == 0
    captured = capsys.readouterr()
    assert captured.out == f"{tmp_path / 'answers'}\n"
    found, teacher = arrays(tmp_path / "answers"), load(model)
    n_frames = found["frame_logits"].shape[2]
    assert (
        captured.err == f"htsat: {tmp_path / 'answers'}: 6 answers with {n_frames} frames each are 0.0 MB\n"
    )
    order = [teacher.description.labels.index(name) for name in ("Siren", "Dog")]
    assert n_frames == teacher.description.n_frames
    for index in range(3):
        sample = drawn(data, Draw(1, index), WaveformAugmentation(), seed=0)
        heard = teacher.scores(sample.waveform, SAMPLE_RATE).logits[:, order]
        logits = np.empty((n_frames, 2))
        logits[:, found["frame_classes"][1, index]] = found["frame_logits"][1, index]
        np.testing.assert_allclose(logits, heard, rtol=1e-3, atol=1e-3)


def test_frames_teach_a_fine_head_without_strong_labels(
    teach: Teach, settings: list[str], data: Path, tmp_path: Path, capsys: Read
) -> None:
    """The answers are for its frames, of which there are more than the teacher has."""
    fine = ["--network.fine_width", "8"]
    assert teach("--frames", *fine) == 0
    size = ["--optimisation.epochs", "2", "--optimisation.batch-size", "3"]
    finetune = ["finetune", str(data), *settings[2:], *fine, *size, "-o", str(tmp_path / "run")]
    assert main(finetune) == 2
    assert "a teacher's frames (htsat teach --frames), and this run has neither" in capsys.readouterr().err
    assert main([*finetune, "--teaching.answers", str(tmp_path / "answers")]) == 0
    student = load(tmp_path / "run" / "model.safetensors").description
    assert arrays(tmp_path / "answers")["frame_logits"].shape == (2, 3, student.n_frames, 2)
    assert student.n_frames > student.n_coarse_frames


def test_several_teachers_answer_with_their_mean_probability(
    teach: Teach, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "certain_teacher.py").write_text(
        "import numpy as np\n"
        "def hear(waveforms, sample_rate, labels):\n"
        "    assert (waveforms.shape[1], sample_rate, labels) == (8_000, 8_000, ('Siren', 'Dog'))\n"
        "    return np.full((len(waveforms), 2), 50.0)\n"
    )
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert teach() == 0
    (tmp_path / "answers").rename(tmp_path / "alone")
    assert teach("--teacher", "certain_teacher:hear") == 0
    alone, together = (
        1 / (1 + np.exp(-arrays(tmp_path / name)["logits"].astype(float))) for name in ("alone", "answers")
    )
    np.testing.assert_allclose(together, (1 + alone) / 2, atol=1e-3)


@pytest.mark.parametrize(("top_k", "shape"), [([], (2, 3, 2)), (["--top-k", 1], (2, 3, 1))])
def test_how_many_logits_are_kept(
    top_k: list[object], shape: tuple[int, ...], teach: Teach, tmp_path: Path
) -> None:
    assert teach(*top_k) == 0
    assert arrays(tmp_path / "answers")["logits"].shape == shape


def test_training_reads_the_answers_and_refuses_those_of_others(
    teach: Teach, settings: list[str], data: Path, tmp_path: Path, capsys: Read
) -> None:
    assert teach() == 0
    words = [
        "--teaching.answers",
        tmp_path / "answers",
        "--optimisation.epochs",
        3,
        "--optimisation.batch-size",
        3,
    ]
    finetune = ["finetune", str(data), *settings[2:], *map(str, words), "-o"]
    assert main([*finetune, str(tmp_path / "run")]) == 0
    settings_of_run = json.loads((tmp_path / "run" / "experiment.json").read_text())
    assert settings_of_run["teaching"]["answers"] == str(tmp_path / "answers")
    capsys.readouterr()
    assert main([*finetune, str(tmp_path / "other"), "--seed", "1"]) == 1
    refusal = "answers to other crops than this run hears: seed 0, here 1"
    assert capsys.readouterr().err.endswith(f"htsat: {tmp_path / 'answers'}: {refusal}\n")


def test_the_same_command_goes_on_after_an_interruption(
    teach: Teach, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Read
) -> None:
    """The function stops its process in the third batch, once."""
    (tmp_path / "stops.py").write_text(
        "sizes = []\n"
        "def hear(waveforms, sample_rate, labels):\n"
        "    sizes.append(len(waveforms))\n"
        "    if len(sizes) == 3:\n"
        "        raise KeyboardInterrupt\n"
        "    return waveforms[:, :2]\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert teach("--batch-size", 2, teacher="stops:hear") == 130
    assert capsys.readouterr().err == "htsat: interrupted\n"
    assert teach("--batch-size", 2, teacher="stops:hear") == 0
    assert sys.modules["stops"].sizes == [2, 2, 2, 2], "two batches, the one that was stopped, and that again"
    (tmp_path / "answers").rename(tmp_path / "stopped")
    assert teach("--batch-size", 2, teacher="stops:hear") == 0
    for path in (tmp_path / "answers").iterdir():
        assert path.read_bytes() == (tmp_path / "stopped" / path.name).read_bytes()


def test_a_broken_recording_is_named(teach: Teach, data: Path, tmp_path: Path, capsys: Read) -> None:
    with (data / "manifest.tsv").open("a") as file:
        file.write("notes.txt\tDog\n")
    assert teach("--machines.memory-gb", 0) == 0
    assert capsys.readouterr().err.count("notes.txt") == 1
    assert arrays(tmp_path / "answers")["rest"].shape == (2, 4)


@pytest.mark.parametrize(
    ("options", "exit_code", "message"),
    [
        (["--passes", 0], 2, "--passes and --batch-size must be positive, got 0, 8"),
        (["--top-k", 3], 2, "top-k must lie between 1 and the 2 classes, got 3"),
        (["--teacher", "gone.safetensors"], 1, "gone.safetensors: no such model file"),
        (["--teacher", "{folder}/notes.txt"], 1, "notes.txt: not a whole safetensors file"),
        (["--teacher", "nano-esc50"], 1, "teacher 'nano-esc50' has no class 'Siren'; did you mean 'siren'?"),
        (
            ["--teacher", "nowhere:hear"],
            2,
            "teacher 'nowhere:hear': no module 'nowhere' in the current folder",
        ),
        (["--task", "multi_class"], 1, "is multi_label, the student is to be multi_class (--task)"),
        (["--data", "{folder}/gone.tsv"], 1, "gone.tsv"),
        (["-o", "{folder}"], 1, "is not empty and holds no answers; choose another folder"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    options: list[object],
    exit_code: int,
    message: str,
    teach: Teach,
    tmp_path: Path,
    capsys: Read,
) -> None:
    assert teach(*(str(option).format(folder=tmp_path / "recordings") for option in options)) == exit_code
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert not (tmp_path / "answers").exists()


def test_an_unknown_option_is_refused_with_the_nearest(teach: Teach, capsys: Read) -> None:
    assert teach("--pases", 3) == 2
    assert "did you mean '--passes'?" in capsys.readouterr().err
