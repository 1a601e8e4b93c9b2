import pytest

from htsat.data.prepare.audioset import Classes, read_audioset
from htsat.data.prepare.listing import Missing
from htsat.data.prepare.youtube import parse_name
from htsat.errors import DataError
from htsat.labels import LabelSet

HEADER = """# Segments csv created Sun Mar  5 10:54:31 2017
# num_ytids=22160, num_segs=22160, num_unique_labels=527, num_positive_labels=52882
# YTID, start_seconds, end_seconds, positive_labels
"""
BALANCED = """--PJHxphWEs, 30.000, 40.000, "/m/09x0r,/t/dd00088"
Y_bcdefghij, 420.000, 430.000, "/m/04rlf"
-0RWZT-miFs, 0.000, 10.000, "/m/0bt9lr"
"""
EVAL = """--4gqARaEJE, 0.000, 10.000, "/m/068hy,/m/07q6cd_,/m/0bt9lr,/m/0jbk"
"""


@pytest.fixture
def source(tmp_path, write_sound):
    (tmp_path / "balanced_train_segments.csv").write_text(HEADER + BALANCED)
    (tmp_path / "eval_segments.csv").write_text(HEADER + EVAL)
    (tmp_path / "unbalanced_train_segments.csv").write_text(HEADER + '0000aaaaAAA, 1.0, 11.0, "/m/09x0r"\n')
    for name in (
        "balanced/Y--PJHxphWEs.wav",
        "balanced/Y_bcdefghij_420.flac",
        "eval/--4gqARaEJE_0_10000.wav",
    ):
        write_sound(tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(
    ("stem", "video", "start"),
    [
        *(("--PJHxphWEs", "--PJHxphWEs", None), ("Y--PJHxphWEs", "--PJHxphWEs", None)),
        *(("Yabcdefghij", "Yabcdefghij", None), ("YYabcdefghij", "Yabcdefghij", None)),
        *(("-0RWZT-miFs_420", "-0RWZT-miFs", 420), ("Y-0RWZT-miFs_420.000_430.000", "-0RWZT-miFs", 420)),
        *(("_bcdefghij__30_40", "_bcdefghij_", 30), ("Yabcdefghi__5", "Yabcdefghi_", 5)),
        *(("abcdefghijk_420000", "abcdefghijk", 420_000), ("abcdefghijk-1-11", "abcdefghijk", 1)),
    ],
)
def test_names_of_files_tell_video_and_start(stem, video, start):
    assert parse_name(stem) == (video, start)


@pytest.mark.parametrize(
    "stem", ["", "dog", "abcdefghijkl", "abcdefghijk_x", "abcdefghijk_1_2_3", "äbcdefghijk"]
)
def test_other_names_tell_nothing(stem):
    assert parse_name(stem) is None


def test_a_start_is_in_seconds_or_milliseconds():
    for stem in ("abcdefghijk", "abcdefghijk_30", "abcdefghijk_30000", "abcdefghijk_30.2_40"):
        assert parse_name(stem).may_start_at(30.0)
    assert not parse_name("abcdefghijk_50_60").may_start_at(30.0)


def test_machine_identifiers_stand_in_the_order_of_the_classes():
    assert Classes().labels == LabelSet.named("audioset")
    assert Classes().names(["/m/09x0r", "/m/04rlf", 0, "Speech"]) == ("Speech", "Music")


def test_recordings_get_labels_and_fold_of_their_segment(source):
    listing = read_audioset(source)
    assert [(clip.fold, clip.group, clip.labels) for clip in listing.clips] == [
        ("balanced_train", "--PJHxphWEs", ("Speech", "Gush")),
        ("balanced_train", "Y_bcdefghij", ("Music",)),
        ("eval", "--4gqARaEJE", ("Animal", "Domestic animals, pets", "Dog", "Squeak")),
    ]
    assert len(listing.labels) == 527


def test_what_is_listed_and_not_there_is_missing(source):
    listing = read_audioset(source)
    assert listing.missing == (Missing("-0RWZT-miFs", "balanced_train"),)
    assert listing.published == {"balanced_train": 22_160, "eval": 20_371}


def test_a_fold_of_which_nothing_is_there_is_noted(source):
    assert read_audioset(source).notes == ("unbalanced_train: none of the 1 listed recordings is there",)


def test_recordings_in_no_list_are_passed_over(source, write_sound):
    others = [
        write_sound(source / "balanced" / name)
        for name in ("--PJHxphWEs_90.wav", "Y_bcdefghij_420_430.wav", "ZZZZZZZZZZZ.wav", "street.wav")
    ]
    listing = read_audioset(source)
    assert len(listing.clips) == 3
    unlisted = {path.rpartition("/")[2] for path in listing.unlisted}
    assert len(unlisted) == len(others)
    assert {"--PJHxphWEs_90.wav", "ZZZZZZZZZZZ.wav", "street.wav"} < unlisted


def test_labels_that_are_no_class_are_counted(source):
    (source / "eval_segments.csv").write_text(HEADER + '--4gqARaEJE, 0.000, 10.000, "/m/068hy,/m/zzz"\n')
    listing = read_audioset(source)
    assert listing.unknown_labels == {"/m/zzz": 1}
    assert len(listing.clips[-1].labels) == 1


def test_a_list_that_does_not_fit_is_refused(source):
    (source / "eval_segments.csv").write_text(HEADER + "--4gqARaEJE, soon\n")
    with pytest.raises(DataError, match=r"eval_segments.csv, line 4: expected YTID, start_seconds"):
        read_audioset(source)


def test_recordings_need_lists(tmp_path, write_sound):
    write_sound(tmp_path / "--PJHxphWEs.wav")
    with pytest.raises(DataError, match=r"expected Google's lists \(balanced_train_segments.csv, "):
        read_audioset(tmp_path)


def test_lists_need_recordings(source):
    for path in source.rglob("*--*"):
        path.unlink()
    (source / "balanced" / "Y_bcdefghij_420.flac").unlink()
    with pytest.raises(DataError, match="none of the 5 listed recordings is there"):
        read_audioset(source)


def test_recordings_and_tables_in_one_folder_are_refused(source):
    (source / "eval.h5").touch()
    with pytest.raises(DataError, match="expected recordings or tables, found both"):
        read_audioset(source)
