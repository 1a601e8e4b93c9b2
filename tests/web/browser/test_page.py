"""The page as people use it: hear, choose, correct, take away."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import zipfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import htsat
from htsat.data.label_files import read_label_file
from htsat.formats.csv import read_events
from htsat.recognition.recognizer import Recognizer
from htsat.scores import SoundEvent

from .conftest import EXAMPLES, OpenPage, Service, open_recording

if TYPE_CHECKING:
    from playwright.sync_api import APIResponse, Locator, Page, Route

Box = Any


@pytest.fixture(scope="module")
def model() -> Recognizer:
    """The packaged model, without a service."""
    return htsat.load()


@pytest.fixture(scope="module")
def scene_events(model: Recognizer) -> list[SoundEvent]:
    """What it hears in the scene."""
    return model.detect(EXAMPLES / "scene.ogg")


def blocks(page: Page, label: str) -> Locator:
    """The events of a lane."""
    return page.get_by_role("listitem", name=label, exact=True).locator(".block")


def texts(locator: Locator) -> list[str]:
    return [str(element.get_attribute("aria-label")) for element in locator.all()]


def seconds(text: str) -> float:
    minutes, rest = text.split(":")
    return 60 * int(minutes) + float(rest)


def times(block: Locator) -> tuple[float, float]:
    """When the event of a block begins and ends."""
    found = re.findall(r"\d+:\d\d\.\d\d", str(block.get_attribute("aria-label")))
    return seconds(found[0]), seconds(found[1])


def drag(page: Page, start: tuple[float, float], stop: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move((start[0] + stop[0]) / 2, (start[1] + stop[1]) / 2)
    page.mouse.move(*stop)
    page.mouse.up()


def seconds_per_px(page: Page, duration_s: float) -> float:
    box: Box = page.locator("#ruler").bounding_box()
    return duration_s / float(box["width"])


def saved(page: Page) -> None:
    page.locator("#saving", has_text=re.compile("^saved$")).wait_for()


def n_events(page: Page, n: int) -> None:
    page.locator("#n-events", has_text=re.compile(f"^{n}$")).wait_for()


def labels_of(service: Service, recording: str) -> list[tuple[str, float, float]]:
    """The labels beside a recording, as fine-tuning reads them."""
    files = [path for path in service.folder.iterdir() if path.name.startswith(f"{recording}.")]
    assert len(files) == 1
    events = read_label_file(files[0]).of(str(service.folder / recording))
    return sorted((event.label, event.onset_s, event.offset_s) for event in events)


@pytest.fixture
def scene(open_page: OpenPage, service: Service) -> Any:
    """Opener of the scene; afterwards it has no labels again."""
    yield lambda **options: open_page("scene.ogg", **options)
    service.forget_labels("scene.ogg")


def test_the_scene_is_heard_as_by_the_library(scene: Any, scene_events: list[SoundEvent]) -> None:
    with scene() as page:
        n_events(page, len(scene_events))
        for label, n in Counter(event.label for event in scene_events).items():
            assert len(texts(blocks(page, label))) == n
        dog = next(event for event in scene_events if event.label == "dog")
        assert times(blocks(page, "dog")) == pytest.approx((dog.onset_s, dog.offset_s), abs=0.006)


def test_upload_is_heard_and_tagged(open_page: OpenPage) -> None:
    with open_page() as page:
        content = (EXAMPLES / "dog.ogg").read_bytes()
        page.set_input_files(
            "#files", {"name": "Bello, 3 Jahre.ogg", "mimeType": "audio/ogg", "buffer": content}
        )
        page.locator("#name", has_text="Bello, 3 Jahre.ogg").wait_for()
        page.get_by_role("tab", name="Tags").click()
        page.locator("#tags").get_by_role("button", name=re.compile("^dog")).wait_for()
        blocks(page, "dog").first.wait_for()
        page.locator("#more-menu summary").click()
        page.get_by_role("button", name="Remove the recording").click()
        page.locator("#welcome").wait_for()


@pytest.mark.parametrize("slow", ["", "/labels", "/audio", "/waveform[?].*", "/events[?].*", "/tags[?].*"])
def test_nothing_is_asked_of_a_recording_that_is_removed(open_page: OpenPage, slow: str) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    with open_page() as page:
        page.locator("#recordings").get_by_role("button", name="scene.ogg").wait_for()
        page.route(re.compile(rf"/page/recordings/[^/?]+{slow}$"), hold, times=1)
        content = (EXAMPLES / "dog.ogg").read_bytes()
        page.set_input_files("#files", {"name": "gone.ogg", "mimeType": "audio/ogg", "buffer": content})
        gone = page.locator("#recordings").get_by_role("button", name="gone.ogg")
        gone.wait_for()
        while not held:
            page.wait_for_timeout(10)
        page.locator("#more-menu summary").click()
        page.get_by_role("button", name="Remove the recording").click()
        gone.wait_for(state="detached")
        page.locator("#welcome").wait_for()
        held[0].continue_()
        page.wait_for_timeout(100)
        assert page.locator("#message").text_content() == ""


@pytest.mark.parametrize("slow", ["model", "recordings"])
def test_file_that_comes_before_the_server_has_answered_is_heard(open_page: OpenPage, slow: str) -> None:
    answers: list[tuple[Route, APIResponse]] = []

    def hold(route: Route) -> None:
        answers.append((route, route.fetch()))

    def first_answer(page: Page) -> None:
        page.route(f"**/page/{slow}", hold, times=1)

    with open_page(prepare=first_answer) as page:
        content = (EXAMPLES / "dog.ogg").read_bytes()
        with page.expect_response(re.compile(r"/page/recordings\?name=early")):
            page.set_input_files("#files", {"name": "early.ogg", "mimeType": "audio/ogg", "buffer": content})
        ((route, answer),) = answers
        route.fulfill(response=answer)
        page.locator("#recordings").get_by_role("button", name="scene.ogg").wait_for()
        page.locator("#name", has_text="early.ogg").wait_for()
        page.locator("#recordings").get_by_role("button", name="early.ogg").wait_for()
        page.locator("#more-menu summary").click()
        page.get_by_role("button", name="Remove the recording").click()
        page.locator("#welcome").wait_for()


def test_a_click_plays_an_event_to_its_end(scene: Any) -> None:
    with scene() as page:
        block = blocks(page, "car_horn")
        onset_s, offset_s = times(block)
        page.evaluate("document.querySelector('#audio').muted = true")
        block.click()
        page.wait_for_function("() => !document.querySelector('#audio').paused")
        page.wait_for_function("() => document.querySelector('#audio').paused")
        assert page.evaluate("document.querySelector('#audio').currentTime") == pytest.approx(
            offset_s, abs=0.05
        )
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("Space")
        page.wait_for_function(f"() => document.querySelector('#audio').currentTime > {offset_s + 0.2}")
        assert seconds(str(page.locator("#clock").text_content())) > onset_s
        page.keyboard.press("Space")
        page.wait_for_function("() => document.querySelector('#audio').paused")


def test_sliders_act_as_the_rules_do(scene: Any, model: Recognizer, scene_events: list[SoundEvent]) -> None:
    rules = dataclasses.replace(model.default_rules, thresholds=(0.97,) * 50, min_duration_s=1.0)
    expected = model.detect(EXAMPLES / "scene.ogg", rules)
    assert 0 < len(expected) < len(scene_events)
    with scene() as page:
        for name, value in (("Threshold", "0.97"), ("Shortest event", "1")):
            page.get_by_label(name).fill(value)
        n_events(page, len(expected))
        page.get_by_role("button", name="model's own").click()
        n_events(page, len(scene_events))


def test_classes_are_found_hidden_and_shown(scene: Any, scene_events: list[SoundEvent]) -> None:
    with scene() as page:
        page.keyboard.press("/")
        page.keyboard.type("roo")
        box = page.locator("#classes").get_by_role("checkbox")
        page.locator("#classes li:visible").get_by_role("checkbox", name="rooster").uncheck()
        n_roosters = sum(event.label == "rooster" for event in scene_events)
        n_events(page, len(scene_events) - n_roosters)
        assert blocks(page, "rooster").count() == 0
        box.locator("visible=true").first.check()
        n_events(page, len(scene_events))


def test_scores_are_drawn_for_a_lane(scene: Any) -> None:
    with scene() as page:
        lane = page.get_by_role("listitem", name="siren", exact=True)
        lane.hover()
        with page.expect_response(re.compile("/scores")) as response:
            lane.get_by_role("button", name="Scores of siren").click()
        assert max(response.value.json()["scores"]["siren"]) > 0.7
        page.wait_for_function("() => document.querySelector('[data-label=siren] canvas').width > 300")


def test_corrections_reach_the_disk_and_stay(
    scene: Any, service: Service, scene_events: list[SoundEvent]
) -> None:
    with scene() as page:
        scale = seconds_per_px(page, 50.0)
        box: Box = blocks(page, "dog").bounding_box()
        middle = box["y"] + box["height"] / 2
        before = times(blocks(page, "dog"))
        right = box["x"] + box["width"]
        page.keyboard.down("Alt")  # as the pointer says, not as other events are
        drag(page, (right - 2, middle), (right + 28, middle))
        resized = times(blocks(page, "dog"))
        assert resized == pytest.approx((before[0], before[1] + 30 * scale), abs=scale)
        drag(page, (box["x"] + 20, middle), (box["x"] + 70, middle))
        moved = times(blocks(page, "dog"))
        assert moved == pytest.approx((resized[0] + 50 * scale, resized[1] + 50 * scale), abs=scale)
        track: Box = page.get_by_role("listitem", name="siren", exact=True).locator(".track").bounding_box()
        drag(page, (track["x"] + 20, track["y"] + 15), (track["x"] + 60, track["y"] + 15))
        page.keyboard.up("Alt")
        new = times(page.locator('.block[aria-pressed="true"]'))
        assert new == pytest.approx((20 * scale, 60 * scale), abs=scale)
        page.keyboard.press("l")
        page.keyboard.type("tractor, old")
        page.keyboard.press("Enter")
        assert times(blocks(page, "tractor, old")) == new
        blocks(page, "glass_breaking").click()
        page.keyboard.press("Delete")
        page.keyboard.press("r")
        saved(page)
        page.locator("#state", has_text=f"{len(scene_events)} labels").wait_for()
        labels = labels_of(service, "scene.ogg")
        assert Counter(label for label, _, _ in labels) == Counter(
            [event.label for event in scene_events if event.label != "glass_breaking"] + ["tractor, old"]
        )
        assert ("tractor, old", *new) == pytest.approx(
            next(row for row in labels if row[0] == "tractor, old"), abs=0.01
        )
        page.reload()
        page.get_by_role("checkbox", name="Reviewed", exact=True).wait_for()
        n_events(page, len(scene_events))
        assert page.get_by_role("radio", name="Labels").get_attribute("aria-checked") == "true"
        assert page.get_by_role("checkbox", name="Reviewed", exact=True).is_checked()
        assert times(blocks(page, "dog")) == pytest.approx(moved, abs=0.006)
        archive = zipfile.ZipFile(io.BytesIO(page.request.get(f"{service.url}/page/labels.zip").body()))
        assert any(name.endswith("scene.ogg") for name in archive.namelist())


def test_undo_takes_back_and_redo_repeats(
    scene: Any, service: Service, scene_events: list[SoundEvent]
) -> None:
    with scene() as page:
        blocks(page, "laughing").click()
        page.keyboard.press("Delete")
        n_events(page, len(scene_events) - 1)
        page.keyboard.press("Control+z")
        n_events(page, len(scene_events))
        page.keyboard.press("Control+Shift+z")
        n_events(page, len(scene_events) - 1)
        page.get_by_role("button", name="Undo").click()
        n_events(page, len(scene_events))
        page.keyboard.press("m")
        assert page.get_by_role("radio", name="Heard").get_attribute("aria-checked") == "true"


def test_the_keyboard_is_enough(scene: Any, service: Service, scene_events: list[SoundEvent]) -> None:
    frame_s = 0.3125
    with scene() as page:
        page.keyboard.press("n")
        page.keyboard.press("n")
        second = sorted(scene_events, key=lambda event: (event.onset_s, event.label))[1]
        assert str(page.locator("#selection").text_content()).startswith(second.label)
        assert page.locator('#events tr[aria-selected="true"]').count() == 1
        page.keyboard.press("Alt+ArrowRight")
        page.keyboard.press("Alt+ArrowRight")
        assert times(blocks(page, second.label).first)[0] == pytest.approx(
            second.onset_s + 2 * frame_s, abs=0.01
        )
        page.keyboard.press("?")
        page.get_by_role("heading", name="Keys and pointer").wait_for()
        page.keyboard.press("Escape")
        page.keyboard.press("r")
        saved(page)
        page.keyboard.press("u")
        page.locator("#name", has_text="dog.ogg").wait_for()


def test_labels_wait_for_a_server_that_is_away(
    scene: Any, service: Service, scene_events: list[SoundEvent]
) -> None:
    with scene(expected_error="net::ERR_FAILED") as page:
        page.route(re.compile("/labels$"), lambda route: route.abort())
        blocks(page, "dog").click()
        page.keyboard.press("Delete")
        page.locator("#saving", has_text="not saved yet").wait_for()
        kept = page.evaluate("Object.entries(localStorage).find(([key]) => key.includes('labels'))[1]")
        assert len(json.loads(kept)["events"]) == len(scene_events) - 1
        page.unroute(re.compile("/labels$"))
        saved(page)
        assert len(service.labels("scene.ogg")["events"]) == len(scene_events) - 1


def test_downloads_hold_what_is_shown(scene: Any, tmp_path: Path, scene_events: list[SoundEvent]) -> None:
    with scene() as page:
        page.get_by_label("Threshold").fill("0.97")
        page.locator("#sliders .changed").wait_for()
        page.wait_for_function(
            f"() => Number(document.querySelector('#n-events').textContent) < {len(scene_events)}"
        )
        n_shown = int(str(page.locator("#n-events").text_content()))
        page.locator("#download-menu summary").click()
        page.locator("#downloads a").first.wait_for()
        formats = page.locator("#downloads a").all()
        assert len(formats) >= 6
        for link in formats:
            assert page.request.get(str(link.evaluate("link => link.href"))).ok
        with page.expect_download() as download:
            page.get_by_role("link", name="CSV").click()
        download.value.save_as(tmp_path / "scene.csv")
        (events,) = read_events(tmp_path / "scene.csv").values()
        assert len(events) == n_shown
        assert all(event.probability > 0.97 for event in events)


def test_a_broken_file_says_so_in_one_line(open_page: OpenPage) -> None:
    with open_page() as page:
        row = page.locator("#recordings").get_by_role("button", name="broken.wav")
        row.click()
        alert = page.get_by_role("alert")
        alert.wait_for()
        assert "broken.wav" in str(alert.text_content())
        assert "\n" not in str(alert.text_content())
        assert str(alert.text_content()).removeprefix("broken.wav: ") in str(row.text_content())
        assert not page.locator("#stage").is_visible()


def test_the_microphone_becomes_a_recording(open_page: OpenPage) -> None:
    with open_page() as page:
        page.get_by_role("button", name="Record", exact=True).click()
        page.locator("#record-text", has_text="Stop 0:01").wait_for()
        page.locator("#record").click()
        page.locator("#name", has_text=re.compile(r"^recording .*\.wav$")).wait_for()
        page.locator("#state", has_text=re.compile(r"^0:0[1-9]")).wait_for()
        page.wait_for_function("() => document.querySelector('#audio').duration >= 0.4")


def test_light_and_dark(scene: Any) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"

    def brightness(page: Page) -> int:
        return sum(map(int, re.findall(r"\d+", str(page.evaluate(ground)))[:3]))

    with scene(color_scheme="dark") as page:
        assert brightness(page) < 150
        page.get_by_role("button", name="Light or dark").click()
        assert brightness(page) > 600
        page.reload()
        page.locator("#workbench").wait_for()
        assert brightness(page) > 600
        page.keyboard.press("t")
        assert brightness(page) < 150


def test_zoom_keeps_what_is_under_the_pointer(scene: Any) -> None:
    last = "document.querySelector('[data-label=rooster] .block:last-child')"
    with scene() as page:
        box: Box = blocks(page, "rooster").last.bounding_box()
        page.mouse.move(box["x"], page.locator("#wave").bounding_box()["y"] + 10)
        page.mouse.wheel(0, -300)
        page.wait_for_function(
            f"width => {last}.offsetWidth > 1.5 * width",
            arg=box["width"],
        )
        zoomed: Box = blocks(page, "rooster").last.bounding_box()
        assert zoomed["x"] == pytest.approx(box["x"], abs=2)
        page.keyboard.press("0")
        page.wait_for_function(
            f"width => {last}.offsetWidth < 1.1 * width",
            arg=box["width"],
        )


def test_a_telephone_shows_all_of_it(scene: Any) -> None:
    with scene(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        blocks(page, "dog").tap()
        assert str(page.locator("#selection").text_content()).startswith("dog")


def test_everything_that_can_be_pressed_has_a_name(scene: Any) -> None:
    nameless = """[...document.querySelectorAll('button, input, select, summary, .plot')]
        .filter(e => !(e.ariaLabel || e.textContent.trim() || e.labels?.length || e.ariaHidden))
        .map(e => e.outerHTML)"""
    with scene() as page:
        assert page.evaluate(nameless) == []


def test_the_next_recording_keeps_the_rules(scene: Any) -> None:
    with scene() as page:
        page.get_by_label("Threshold").fill("0.9")
        open_recording(page, "dog.ogg")
        assert page.get_by_label("Threshold").input_value() == "0.9"


def test_a_thousand_labels_are_saved(scene: Any, service: Service) -> None:
    events = [{"label": "dog", "onset": index / 30, "offset": index / 30 + 0.02} for index in range(1400)]
    with scene() as page:
        page.evaluate(
            """async ([id, events]) => {
                const { saveLabels } = await import("/static/js/api.js");
                await saveLabels(id, { reviewed: true, events });
            }""",
            [page.url.split("#")[1], events],
        )
        assert len(service.labels("scene.ogg")["events"]) == len(events)
        page.reload()
        n_events(page, len(events))
        assert 1 <= blocks(page, "dog").count() < 300  # tiny neighbours are one block
        assert page.locator("#events tbody tr").count() < 60


def test_tab_reaches_the_selected_event_and_enter_plays_it(scene: Any) -> None:
    with scene() as page:
        page.keyboard.press("n")
        block = page.locator('.block[aria-pressed="true"]')
        page.wait_for_function("() => document.querySelector('#audio').paused")
        block.focus()
        page.keyboard.press("Enter")
        page.wait_for_function("() => !document.querySelector('#audio').paused")
