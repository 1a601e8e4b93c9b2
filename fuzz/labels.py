"""Label files in all formats, and tables of classes: `python fuzz/labels.py -max_total_time=60`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["htsat"]):
    from htsat.class_sets.hierarchy import Hierarchy
    from htsat.data.label_files import read_label_file
    from htsat.evaluation.class_map import ClassMap
    from htsat.formats import dcase
    from htsat.formats.reading import READERS, read_recordings

from harness import fuzz


def any_format(path: Path) -> None:
    """The format that the content shows."""
    file = read_label_file(path)
    for name in file.names:
        file.of(name)


TEXTGRID = (
    'File type = "ooTextFile"\nObject class = "TextGrid"\n0 1 <exists> 1 "IntervalTier" "a" 0 1 1 0 1 "b"'
)
ELAN = (
    '<?xml version="1.0"?><ANNOTATION_DOCUMENT><TIME_ORDER><TIME_SLOT TIME_SLOT_ID="a" TIME_VALUE="1"/>'
    '<TIME_SLOT TIME_SLOT_ID="b" TIME_VALUE="2"/></TIME_ORDER><TIER><ANNOTATION><ALIGNABLE_ANNOTATION '
    'TIME_SLOT_REF1="a" TIME_SLOT_REF2="b"><ANNOTATION_VALUE>x</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION>'
    "</ANNOTATION></TIER></ANNOTATION_DOCUMENT>"
)
JAMS = (
    '{"annotations":[{"namespace":"tag_open","data":[{"time":0,"duration":1,"value":"a","confidence":1}]}]}'
)
JSONL = '{"file":"a","duration":1,"events":[{"label":"x","onset":0,"offset":1,"probability":1}]}\n'
RAVEN = "Selection\tBegin Time (s)\tEnd Time (s)\tAnnotation\tFile Offset (s)\n1\t0\t1\ta\t0\n"
TEXTS = {
    "csv": "file,onset,offset,label,low,high\n../a.wav,0,1,x,1,2\n",
    "audacity": "0.0\t1.0\tdog\n\\\t100\t200\n",
    "webvtt": "WEBVTT\n\n00:00.000 --> 00:01.000\n<b>dog</b> &amp;\n",
    "textgrid": TEXTGRID,
    "elan": ELAN,
    "jams": JAMS,
    "jsonl": JSONL,
    "raven": RAVEN,
    "tsv": "filename\tonset\toffset\tevent_label\na.wav\t0\t1\tdog\n",
}

if __name__ == "__main__":
    forced = {name: partial(read_recordings, name=name) for name in READERS if name != "parquet"}
    readers = {
        "any": any_format,
        **forced,
        "durations": dcase.read_durations,
        "map": lambda path: ClassMap.of(str(path)),
        "hierarchy": lambda path: Hierarchy.of(str(path)),
    }
    seeds = {name: text.encode() for name, text in TEXTS.items()}
    seeds |= {f"any {name}": content for name, content in seeds.items()}
    seeds |= {
        "durations": b"filename\tduration\na\t1\n",
        "map": b"class\ttarget\na\tb\n",
        "hierarchy": b"class\tparent\na\tb\nb\ta\n",
    }
    fuzz(readers, seeds)
