from __future__ import annotations

import hashlib
import os

import pytest
import torch

from htsat.checkpoints import acquire as module
from htsat.checkpoints import load_model, save_model
from htsat.checkpoints.acquire import Order, acquire
from htsat.checkpoints.resolve import resolve
from htsat.errors import CheckpointError, ConfigError, MissingExtraError
from htsat.files import temporary_folder
from htsat.zoo.cache import models_folder
from htsat.zoo.catalog import KnownModel
from htsat.zoo.fetch import FetchError

ONE = KnownModel(
    name="three",
    collection="Tests",
    place="a drive that asks for a browser",
    licence="CC0-1.0",
    trained_on="noise",
    hears="nothing",
    n_classes=0,
    sample_rate=48_000,
    file="folder/three.pt",
)


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, tmp_path):
    for name in ("HTSAT_OFFLINE", "HF_HUB_OFFLINE", "HTSAT_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTSAT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def known(monkeypatch):
    """A catalogue of one foreign model."""
    monkeypatch.setattr(module, "find_known", lambda name: ONE if name == "three" else None)


@pytest.fixture
def mirror(tmp_path, small_network, foreign, known):
    """A folder with that model, as LAION would publish it."""
    tensors = {f"module.audio_branch.{key}": tensor for key, tensor in foreign(small_network).items()}
    (tmp_path / "mirror" / "folder").mkdir(parents=True)
    torch.save({"state_dict": tensors}, tmp_path / "mirror" / ONE.file)
    return tmp_path / "mirror"


def get(name, *mirrors, **options):
    return acquire(Order(name, tuple(map(str, mirrors)), **options), load_model, lambda *_: None)


def left_over():
    return sorted(path.name for path in models_folder().parent.rglob("*") if path.is_file())


def test_a_foreign_checkpoint_is_converted_and_kept(mirror, small_network):
    acquired = get("three", mirror)
    digest = hashlib.sha256((mirror / ONE.file).read_bytes()).hexdigest()
    assert (acquired.name, acquired.sha256, acquired.is_verified) == ("three", digest, False)
    assert acquired.path == resolve("three") == models_folder() / "three.safetensors"
    network, card = load_model(acquired.path)
    assert torch.equal(network.state_dict()["norm.weight"], small_network.state_dict()["norm.weight"])
    assert card.provenance["licence"] == "CC0-1.0"
    assert card.provenance["sha256 of the source"] == digest
    assert left_over() == ["three.safetensors"]


@pytest.mark.skipif(os.name == "nt", reason="folders cannot be locked")
def test_what_a_killed_process_left_is_cleared(mirror):
    dead, living = (models_folder().parent / f"fetching-{name}" for name in ("dead", "living"))
    for folder in (dead, living):
        folder.mkdir(parents=True)
        (folder / "half").touch()
    with temporary_folder(living.parent, "fetching-") as held:
        assert not dead.exists()
        assert not living.exists()
        get("three", mirror)
        assert held.exists()
    assert not held.exists()


def test_a_digest_is_compared(mirror):
    digest = hashlib.sha256((mirror / ONE.file).read_bytes()).hexdigest()
    assert get("three", mirror, sha256=digest).is_verified
    with pytest.raises(FetchError, match=f"its SHA-256 is {digest}, expected {'0' * 64}"):
        get("three", mirror, sha256="0" * 64)
    assert left_over() == ["three.safetensors"]


def test_another_model_under_that_name_is_refused(mirror, monkeypatch):
    other = ONE.__class__(**{**vars(ONE), "n_classes": 527})
    monkeypatch.setattr(module, "find_known", lambda _: other)
    with pytest.raises(CheckpointError, match=r"^folder/three.pt: has 0 classes, but three has 527$"):
        get("three", mirror)
    assert left_over() == []


def test_a_damaged_checkpoint_leaves_nothing(mirror):
    (mirror / ONE.file).write_bytes(b"no checkpoint")
    with pytest.raises(CheckpointError, match=r"three.pt: "):
        get("three", mirror)
    assert left_over() == []


def test_where_a_browser_is_needed_that_is_told(known):
    with pytest.raises(ConfigError) as caught:
        get("three")
    assert str(caught.value) == (
        "folder/three.pt is fetched with a browser (a drive that asks for a browser); "
        "then: htsat models get three --from FOLDER"
    )


def test_without_torch_nothing_is_fetched_that_would_have_to_be_converted(mirror, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"^converting folder/three.pt needs .*htsat\[torch\]"):
        get("three", mirror)


def test_a_model_of_ours_comes_from_its_address(tmp_path, small_network, small_card):
    save_model(tmp_path / "my birds.safetensors", small_network, small_card)
    address = (tmp_path / "my birds.safetensors").as_uri()
    assert get(address).path == models_folder() / "my birds.safetensors"
    assert load_model(resolve("my birds")).card == small_card
    assert left_over() == ["my birds.safetensors"]


def test_what_is_no_model_is_not_kept(tmp_path):
    (tmp_path / "birds.safetensors").write_text("no model")
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        get((tmp_path / "birds.safetensors").as_uri())
    assert left_over() == []


def test_a_model_of_ours_comes_from_a_mirror_by_its_name(tmp_path):
    (tmp_path / "birds.onnx").write_bytes(b"as the check says")
    order = Order("birds", (str(tmp_path / "none"), str(tmp_path)))
    acquired = acquire(order, lambda _: None, lambda *_: None)
    assert acquired.path.read_bytes() == b"as the check says"
    assert resolve("birds", exported=True) == acquired.path


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("audioset-11", "no model 'audioset-11'; did you mean 'audioset-1'? (htsat models lists them)"),
        ("some/where", "no model 'some/where' (htsat models lists them)"),
        (
            "nano-esc50",
            "'nano-esc50' is the name of a model in the package, which needs no getting",
        ),
        (
            "https://host/nano-esc50.onnx",
            "'nano-esc50' is the name of a model in the package, which needs no getting",
        ),
        ("https://host/file.zip", "https://host/file.zip: a model file ends with .onnx or .safetensors"),
    ],
)
def test_names_that_mean_nothing_are_refused(name, message):
    with pytest.raises(ConfigError) as caught:
        get(name)
    assert str(caught.value) == message


def test_a_cache_that_cannot_be_made_is_told(mirror, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HTSAT_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(FetchError, match=r"^cannot write to .*cache: Not a directory \(HTSAT_CACHE names"):
        get("three", mirror)
