"""Strong labels teach when sounds begin and end; clips of which less is known take part as far as it goes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from htsat.checkpoints import load_model
from htsat.errors import ConfigError, DataError
from htsat.network import ModelConfig
from htsat.training.experiment import Detection, Experiment, Optimisation
from htsat.training.train import Watcher, resume, train

HearFrames = Callable[[Path], tuple[np.ndarray, np.ndarray]]

pytestmark = pytest.mark.usefixtures("small_network")


@pytest.fixture
def detection(
    scenes: Path, experiment: Callable[..., Experiment], quick_learning: Optimisation
) -> Callable[..., Experiment]:
    """Maker of settings that learn from the strong recordings with a fine head."""

    def make(**changes: object) -> Experiment:
        settings: dict[str, object] = {
            "data": str(scenes),
            "train_folds": ("strong",),
            "valid_share": 0.0,
            "network": {"fine_width": 16},
            "optimisation": quick_learning,
        }
        return experiment(**{**settings, **changes})

    return make


def test_it_learns_when_tones_begin_and_end(
    detection: Callable[..., Experiment], heard_frames: HearFrames, tmp_path: Path
) -> None:
    outcome = train(detection(), tmp_path / "run")
    logits, truth = heard_frames(outcome.model)
    assert len(logits) == 8 * 16
    assert ((logits > 0) == truth).mean() > 0.93
    assert load_model(outcome.model).card.task == "multi_label"


def test_the_papers_head_learns_from_strong_labels_too(
    detection: Callable[..., Experiment], heard_frames: HearFrames, tmp_path: Path
) -> None:
    outcome = train(detection(network={}), tmp_path / "run")
    logits, truth = heard_frames(outcome.model)
    assert len(logits) == 8 * 8
    assert ((logits > 0) == truth).mean() > 0.8


def test_long_recordings_are_cut_into_pieces(detection: Callable[..., Experiment], tmp_path: Path) -> None:
    train(detection(optimisation=Optimisation(epochs=1, batch_size=8)), tmp_path / "run")
    first = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[0])
    assert first["n_train_clips"] == 6 * 5


def test_weak_and_unlabelled_recordings_take_part(
    detection: Callable[..., Experiment], tmp_path: Path
) -> None:
    """A stopped run that is taught by its own mean goes on as if it had not been."""
    settings = detection(
        train_folds=(),
        detection=Detection(unlabelled_folds=("unlabelled",), consistency=2.0, consistency_clips=40),
        optimisation=Optimisation(epochs=2, batch_size=8),
    )
    whole = train(settings, tmp_path / "whole")

    class StoppedError(Exception):
        pass

    def stop(event: dict[str, object]) -> None:
        if event["event"] == "step" and event["epoch"] == 2.0:
            raise StoppedError

    with pytest.raises(StoppedError):
        train(settings, tmp_path / "stopped", Watcher(event=stop))
    resumed = resume(settings, tmp_path / "stopped")
    states = [load_model(outcome.model).network.state_dict() for outcome in (whole, resumed)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert all(torch.isfinite(value).all() for value in states[0].values())


def test_the_mean_teacher_needs_no_labels(detection: Callable[..., Experiment], tmp_path: Path) -> None:
    """From unlabelled recordings the network learns to agree with its mean, and that changes its weights."""
    few = Optimisation(epochs=2, batch_size=4)
    states = []
    for consistency in (0.0, 5.0):
        settings = detection(
            train_folds=("strong", "unlabelled"),
            detection=Detection(
                unlabelled_folds=("unlabelled",), consistency=consistency, consistency_clips=1
            ),
            optimisation=few,
        )
        outcome = train(settings, tmp_path / f"run{consistency}")
        states.append(load_model(outcome.model).network.state_dict())
    assert any(not torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_its_weight_rises() -> None:
    settings = Detection(consistency=2.0, consistency_clips=1000)
    weights = [settings.consistency_at(n_clips) for n_clips in (0, 500, 1000, 5000)]
    assert weights == pytest.approx([2 * np.exp(-5), 2 * np.exp(-1.25), 2.0, 2.0])
    assert Detection().consistency_at(10**9) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight": -1.0}, r"detection\.weight must not be negative, got -1\.0"),
        ({"consistency": float("nan")}, r"detection\.consistency must not be negative, got nan"),
        ({"consistency_clips": 0}, r"detection\.consistency_clips must be positive, got 0"),
    ],
)
def test_settings_out_of_range_are_refused(changes: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Detection(**changes)  # type: ignore[arg-type]


def test_what_does_not_fit_is_refused(
    detection: Callable[..., Experiment], recordings: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"or from a teacher's frames .*, and this run has neither: set"):
        train(detection(data=str(recordings), train_folds=()), tmp_path / "weak")
    with pytest.raises(ConfigError, match=r"\(htsat teach --frames\), and detection\.weight is 0: set"):
        train(detection(detection=Detection(weight=0.0)), tmp_path / "idle")
    with pytest.raises(ConfigError, match="strong labels need multi_label, got multi_class"):
        train(detection(task="multi_class"), tmp_path / "choice")
    with pytest.raises(
        ConfigError, match=r"compares with the exponential mean of the weights, got .* 'none'"
    ):
        detection(
            detection=Detection(consistency=1.0), optimisation=Optimisation(averaging="none", batch_size=8)
        )
    with pytest.raises(DataError, match="no clip to learn from has fold 'unknown'"):
        train(detection(train_folds=("unknown",)), tmp_path / "fold")


def test_a_start_keeps_its_fine_head_where_it_fits(
    detection: Callable[..., Experiment], half_second_config: ModelConfig, tmp_path: Path
) -> None:
    short = Optimisation(epochs=1, batch_size=8)
    first = train(detection(optimisation=short), tmp_path / "first").model
    frozen = Optimisation(epochs=1, batch_size=8, learning_rate=1e-9, averaging="none")
    saved = load_model(first).network.state_dict()

    def started(**network: int) -> dict[str, torch.Tensor]:
        settings = detection(init_from=str(first), network=network, optimisation=frozen)
        name = "-".join(map(str, network.values())) or "same"
        return load_model(train(settings, tmp_path / name).model).network.state_dict()

    kept = started()
    for key in (key for key in saved if key.startswith("fine_head.")):
        torch.testing.assert_close(kept[key], saved[key], atol=1e-5, rtol=0)
    assert started(fine_width=8)["fine_head.classifier.weight"].shape == (2, 8)
    assert not any(key.startswith("fine_head.") for key in started(fine_width=0))
    assert dataclasses.replace(half_second_config, fine_width=16).n_frames == 16
