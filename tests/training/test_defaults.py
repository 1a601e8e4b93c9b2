from importlib import resources

import pytest

from htsat.training.defaults import FINETUNE_SIZES, finetune_defaults


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
