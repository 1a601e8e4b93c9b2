"""What one process can be asked; `tests/cli/test_several_processes.py` starts two."""

from __future__ import annotations

import pytest

from htsat.errors import ConfigError
from htsat.processes import ALONE, Processes


def test_one_process_has_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with Processes.from_environment() as processes:
        assert processes == ALONE
        assert processes.is_first
        assert processes.share("abc") == "abc"
        assert processes.gather("abc") == ["a", "b", "c"]


def test_the_share_of_a_process_is_every_nth() -> None:
    shares = [Processes(rank, 3).share(range(8)) for rank in range(3)]
    assert [list(share) for share in shares] == [[0, 3, 6], [1, 4, 7], [2, 5]]


@pytest.mark.parametrize(
    ("environment", "name"),
    [({"WORLD_SIZE": "many"}, "WORLD_SIZE"), ({"WORLD_SIZE": "2", "RANK": ""}, "RANK")],
)
def test_an_environment_that_says_not_who_is_who_is_refused(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], name: str
) -> None:
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    with pytest.raises(ConfigError, match=f"torchrun: it sets {name} to a number"):
        Processes.from_environment()
