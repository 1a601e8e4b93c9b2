"""Our metrics beside the packages themselves, on the cases of the golden values and on new ones.

Skipped where the packages are missing; see `make_golden.py` for an environment that has them.
"""

from __future__ import annotations

import json
import runpy
import warnings
from pathlib import Path

import numpy as np
import pytest

from htsat.metrics.event_table import EventTable
from htsat.metrics.psds import PSDS1, PSDS2, post_processing_independent_psds, psds
from htsat.scores import FrameGrid

REASON = (
    "compared with {} only where it is installed: pip install 'htsat[reference]' in an environment of its own"
)
for package in ("sed_scores_eval", "psds_eval", "sed_eval"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old packages, new Python
        pytest.importorskip(package, reason=REASON.format(package))

pytestmark = pytest.mark.filterwarnings("ignore")

HERE = Path(__file__).parent
CASES = runpy.run_path(str(HERE / "cases.py"))
PACKAGES = runpy.run_path(str(HERE / "packages.py"))
SETTINGS = {"psds1": PSDS1, "psds2": PSDS2}


class Scored:
    """Scores of one recording."""

    def __init__(self, values, boundaries_s):
        self.probabilities, self.grid = values, FrameGrid(boundaries_s)


def sources(case):
    return [Scored(*pair) for pair in zip(case.scores, case.boundaries_s, strict=True)]


def truth(case):
    columns = [np.array(column) for column in zip(*sorted(case.events), strict=True)]
    return EventTable(*columns), case.durations_s


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("seed", range(5))
def test_psds_of_new_cases(seed, setting):
    random = np.random.RandomState(100 + seed)
    grids = [0.1 * np.arange(1 + random.randint(1, 120)) for _ in range(40)]
    case = CASES["draw"](random, grids, n_classes=5)
    expected = PACKAGES["psds"](case, setting)
    measured = psds(sources(case), *truth(case), SETTINGS[setting])
    assert measured.value == pytest.approx(expected["value"], abs=1e-9)
    areas = list(expected["classes"].values())
    np.testing.assert_allclose(measured.class_values[~np.isnan(measured.class_values)], areas, atol=1e-9)


@pytest.mark.parametrize("setting", SETTINGS)
def test_psds_of_several_post_processings(setting):
    case = CASES["uneven"]()
    versions = [case, case.smoothed(3)]
    expected = PACKAGES["pi_psds"](versions, setting)
    measured = post_processing_independent_psds(
        [sources(version) for version in versions], *truth(case), SETTINGS[setting]
    )
    assert measured.value == pytest.approx(expected["value"], abs=1e-9)


def test_the_golden_values_are_those_of_the_packages():
    golden = json.loads((HERE.parent / "golden" / "events" / "events.json").read_text())
    case = PACKAGES["event_case"]()
    assert {name: golden[name] for name in case} == case
    for metric in ("collar", "intersection", "segment"):
        assert golden[metric] == PACKAGES[metric](case)
