"""Write the reference pages of the manual: docs/commands.md from `--help`, docs/api/*.md from docstrings.

python scripts/write_reference.py

`tests/docs/test_reference.py` holds the pages to what the code says.
"""

from __future__ import annotations

from pathlib import Path

from reference.api import api_pages
from reference.commands import commands_page

DOCS = Path(__file__).parent.parent / "docs"


def main() -> None:
    """Write all pages."""
    for name, text in {**api_pages(), "commands.md": commands_page()}.items():
        (DOCS / name).parent.mkdir(exist_ok=True)
        (DOCS / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
