"""Links lead somewhere, every page has its place, and the site asks no other host for anything."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from .scripts import SCRIPTS, script

ROOT = SCRIPTS.parent
SITE = script("make_site.py")
PAGES = [ROOT / name for name in SITE.FIRST_PAGES] + sorted((ROOT / "docs").rglob("*.md"))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site make them."""
    text = re.sub(r"^( *)```.*?^\1```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ +(.+?) *$", text, flags=re.MULTILINE)
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page):
    wrong = []
    for link, target in SITE.local_links(page):
        anchor = link.partition("#")[2]
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(link)
    assert wrong == []


def test_every_page_has_a_place_in_the_site():
    def places(part):
        match part:
            case str():
                return [part]
            case list():
                return [place for item in part for place in places(item)]
        return places(list(part.values()))

    nav = places(tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"])
    assert sorted(nav) == sorted(map(named, PAGES))


def test_every_page_is_found_from_the_first_page_of_the_manual():
    waiting, found = [ROOT / "docs" / "index.md"], set()
    while waiting:
        page = waiting.pop()
        if page not in found and page.suffix == ".md" and page.is_file():
            found.add(page)
            waiting.extend(target for _, target in SITE.local_links(page))
    assert [named(page) for page in PAGES if page not in found and page.parent != ROOT] == []


def test_what_loads_from_another_host_is_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<a href="https://far.example">far</a><img src="near.png"><link rel="canonical" href="https://far.example">'
    )
    assert list(SITE.outside_addresses(tmp_path)) == []
    (tmp_path / "b.html").write_text(
        '<script src="https://far.example/x.js"></script><img src="//far.example/y">'
    )
    (tmp_path / "c.css").write_text(
        "a { background: url(//far.example/z.png) } @import 'https://far.example/f.css';"
    )
    found = {address for _, address in SITE.outside_addresses(tmp_path)}
    addresses = ("x.js", "f.css")
    assert found == {f"https://far.example/{name}" for name in addresses} | {
        "//far.example/y",
        "//far.example/z.png",
    }


def test_the_site_builds_without_a_warning_and_asks_nobody(tmp_path, monkeypatch, capfd):
    pytest.importorskip("zensical")
    SITE.lay_out(tmp_path / "build" / "pages")
    (tmp_path / "zensical.toml").write_bytes((ROOT / "zensical.toml").read_bytes())
    monkeypatch.setattr(SITE, "ROOT", tmp_path)
    assert SITE.build() == 0, capfd.readouterr().out
    assert (tmp_path / "build" / "site" / "docs" / "index.html").is_file()
