"""The reference pages say what the code says: `python scripts/write_reference.py` after a change."""

from __future__ import annotations

import pytest

from htsat.cli.main import COMMANDS

from .scripts import SCRIPTS, script

DOCS = SCRIPTS.parent / "docs"
API = script("reference/api.py")
API_PAGES = API.api_pages()


@pytest.mark.parametrize("name", API_PAGES)
def test_a_page_of_the_python_reference_is_up_to_date(name):
    assert (DOCS / name).read_text(encoding="utf-8") == API_PAGES[name], "run scripts/write_reference.py"


def test_no_page_is_left_over():
    assert {f"api/{path.name}" for path in (DOCS / "api").iterdir()} == set(API_PAGES)


def test_every_public_name_of_the_package_has_its_place():
    import htsat

    told = {module for page in API.PAGES.values() for module in page.modules}
    assert {getattr(htsat, name).__module__ for name in htsat.__all__ if name != "__version__"} <= told


def test_the_command_reference_is_up_to_date():
    """Spaces do not count: Python versions break lines at other places."""
    page = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert page.split() == script("reference/commands.py").commands_page().split()
    assert all(f"## `htsat {name}`" in page for name in COMMANDS)


def test_a_page_of_a_small_module(tmp_path, monkeypatch):
    source = '''"""What it does."""
class Sound(NamedTuple):
    """A sound."""
    onset_s: float
    """Where it begins."""
    gain: float | None = None
    def louder(self, by_db: float = 6.0) -> Sound:
        """Louder.

        Raises:
            ValueError: when it clips.
        """
    def _hidden(self): ...
def _private(): ...
'''
    (tmp_path / "small.py").write_text(source)
    monkeypatch.setattr(API, "SOURCE", tmp_path)
    monkeypatch.setattr(API, "PAGES", {"small": API.Page("Small", "A test.", ["small"])})
    text = API.api_pages()["api/small.md"]
    assert "| `onset_s` | `float` |  | Where it begins. |" in text
    assert "| `gain` | `float \\| None` | `None` |  |" in text
    assert "louder(by_db: float = 6.0) -> Sound" in text
    assert "**Raises**\n\n- `ValueError`: when it clips." in text
    assert "hidden" not in text
    assert "private" not in text
