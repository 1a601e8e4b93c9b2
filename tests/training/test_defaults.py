from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import soundfile

from htsat.data.manifest import Clip, Manifest
from htsat.labels import LabelSet
from htsat.training.defaults import FINETUNE_SIZES, finetune_defaults, fitting_presets


@pytest.mark.parametrize(
    ("n_clips", "size"),
    [
        (0, 50),
        (1, 50),
        (158, 50),
        (159, 500),
        (1_581, 500),
        (1_582, 5_000),
        (15_811, 5_000),
        (15_812, 50_000),
        (2_000_000, 50_000),
    ],
)
def test_the_boundaries_are_the_geometric_means_of_the_sizes(n_clips, size):
    assert finetune_defaults(n_clips) == f"finetune-{size}"


@pytest.mark.parametrize("size", FINETUNE_SIZES)
def test_each_size_has_a_preset(size):
    assert finetune_defaults(size) == f"finetune-{size}"
    assert (resources.files("htsat") / "presets" / f"finetune-{size}.yaml").is_file()


def test_long_recordings_with_strong_labels_count_by_their_length(tmp_path: Path):
    soundfile.write(tmp_path / "long.wav", np.zeros(1000 * 1000, np.float32), 1000)  # 1000 s, 200 stretches
    clip = Clip(tmp_path / "long.wav", ("dog",))
    labels = LabelSet.of(["dog"])
    assert fitting_presets(Manifest((clip,), labels)) == ("finetune-50",)
    strong = Clip(tmp_path / "long.wav", ("dog",), events=tmp_path / "long.txt")
    assert fitting_presets(Manifest((strong,), labels)) == ("finetune-500", "detector")
    gone = Clip(tmp_path / "gone.wav", ("dog",), events=tmp_path / "gone.txt")
    assert fitting_presets(Manifest((gone,), labels)) == ("finetune-50", "detector")
