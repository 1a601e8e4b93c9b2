from __future__ import annotations

import re

from htsat.checkpoints.resolve import packaged_models, resolve
from htsat.files import sha256
from htsat.labels import LabelSet
from htsat.zoo.catalog import find_known, known_models


def test_names_differ_and_can_be_typed():
    names = [model.name for model in known_models()]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in names)
    assert find_known("no such model") is None


def test_packaged_models_are_the_published_ones():
    for name in packaged_models():
        known = find_known(name)
        assert known.sha256 == sha256(resolve(name))
        assert known.file == resolve(name).name
        assert known.size_mb == round(resolve(name).stat().st_size / 1e6)


def test_digests_are_digests_and_addresses_end_with_the_file():
    for model in known_models():
        assert model.sha256 is None or re.fullmatch("[0-9a-f]{64}", model.sha256)
        if model.address is not None:
            assert model.address.startswith("hf://")
            assert model.address.endswith("/" + model.file.rpartition("/")[2])


def test_files_on_a_mirror_do_not_collide():
    files = [model.file for model in known_models()]
    assert len(set(files)) == len(files)


def test_classifiers_have_the_classes_of_their_data():
    n_classes = {"audioset": 527, "esc50": 50, "speech": 35, "clap": 0, "nano": 50}
    for model in known_models():
        assert model.n_classes == n_classes[model.name.partition("-")[0]]
    assert len(LabelSet.named("audioset")) == n_classes["audioset"]
