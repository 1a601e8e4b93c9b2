"""The pages in a browser, from a disk: nothing is asked for, nothing complains, and the sound follows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")


@pytest.fixture
def page() -> Iterator[Any]:
    """A page that notes what it asks for, and what goes wrong."""
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.asked, page.wrong = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.wrong.append(message.text))
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        yield page
        browser.close()


def test_sound_that_cannot_be_played_is_said(page, htsat, recordings, tmp_path, monkeypatch):
    monkeypatch.setattr("htsat.reports.plot_page._MAX_EMBEDDED_S", 1.0)
    recording = recordings / "20240601_0530.wav"
    assert htsat("plot", recording, "-o", tmp_path / "plot.html") == 0
    page.goto((tmp_path / "plot.html").as_uri())
    page.wait_for_function("sound.readyState > 0")
    assert page.locator("#unplayable").is_hidden()
    recording.unlink()
    page.reload()
    page.wait_for_selector("#unplayable")


def open_from_disk(page: Any, path: Path) -> None:
    page.goto(path.as_uri())
    assert page.wrong == []
    assert [url for url in page.asked if not url.startswith("data:")] == [path.as_uri()]


def test_a_click_into_the_picture_of_a_recording_plays_from_there(page, htsat, recordings, tmp_path):
    path = tmp_path / "plot.html"
    command = ("plot", recordings / "deep" / "20240602_053000.flac", "-o", path, "--start", 1)
    assert htsat(*command, "--threshold", 0.3, "--clip-threshold", 0) == 0
    open_from_disk(page, path)
    page.wait_for_function("document.getElementById('sound').duration > 2.4")
    [(start_s, _, left, right, top, bottom, row_s)] = page.evaluate("rows")
    box = page.locator("#picture").bounding_box()
    x, y = (left + right) / 2, (top + bottom) / 2
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
    time_s = page.evaluate("sound.pause(), sound.currentTime")
    assert (start_s, row_s) == (1.0, 2.5)
    assert 1.25 - 0.05 <= time_s < 2.0
    page.wait_for_function("document.getElementById('now').style.display == 'block'")
    page.locator("button[data-onset]").first.click()
    onset_s = float(page.locator("button[data-onset]").first.get_attribute("data-onset"))
    assert page.evaluate("sound.pause(), sound.currentTime") == pytest.approx(onset_s - 1, abs=0.5)
    assert page.wrong == []


def test_a_report_shows_in_both_looks(page, htsat, recordings, tmp_path):
    path = tmp_path / "report.html"
    assert htsat("report", recordings, "-o", path, "--threshold", 0.3, "--clip-threshold", 0) == 0
    backgrounds = set()
    for look in ("light", "dark"):
        page.emulate_media(color_scheme=look)
        open_from_disk(page, path)
        page.asked.clear()
        backgrounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        audio = page.locator("audio").first
        audio.evaluate("sound => sound.play().then(() => sound.pause())")
        assert audio.evaluate("sound => sound.duration") > 0.5
    assert backgrounds == {"rgb(255, 255, 255)", "rgb(22, 25, 29)"}
    assert page.wrong == []
