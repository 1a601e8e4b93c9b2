import h5py
import numpy as np
import pytest

from htsat.data.events import EventFiles
from htsat.data.manifest import read_manifest
from htsat.data.prepare.audioset import read_audioset
from htsat.data.prepare.listing import Missing
from htsat.data.prepare.pipeline import Wishes, prepare
from htsat.errors import DataError

HEADER = "segment_id\tstart_time_seconds\tend_time_seconds\tlabel\n"
TRAIN = """b0RFKhbpFJA_30000\t0.000\t10.000\t/m/03m9d0z
b0RFKhbpFJA_30000\t2.627\t7.237\t/m/053hz1
Y_bcdefghij_0\t1.5\t2\t/m/09x0r
Y_bcdefghij_0\t1.75\t3\t/m/zzz
gone-video1_5000\t0\t1\t/m/09x0r
"""
EVAL = "s9d-2nhuJCQ_30000\t2.627\t7.237\t/m/053hz1\n"


@pytest.fixture
def source(tmp_path, write_sound):
    source = tmp_path / "source"
    for name in ("b0RFKhbpFJA_30000.wav", "YY_bcdefghij.wav", "eval/Ys9d-2nhuJCQ_30.000_40.000.flac"):
        write_sound(source / name)
    (source / "audioset_train_strong.tsv").write_text(HEADER + TRAIN)
    (source / "audioset_eval_strong.tsv").write_text(HEADER + EVAL)
    (source / "mid_to_display_name.tsv").write_text("/m/053hz1\tCheering!\n/m/zzz\tStrange\n")
    return source


def test_recordings_get_labels_and_fold_of_their_segment(source):
    listing = read_audioset(source)
    assert [(clip.path.name[:5], clip.fold, clip.group, clip.labels) for clip in listing.clips] == [
        ("YY_bc", "train", "Y_bcdefghij", ("Speech", "Strange")),
        ("b0RFK", "train", "b0RFKhbpFJA", ("Cheering", "Wind")),
        ("Ys9d-", "eval", "s9d-2nhuJCQ", ("Cheering",)),
    ]
    assert listing.missing == (Missing("gone-video1_5000", "train"),)
    assert listing.published == {"train": 103_463, "eval": 16_996}


def test_the_classes_are_those_of_the_tables_by_the_names_that_models_know(source):
    listing = read_audioset(source)
    assert listing.labels.names == ("Cheering", "Speech", "Strange", "Wind")
    assert listing.notes == ("1 classes are not among the 527 of weak labels: Strange",)


def test_classes_without_names_keep_their_identifiers(source):
    (source / "mid_to_display_name.tsv").unlink()
    listing = read_audioset(source)
    assert listing.labels.names == ("/m/zzz", "Cheering", "Speech", "Wind")
    assert listing.notes[1].startswith("1 classes are called by their machine identifiers")


def test_two_classes_of_one_name_are_refused(source):
    (source / "mid_to_display_name.tsv").write_text("/m/zzz\tSpeech\n")
    with pytest.raises(DataError, match=r"mid_to_display_name\.tsv: gives several of the classes one name"):
        read_audioset(source)


def test_events_stand_in_tables_of_the_prepared_set(source, tmp_path):
    listing = read_audioset(source)
    prepared = prepare(listing, source, tmp_path / "out", Wishes(), lambda all_, _: all_)
    manifest = read_manifest(prepared.manifest_path)
    assert {clip.events.name for clip in manifest.clips} == {"events-train.tsv", "events-eval.tsv"}
    files = EventFiles(manifest.clips)
    assert [tuple(event[:3] for event in files.of(clip)) for clip in manifest.clips] == [
        (("Speech", 1.5, 2.0), ("Strange", 1.75, 3.0)),
        (("Wind", 0.0, 10.0), ("Cheering", 2.627, 7.237)),
        (("Cheering", 2.627, 7.237),),
    ]
    header, row, *_ = (tmp_path / "out" / "events-train.tsv").read_text().splitlines()
    assert header == "filename\tonset\toffset\tevent_label"
    assert row == "YY_bcdefghij.wav\t1.5\t2.0\tSpeech"


def test_weak_lists_go_first_unless_strong_ones_are_named(source):
    weak = '# YTID, start_seconds, end_seconds, positive_labels\nb0RFKhbpFJA, 30.0, 40.0, "/m/09x0r"\n'
    (source / "balanced_train_segments.csv").write_text(weak)
    listing = read_audioset(source)
    assert [clip.labels for clip in listing.clips] == [("Speech",)]
    assert [note.partition("source/")[2] for note in listing.notes] == [
        "audioset_eval_strong.tsv: strong labels, which only --strong takes",
        "audioset_train_strong.tsv: strong labels, which only --strong takes",
    ]
    own = (source / "audioset_train_strong.tsv").rename(source.parent / "mine.tsv")
    listing = read_audioset(source, [own])
    assert [(clip.fold, len(listing.events[clip.title])) for clip in listing.clips] == [
        ("mine", 2),
        ("mine", 2),
    ]
    assert len(listing.unlisted) == 1


def test_rows_of_tables_have_strong_labels_too(source, tmp_path):
    with h5py.File(tmp_path / "packed.h5", "w") as file:
        names = [b"Yb0RFKhbpFJA.wav", b"Ys9d-2nhuJCQ.wav", b"Yunknown_one.wav"]
        file["audio_name"] = np.array(names)
        file["waveform"] = np.zeros((3, 8), np.int16)
        file["target"] = np.zeros((3, 527), bool)
    listing = read_audioset(tmp_path / "packed.h5", sorted(source.glob("*_strong.tsv")))
    assert [(clip.title[-3:], clip.fold) for clip in listing.clips] == [("[0]", "train"), ("[1]", "eval")]
    assert listing.events[listing.clips[1].title][0][:3] == ("Cheering", 2.627, 7.237)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("segment_id\tlabel\nx\ty\n", "train_strong.tsv: strong labels need a column 'onset'"),
        (HEADER + "b0RFKhbpFJA\t0\t1\t/m/09x0r\n", "expected segments as <video>_<milliseconds>, got 'b0RF"),
        (HEADER + TRAIN + "b0RFKhbpFJA_30000\t3\t1\t/m/09x0r\n", "line 7: expected 0 <= onset <= offset"),
    ],
)
def test_tables_that_do_not_fit_are_refused(source, text, message):
    (source / "audioset_train_strong.tsv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_audioset(source)


def test_tables_need_recordings(source):
    for path in source.rglob("*.*"):
        if path.suffix in (".wav", ".flac"):
            path.unlink()
    with pytest.raises(DataError, match="none of the 4 listed recordings is there"):
        read_audioset(source)
