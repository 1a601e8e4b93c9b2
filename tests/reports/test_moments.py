from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path, PurePath

import pytest

from htsat.reports.moments import Moment, about, moment_of
from htsat.reports.timeline import Timeline


@pytest.mark.parametrize(
    ("name", "time"),
    [
        ("20240601_053000.WAV", datetime(2024, 6, 1, 5, 30)),
        ("SITE7_20240601_053001_0001.flac", datetime(2024, 6, 1, 5, 30, 1)),
        ("a 2024-06-01T05.30.07Z.wav", datetime(2024, 6, 1, 5, 30, 7)),
        ("20240601-0530.wav", datetime(2024, 6, 1, 5, 30)),
        ("20240601053007.wav", datetime(2024, 6, 1, 5, 30, 7)),
        ("12345678_20240601_053000.wav", datetime(2024, 6, 1, 5, 30)),
        ("5BA0C5E8.WAV", datetime(2018, 9, 18, 9, 31, 20)),
    ],
)
def test_names_tell_when(name, time):
    assert moment_of(Path("nowhere") / name) == Moment(time, is_named=True)


@pytest.mark.parametrize(
    "name", ["20240601.wav", "20241301_053000.wav", "dog.wav", "00000001.WAV", "1-100032-A-0.wav"]
)
def test_other_names_do_not(name, tmp_path):
    assert moment_of(tmp_path / name) is None
    (tmp_path / name).touch()
    os.utime(tmp_path / name, (0, 86400 * 366))
    moment = moment_of(tmp_path / name)
    assert moment is not None
    assert (moment.time.year, moment.is_named) == (1971, False)


def test_it_is_said_where_times_come_from():
    named, written = Moment(datetime(2024, 6, 1), True), Moment(datetime(2024, 6, 1), False)
    assert about([named, named]) == "Times are those in the names of the recordings."
    assert "hold no times; used is when the file was last written" in about([written, None])
    assert "names of 2 recordings; of 1 others" in about([named, written, named])


def timeline_of(*times):
    names = [PurePath(f"{number}.wav") for number in range(len(times))]
    return Timeline.of(names, [None if time is None else Moment(time, True) for time in times])


def test_columns_are_stretches_of_time_where_all_names_tell():
    timeline = timeline_of(datetime(2024, 6, 1, 5, 30), datetime(2024, 6, 3, 7))
    assert timeline.names[0] == "2024-06-01 05:00"
    assert timeline.n_columns <= 96
    assert timeline.column(0, 0) == 0
    assert timeline.column(0, 1800) == 1
    assert timeline.column(1, 0) == timeline.n_columns - 2
    assert timeline.column(1, 10**7) == timeline.n_columns - 1


def test_long_times_have_days_for_columns():
    timeline = timeline_of(datetime(2024, 6, 1, 5, 30), datetime(2024, 7, 30, 7))
    assert timeline.names[:2] == ["2024-06-01", "2024-06-02"]


def test_else_columns_are_recordings_in_their_order():
    timeline = timeline_of(datetime(2024, 6, 1, 5, 30), None)
    assert timeline.names == ["0.wav", "1.wav"]
    assert [timeline.column(number, 1e6) for number in (0, 1)] == [0, 1]
    many = timeline_of(*[None] * 1000)
    assert many.n_columns <= 96
    assert many.names[0] == "0.wav to 10.wav"
    assert many.column(999, 0) == many.n_columns - 1
