"""A run from files to a model: it learns, it is repeatable, it carries its classes."""

import json

import pytest

from htsat.checkpoints import load_model
from htsat.errors import ConfigError, DataError, HtsatError
from htsat.labels import LabelSet
from htsat.training.experiment import Optimisation
from htsat.training.outcome import Figures
from htsat.training.split import read_split
from htsat.training.start import start_network
from htsat.training.train import train

LABELS = LabelSet.of(["high", "low"])

pytestmark = pytest.mark.usefixtures("small_network")


def _events(run, kind):
    lines = (json.loads(line) for line in (run / "log.jsonl").read_text().splitlines())
    return [line for line in lines if line["event"] == kind]


@pytest.mark.parametrize("task", ["multi_label", "multi_class"])
def test_it_learns_to_tell_tones_apart(recordings, tmp_path, task, experiment):
    outcome = train(experiment(task=task), tmp_path / "run")
    assert outcome.held_out == Figures(6, 1.0 if task == "multi_class" else None, pytest.approx(1.0))
    assert outcome.test is None
    losses = [event["loss"] for event in _events(tmp_path / "run", "step")]
    assert losses[-1] < losses[0]
    assert _events(tmp_path / "run", "data")[0]["n_valid_clips"] == 6


def test_the_model_carries_its_classes_and_origin(recordings, tmp_path, experiment):
    train(experiment(task="multi_class"), tmp_path / "run")
    card = load_model(tmp_path / "run" / "model.safetensors").card
    assert card.labels.names == ("high", "low")
    assert card.task == "multi_class"
    assert card.provenance["trained_on"] == "18 clips"
    assert json.loads(card.provenance["experiment"])["seed"] == 0
    assert load_model(tmp_path / "run" / "best.safetensors").card.labels == card.labels


def test_the_same_seed_gives_the_same_weights(recordings, tmp_path, experiment):
    short = experiment(optimisation=Optimisation(epochs=1, batch_size=8))
    states = []
    for run in ("one", "two"):
        train(short, tmp_path / run)
        states.append(load_model(tmp_path / run / "model.safetensors").network.state_dict())
    assert all((states[0][key] == states[1][key]).all() for key in states[0])


def test_a_model_is_a_start_and_keeps_its_classifier_for_the_same_classes(recordings, tmp_path, experiment):
    train(experiment(), tmp_path / "first")
    start = str(tmp_path / "first" / "model.safetensors")
    network = start_network(experiment(init_from=start), LABELS)
    saved = load_model(tmp_path / "first" / "model.safetensors").network.state_dict()
    assert all((network.state_dict()[key] == saved[key]).all() for key in saved)


def test_other_classes_get_a_fresh_classifier_on_the_same_backbone(recordings, tmp_path, experiment):
    train(experiment(), tmp_path / "first")
    start = str(tmp_path / "first" / "model.safetensors")
    (recordings / "low").rename(recordings / "deep")
    network = start_network(experiment(init_from=start), LABELS)
    saved = load_model(tmp_path / "first" / "model.safetensors").network.state_dict()
    for key, value in network.state_dict().items():
        is_weight_of_head = key == "head.token_semantic.weight"
        assert (value == saved[key]).all() != is_weight_of_head or key.startswith("head.")


def test_broken_recordings_are_left_out_and_named(recordings, tmp_path, experiment):
    (recordings / "low" / "broken.wav").write_text("not audio")
    train(experiment(valid_share=0.0), tmp_path / "run")
    (event,) = _events(tmp_path / "run", "data")
    assert event["n_train_clips"] == 24
    assert len(event["broken"]) == 1
    assert "broken.wav" in event["broken"][0]


def test_without_held_out_clips_there_is_nothing_to_report(recordings, tmp_path, experiment):
    assert train(experiment(valid_share=0.0), tmp_path / "run").held_out is None
    assert not (tmp_path / "run" / "best.safetensors").exists()


@pytest.mark.parametrize("name", ["state.ckpt", "model.safetensors"])
def test_a_folder_that_holds_a_run_is_not_overwritten(recordings, tmp_path, experiment, name):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_text("")
    with pytest.raises(DataError, match="holds a run already; choose another folder, or go on with --resume"):
        train(experiment(), tmp_path / "run")


def test_a_run_that_was_stopped_before_its_first_state_is_begun_again(recordings, tmp_path, experiment):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.jsonl").write_text("left over\n")
    train(experiment(), tmp_path / "run")
    assert "left over" not in (tmp_path / "run" / "log.jsonl").read_text()


@pytest.mark.parametrize("changes", [{"device": "cuda"}, {"size": "nono"}, {"valid_fold": 9}])
def test_what_cannot_be_done_is_refused_before_the_folder_is_taken(
    recordings, tmp_path, experiment, changes, monkeypatch
):
    monkeypatch.undo()  # the sizes have their real names
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    with pytest.raises(
        HtsatError, match=r"device 'cuda' is not available|no network size 'nono'|no clip has fold"
    ):
        train(experiment(**changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_missing_data_is_named(tmp_path, experiment):
    with pytest.raises(DataError, match="nowhere: No such file or directory"):
        read_split(experiment(data=str(tmp_path / "nowhere")))
    with pytest.raises(ConfigError, match="data: needs the recordings to learn from"):
        read_split(experiment(data=None))


def test_a_loss_that_is_not_finite_stops_the_run(recordings, tmp_path, monkeypatch, experiment):
    monkeypatch.setattr("htsat.training.loop.clip_loss", lambda logits, *_: logits.sum() * float("nan"))
    with pytest.raises(
        HtsatError,
        match=r"loss nan in step 1 \(epoch 0\.5\), with .* and 5 more; .*state\.ckpt of step 0 is good",
    ):
        train(experiment(), tmp_path / "run")


def test_balanced_sampling_needs_clips_of_every_class(recordings, tmp_path, experiment):
    (recordings / "labels.txt").write_text("high\nlow\nnever\n")
    with pytest.raises(DataError, match=r"balanced sampling needs a clip of every class .* none of 'never'"):
        train(experiment(sampling="balanced"), tmp_path / "run")


def test_balanced_sampling_learns(recordings, tmp_path, experiment):
    assert train(experiment(sampling="balanced"), tmp_path / "run").held_out.accuracy == 1.0
