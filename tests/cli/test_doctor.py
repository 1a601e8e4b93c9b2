from __future__ import annotations

import json

import pytest

from htsat.cli import doctor
from htsat.cli.main import main
from htsat.doctor.checks import checks
from htsat.doctor.examine import Examined
from htsat.doctor.findings import Check, Finding

GOOD = [
    Examined(
        Check("sound", "sound files", "", role="decoder"), [Finding("sound files", "ok", "decodes WAV")]
    ),
    Examined(Check("sound", "resampling", "", role="resampler"), [Finding("resampling", "ok", "soxr")]),
]
HEARS = Examined(Check("engines", "torch", "", role="engine"), [Finding("torch", "ok", "hears")])
DEAF = Examined(
    Check("engines", "torch", "", role="engine"),
    [Finding("torch", "broken", "probabilities are off " * 9, "pip install 'htsat[torch]'")],
)


@pytest.fixture
def found(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")

    def are(*examined):
        monkeypatch.setattr(doctor, "examine", lambda: iter(examined))

    return are


def test_what_works_stands_in_sections(found, capsys):
    found(*GOOD, HEARS)
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "sound",
        "  ok  sound files       decodes WAV",
        "  ok  resampling        soxr",
        "",
        "engines",
        "  ok  torch             hears",
        "",
        "htsat can listen.",
    ]


def test_what_does_not_work_says_what_mends_it(found, capsys):
    found(*GOOD, DEAF)
    assert main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3:] == ["", "htsat cannot listen.", "To be mended (!!): torch."]
    assert lines[-4] == " " * 24 + "-> pip install 'htsat[torch]'"
    assert max(map(len, lines)) <= 80
    assert {line[:24] for line in lines[6:-4]} == {" " * 24}


def test_the_report_is_json_too(found, capsys):
    found(*GOOD, DEAF)
    assert main(["doctor", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["can_listen"] is False
    assert [finding["state"] for finding in report["findings"]] == ["ok", "ok", "broken"]
    assert report["findings"][2]["fix"] == "pip install 'htsat[torch]'"


def test_this_machine_can_listen(monkeypatch, capsys):
    """The checks of listening alone, each in a process of its own: the rest takes seconds to import."""
    needed = [check for check in checks() if check.is_required]
    usual = doctor.examine
    monkeypatch.setattr(doctor, "examine", lambda: usual(needed))
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.endswith("htsat can listen.\n")
