from __future__ import annotations

import pytest

from htsat.zoo.cache import find_kept, kept_models, models_folder, size_bytes


@pytest.fixture
def folder():
    models_folder().mkdir(parents=True)
    for name in ("birds.onnx", "birds.safetensors", "bats.onnx", ".bats.xyz.onnx", "notes.txt"):
        (models_folder() / name).write_bytes(b"12345")
    return models_folder()


def test_an_empty_cache_holds_nothing():
    assert kept_models() == ()
    assert find_kept("birds", exported=True) is None


def test_models_are_told_by_name_without_what_is_being_written(folder):
    assert [(model.name, [path.name for path in model.paths]) for model in kept_models()] == [
        ("bats", ["bats.onnx"]),
        ("birds", ["birds.onnx", "birds.safetensors"]),
    ]


def test_the_wanted_file_is_found_or_what_there_is(folder):
    assert find_kept("birds", exported=True) == folder / "birds.onnx"
    assert find_kept("birds", exported=False) == folder / "birds.safetensors"
    assert find_kept("bats", exported=False) == folder / "bats.onnx"
    assert find_kept("../models/bats", exported=False) is None


def test_sizes_count_files_once(folder):
    (folder / "link").symlink_to(folder / "notes.txt")
    assert size_bytes(folder) == 25
    assert size_bytes(folder / "none") == 0
