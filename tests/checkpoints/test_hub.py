from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from huggingface_hub import constants
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from htsat.checkpoints import hub, save_model
from htsat.errors import CheckpointError


@pytest.fixture
def path(tmp_path, small_network, small_card):
    save_model(tmp_path / "model.safetensors", small_network, small_card)
    return tmp_path / "model.safetensors"


@pytest.fixture
def download(monkeypatch, path):
    """Stands for the download; remembers what was asked for."""
    mock = Mock(return_value=str(path))
    monkeypatch.setattr(hub, "hf_hub_download", mock)
    return mock


@pytest.fixture
def api(monkeypatch):
    """Stands for the service; remembers what was sent."""
    mock = Mock()
    mock.create_commit.return_value = SimpleNamespace(commit_url="https://hub/commit/1")
    monkeypatch.setattr(hub, "HfApi", lambda: mock)
    return mock


def error(kind):
    """An error of the Hub's client, without the response that most of them ask for."""
    return kind.__new__(kind, "first line\nsecond line")


@pytest.mark.parametrize(("told", "expected"), [({}, "True"), ({"HF_HUB_DISABLE_TELEMETRY": "0"}, "False")])
def test_the_hub_is_not_told_what_runs_here(told, expected):
    """Unless somebody wants it to be told."""
    code = "import htsat.checkpoints.hub, huggingface_hub as h; print(h.constants.HF_HUB_DISABLE_TELEMETRY)"
    usual = {name: value for name, value in os.environ.items() if "TELEMETRY" not in name}
    done = subprocess.run(
        [sys.executable, "-c", code], env=usual | told, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == expected


def test_a_local_folder_needs_no_hub(path, small_card, download):
    assert hub.from_pretrained(str(path.parent)).card == small_card
    download.assert_not_called()


@pytest.mark.parametrize(
    ("source", "revision", "expected"),
    [
        ("hf://owner/repo", None, None),
        ("owner/repo", None, None),
        ("hf://owner/repo@v2", None, "v2"),
        ("hf://owner/repo", "abc123", "abc123"),
        ("hf://owner/repo@v2", "abc123", "abc123"),
    ],
)
def test_the_right_file_is_asked_for(download, small_card, source, revision, expected):
    assert hub.from_pretrained(source, revision).card == small_card
    download.assert_called_once_with(
        "owner/repo", "model.safetensors", revision=expected, local_files_only=False
    )


def test_the_next_file_is_asked_for_where_one_is_not_there(download, path):
    download.side_effect = [error(EntryNotFoundError), str(path)]
    assert hub.fetch("owner/repo", names=("model.onnx", "model.safetensors")) == path
    assert [call.args[1] for call in download.call_args_list] == ["model.onnx", "model.safetensors"]
    download.side_effect = error(EntryNotFoundError)
    with pytest.raises(CheckpointError, match=r"^hf://owner/repo: has no model.onnx or model.safetensors$"):
        hub.fetch("owner/repo", names=("model.onnx", "model.safetensors"))


def test_the_switch_of_htsat_counts_too(download, monkeypatch):
    monkeypatch.setenv("HTSAT_OFFLINE", "1")
    hub.fetch("owner/repo")
    assert download.call_args.kwargs["local_files_only"] is True
    download.side_effect = error(LocalEntryNotFoundError)
    with pytest.raises(CheckpointError, match=r"cannot be reached \(HTSAT_OFFLINE is set\)$"):
        hub.fetch("owner/repo")


def test_a_file_of_the_hub_is_found_without_torch():
    code = "import sys; import htsat.checkpoints.hub; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_cached_snapshot_is_used_offline(path, small_card, monkeypatch, tmp_path):
    repository = tmp_path / "cache" / "models--owner--repo"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    path.rename(snapshot / "model.safetensors")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert hub.from_pretrained("hf://owner/repo").card == small_card
    with pytest.raises(
        CheckpointError, match=r"^hf://owner/other: not downloaded yet, and the Hub cannot be reached"
    ):
        hub.fetch("hf://owner/other")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (LocalEntryNotFoundError, "not downloaded yet, and the Hub cannot be reached"),
        (GatedRepoError, "its owner asks you to accept terms"),
        (RepositoryNotFoundError, "no such repository, or a private one"),
        (RevisionNotFoundError, "no such revision"),
        (EntryNotFoundError, "has no model.safetensors"),
    ],
)
def test_failures_are_told_in_one_line(download, kind, message):
    download.side_effect = error(kind)
    with pytest.raises(CheckpointError) as caught:
        hub.fetch("owner/repo@v1")
    assert str(caught.value).startswith(f"hf://owner/repo@v1: {message}")
    assert "\n" not in str(caught.value)


def test_addresses_must_be_addresses():
    with pytest.raises(CheckpointError, match=r"^hf://a/b/c: Repo id must be in the form"):
        hub.fetch("hf://a/b/c")


def test_publishing_sends_the_model_and_its_page(path, api):
    address = hub.push_to_hub(path, "owner/repo", private=True, revision="dev")
    assert address == "https://hub/commit/1"
    api.create_repo.assert_called_once_with("owner/repo", private=True, exist_ok=True)
    (repository, operations), options = api.create_commit.call_args
    assert repository == "owner/repo"
    assert options == {"commit_message": "Publish model.safetensors", "revision": "dev"}
    model, page = operations
    assert (model.path_in_repo, Path(model.path_or_fileobj)) == ("model.safetensors", path)
    assert page.path_in_repo == "README.md"
    assert "dog, café, rain" in page.path_or_fileobj.decode()


def test_only_models_are_published(api, tmp_path):
    (tmp_path / "notes.txt").write_text("no model")
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        hub.push_to_hub(tmp_path / "notes.txt", "owner/repo")
    api.create_repo.assert_not_called()


def test_a_failed_publication_is_told_in_one_line(path, api):
    api.create_repo.side_effect = OfflineModeIsEnabled("offline mode is enabled\nmore")
    with pytest.raises(CheckpointError, match=r"^hf://owner/repo: offline mode is enabled$"):
        hub.push_to_hub(path, "owner/repo")


def test_the_page_tells_what_the_model_is(small_network, small_card, encoder_card):
    page = hub.model_page("owner/repo", small_network.config, small_card)
    assert page.startswith("---\nlibrary_name: htsat\n")
    assert 'htsat.load("hf://owner/repo")' in page
    assert "| classes | 3 (dog, café, rain) |" in page
    assert "| task | multi_label |" in page
    assert "| source | a test |" in page
    assert "None: it is an encoder" in hub.model_page("owner/repo", small_network.config, encoder_card)
