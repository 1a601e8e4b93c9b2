"""The cards of packaged models say what the files say."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from htsat.checkpoints import load_model
from htsat.checkpoints.describe import facts
from htsat.checkpoints.resolve import packaged_models, resolve

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", packaged_models())
def test_the_table_is_that_of_the_file(name: str) -> None:
    path = resolve(name)
    text = path.with_suffix(".md").read_text(encoding="utf-8")
    network, card = load_model(path)
    told = dict(re.findall(r"^\| ([a-z ]+) \| (.+) \|$", text, re.MULTILINE))
    for fact in facts(network.config, card)[:9]:
        assert told[fact.name] == fact.value
    assert told["parameters"] == f"{sum(each.numel() for each in network.parameters()):,}"
    assert card.provenance["licence"].startswith(told["licence"])


def test_its_figures_are_those_of_the_reproduction() -> None:
    card = resolve("nano-esc50").with_suffix(".md").read_text(encoding="utf-8")
    reproduction = (ROOT / "docs" / "reproduction.md").read_text(encoding="utf-8")
    for figure in re.findall(r"^\| (?:accuracy|mAP) \| .*$", card, re.MULTILINE):
        assert figure in reproduction
    assert "74 minutes on the two cores" in reproduction


def test_its_data_are_those_of_the_attribution() -> None:
    card = resolve("nano-esc50").with_suffix(".md").read_text(encoding="utf-8")
    credited = resolve("nano-esc50").with_suffix(".ATTRIBUTION.md").read_text(encoding="utf-8")
    per_class = Counter(re.findall(r"^- `\d-\d+-[A-Z]-(\d+)\.ogg` \(CC", credited, re.MULTILINE))
    assert f"{per_class.total():,} clips" in card
    assert f"11 to {max(per_class.values())} clips per class" in card
    assert (min(per_class.values()), len(per_class)) == (11, 50)
