import csv

import numpy as np
import pytest

from htsat.data.clip import Clip
from htsat.data.manifest import Manifest
from htsat.errors import ConfigError, DataError
from htsat.evaluation.development import Choice, choose_rules
from htsat.evaluation.ensemble import Ensemble
from htsat.evaluation.rule_sets import NamedRules
from htsat.labels import LabelSet
from htsat.rules import EventRules

from .written import FRAME_S, frames, write, written_model

LABELS = LabelSet(("bark", "ring"))
USUAL = NamedRules("mine", EventRules((0.5, 0.5), max_gap_s=0.4))


@pytest.fixture
def ensemble():
    return Ensemble([written_model(LABELS)])


@pytest.fixture
def manifest(tmp_path):
    """Six barks at 0.3 with one at 0.2 that is none; a single ring."""
    rows, clips = [("filename", "onset", "offset", "event_label")], []
    for number in range(6):
        path = write(
            tmp_path / f"{number}.wav", 10.0, {"bark": {**frames(0.3, 4, 8), **frames(0.2, 20, 24)}}, LABELS
        )
        rows.append((path.name, 4 * FRAME_S, 8 * FRAME_S, "bark"))
        clips.append(Clip(path, ("bark",), events=tmp_path / "events.tsv"))
    rows.append(("0.wav", 1.0, 2.0, "ring"))
    with (tmp_path / "events.tsv").open("w", newline="") as file:
        csv.writer(file, delimiter="\t").writerows(rows)
    return Manifest(tuple(clips), LABELS)


def test_thresholds_alone_are_chosen_where_there_are_events_enough(ensemble, manifest):
    chosen = choose_rules(ensemble, manifest, "six", Choice(USUAL, "thresholds", "intersection"))
    assert chosen.rules.rules.thresholds == (pytest.approx(0.25, abs=1e-6), 0.5)
    assert chosen.rules.rules.max_gap_s == 0.4
    assert chosen.rules.source == "thresholds chosen by intersection on 6 clips of six, else mine"


def test_all_rules_are_chosen_as_tune_does(ensemble, manifest):
    chosen = choose_rules(ensemble, manifest, "six", Choice(USUAL))
    assert 0.2 <= chosen.rules.rules.thresholds[0] < 0.3
    assert chosen.rules.rules.thresholds[1] == 0.5
    assert chosen.rules.source == "rules chosen by collar on 6 clips of six"


def test_broken_clips_are_named(ensemble, manifest, tmp_path):
    gone = Clip(tmp_path / "gone.wav", ("bark",), events=tmp_path / "events.tsv")
    choice = Choice(USUAL, "thresholds")
    chosen = choose_rules(ensemble, manifest.only([gone, *manifest.clips]), "", choice)
    assert [broken.clip for broken in chosen.broken] == [gone]
    np.testing.assert_allclose(chosen.rules.rules.thresholds, (0.25, 0.5), atol=1e-6)
    with pytest.raises(DataError, match=r"none of the 1 clips can be heard; the first: .*gone\.wav"):
        choose_rules(ensemble, manifest.only([gone]), "", choice)


def test_what_cannot_be_chosen_is_refused(ensemble, manifest):
    few = manifest.only(manifest.clips[:4])
    with pytest.raises(DataError, match=r"four: no class has 5 events; the most has 4"):
        choose_rules(ensemble, few, "four", Choice(USUAL))
    weak = manifest.only([Clip(clip.path, clip.labels) for clip in manifest.clips])
    with pytest.raises(DataError, match="weak: no clip has strong labels to choose rules by"):
        choose_rules(ensemble, weak, "weak", Choice(USUAL))
    with pytest.raises(ConfigError, match="thresholds alone are chosen by collar, intersection, segment"):
        Choice(USUAL, "thresholds", "psds1")
