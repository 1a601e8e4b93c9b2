"""What PSDS asks of detections and what mistakes cost, with the two settings of the DCASE challenges."""

from __future__ import annotations

import math
from dataclasses import dataclass

from htsat.errors import ConfigError


@dataclass(frozen=True)
class PsdsParameters:
    """Shares of time from which detections and events count as found, and weights of mistakes.

    `dtc`: of a detection that lies in true events of its class, to be relevant. `gtc`: of a true event that
    relevant detections cover, to be found. `cttc`: of a false detection that lies in true events of another
    class, to be a cross trigger; None when these do not count. `alpha_ct` weighs cross triggers, `alpha_st`
    the spread between the classes. The curve ends at `max_false_rate` effective false positives per hour.

    Raises:
        ConfigError: when one is out of range.
    """

    dtc: float
    gtc: float
    cttc: float | None = None
    alpha_ct: float = 0.0
    alpha_st: float = 1.0
    max_false_rate: float = 100.0

    def __post_init__(self) -> None:
        for name in ("dtc", "gtc", "cttc"):
            share = getattr(self, name)
            if share is not None and not 0 < share <= 1:
                raise ConfigError(f"{name} must be above 0 and at most 1, got {share}")
        for name in ("alpha_ct", "alpha_st"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name} must be finite and not negative, got {getattr(self, name)}")
        if (self.alpha_ct > 0) != (self.cttc is not None):
            raise ConfigError(f"cttc {self.cttc} does not fit alpha_ct {self.alpha_ct}: both or neither")
        if not 0 < self.max_false_rate < math.inf:
            raise ConfigError(f"max_false_rate must be positive and finite, got {self.max_false_rate}")


PSDS1 = PsdsParameters(dtc=0.7, gtc=0.7)
"""Scenario 1 of DCASE: does it know when the sound is there?"""

PSDS2 = PsdsParameters(dtc=0.1, gtc=0.1, cttc=0.3, alpha_ct=0.5)
"""Scenario 2 of DCASE: does it know which sound it is?"""
