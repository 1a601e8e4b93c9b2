"""What can be said of the container file without an engine for containers: it asks for what is there."""

from __future__ import annotations

import fnmatch
import json
import re
import tomllib
from pathlib import Path

import pytest

from htsat.cli.main import COMMANDS, main

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
LINES = [line for line in TEXT.splitlines() if line and not line.startswith("#")]


def arguments(instruction: str) -> list[str]:
    """What follows an instruction, one text for each time it stands there."""
    return [line.split(" ", 1)[1] for line in LINES if line.split(" ", 1)[0] == instruction]


def copied() -> list[str]:
    """Paths of the project that are copied into the first stage."""
    lines = [line.split() for line in arguments("COPY") if not line.startswith("--from")]
    return [path for *paths, _ in lines for path in paths]


def test_everything_that_is_copied_is_there_and_reaches_the_builder() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for path in copied():
        assert (ROOT / path).exists()
        assert path in kept
    assert sorted(kept) == sorted(copied())


def test_what_the_package_is_built_from_is_copied() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = [
        project["project"]["readme"],
        *project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"],
    ]
    needed += project["project"]["license-files"]
    for path in needed:
        assert any(fnmatch.fnmatch(path, copy) or path.startswith(f"{copy}/") for copy in copied())


def test_the_entry_point_is_a_command_of_the_package() -> None:
    (entry,) = map(json.loads, arguments("ENTRYPOINT"))
    assert entry == list(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"])
    (command,) = map(json.loads, arguments("CMD"))
    assert command[0] in COMMANDS


def test_the_service_does_not_start_without_a_token(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HTSAT_TOKEN", raising=False)
    (command,) = map(json.loads, arguments("CMD"))
    assert main(command) == 2
    assert "give a --token" in capsys.readouterr().err


def test_its_health_is_asked_where_the_service_listens() -> None:
    from htsat.web.guard import OPEN_PATHS

    (check,) = arguments("HEALTHCHECK")
    asked = re.search(r"http://127\.0\.0\.1:(\d+)(/\w+)", check)
    assert asked is not None
    assert asked[2] in OPEN_PATHS
    (command,) = map(json.loads, arguments("CMD"))
    assert [asked[1]] == arguments("EXPOSE") == [command[command.index("--port") + 1]]


def test_it_runs_as_nobody_and_asks_no_network() -> None:
    assert arguments("USER") == ["10001"]
    settings = dict(pair.split("=", 1) for pair in arguments("ENV")[0].split())
    assert settings["HTSAT_OFFLINE"] == settings["ORT_DISABLE_TELEMETRY"] == "1"


def test_no_place_to_fetch_from_is_written_down() -> None:
    assert arguments("FROM") == ["python:${PYTHON} AS build", "python:${PYTHON}"]
    assert "index-url" not in TEXT
