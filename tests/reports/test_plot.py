"""`htsat plot`: one recording as a picture or a page, heard once."""

from __future__ import annotations

import re
import sys
from pathlib import Path, PurePath

import numpy as np
import pytest
import soundfile

from htsat.bulk.inputs import Input
from htsat.bulk.layouts import check_own_files
from htsat.cli.plot_files import PlotFiles
from htsat.cli.score_files import Scored
from htsat.errors import ConfigError
from htsat.loading import load
from htsat.reports.one_pass import hear, spectrogram_of
from htsat.reports.parts import Part
from htsat.rules import EventRules

RULES = EventRules((0.3, 0.3, 0.3))


@pytest.fixture
def recording(recordings: Path) -> Path:
    return recordings / "deep" / "20240602_053000.flac"


def test_one_pass_hears_what_listening_hears(model, recording):
    recognizer = load(model)
    heard = hear(recognizer, recording, RULES, Part())
    assert list(heard.events.heard) == recognizer.detect(recording, RULES)
    assert heard.events.heard
    scores = recognizer.frame_scores(recording)
    np.testing.assert_allclose(heard.curves.probabilities, scores.probabilities, atol=1e-6)
    np.testing.assert_allclose(heard.curves.grid.boundaries_s, scores.grid.boundaries_s)
    assert heard.sound.duration_s == 3.5
    np.testing.assert_allclose(heard.sound.decibels, spectrogram_of(recording, Part()).decibels, atol=1e-4)


def test_a_part_is_heard_as_a_recording_of_its_own(model, recording, tmp_path):
    samples, rate = soundfile.read(recording, dtype="float32")
    soundfile.write(tmp_path / "part.wav", samples[8000:20000], rate, subtype="FLOAT")
    recognizer = load(model)
    heard = hear(recognizer, recording, RULES, Part(1.0, 2.5))
    alone = recognizer.detect(tmp_path / "part.wav", RULES)
    assert [event.onset_s for event in heard.events.heard] == [event.onset_s + 1 for event in alone]
    assert (heard.start_s, heard.sound.duration_s) == (1.0, 1.5)
    assert heard.curves.grid.boundaries_s[0] == 1.0


@pytest.mark.parametrize("suffix", [".png", ".svg", ".html"])
def test_the_suffix_says_what_is_written(htsat, recording, tmp_path, suffix):
    path = tmp_path / f"odd ' name{suffix}"
    assert htsat("plot", recording, "-o", path, "--threshold", 0.3, "--clip-threshold", 0) == 0
    begins = {".png": b"\x89PNG", ".svg": b"<?xml", ".html": b"<!doctype html>"}[suffix]
    assert path.read_bytes().startswith(begins)


def test_a_page_holds_picture_sound_and_events_in_the_colours_of_its_look(htsat, recording, tmp_path):
    path = tmp_path / "a.html"
    assert (
        htsat("plot", recording, "-o", path, "--threshold", 0.3, "--clip-threshold", 0, "--start", 0.5) == 0
    )
    text = path.read_text()
    assert 'src="data:audio/mpeg;base64,' in text
    assert 'data-begins="0.5000"' in text
    drawing = text[text.index("<svg") : text.index("</svg>")]
    assert "var(--heard)" in drawing
    assert "#1c7ed6" not in drawing
    assert "#ffffff" not in drawing
    assert re.search(r'<button data-onset="\d', text)
    assert "default-src 'none'" in text


def test_long_sound_is_linked(htsat, recording, tmp_path, monkeypatch):
    monkeypatch.setattr("htsat.reports.plot_page._MAX_EMBEDDED_S", 1.0)
    odd = recording.with_name("a b#ö.flac")
    recording.rename(odd)
    assert htsat("plot", odd, "-o", tmp_path / "pages" / "a.html") == 0
    text = (tmp_path / "pages" / "a.html").read_text()
    assert 'src="../recordings/deep/a%20b%23%C3%B6.flac"' in text
    assert "data:audio" not in text


def test_true_events_are_drawn_beside(htsat, recording, tmp_path):
    labels = tmp_path / "true.txt"
    labels.write_text("0.5\t1.5\tOwl\n9\t10\tCat\n")
    assert htsat("plot", recording, "-o", tmp_path / "a.svg", "--labels", labels) == 0
    text = (tmp_path / "a.svg").read_text()
    assert ">Owl<" in text
    assert ">Cat<" not in text
    assert ">true, not heard<" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-o", "a.txt"), "a plot ends with .png, .svg, .pdf, .html, got '.txt'"),
        (("-o", "a.png", "--start", "2", "--end", "1"), "--end must lie after --start, got 1 and 2 s"),
    ],
)
def test_wrong_use_is_explained(htsat, recording, capsys, arguments, message):
    assert htsat("plot", recording, *arguments) == 2
    assert message in capsys.readouterr().err


def test_recordings_that_cannot_be_drawn_are_named(htsat, recording, tmp_path, capsys):
    assert htsat("plot", recording, "-o", tmp_path / "a.png", "--start", 9) == 1
    assert "20240602_053000.flac: ends before 9 s" in capsys.readouterr().err
    assert htsat("plot", "-", "-o", tmp_path / "a.png") == 2
    assert "htsat plot needs a file" in capsys.readouterr().err
    assert htsat("plot", recording, "-o", recording) == 2
    assert list(tmp_path.glob("*.png")) == []


def test_without_matplotlib_the_extra_is_named(htsat, recording, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert htsat("plot", recording, "-o", tmp_path / "a.html") == 1
    assert "pip install 'htsat[plot]'" in capsys.readouterr().err


def test_plots_of_recordings_that_have_been_heard(model, recordings, tmp_path):
    recognizer = load(model)
    plots = PlotFiles(tmp_path / "plots", RULES, 2)
    for name in ("20240601_0530.wav", "deep/20240602_053000.flac"):
        item = Input(recordings / name, PurePath(name))
        scored = Scored(recognizer.hear(item.path, RULES), recognizer.frame_scores(item.path))
        plots.write(plots.path_of(item), item, scored)
    written = sorted(path.relative_to(tmp_path / "plots").as_posix() for path in tmp_path.rglob("*.png"))
    assert written == ["20240601_0530.png", "deep/20240602_053000.png"]


def test_folders_of_plots_that_cannot_be():
    with pytest.raises(ConfigError, match=r"a\.png is one picture; those of 2 recordings need a folder"):
        PlotFiles(Path("a.png"), RULES, 2)
    with pytest.raises(ConfigError, match=r"a\.png is one picture; those of many recordings need a folder"):
        PlotFiles(Path("a.png"), RULES, None)
    twins = [Input(Path(name), PurePath(name)) for name in ("a.wav", "a.flac")]
    with pytest.raises(ConfigError, match="would both be written to"):
        check_own_files([PlotFiles(Path("plots"), RULES, 2)], twins)
    with pytest.raises(ConfigError, match="a plot ends with"):
        PlotFiles(Path("a.txt"), RULES, 1)


def test_standard_input_cannot_be_drawn_as_well():
    with pytest.raises(ConfigError, match="--plot reads recordings once more: give files"):
        PlotFiles(Path("plots"), RULES, 1).path_of(Input(None, PurePath("stdin")))
