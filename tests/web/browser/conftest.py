"""A service with the packaged model in a process of its own, and a browser that looks at its page."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

EXAMPLES = Path(__file__).parents[3] / "examples"
PATIENCE_MS = 60_000
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--mute-audio",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)


@dataclass(frozen=True)
class Service:
    """Where the page is, and the folder of recordings that it was started with."""

    url: str
    folder: Path

    def labels(self, name: str) -> Any:
        """The labels that a recording has, as the page gets them."""
        with urllib.request.urlopen(self._labels_of(name)) as answer:
            return json.load(answer)

    def forget_labels(self, name: str) -> None:
        """A recording is as if nobody had corrected anything."""
        urllib.request.urlopen(urllib.request.Request(self._labels_of(name), method="DELETE")).close()

    def _labels_of(self, name: str) -> str:
        with urllib.request.urlopen(f"{self.url}/page/recordings") as answer:
            (recording,) = (record for record in json.load(answer) if record["name"] == name)
        return f"{self.url}/page/recordings/{recording['id']}/labels"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium without a window; skips where it is missing."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = next(filter(None, map(shutil.which, _CHROMIUM)), None)
    if chromium is None:
        pytest.skip("Chromium is not installed")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(_ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def service(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """`htsat serve FOLDER`, as people start it; the folder holds a scene, a dog and a broken file."""
    folder = tmp_path_factory.mktemp("recordings")
    for name in ("scene.ogg", "dog.ogg"):
        shutil.copy(EXAMPLES / name, folder)
    (folder / "broken.wav").write_bytes(b"RIFF but nothing else")
    workspace = tmp_path_factory.mktemp("workspace")
    command = [
        sys.executable,
        "-m",
        "htsat",
        "serve",
        str(folder),
        "--port",
        "0",
        "--workspace",
        str(workspace),
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        address = next((found for line in process.stderr if (found := re.search(r"http://\S+", line))), None)
        assert address, "the service did not start"
        yield Service(address[0].rstrip("/"), folder)
        process.send_signal(signal.SIGINT)
        process.stderr.read()


OpenPage = Callable[..., AbstractContextManager["Page"]]


@pytest.fixture
def open_page(browser: Browser, service: Service) -> OpenPage:
    """Opener of the page in a fresh profile.

    `prepare` sees it before it is loaded. Afterwards nothing may have been asked of another host, and nothing
    but `expected_error` have been complained of.
    """

    @contextmanager
    def opened(
        recording: str | None = None,
        *,
        prepare: Callable[[Page], None] = lambda page: None,
        expected_error: str = "",
        **options: Any,
    ) -> Iterator[Page]:
        complaints: list[str] = []
        asked: list[str] = []
        options = {"viewport": {"width": 1440, "height": 900}} | options
        context = browser.new_context(**options)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
        try:
            prepare(page)
            page.goto(service.url)
            if recording is not None:
                open_recording(page, recording)
            yield page
        finally:
            context.close()
        assert [url for url in asked if not url.startswith((service.url, "blob:", "data:"))] == []
        assert [text for text in complaints if not (expected_error and expected_error in text)] == []

    return opened


def open_recording(page: Page, name: str) -> None:
    """Choose a recording from the list, and wait until it is heard."""
    page.locator("#recordings").get_by_role("button", name=name).click()
    page.locator("#name", has_text=name).wait_for()
    page.locator("#state", has_text=re.compile(r"^\d+:\d\d( |$)")).wait_for()
    page.locator("#tags li").first.wait_for(state="attached")
