"""Label files that were made to do harm: each is refused in one line, or says what it says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from htsat.class_sets.hierarchy import Hierarchy
from htsat.data.label_files import LabelFile, read_label_file
from htsat.errors import DataError, HtsatError
from htsat.evaluation.class_map import ClassMap
from htsat.formats import EVENT_FORMATS, DetectedRecording, bounded, dcase
from htsat.formats.reading import READERS, read_recordings
from htsat.labels import LabelSet
from htsat.scores import SoundEvent

DEEP = "[" * 100_000
DIGITS = "1" + "0" * 5000
LONG = "b" * 200_000
TEXTGRID = 'File type = "ooTextFile"\nObject class = "TextGrid"\n'
ELAN = '<ANNOTATION_DOCUMENT><TIME_ORDER><TIME_SLOT TIME_SLOT_ID="a" TIME_VALUE="{}"/></TIME_ORDER>'


def jsonl(offset: str = "1", label: str = "x", file: str = "a", duration: str = "1") -> str:
    event = f'{{"label":"{label}","onset":0,"offset":{offset},"probability":1}}'
    return f'{{"file":"{file}","duration":{duration},"events":[{event}]}}'


def jams(duration: str) -> str:
    observation = f'{{"time":0,"duration":{duration},"value":"a"}}'
    return f'{{"annotations":[{{"namespace":"tag_open","data":[{observation}]}}]}}'


REFUSED = {
    "deep.jsonl": '{"events":' + DEEP,
    "deep.jams": '{"annotations":' + DEEP,
    "deep.txt": DEEP,
    "digits.jsonl": jsonl(DIGITS),
    "no float.jsonl": jsonl("1" + "0" * 400),
    "nan.jsonl": jsonl(duration="NaN"),
    "endless.jsonl": jsonl(duration="1e999"),
    "half a character.jsonl": jsonl(label=r"\ud800"),
    "half a name.jsonl": jsonl(file=r"\ud800"),
    "no object.jsonl": '{"file":"a","duration":1,"events":[1]}',
    "digits.jams": jams(DIGITS),
    "no float.jams": jams("1" + "0" * 400),
    "numbers.jams": '{"annotations":[1, 2]}',
    "hours.vtt": f"WEBVTT\n\n{DIGITS}:00:01.000 --> 00:00:02.000\nx\n",
    "reversed.vtt": "WEBVTT\n\n00:02.000 --> 00:01.000\nx\n",
    "never closed.csv": f'onset,offset,label\n0,1,"a{LONG}',
    "long cell.tsv": f"onset\toffset\tlabel\n0\t1\t{LONG}",
    "long header.csv": f"onset,offset,label,{LONG}\n",
    "columns.csv": "onset,offset,label," + ",".join(map(str, range(100_000))) + "\n0,1,a\n",
    "infinity.csv": "onset,offset,label\n0,1e999,a\n",
    "nan.csv": "onset,offset,label\nnan,1,a\n",
    "reversed.csv": "onset,offset,label\n2,1,a\n",
    "digits.csv": f"onset,offset,label\n0,{'9' * 100_000},a\n",
    "slot.eaf": ELAN.format("9" * 400) + "</ANNOTATION_DOCUMENT>",
    "encoding.eaf": f'<?xml version="1.0" encoding="nonsense"?>{ELAN.format(1)}',
    "wide encoding.eaf": f'<?xml version="1.0" encoding="shift_jis"?>{ELAN.format(1)}',
    "laughs.eaf": f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>{ELAN.format(1)}',
    "passwords.eaf": f'<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>{ELAN.format("&a;")}',
    "deep.eaf": "<ANNOTATION_DOCUMENT>" + "<a>" * 100_000,
    "never closed.TextGrid": f'{TEXTGRID}0 1 <exists> 1 "IntervalTier" "a" 0 1 1 0 1 "{LONG}',
    "count.TextGrid": f"{TEXTGRID}0 1 <exists> 1e300 ",
    "lines.TextGrid": f'{TEXTGRID}0 2 <e"\nObject\0 "TextGrid"\n0a" 0 1',
    "nan.TextGrid": f"{TEXTGRID}0 nan <exists> 0",
    "utf-16 cut off.txt": b"\xff\xfe0",
    "not text.txt": b"0\t1\t\xff\n",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    content = REFUSED[name]
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError) as caught:
        read_label_file(path)
    message = str(caught.value)
    assert message.startswith(f"{path}")
    assert "\n" not in message
    assert len(message) < 1000


READ = {
    "many tags.vtt": "WEBVTT\n\n00:01.000 --> 00:02.000\n" + "<" * 100_000 + "\n",
    "many signs.csv": f"onset,offset,label,{'_' * 100_000}x\n0,1,a\n",
    "many folders.csv": f"file,onset,offset,label\n{'a/' * 60_000},0,1,a\n",
    "many steps up.csv": f"file,onset,offset,label\n/{'../' * 40_000},0,1,a\n/b,0,1,a\n",
    "minus nothing.csv": "onset,offset,label\n-0,1,a\n",
    "byte order mark.csv": "\ufeffonset,offset,label\n0,1,a\n",
}


@pytest.mark.parametrize("name", READ)
def test_what_once_took_the_square_of_its_length_is_read_at_once(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(READ[name], encoding="utf-8")
    reader = "from htsat.data.label_files import read_label_file; import sys, pathlib\n"
    reader += "read_label_file(pathlib.Path(sys.argv[1])).of('x.wav')"
    # CPU seconds, of which a machine that others use takes no more: the squares took minutes.
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_CPU, (20, 20))\n{reader}"
    subprocess.run([sys.executable, "-c", limited, str(path)], check=True)


def test_names_are_looked_up_without_leading_anywhere(tmp_path: Path) -> None:
    event = [SoundEvent("x", 0.0, 1.0, 1.0)]
    file = LabelFile({"../../a/b.wav": event, "./c.wav": event, "..": event, "C:\\d.wav": event})
    assert file.of(str(tmp_path / "a" / "b.wav")) == event
    assert file.of(str(tmp_path / "c.wav")) == event
    assert file.of(str(tmp_path / "d.wav")) == event


def test_a_file_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "MAX_FILE_BYTES", 3 * 2**20)
    link = tmp_path / "a.txt"
    link.symlink_to("/dev/zero")
    with pytest.raises(DataError, match="more than 3,145,728 bytes"):
        read_label_file(link)


@pytest.mark.parametrize("name", sorted(EVENT_FORMATS.keys() & READERS.keys()))
def test_names_that_are_markup_are_read_back_as_they_are(tmp_path: Path, name: str) -> None:
    """Nothing in a class name ends a field, a line, a tag or an attribute."""
    label = "<script>alert(1)</script>&amp;\"'--> =cmd|' /C calc'!A0 ]]>"
    recording = DetectedRecording("<img src=x onerror=alert(1)>.wav", 3.0, [SoundEvent(label, 0.0, 1.0, 0.5)])
    written = EVENT_FORMATS[name]
    path = tmp_path / f"a{written.suffix}"
    path.write_text(written.header + written.describe(recording), encoding="utf-8")
    [read] = read_recordings(path, name)
    assert [event.label for event in read.events] == [label]
    if name in ("webvtt", "elan"):
        assert "<script" not in path.read_text(encoding="utf-8")


def test_a_selection_table_without_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("onset\toffset\tlabel\tFile Offset (s)\n0\t1\ta\t5\n", encoding="utf-8")
    assert read_recordings(path, "raven")[0].events == [SoundEvent("a", 0.0, 1.0, 1.0)]


def test_tables_of_classes(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    for reader, column in ((ClassMap.of, "target"), (Hierarchy.of, "parent")):
        for text in (f"class\t{column}\na\t{LONG}\n", LONG, f"class\t{column}\na\n", ""):
            path.write_text(text, encoding="utf-8")
            with pytest.raises(DataError) as caught:
                reader(str(path))
            assert len(str(caught.value)) < 1000


def test_a_hierarchy_may_go_in_circles(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("class\tparent\na\tb\nb\ta\nb\tb\n", encoding="utf-8")
    assert Hierarchy.of(str(path)).groups(LabelSet.of(["a"])).labels.names == ("a", "b")


def test_a_class_name_that_is_there_twice_is_found_in_one_pass() -> None:
    names = [str(number) for number in range(300_000)]
    with pytest.raises(DataError, match="'299999' occurs twice"):
        LabelSet.of([*names, names[-1]])


readers: dict[str, Callable[[Path], object]] = {
    name: (lambda path, name=name: read_recordings(path, name)) for name in READERS if name != "parquet"
}
readers |= {"any": read_label_file, "durations": dcase.read_durations}
words = [
    "WEBVTT\n\n",
    " --> ",
    "onset",
    "offset",
    "label",
    "file",
    "1e999",
    "nan",
    "-0",
    "ooTextFile",
    "TextGrid",
]
words += ["<exists>", '"annotations"', '"events"', "ANNOTATION_DOCUMENT", "\ufeff", *"\t\n,;\"'<>[]{}:.-\0\r"]
pieces = st.sampled_from(words)


@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=st.sampled_from(sorted(readers)), text=st.lists(pieces | st.text(max_size=4), max_size=25))
def test_any_text_is_read_or_refused(tmp_path: Path, name: str, text: list[str]) -> None:
    path = tmp_path / "a"
    path.write_text("".join(text), encoding="utf-8", errors="surrogatepass")
    check_message(readers[name], path)


def check_message(read: Callable[[Path], object], path: Path) -> None:
    """What is refused, is so in one line."""
    message = ""
    try:
        read(path)
    except HtsatError as error:
        message = str(error)
    assert "\n" not in message
