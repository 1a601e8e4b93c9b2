"""Documents of ELAN are read back by the package `pympi`, which knows nothing of ours."""

from __future__ import annotations

from pathlib import Path, PurePath

import pympi
import pytest

from htsat.errors import DataError
from htsat.formats import DetectedRecording, elan
from htsat.formats.output import to_file
from htsat.scores import SoundEvent

EVENTS = [
    SoundEvent("Dog", 0.25, 2.5, 1.0),
    SoundEvent('R&B <live> "loud"', 1.0, 4.125, 1.0),
    SoundEvent("Dog", 2.0, 3.0, 1.0),
    SoundEvent("Dog 2", 2.5, 3.5, 1.0),
    SoundEvent("Hündin", 3.0, 3.001, 1.0),
]


def written(path: Path, events: list[SoundEvent], file: str = "a.wav") -> Path:
    with to_file(path, elan.EVENTS) as write:
        write(PurePath("a"), DetectedRecording(file, 10.0, events))
    return path


def test_events_come_back_to_the_millisecond(tmp_path: Path) -> None:
    assert elan.read_events(written(tmp_path / "a.eaf", EVENTS[::-1])) == EVENTS
    assert elan.read_events(written(tmp_path / "a.eaf", [])) == []
    (event,) = elan.read_events(written(tmp_path / "a.eaf", [SoundEvent("a\x00b\ud800", 0.00049, 0.0005, 1)]))
    assert event == ("a\ufffdb\ufffd", 0.0, 0.001, 1.0)


def test_another_library_finds_the_events(tmp_path: Path) -> None:
    document = pympi.Eaf(str(written(tmp_path / "a.eaf", EVENTS)))
    tiers = {name: document.get_annotation_data_for_tier(name) for name in document.get_tier_names()}
    assert tiers["Dog"] == [(250, 2500, "Dog")]
    assert tiers["Dog 3"] == [(2000, 3000, "Dog")]  # "Dog 2" is a class
    assert sorted(entry for own in tiers.values() for entry in own) == sorted(
        (round(1000 * event.onset_s), round(1000 * event.offset_s), event.label) for event in EVENTS
    )
    assert list(document.get_linguistic_type_names()) == ["default-lt"]


@pytest.mark.parametrize(
    ("file", "url"),
    [("/x/ä b.wav", "file:///x/%C3%A4%20b.wav"), ("x/a&b.wav", "./a%26b.wav"), ("\udcff.wav", "./%FF.wav")],
)
def test_the_recording_is_named(tmp_path: Path, file: str, url: str) -> None:
    (media,) = pympi.Eaf(str(written(tmp_path / "a.eaf", [], file))).get_linked_files()
    assert media["MEDIA_URL"] == url
    assert media["RELATIVE_MEDIA_URL"] == "./" + url.rpartition("/")[2]


def test_what_another_library_writes_is_read(tmp_path: Path) -> None:
    document = pympi.Eaf(author="somebody")
    document.add_tier("sounds")
    document.add_annotation("sounds", 1500, 2250, "Dog & cat")
    document.add_annotation("sounds", 100, 200, "")
    document.add_linguistic_type("of another", constraints="Symbolic_Association")
    document.add_tier("comments", ling="of another", parent="sounds")
    document.add_ref_annotation("comments", "sounds", 1600, "sure?")
    document.to_file(str(tmp_path / "b.eaf"))
    assert elan.read_events(tmp_path / "b.eaf") == [SoundEvent("Dog & cat", 1.5, 2.25, 1.0)]


DOCUMENT = """<?xml version="1.0"?>
<ANNOTATION_DOCUMENT>
<HEADER TIME_UNITS="milliseconds"><MEDIA_DESCRIPTOR TIME_ORIGIN="0"/></HEADER>
<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="500"/>
<TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="1500"/></TIME_ORDER>
<TIER TIER_ID="t"><ANNOTATION>
<ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
<ANNOTATION_VALUE>Dog</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
</ANNOTATION_DOCUMENT>
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.eaf").write_text(DOCUMENT.replace("Dog", "Hündin"), encoding=encoding)
    assert elan.is_elan((tmp_path / "a.eaf").read_bytes())
    assert elan.read_events(tmp_path / "a.eaf") == [SoundEvent("Hündin", 0.5, 1.5, 1.0)]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("</TIER>", "", "line 9: is not a document of ELAN: mismatched tag"),
        ("ANNOTATION_DOCUMENT", "html", "line 2: is not a document of ELAN: begins with html"),
        ('TIME_VALUE="500"', "", "line 7: its time slot 'ts1' has no time"),
        ('TIME_SLOT_REF2="ts2"', "", "line 7: is not a document of ELAN: TIME_SLOT_REF2 is missing"),
        ('"1500"', '"1.5"', "line 5: expected whole milliseconds, got '1.5'"),
        ('"1500"', '"15"', "line 7: expected 0 <= onset <= offset .* got 0.5, 0.015 and 'Dog'"),
        ('"milliseconds"', '"PAL-frames"', "line 3: expected times in milliseconds, got PAL-frames"),
        ('TIME_ORIGIN="0"', 'TIME_ORIGIN="40"', "line 3: the media has an offset .TIME_ORIGIN."),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in DOCUMENT
    (tmp_path / "a.eaf").write_text(DOCUMENT.replace(old, new))
    with pytest.raises(DataError, match=rf"a\.eaf, {message}"):
        elan.read_events(tmp_path / "a.eaf")


BOMB = "<!DOCTYPE x [<!ENTITY a 'Dog'>" + "".join(
    f"<!ENTITY {after} '{f'&{before};' * 10}'>" for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("doctype", "label"),
    [
        (BOMB + "]>", "&i;"),
        ("<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///SECRET'>]>", "&a;"),
        ("<!DOCTYPE x [<!ENTITY % a SYSTEM 'file:///SECRET'> %a;]>", "Dog"),
        ("<!DOCTYPE x SYSTEM 'file:///SECRET'>", "Dog"),
    ],
)
def test_entities_are_refused_before_they_do_harm(tmp_path: Path, doctype: str, label: str) -> None:
    (tmp_path / "secret").write_text("password")
    hostile = DOCUMENT.replace("?>\n", "?>\n" + doctype, 1).replace("Dog", label)
    (tmp_path / "a.eaf").write_text(hostile.replace("/SECRET", str(tmp_path / "secret")))
    with pytest.raises(
        DataError, match=r"a\.eaf, line 2: has a document type declaration, which is not read"
    ):
        elan.read_events(tmp_path / "a.eaf")


def test_an_entity_that_nobody_declared_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.eaf").write_text(DOCUMENT.replace("Dog", "&a;"))
    with pytest.raises(DataError, match=r"line 8: is not a document of ELAN: undefined entity"):
        elan.read_events(tmp_path / "a.eaf")


def test_deep_nesting_does_not_fill_the_stack(tmp_path: Path) -> None:
    depth = 100_000
    (tmp_path / "a.eaf").write_text(DOCUMENT.replace("Dog", "<b>" * depth + "Dog" + "</b>" * depth))
    assert elan.read_events(tmp_path / "a.eaf") == [SoundEvent("Dog", 0.5, 1.5, 1.0)]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.eaf: No such file or directory"):
        elan.read_events(tmp_path / "a.eaf")
