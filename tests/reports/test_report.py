"""`htsat report`: a page that needs nothing but itself, of bounded size."""

from __future__ import annotations

import base64
import io
import json
import random
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from htsat.cli.main import main
from htsat.pictures.lanes import Span
from htsat.reports.choice import Place
from htsat.reports.examples import make_examples
from htsat.reports.thumbnail import thumbnail
from htsat.scores import SoundEvent

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """The text of a page, its tables and addresses; refuses tags that do not fit together."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.addresses += [values[name] for name in ("src", "href") if name in values]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        if self.stack and self.stack[-1] not in ("style", "script"):
            self.text += f" {data}"


def lines_of(recordings, found):
    return "".join(
        json.dumps(
            {
                "file": str(recordings / name),
                "duration": 60.0,
                "events": [
                    {"label": label, "onset": onset, "offset": offset, "probability": probability}
                    for label, onset, offset, probability in events
                ],
            }
        )
        + "\n"
        for name, events in found.items()
    )


@pytest.fixture
def events(recordings: Path, tmp_path: Path) -> Path:
    path = tmp_path / "found.jsonl"
    found = {
        "20240601_0530.wav": [("Dog", 0.2, 0.5, 0.9), ("<b>&", 0.9, 1.2, 0.4), ("Dog", 1.0, 1.25, 0.7)],
        "20240601_0630.WAV": [("Dog", 1.0, 1.1, 0.75)],
        "deep/20240602_053000.flac": [],
    }
    path.write_text(lines_of(recordings, found))
    return path


def report(*arguments: object) -> int:
    return main(["report", *map(str, arguments)])


def test_a_report_counts_what_was_found(recordings, events, tmp_path):
    assert report(recordings, "--events", events, "-o", tmp_path / "a.html", "--title", "My <garden>") == 0
    page = Page(tmp_path / "a.html")
    words = re.sub(r"\s+", " ", page.text)
    assert "My <garden>" in words
    assert "3 recordings 3.0 min of sound 4 events 2 classes heard" in words
    assert "Dog 3 0.7 s 2 0.78" in words
    assert "<b>& 1 0.3 s 1 0.40" in words
    assert "Times are those in the names of the recordings." in words
    assert "Dog, 05:00 to 06:00: 2 events" in words
    assert "Dog, 06:00 to 07:00: 1 events" in words
    assert "05:00 to 06:00: 2 recordings" in words
    assert "Dog, 2024-06-01 05:30: 2 events" in words
    assert str(recordings / "20240601_0530.wav") in words
    assert "Dog (2), <b>& (1)" in words
    assert str(events) in words


def test_a_page_asks_no_other_host_for_anything(recordings, events, tmp_path):
    report(recordings, "--events", events, "-o", tmp_path / "a.html")
    page = Page(tmp_path / "a.html")
    assert len(page.addresses) == 2 * 4
    assert all(address.startswith("data:") for address in page.addresses)
    text = (tmp_path / "a.html").read_text()
    assert "default-src 'none'" in text
    assert "prefers-color-scheme: dark" in text
    assert "http" not in re.sub(r"data:[^\"]*", "", text).replace("http-equiv", "")


def test_examples_are_the_sound_of_the_events(recordings, events, tmp_path):
    report(recordings, "--events", events, "-o", tmp_path / "a.html", "--examples", 1)
    contents = [
        base64.b64decode(address.partition(",")[2]) for address in Page(tmp_path / "a.html").addresses
    ]
    sounds = [soundfile.info(io.BytesIO(content)) for content in contents[1::2]]
    assert [sound.format for sound in sounds] == ["MP3", "MP3"]
    assert sounds[0].duration == pytest.approx(1.0, abs=0.1)
    with Image.open(io.BytesIO(contents[0])) as image:
        assert image.size == (280, 72)


def test_examples_stay_within_their_limit(recordings, events, tmp_path):
    for limit, n_examples in (("0.002", 0), ("8", 4)):
        report(recordings, "--events", events, "-o", tmp_path / "a.html", "--sound-mb", limit)
        assert len(Page(tmp_path / "a.html").addresses) == 2 * n_examples
    assert report(recordings, "--events", events, "-o", tmp_path / "a.html", "--examples", "0") == 0
    assert Page(tmp_path / "a.html").addresses == []


def test_the_first_of_each_class_comes_before_the_second_of_any(recordings):
    paths = [recordings / "20240601_0630.WAV"]
    chosen = {label: [Place(0, SoundEvent(label, at, at + 0.5, 0.9)) for at in (0.5, 1.0)] for label in "ab"}
    everything = make_examples(chosen, paths, 10**9, pytest.fail)
    assert everything.by_class["a"][0].span == Span(0.0, 1.5)
    sizes = [example.n_bytes for made in everything.by_class.values() for example in made]
    some = make_examples(chosen, paths, 3 * max(sizes), pytest.fail)
    assert ({label: len(made) for label, made in some.by_class.items()}, some.n_left_out) == (
        {"a": 2, "b": 1},
        1,
    )


def test_a_report_of_what_is_heard_now_names_model_and_rules(htsat, recordings, tmp_path, capsys):
    (recordings / "broken.wav").write_text("no sound")
    options = ("--threshold", 0.3, "--clip-threshold", 0, "--max-gap", 0.2)
    assert htsat("report", recordings, "-o", tmp_path / "a.html", *options) == 1
    assert "broken.wav: cannot be decoded" in capsys.readouterr().err
    words = re.sub(r"\s+", " ", Page(tmp_path / "a.html").text)
    assert "small.safetensors, 3 classes engine torch threshold 0.3 joined over gaps of 0.2 s" in words
    assert "3 recordings 7.5 s of sound" in words
    assert "1 could not be read" in words
    assert f"{recordings / 'broken.wav'}: cannot be decoded" in words
    assert "hold" not in words.partition("Timeline")[0]


def test_times_may_be_those_of_the_files(htsat, recordings, tmp_path):
    (recordings / "20240601_0530.wav").rename(recordings / "dog.wav")
    assert htsat("report", recordings / "dog.wav", "-o", tmp_path / "a.html", "--threshold", 0.1) == 0
    assert "hold no times; used is when the file was last written" in Page(tmp_path / "a.html").text


def test_nothing_heard_is_a_page_too(htsat, recordings, tmp_path):
    assert htsat("report", recordings, "-o", tmp_path / "a.html", "--threshold", 1) == 0
    assert "Nothing is heard." in Page(tmp_path / "a.html").text


def test_hundred_thousand_events_of_many_classes_make_a_small_page(tmp_path):
    rng = random.Random(0)
    folder = tmp_path / "many"
    folder.mkdir()
    found = {}
    for number in range(1000):
        day, hour, minute = 1 + number // 48 % 30, number // 2 % 24, 30 * (number % 2)
        name = f"x_202406{day:02d}_{hour:02d}{minute:02d}00_{number}.wav"
        (folder / name).touch()
        found[name] = [(f"class {rng.randrange(500)}", t / 2, t / 2 + 0.4, rng.random()) for t in range(100)]
    (tmp_path / "found.jsonl").write_text(lines_of(folder, found))
    assert (
        report(folder, "--events", tmp_path / "found.jsonl", "-o", tmp_path / "a.html", "--examples", 0) == 0
    )
    assert (tmp_path / "a.html").stat().st_size < 1_500_000
    words = re.sub(r"\s+", " ", Page(tmp_path / "a.html").text)
    assert "1,000 recordings 16.7 h of sound 100,000 events 500 classes heard" in words
    assert "and 300 more classes" in words
    assert "and 800 more recordings" in words
    assert "Shown are the 40 most frequent of 500 classes." in words


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-o", "a.txt"), "a report ends with .html, got '.txt'"),
        (("-o", "a.html", "--examples", "x"), "expected a whole number from 0 to 100, got 'x'"),
        (("-o", "a.html", "--sound-mb", "-1"), "expected megabytes from 0 to 1000, got '-1'"),
    ],
)
def test_wrong_use_is_explained(recordings, capsys, arguments, message):
    assert report(recordings, *arguments) == 2
    assert message in capsys.readouterr().err


def test_standard_input_is_refused(capsys):
    assert report("-", "-o", "a.html") == 2
    assert "recordings are read more than once here: give files" in capsys.readouterr().err


def test_a_thumbnail_shows_low_tones_below_high_ones():
    times_s = np.arange(16000) / 8000
    tone = np.where(times_s < 1, np.sin(2 * np.pi * 200 * times_s), np.sin(2 * np.pi * 3000 * times_s))
    with Image.open(io.BytesIO(thumbnail(tone.astype(np.float32), 8000))) as image:
        grey = np.asarray(image.convert("L"), float)
    assert grey[:, 70].argmax() > 55
    assert grey[:, 210].argmax() < 25
