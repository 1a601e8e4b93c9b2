"""Write `tests/golden/psds/psds.json` and `tests/golden/events/events.json` with the packages of reference.

Usage: python tests/reference/make_golden.py

It needs an environment of its own, with what the extra `reference` pins and nothing of `htsat`:

    python -m venv REF
    REF/bin/pip install sed_scores_eval==0.0.4 psds_eval==0.5.3 sed_eval==0.2.1 \\
        "numpy<2.4" "pandas<3" "setuptools<82" pytest
    REF/bin/python tests/reference/make_golden.py

`sed_scores_eval` compiles a little C. To compare live, with `htsat` from the source folder (torch is not
needed without the fixtures of `tests`):

    PYTHONPATH=src REF/bin/python -m pytest --noconftest tests/reference
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from cases import CASES
from packages import EXACT, SAMPLED, collar, event_case, intersection, pi_psds, psds, sampled_psds, segment

GOLDEN = Path(__file__).parents[1] / "golden"
VERSIONS = {name: version(name) for name in ("sed_scores_eval", "psds_eval", "sed_eval", "numpy", "pandas")}


def main() -> None:
    measured = {name: {setting: psds(make(), setting) for setting in EXACT} for name, make in CASES.items()}
    case = CASES["ten_classes"]()
    versions = [case, case.smoothed(3), case.smoothed(7)]
    golden = {
        "made_with": VERSIONS,
        "sed_scores_eval": measured,
        "sed_scores_eval_pi": {setting: pi_psds(versions, setting) for setting in EXACT},
        "psds_eval": {
            name: {setting: sampled_psds(CASES[name](), setting, thresholds) for setting in EXACT}
            for name, thresholds in SAMPLED.items()
        },
    }
    write(GOLDEN / "psds" / "psds.json", golden)
    events = event_case()
    golden = {
        "made_with": VERSIONS,
        **events,
        "collar": collar(events),
        "intersection": intersection(events),
        "segment": segment(events),
    }
    write(GOLDEN / "events" / "events.json", golden)


def write(path: Path, golden: dict[str, object]) -> None:
    path.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
