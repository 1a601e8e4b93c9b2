import subprocess
import sys
from pathlib import Path

import pytest

from htsat.errors import ConfigError, MissingExtraError
from htsat.pictures.canvas import check_picture, picture


@pytest.mark.parametrize("suffix", ["png", "PNG", "svg", "pdf"])
def test_the_suffix_says_which_format(tmp_path, suffix):
    path = tmp_path / f"some thing.{suffix}"
    check_picture(path)
    with picture(path, 1, 1) as figure:
        figure.add_subplot().plot([1, 2])
    begins = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix.lower()]
    assert path.read_bytes().startswith(begins)


@pytest.mark.parametrize("name", ["picture.txt", "picture", "png"])
def test_other_suffixes_are_refused(name):
    with pytest.raises(ConfigError, match=r"a picture ends with \.png, \.svg, \.pdf, got"):
        check_picture(Path(name))


def test_after_a_problem_the_old_picture_is_still_there(tmp_path):
    (tmp_path / "a.png").write_text("old")
    with pytest.raises(ZeroDivisionError), picture(tmp_path / "a.png", 1, 1):
        _ = 1 / 0
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_text() == "old"


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'htsat\[plot\]'"):
        check_picture(Path("a.png"))


def test_no_window_is_asked_for(tmp_path):
    script = f"""
import sys
from pathlib import Path
from htsat.pictures.canvas import picture
with picture(Path({str(tmp_path / "a.png")!r}), 1, 1) as figure:
    figure.add_subplot()
sys.exit("matplotlib.pyplot" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
