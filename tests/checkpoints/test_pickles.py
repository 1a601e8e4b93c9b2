from __future__ import annotations

import collections
import os
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from htsat.checkpoints import save_model
from htsat.checkpoints.pickles import read_foreign, weights_file
from htsat.errors import CheckpointError

TENSORS = {"weight": torch.arange(3.0), "steps": torch.tensor(7)}


class Attack:
    """Creates a file when it is unpickled by an ordinary reader."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def assert_read(path):
    tensors = read_foreign(path)
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[key], TENSORS[key]) for key in TENSORS)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "content",
    [
        TENSORS,
        collections.OrderedDict(TENSORS),
        {"state_dict": TENSORS},
        {"model": TENSORS},
        {"state_dict": TENSORS, "epoch": 3, "callbacks": {"best": torch.tensor(0.47)}, "hparams": None},
        {"state_dict": TENSORS, "best": np.float64(0.5), "lr": np.float32(0.1), "epoch": np.int64(3)},
    ],
    ids=["plain", "ordered", "lightning", "swin", "lightning in full", "numpy numbers"],
)
def test_the_state_dict_is_found(saved, content, zipped):
    assert_read(saved(content, _use_new_zipfile_serialization=zipped))


def test_parameters_become_plain_tensors(saved):
    tensors = read_foreign(saved({"weight": torch.nn.Parameter(torch.ones(2))}))
    assert type(tensors["weight"]) is torch.Tensor
    assert not tensors["weight"].requires_grad


def test_safetensors_are_read(tmp_path):
    save_file(TENSORS, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert_read(tmp_path / "model.safetensors")


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_checkpoint_is_refused_and_not_executed(saved, tmp_path, zipped):
    target = tmp_path / "executed"
    attack = Attack(target)
    path = saved({"state_dict": TENSORS, "extra": attack}, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r"^refused: it carries code .*\(\w+\.mkdir\)") as caught:
        read_foreign(path)
    assert "\n" not in str(caught.value)
    assert not target.exists()


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_code_in_a_bare_pickle_is_refused_and_not_executed(tmp_path, protocol):
    target = tmp_path / "executed"
    (tmp_path / "model.pt").write_bytes(pickle.dumps(Attack(target), protocol))
    with pytest.raises(CheckpointError) as caught:
        read_foreign(tmp_path / "model.pt")
    assert "\n" not in str(caught.value)
    assert not target.exists()
    pickle.loads((tmp_path / "model.pt").read_bytes())
    assert target.exists(), "the attack must be one that works"


def test_damaged_files_are_refused_in_one_line(saved, tmp_path):
    whole = saved({"state_dict": TENSORS}).read_bytes()
    legacy = saved({"state_dict": TENSORS}, _use_new_zipfile_serialization=False).read_bytes()
    cut = [whole[:-60], whole[:200], legacy[:-6], legacy[:60], legacy[:-20]]
    for content in [b"", b"hello world", bytes(100), *cut]:
        (tmp_path / "damaged.pt").write_bytes(content)
        with pytest.raises(CheckpointError) as caught:
            read_foreign(tmp_path / "damaged.pt")
        assert "\n" not in str(caught.value)


def test_what_holds_no_tensors_is_refused(saved, tmp_path):
    with pytest.raises(CheckpointError, match=r"^holds no tensors \(keys: epoch\)$"):
        read_foreign(saved({"epoch": 3}))
    with pytest.raises(CheckpointError, match=r"^holds no tensors \(keys: none\)$"):
        read_foreign(saved({}))
    with pytest.raises(CheckpointError, match=r"^expected a dictionary of tensors, got Tensor$"):
        read_foreign(saved(torch.ones(3)))
    with pytest.raises(CheckpointError, match=r"^no such file$"):
        read_foreign(tmp_path / "none.ckpt")


def test_our_own_files_need_no_conversion(tmp_path, small_network, small_card):
    save_model(tmp_path / "own.safetensors", small_network, small_card)
    with pytest.raises(CheckpointError, match=r"^is an htsat model already$"):
        read_foreign(tmp_path / "own.safetensors")


def test_folders_of_hugging_face_hold_their_weights(tmp_path):
    with pytest.raises(CheckpointError, match=r"folder with model.safetensors or pytorch_model.bin"):
        weights_file(tmp_path)
    (tmp_path / "pytorch_model.bin").touch()
    assert weights_file(tmp_path) == tmp_path / "pytorch_model.bin"
    (tmp_path / "model.safetensors").touch()
    assert weights_file(tmp_path) == tmp_path / "model.safetensors"
    assert weights_file(tmp_path / "other.ckpt") == tmp_path / "other.ckpt"
