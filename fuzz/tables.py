"""Manifests, embeddings and scores: `python fuzz/tables.py -max_total_time=60`."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["htsat"]):
    from htsat.bulk.manifests import files_in
    from htsat.data.manifest import read_manifest
    from htsat.formats import parquet as event_parquet
    from htsat.formats import score_tables
    from htsat.formats.embedding_files import open_embeddings
    from htsat.formats.embeddings import Origin

import numpy as np
import pyarrow as pa
from harness import fuzz
from pyarrow import parquet


def embeddings(path: Path) -> None:
    """All of a file of embeddings; a `.npy` has its rows beside it."""
    path.with_suffix(".rows.csv").write_text("file,start\na,0\nb,1\n", encoding="utf-8")
    file = open_embeddings(path)
    for _ in zip(range(3), file.blocks(), strict=False):
        pass


def _parquet(**columns: list[object]) -> bytes:
    content = io.BytesIO()
    parquet.write_table(pa.table(columns), content)
    return content.getvalue()


def _scores() -> bytes:
    content = io.BytesIO()
    np.savez(content, scores=np.zeros((1, 2)), boundaries_s=np.arange(2.0), labels=np.array(["a", "b"]))
    return content.getvalue()


def _npy() -> bytes:
    content = io.BytesIO()
    np.save(content, np.ones((2, 3), np.float32))
    return content.getvalue()


ORIGIN = b'{"model":"a","sha256":"b","per":"clip","span_s":1,"overlap":0,"probe":[1,2],"version":"1"}'

if __name__ == "__main__":
    tempfile.tempdir = None
    readers = {
        "manifest.csv": lambda path: list(files_in(path)),
        "manifest.tsv": lambda path: list(files_in(path)),
        "manifest.jsonl": lambda path: list(files_in(path)),
        "manifest.parquet": lambda path: list(files_in(path)),
        "clips.tsv": read_manifest,
        "clips.parquet": read_manifest,
        "vectors.npy": embeddings,
        "vectors.parquet": embeddings,
        "scores.npz": score_tables.read_npz,
        "scores.tsv": score_tables.read_tsv,
        "events.parquet": event_parquet.read_events,
        "origin.json": lambda path: Origin.from_json(path.read_bytes(), path),
    }
    seeds = {
        "manifest.csv": b'file,label\n"../a.wav",x\n',
        "manifest.tsv": b"file\tlabel\n/a.wav\tx\n",
        "manifest.jsonl": b'{"file": "a.wav", "x": [1]}\n',
        "manifest.parquet": _parquet(file=["a.wav", "b.wav"]),
        "clips.tsv": b"path\tlabels\tstart\tduration\toffset\tsize\na.wav\tx;y\t0\t1\t512\t10\n",
        "clips.parquet": _parquet(path=["a.wav"], labels=["x;y"], start=[0.0], fold=[1]),
        "vectors.npy": _npy(),
        "vectors.parquet": _parquet(file=["a"], start=[0.0], embedding=[[1.0, 2.0]]),
        "scores.npz": _scores(),
        "scores.tsv": b"onset\toffset\tdog\n0\t1\t0.5\n1\t2\t0.25\n",
        "events.parquet": _parquet(file=["a"], onset=[0.0], offset=[1.0], label=["x"], probability=[0.5]),
        "origin.json": ORIGIN,
    }
    fuzz(readers, seeds)
