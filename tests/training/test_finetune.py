"""A run from files to a model: it learns, it is repeatable, it carries its classes."""

import json

import numpy as np
import pytest
import soundfile

import htsat.training.finetune as under_test
from htsat.checkpoints import load_model
from htsat.data.augment import WaveformAugmentation
from htsat.errors import DataError, HtsatError
from htsat.network import ModelConfig
from htsat.training.experiment import Experiment, Optimisation
from htsat.training.finetune import finetune, read_data
from htsat.training.mixing import Mixup, SpecAugment

SMALL = ModelConfig(
    n_classes=2,
    sample_rate=8_000,
    clip_s=0.5,
    n_fft=256,
    hop_length=80,
    n_mels=16,
    max_hz=4_000,
    n_folds=1,
    fold_frames=64,
    dim=16,
    depths=(1, 1),
    n_heads=(2, 4),
    window=4,
    drop_path=0.0,
)


@pytest.fixture(autouse=True)
def _small_network(monkeypatch):
    monkeypatch.setattr(
        under_test.ModelConfig,
        "named",
        lambda name, n_classes: ModelConfig(**{**SMALL.__dict__, "n_classes": n_classes}),
    )


@pytest.fixture
def recordings(tmp_path):
    """Twelve high and twelve low noisy tones, half a second each."""
    rng = np.random.default_rng(0)
    time_s = np.arange(4_000) / 8_000
    for label, pitch_hz in (("high", 2_000), ("low", 300)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for take in range(12):
            tone = np.sin(2 * np.pi * pitch_hz * rng.uniform(0.8, 1.2) * time_s)
            noisy = 0.3 * tone + 0.01 * rng.standard_normal(4_000)
            soundfile.write(tmp_path / "data" / label / f"{take}-{label}.wav", noisy, 8_000)
    return tmp_path / "data"


def _experiment(**changes):
    settings = {
        "precision": "32-true",
        "device": "cpu",
        "valid_share": 0.25,
        "log_every": 1,
        "optimisation": Optimisation(
            epochs=6, batch_size=8, learning_rate=5e-3, warmup_clips=16, ema_decay=0.8, optimizer="muon"
        ),
        "augmentation": WaveformAugmentation(speed=1.05),
        "mixup": Mixup(probability=0.3),
        "spec_augment": SpecAugment(max_time_frames=4, max_mel_bins=2),
    }
    return Experiment(**{**settings, **changes})


def _events(run, kind):
    lines = (json.loads(line) for line in (run / "log.jsonl").read_text().splitlines())
    return [line for line in lines if line["event"] == kind]


@pytest.mark.parametrize("task", ["multi_label", "multi_class"])
def test_it_learns_to_tell_tones_apart(recordings, tmp_path, task):
    evaluation = finetune(recordings, tmp_path / "run", _experiment(task=task))
    assert evaluation.accuracy == 1.0
    assert evaluation.mean_average_precision == pytest.approx(1.0)
    losses = [event["loss"] for event in _events(tmp_path / "run", "step")]
    assert losses[-1] < losses[0]
    assert _events(tmp_path / "run", "data")[0]["n_valid_clips"] == 6


def test_the_model_carries_its_classes_and_origin(recordings, tmp_path):
    finetune(recordings, tmp_path / "run", _experiment(task="multi_class"))
    card = load_model(tmp_path / "run" / "model.safetensors").card
    assert card.labels.names == ("high", "low")
    assert card.task == "multi_class"
    assert card.provenance["trained_on"] == "18 clips"
    assert json.loads(card.provenance["experiment"])["seed"] == 0
    assert load_model(tmp_path / "run" / "best.safetensors").card.labels == card.labels


def test_the_same_seed_gives_the_same_weights(recordings, tmp_path):
    short = _experiment(optimisation=Optimisation(epochs=1, batch_size=8))
    states = []
    for run in ("one", "two"):
        finetune(recordings, tmp_path / run, short)
        states.append(load_model(tmp_path / run / "model.safetensors").network.state_dict())
    assert all((states[0][key] == states[1][key]).all() for key in states[0])


def test_a_model_is_a_start_and_keeps_its_classifier_for_the_same_classes(recordings, tmp_path):
    finetune(recordings, tmp_path / "first", _experiment())
    start = str(tmp_path / "first" / "model.safetensors")
    network = under_test.start_network(_experiment(init_from=start), read_data(recordings))
    saved = load_model(tmp_path / "first" / "model.safetensors").network.state_dict()
    assert all((network.state_dict()[key] == saved[key]).all() for key in saved)


def test_other_classes_get_a_fresh_classifier_on_the_same_backbone(recordings, tmp_path):
    finetune(recordings, tmp_path / "first", _experiment())
    start = str(tmp_path / "first" / "model.safetensors")
    (recordings / "low").rename(recordings / "deep")
    network = under_test.start_network(_experiment(init_from=start), read_data(recordings))
    saved = load_model(tmp_path / "first" / "model.safetensors").network.state_dict()
    for key, value in network.state_dict().items():
        is_weight_of_head = key == "head.token_semantic.weight"
        assert (value == saved[key]).all() != is_weight_of_head or key.startswith("head.")


def test_broken_recordings_are_left_out_and_named(recordings, tmp_path):
    (recordings / "low" / "broken.wav").write_text("not audio")
    finetune(recordings, tmp_path / "run", _experiment(valid_share=0.0))
    (event,) = _events(tmp_path / "run", "data")
    assert event["n_train_clips"] == 24
    assert len(event["broken"]) == 1
    assert "broken.wav" in event["broken"][0]


def test_without_held_out_clips_there_is_nothing_to_report(recordings, tmp_path):
    assert finetune(recordings, tmp_path / "run", _experiment(valid_share=0.0)) is None
    assert not (tmp_path / "run" / "best.safetensors").exists()


def test_a_folder_that_holds_a_run_is_not_overwritten(recordings, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.jsonl").write_text("")
    with pytest.raises(DataError, match="holds a run already; choose another folder"):
        finetune(recordings, tmp_path / "run", _experiment())


def test_missing_data_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere: no such file or folder"):
        read_data(tmp_path / "nowhere")


def test_a_loss_that_is_not_finite_stops_the_run(recordings, tmp_path, monkeypatch):
    monkeypatch.setattr("htsat.training.loop.clip_loss", lambda logits, *_: logits.sum() * float("nan"))
    with pytest.raises(HtsatError, match="the loss became nan before step 1"):
        finetune(recordings, tmp_path / "run", _experiment())
