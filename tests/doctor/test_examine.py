from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from htsat.doctor import examine as module
from htsat.doctor.checks import checks
from htsat.doctor.examine import Examined, can_listen, examine, look
from htsat.doctor.findings import Check, Finding

ROOT = Path(__file__).parents[2]
ODD = """
import os, sys, time

def fine(check):
    print("noise")
    return check.ok("works")

def raises(check):
    raise KeyError("what\\na library\\nsays")

def exits(check):
    raise SystemExit("it had enough")

def crashes(check):
    sys.stderr.write("about to fall\\n")
    sys.stderr.flush()
    os.abort()

def hangs(check):
    time.sleep(60)
"""


@pytest.fixture
def odd(tmp_path, monkeypatch):
    """A check of a library that behaves oddly."""
    (tmp_path / "oddities.py").write_text(ODD)
    monkeypatch.syspath_prepend(str(tmp_path))

    def check(function, **options):
        return Check("section", function, f"oddities:{function}", **options)

    return check


def test_a_check_runs_in_a_process_of_its_own(odd, capfd):
    assert look(odd("fine")) == [Finding("fine", "ok", "works")]
    assert capfd.readouterr() == ("", "")
    assert "oddities" not in sys.modules


@pytest.mark.parametrize(
    ("function", "detail"),
    [
        ("raises", "KeyError: 'what\\na library\\nsays'"),
        ("exits", "ended with 1: it had enough"),
        ("crashes", "crashed (Aborted): about to fall"),
        ("absent", "AttributeError: module 'oddities' has no attribute 'absent'"),
    ],
)
def test_whatever_a_library_does_becomes_a_line(odd, function, detail):
    assert look(odd(function, fix="mend it")) == [Finding(function, "broken", detail, "mend it")]


def test_a_check_that_hangs_is_given_up(odd, monkeypatch):
    monkeypatch.setattr(module, "LIMIT_S", 0.5)
    assert look(odd("hangs")) == [Finding("hangs", "broken", "gave no answer within 0.5 s")]


def test_what_is_not_installed_is_not_looked_at(odd):
    wish = odd("raises", packages=("no_such_module",), purpose="flying", fix="pip install wings")
    detail = "flying (not installed: no_such_module)"
    assert look(wish) == [Finding("raises", "missing", detail, "pip install wings")]
    assert look(wish._replace(is_required=True))[0].state == "broken"


def test_a_module_out_of_reach_counts_as_absent(odd, monkeypatch):
    monkeypatch.setitem(sys.modules, "unreachable", None)
    assert look(odd("fine", packages=("unreachable",)))[0].state == "missing"


def test_findings_come_in_the_order_of_the_checks(odd):
    chosen = [odd("fine"), odd("raises"), odd("fine")]
    assert [one.check.function for one in examine(chosen)] == [check.function for check in chosen]


def examined(**states):
    roles = {"decoder": "decoder", "resampler": "resampler", "onnx": "engine", "torch": "engine"}
    return [
        Examined(Check("", name, "", role=roles[name]), [Finding(name, state, "")])
        for name, state in states.items()
    ]


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ({"decoder": "ok", "resampler": "ok", "onnx": "ok"}, True),
        ({"decoder": "ok", "resampler": "ok", "onnx": "broken", "torch": "ok"}, True),
        ({"decoder": "ok", "resampler": "ok", "onnx": "broken", "torch": "missing"}, False),
        ({"decoder": "broken", "resampler": "ok", "onnx": "ok"}, False),
        ({"decoder": "ok", "onnx": "ok"}, False),
    ],
)
def test_listening_needs_a_decoder_a_resampler_and_an_engine(states, expected):
    assert can_listen(examined(**states)) is expected


def test_checks_have_names_of_their_own():
    names = [check.name for check in checks()]
    assert len(set(names)) == len(names)


def test_extras_are_those_of_the_package():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {"yaml": "pyyaml", "python_multipart": "python-multipart"}
    for check in checks():
        if check.fix.startswith("pip install 'htsat["):
            assert check.fix == f"pip install 'htsat[{check.name}]'"
            promised = " ".join(extras[check.name]).lower()
            assert all(named.get(package, package) in promised for package in check.packages)
