from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from htsat.checkpoints import load_model, save_model
from htsat.checkpoints.convert import convert
from htsat.errors import CheckpointError
from htsat.labels import LabelSet
from htsat.network import HTSAT

THREE = LabelSet.of(["dog", "rain", "bell"])


@pytest.mark.parametrize(
    ("n_classes", "name", "task"),
    [
        (527, "audioset", "multi_label"),
        (50, "esc50", "multi_class"),
        (35, "speech-commands-author", "multi_label"),
    ],
)
def test_published_classifiers_are_known_by_their_number_of_classes(
    small_network, foreign, saved, n_classes, name, task
):
    network = HTSAT(replace(small_network.config, n_classes=n_classes))
    card = convert(saved(foreign(network))).model.card
    assert (card.labels, card.task) == (LabelSet.named(name), task)
    assert convert(saved(foreign(network)), task="multi_class").model.card.task == "multi_class"


def test_other_classes_need_names(small_network, foreign, saved):
    path = saved(foreign(small_network))
    with pytest.raises(CheckpointError, match="has 3 classes without names; name them with --labels"):
        convert(path)
    with pytest.raises(CheckpointError, match="has 3 classes, but there are 2 labels"):
        convert(path, LabelSet.of(["dog", "rain"]))
    model, notes = convert(path, THREE)
    assert (model.card.labels, model.card.task) == (THREE, "multi_label")
    assert notes == (
        "the file does not tell its task: assumed multi_label (several classes at once); see --task",
    )
    assert convert(path, THREE, "multi_class").notes == ()


def test_provenance_tells_the_source(small_network, foreign, saved):
    path = saved(foreign(small_network), "author.ckpt")
    assert convert(path, THREE, "multi_label").model.card.provenance == {
        "kind": "official HTS-AT checkpoint",
        "source": "author.ckpt",
        "sha256 of the source": hashlib.sha256(path.read_bytes()).hexdigest(),
        "licence": "not stated in the source",
        "notes": "",
    }


def test_a_converted_model_can_be_saved_and_loaded(small_network, foreign, saved, tmp_path):
    model, _ = convert(saved(foreign(small_network)), THREE)
    save_model(tmp_path / "model.safetensors", *model)
    assert load_model(tmp_path / "model.safetensors").card == model.card


def test_an_encoder_takes_neither_labels_nor_task(small_network, foreign, saved):
    path = saved({f"audio_branch.{key}": tensor for key, tensor in foreign(small_network).items()})
    for options in ({"labels": THREE}, {"task": "multi_class"}):
        with pytest.raises(CheckpointError, match="becomes an encoder without classes"):
            convert(path, **options)


def test_unknown_checkpoints_are_refused_with_what_they_hold(saved, tmp_path):
    path = saved({"state_dict": {"conv1.weight": torch.zeros(2), "fc.bias": torch.zeros(2)}})
    with pytest.raises(CheckpointError) as caught:
        convert(path)
    assert str(caught.value) == (
        f"{path}: is of no known kind: expected the official HTS-AT, an unfused CLAP with HTS-AT, "
        "or Swin-T/C24; got tensors conv1.weight, fc.bias"
    )


def test_foreign_weights_must_be_finite(small_network, foreign, saved):
    bad = foreign(small_network) | {"norm.bias": torch.full((64,), float("nan"))}
    with pytest.raises(CheckpointError, match=r"NaN or infinity in 1 tensor \(norm.bias\)"):
        convert(saved(bad), THREE)


def test_a_folder_and_half_precision_will_do(small_network, foreign, tmp_path):
    save_file(
        {key: tensor.half() for key, tensor in foreign(small_network).items()}, tmp_path / "model.safetensors"
    )
    (tmp_path / "config.json").write_text("{}")
    model, _ = convert(tmp_path, THREE)
    assert model.network.norm.weight.dtype == torch.float32
    assert model.card.provenance["source"] == "model.safetensors"


@pytest.mark.parametrize("rate", [0, -16_000])
def test_impossible_sample_rates_are_refused(small_network, foreign, saved, rate):
    with pytest.raises(CheckpointError, match=f"sample_rate must be a whole number above 0, got {rate}"):
        convert(saved(foreign(small_network)), THREE, sample_rate=rate)
