"""Build the manual as a site in build/site: `make docs`, or `python scripts/make_site.py`.

The pages are those of the repository, at the places that they have in it, with whatever they link to. So a
link that works on the page of the repository works in the site, and neither needs the other. The site asks no
other host for anything; that is checked at the end.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).parent.parent
FIRST_PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
STYLE = "docs/site.css"

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
_CSS_ADDRESS = re.compile(r"""(?:url\(|@import)\s*["']?\s*((?:https?:)?//[^"')\s]+)""")
_LOADING = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "audio": "src"}
_NOT_LOADED = {"canonical", "prev", "next", "alternate"}


def main() -> int:
    """Lay out, build, check; the exit code."""
    lay_out(ROOT / "build" / "pages")
    return build()


def build() -> int:
    """Build the site from its pages, and check it; 0 if there was nothing to warn of."""
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        return 1
    asked = sorted(outside_addresses(ROOT / "build" / "site"))
    for page, address in asked:
        print(f"{page}: loads {address} from another host", file=sys.stderr)
    return int(bool(asked))


def lay_out(folder: Path) -> None:
    """Copy every page of the manual, and all that pages link to, into an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    waiting = [ROOT / name for name in (*FIRST_PAGES, STYLE)] + sorted((ROOT / "docs").rglob("*.md"))
    done: set[Path] = set()
    while waiting:
        source = waiting.pop().resolve()
        if source in done:
            continue
        done.add(source)
        waiting.extend(_copy(source, folder / source.relative_to(ROOT)))


def local_links(page: Path) -> Iterator[tuple[str, Path]]:
    """Every link of a page to a place in the repository, with the file or folder that it means."""
    for link in links(page):
        place = link.partition("#")[0]
        if "://" not in link and not link.startswith("mailto:"):
            yield link, (page.parent / place).resolve() if place else page


def links(page: Path) -> list[str]:
    """The targets of all links and pictures of a page, without those in code."""
    text = re.sub(r"`[^`\n]+`", "", _FENCED.sub("", page.read_text(encoding="utf-8")))
    return _LINK.findall(text)


def outside_addresses(site: Path) -> Iterator[tuple[Path, str]]:
    """What the pages and styles of a site load from other hosts; links to follow by hand are none of it."""
    for page in site.rglob("*.html"):
        parser = _Loads()
        parser.feed(page.read_text(encoding="utf-8"))
        yield from ((page, address) for address in parser.addresses)
    for style in site.rglob("*.css"):
        yield from ((style, address) for address in _CSS_ADDRESS.findall(style.read_text(encoding="utf-8")))


def _copy(source: Path, target: Path) -> list[Path]:
    """Copy a file or folder; return what must come with it."""
    if source.is_dir():
        files = sorted(path for path in source.rglob("*") if path.is_file())
        target.mkdir(parents=True, exist_ok=True)
        lines = [f"- [{path.relative_to(source)}]({path.relative_to(source)})" for path in files]
        (target / "index.md").write_text("\n".join([f"# {source.name}", "", *lines, ""]), encoding="utf-8")
        return files
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    return [linked for _, linked in local_links(source)] if source.suffix == ".md" else []


class _Loads(HTMLParser):
    """Collects the addresses on other hosts that a page loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        address = values.get(_LOADING.get(tag, "")) or ""
        relations = set((values.get("rel") or "").split())
        if address.startswith(("http://", "https://", "//")) and not relations & _NOT_LOADED:
            self.addresses.append(address)


if __name__ == "__main__":
    sys.exit(main())
