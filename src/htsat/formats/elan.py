"""Documents of ELAN (.eaf): XML with tiers of annotations, whose times are whole milliseconds.

Annotations of a tier must not overlap, so each class has a tier of its own, and more where its events
overlap. The label of an event is the value of its annotation; names of tiers are for people. There is no
place for probabilities and bands.

A document type declaration is refused, and with it all that XML can do with entities: read other files, or
grow without bound. ELAN writes none.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path, PurePath
from typing import NamedTuple
from urllib.parse import quote
from xml.parsers import expat

from htsat.errors import DataError
from htsat.formats.bounded import file_bytes
from htsat.formats.label_text import checked_event, place
from htsat.formats.lanes import Lane, lanes
from htsat.formats.recording import DetectedRecording, Format, one_line
from htsat.scores import SoundEvent

_ROOT = "ANNOTATION_DOCUMENT"
_MILLISECONDS = re.compile(r"\s*[+-]?\d{1,15}\s*", flags=re.ASCII)
_N_HEAD = 4096
"""Bytes in which a document says what it is."""

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_HEAD = """<{root} AUTHOR="htsat" DATE="{date}" FORMAT="3.0" VERSION="3.0"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
  xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
  <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
    <MEDIA_DESCRIPTOR MEDIA_URL="{url}" MIME_TYPE="{mime_type}" RELATIVE_MEDIA_URL="{beside}"/>
  </HEADER>"""


_TAIL = """\
  <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="default-lt" TIME_ALIGNABLE="true"/>
</{root}>"""


class _Annotation(NamedTuple):
    """An event with its number; its time slots are twice that, and one less."""

    number: int
    event: SoundEvent

    @property
    def slots(self) -> tuple[tuple[int, str], tuple[int, str]]:
        """Milliseconds and names of beginning and end; what ELAN shows lasts at least one."""
        onset_ms, offset_ms = round(1000 * self.event.onset_s), round(1000 * self.event.offset_s)
        names = f"ts{2 * self.number - 1}", f"ts{2 * self.number}"
        return (onset_ms, names[0]), (max(offset_ms, onset_ms + 1), names[1])


def _describe_events(recording: DetectedRecording) -> str:
    tiers = _numbered(lanes(recording.events))
    lines = [
        _HEAD.format(
            root=_ROOT, date=datetime.now(UTC).isoformat(timespec="seconds"), **_media(recording.file)
        ),
        *_time_lines([annotation for _, tier in tiers for annotation in tier]),
        *(line for name, tier in tiers for line in _tier_lines(name, tier)),
        _TAIL.format(root=_ROOT),
    ]
    return _NOT_IN_XML.sub("\ufffd", "\n".join(lines) + "\n")


def _media(file: str) -> dict[str, str]:
    """Where ELAN looks for the recording: at its place, and beside the document."""
    path = PurePath(file)
    beside = "./" + quote(path.name, errors="surrogateescape")
    absolute = "file:///" + quote(path.as_posix().lstrip("/"), errors="surrogateescape")
    url = absolute if path.is_absolute() else beside
    mime_type = mimetypes.guess_type(path.name)[0] or "unknown"
    return {"url": escape(url), "mime_type": escape(mime_type), "beside": escape(beside)}


def _numbered(tiers: Sequence[Lane]) -> list[tuple[str, list[_Annotation]]]:
    """The names of tiers with their annotations, counted from 1 through all of them."""
    numbered, n_before = [], 1
    for name, events in tiers:
        numbered.append((name, [_Annotation(n, event) for n, event in enumerate(events, n_before)]))
        n_before += len(events)
    return numbered


def _time_lines(annotations: Sequence[_Annotation]) -> Iterator[str]:
    yield "  <TIME_ORDER>"
    for time_ms, name in sorted(slot for annotation in annotations for slot in annotation.slots):
        yield f'    <TIME_SLOT TIME_SLOT_ID="{name}" TIME_VALUE="{time_ms}"/>'
    yield "  </TIME_ORDER>"


def _tier_lines(name: str, annotations: Sequence[_Annotation]) -> Iterator[str]:
    yield f'  <TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="{escape(name)}">'
    for annotation in annotations:
        (_, onset), (_, offset) = annotation.slots
        yield (
            f'    <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{annotation.number}" '
            f'TIME_SLOT_REF1="{onset}" TIME_SLOT_REF2="{offset}">'
        )
        label = escape(one_line(annotation.event.label))
        yield f"      <ANNOTATION_VALUE>{label}</ANNOTATION_VALUE>"
        yield "    </ALIGNABLE_ANNOTATION></ANNOTATION>"
    yield "  </TIER>"


EVENTS = Format(".eaf", '<?xml version="1.0" encoding="UTF-8"?>\n', _describe_events, one_recording=True)


def is_elan(content: bytes) -> bool:
    """Whether a file says that it is a document of ELAN, in UTF-8 or UTF-16."""
    return f"<{_ROOT}".encode() in content[:_N_HEAD].replace(b"\0", b"")


def read_events(path: Path) -> list[SoundEvent]:
    """The annotations with times and a text in all tiers, by onset, as events that are certain.

    Annotations of other annotations are passed over.

    Raises:
        DataError: naming file and line.
    """
    content = file_bytes(path)
    reader = _Reader(path)
    try:
        reader.parser.Parse(content, True)
    except expat.ExpatError as error:
        problem = expat.ErrorString(error.code)
        raise DataError(f"{place(path, error.lineno)}: is not a document of ELAN: {problem}") from None
    except (ValueError, LookupError) as error:  # of encodings that it names
        raise DataError(f"{path}: is not a document of ELAN: {error}") from None
    return sorted(reader.events(), key=lambda event: event.onset_s)


class _Marked(NamedTuple):
    """An annotation as it stands in a document: text, names of its time slots, and line."""

    label: str
    slots: tuple[str, str]
    where: str


class _Reader:
    """Gathers time slots and annotations while the parser goes through a document."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._times_s: dict[str, float] = {}
        self._marked: list[_Marked] = []
        self._open: tuple[tuple[str, str], str] | None = None
        self._text: list[str] = []
        self._is_root = True
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse_doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text.append

    @property
    def _where(self) -> str:
        return place(self._path, self.parser.CurrentLineNumber)

    def events(self) -> Iterator[SoundEvent]:
        """What was gathered."""
        for label, slots, where in self._marked:
            for slot in slots:
                if slot not in self._times_s:
                    raise DataError(f"{where}: its time slot {slot!r} has no time")
            if label.strip():
                onset_s, offset_s = (self._times_s[slot] for slot in slots)
                yield checked_event(label, onset_s, offset_s, where)

    def _refuse_doctype(self, *_: object) -> None:
        raise DataError(f"{self._where}: has a document type declaration, which is not read")

    def _start(self, tag: str, fields: dict[str, str]) -> None:
        if self._is_root and tag != _ROOT:
            raise DataError(f"{self._where}: is not a document of ELAN: begins with {tag}")
        self._is_root = False
        if tag == "TIME_SLOT" and "TIME_VALUE" in fields:
            self._times_s[self._field(fields, "TIME_SLOT_ID")] = (
                self._milliseconds(fields["TIME_VALUE"]) / 1000
            )
        elif tag == "ALIGNABLE_ANNOTATION":
            slots = self._field(fields, "TIME_SLOT_REF1"), self._field(fields, "TIME_SLOT_REF2")
            self._open = slots, self._where
        elif tag == "ANNOTATION_VALUE":
            self._text.clear()
        elif tag == "HEADER" and fields.get("TIME_UNITS", "milliseconds") != "milliseconds":
            raise DataError(f"{self._where}: expected times in milliseconds, got {fields['TIME_UNITS']}")
        elif tag == "MEDIA_DESCRIPTOR" and self._milliseconds(fields.get("TIME_ORIGIN", "0")):
            raise DataError(f"{self._where}: the media has an offset (TIME_ORIGIN); set it to 0 in ELAN")

    def _end(self, tag: str) -> None:
        if tag == "ANNOTATION_VALUE" and self._open is not None:
            self._marked.append(_Marked("".join(self._text), *self._open))
            self._open = None

    def _field(self, fields: dict[str, str], name: str) -> str:
        try:
            return fields[name]
        except KeyError:
            raise DataError(f"{self._where}: is not a document of ELAN: {name} is missing") from None

    def _milliseconds(self, text: str) -> int:
        if not _MILLISECONDS.fullmatch(text):
            raise DataError(f"{self._where}: expected whole milliseconds, got {text!r:.80}")
        return int(text)
