"""What is looked at, and what is found."""

from __future__ import annotations

from typing import Literal, NamedTuple

State = Literal["ok", "missing", "broken"]
"""It works; it is not there, and need not be; it should work and does not."""

Role = Literal["", "decoder", "resampler", "engine"]
"""What of listening a check proves; one of each is needed."""


class Finding(NamedTuple):
    """One line of the report; `fix` is what to do about it, if anything."""

    name: str
    state: State
    detail: str
    fix: str = ""


class Check(NamedTuple):
    """Something to look at.

    - `function`: `module:name` of what does it; it is given this check. What it raises becomes a finding.
    - `packages`: modules without which there is nothing to look at; `purpose` says what one then misses and
      `fix` how to have it. `is_required`: without them nothing is heard.
    """

    section: str
    name: str
    function: str
    packages: tuple[str, ...] = ()
    purpose: str = ""
    fix: str = ""
    is_required: bool = False
    role: Role = ""

    def ok(self, detail: str) -> list[Finding]:
        """The one finding that it works."""
        return [Finding(self.name, "ok", detail)]

    def broken(self, detail: str, fix: str | None = None) -> list[Finding]:
        """The one finding that it does not; `fix` is that of the check unless another is named."""
        return [Finding(self.name, "broken", detail, self.fix if fix is None else fix)]
