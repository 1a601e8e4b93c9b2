from __future__ import annotations

from dataclasses import replace

import pytest

from htsat.checkpoints import ModelCard
from htsat.checkpoints.describe import facts
from htsat.labels import LabelSet
from htsat.network import ModelConfig
from htsat.rules import BoxRules, EventRules, default_rules


def test_the_paper_in_words():
    labels = LabelSet.named("audioset")
    card = ModelCard(labels, "multi_label", default_rules("multi_label", 527), {"licence": "MIT"})
    assert [f"{name}: {value}" for name, value in facts(ModelConfig(), card)] == [
        "network: tiny: dim 96, depths 2 2 6 2, heads 4 8 16 32, window 8, token-semantic head",
        "clips: 10 s at 32000 Hz",
        "frames: 32 in a clip, 0.3125 s each",
        "features: 64 mel bins, 50 to 14000 Hz, n_fft 1024, hop 320",
        "embedding: 768 values",
        "classes: 527 (Speech, Male speech, man speaking, Female speech, woman speaking, Child speech, "
        "kid speaking, Conversation, ...)",
        "task: multi_label",
        "thresholds: 0.25 for every class",
        "max gap: 0.35 s for every class",
        "clip threshold: 0.1 for every class",
        "licence: MIT",
    ]


@pytest.mark.parametrize("name", ["nano", "tiny", "base", "large"])
def test_sizes_have_names(name, small_card):
    assert facts(ModelConfig.named(name, n_classes=3), small_card)[0].value.startswith(f"{name}: ")


def test_other_sizes_and_tuned_thresholds(small_network, small_card):
    described = dict(facts(small_network.config, small_card))
    assert described["network"].startswith("custom: dim 8, depths 2 2 2 2")
    assert described["thresholds"] == "0.1 to 1, one per class"
    assert described["max gap"] == "0 to 2 s, one per class"
    assert not {"median filter", "min duration", "clip threshold", "events"} & described.keys()


def test_boxes_and_their_rules(small_network, small_card):
    rules = EventRules((0.5,) * 3, boxes=BoxRules(step_s=(0.3, 0.4, 0.5)))
    described = dict(facts(small_network.config, replace(small_card, rules=rules)))
    assert described["events"] == "boxes, by change detection"
    assert described["step"] == "0.3 to 0.5 s, one per class"
    assert described["max relative dip"] == "0.5 for every class"


def test_an_encoder_has_no_classes(encoder_card):
    described = dict(facts(ModelConfig(n_classes=0, head="none"), encoder_card))
    assert described["network"].endswith("encoder without classes")
    assert not {"classes", "task", "thresholds"} & described.keys()
