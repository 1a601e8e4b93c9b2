"""The model that comes with the package: what it is, what it has heard, and that it hears."""

from importlib import resources
from pathlib import Path

import pytest

import htsat
from htsat.checkpoints import load_model
from htsat.checkpoints.resolve import resolve
from htsat.formats.dcase import read_events
from htsat.labels import LabelSet

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture(scope="module")
def model():
    return htsat.load(device="cpu")


def test_it_is_small_and_carries_its_classes_and_licence():
    path = resolve()
    assert path.stat().st_size < 20_000_000
    card = load_model(path).card
    assert card.labels == LabelSet.named("esc50")
    assert card.provenance["licence"] == "MIT; trained on CC0 and CC-BY clips only"


def test_it_has_heard_only_free_clips_outside_the_held_out_fold():
    attribution = resources.files("htsat") / "models" / "nano-esc50.ATTRIBUTION.md"
    lines = [line for line in attribution.read_text(encoding="utf-8").splitlines() if line.startswith("- ")]
    assert len(lines) == 1028
    assert all("(CC0): " in line or "(CC-BY): " in line for line in lines)
    assert not any(line.startswith("- `4-") for line in lines)


@pytest.mark.parametrize("name", ["dog", "rain", "crackling_fire"])
def test_it_tags_the_example_recordings(model, name):
    assert model.tag(EXAMPLES / f"{name}.ogg", top=1)[0].label == name


def test_it_finds_most_sounds_of_the_scene_where_they_are(model):
    (truth,) = read_events(EXAMPLES / "scene.tsv").values()
    heard = model.detect(EXAMPLES / "scene.ogg")
    found = [
        event
        for event in truth
        if any(
            other.label == event.label
            and min(other.offset_s, event.offset_s) > max(other.onset_s, event.onset_s)
            for other in heard
        )
    ]
    assert len(found) >= 7
