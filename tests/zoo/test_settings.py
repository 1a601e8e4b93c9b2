from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from htsat.errors import ConfigError
from htsat.zoo import settings


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, "home/.cache/htsat"),
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/htsat"),
        ("darwin", {"XDG_CACHE_HOME": "/x"}, "home/Library/Caches/htsat"),
        ("win32", {}, "home/AppData/Local/htsat"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/htsat"),
        ("linux", {"HTSAT_CACHE": "/mine", "XDG_CACHE_HOME": "/x"}, "/mine"),
        ("linux", {"HTSAT_CACHE": "~/mine"}, "home/mine"),
    ],
)
def test_the_cache_lies_where_the_system_keeps_caches(platform, variables, expected, monkeypatch, tmp_path):
    for name in ("HTSAT_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**variables, "HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(settings.sys, "platform", platform)
    assert settings.cache_folder() == Path(expected.replace("home", str(tmp_path)))


def test_without_a_home_the_cache_must_be_named(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("HTSAT_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(ConfigError, match=r"^there is no home directory .*: set HTSAT_CACHE to a folder$"):
        settings.cache_folder()
    from htsat.zoo.cache import kept_models

    assert kept_models() == ()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"HTSAT_OFFLINE": "0"}, None),
        ({"HTSAT_OFFLINE": "1"}, "HTSAT_OFFLINE"),
        ({"HF_HUB_OFFLINE": "TRUE"}, "HF_HUB_OFFLINE"),
        ({"HTSAT_OFFLINE": "", "HF_HUB_OFFLINE": " on "}, "HF_HUB_OFFLINE"),
    ],
)
def test_two_variables_switch_the_network_off(variables, expected, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert settings.offline_switch() == expected


def test_mirrors_stand_in_their_order(monkeypatch):
    assert settings.mirrors() == ()
    monkeypatch.setenv("HTSAT_MIRROR", " https://one/models ;/srv/my models;; ")
    assert settings.mirrors() == ("https://one/models", "/srv/my models")


def test_nothing_of_a_network_is_imported_to_find_a_model():
    code = "import sys; import htsat.checkpoints.resolve; sys.exit('urllib.request' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
