"""Pages that need nothing but themselves: no outside host, light and dark, opened from a disk."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path

from htsat.files import write_text

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
    "media-src data: file: 'self'"
)
"""Whatever a page holds, a browser asks no other host for anything."""

_LOOK = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #343a40; --faint: #868e96; --line: #dee2e6;
  --panel: #f8f9fa; --heard: #1c7ed6; --wrong: #e8590c; --true: #2b8a3e; --heat: 28 126 214; }
@media (prefers-color-scheme: dark) { :root { --paper: #16191d; --ink: #dee2e6; --faint: #8b939b;
  --line: #343a40; --panel: #1e2227; --heard: #4dabf7; --wrong: #ff922b; --true: #51cf66;
  --heat: 77 171 247; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.6rem 1.4rem 4rem; max-width: 78rem; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2.4rem 0 .6rem; }
p { margin: .4rem 0; } .note { color: var(--faint); font-size: .87rem; }
a { color: var(--heard); } audio { width: 100%; height: 2.4rem; }
"""


def write_page(path: Path, title: str, look: str, body: str) -> None:
    """Write a page; `body` is HTML, `look` CSS that is added to that of all pages."""
    write_text(
        path,
        f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{text(title)}</title>
<style>{_LOOK}{look}</style>
</head>
<body>
{body}
</body>
</html>
""",
    )


def text(words: str) -> str:
    """Words as HTML; names of files may hold bytes that are no text, which become question marks."""
    return escape(words.encode("utf-8", "replace").decode("utf-8"))


def data_address(content: bytes, kind: str) -> str:
    """Something of a MIME type as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
