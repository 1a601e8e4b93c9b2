"""Labelled recordings, decoded: some to learn from, some held out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from htsat import audio
from htsat.data.dataset import DecodedClips, decode_clips
from htsat.data.manifest import Clip, Manifest, read_folder, read_manifest
from htsat.errors import DataError
from htsat.training.experiment import Experiment

Progress = Callable[[Iterator[Clip]], Iterator[Clip]]


class Split(NamedTuple):
    """Decoded clips to learn from, and those to measure with, which may be none."""

    train: DecodedClips
    valid: DecodedClips

    @property
    def broken(self) -> list[str]:
        """Why clips could not be decoded."""
        return [clip.reason for clip in self.train.broken + self.valid.broken]


def read_data(source: Path) -> Manifest:
    """A manifest file, or a folder with one folder per class."""
    if source.is_dir():
        own = source / "manifest.tsv"
        return read_manifest(own) if own.is_file() else read_folder(source, audio.SUFFIXES)
    if not source.exists():
        raise DataError(f"{source}: no such file or folder")
    return read_manifest(source)


def decode_split(manifest: Manifest, experiment: Experiment, sample_rate: int, progress: Progress) -> Split:
    """Decode what to learn from, and what the experiment holds out.

    Raises:
        DataError: when nothing can be held out, or no clip of a part can be read.
    """
    if experiment.valid_fold is not None:
        parts = manifest.split_fold(experiment.valid_fold)
    elif experiment.valid_share > 0:
        parts = manifest.split_share(experiment.valid_share, experiment.seed)
    else:
        return Split(decode_clips(manifest, sample_rate, progress), DecodedClips((), ()))
    return Split(*(decode_clips(part, sample_rate, progress) for part in parts))
