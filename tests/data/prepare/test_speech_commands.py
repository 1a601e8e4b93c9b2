import pytest

from htsat.data.prepare.listing import Missing
from htsat.data.prepare.speech_commands import hashed_fold, read_speech_commands
from htsat.errors import DataError
from htsat.labels import LabelSet


@pytest.fixture
def source(tmp_path, write_sound):
    for word in ("yes", "no"):
        for speaker in ("ann", "bob", "cid"):
            write_sound(tmp_path / word / f"{speaker}_nohash_0.wav")
    write_sound(tmp_path / "_background_noise_" / "running_tap.wav")
    (tmp_path / "yes" / "notes.txt").write_text("no sound")
    (tmp_path / "validation_list.txt").write_text("no/bob_nohash_0.wav\nyes/bob_nohash_0.wav\n")
    (tmp_path / "testing_list.txt").write_text("no/cid_nohash_0.wav\nyes/cid_nohash_0.wav\n")
    return tmp_path


def folds(listing):
    return {f"{clip.path.parent.name}/{clip.group}": clip.fold for clip in listing.clips}


def test_lists_give_the_folds_and_the_rest_is_for_training(source):
    listing = read_speech_commands(source)
    assert listing.labels.names == ("no", "yes")
    assert folds(listing) == {
        **{"no/ann": "train", "no/bob": "validation", "no/cid": "testing"},
        **{"yes/ann": "train", "yes/bob": "validation", "yes/cid": "testing"},
    }
    assert {clip.labels for clip in listing.clips} == {("no",), ("yes",)}
    assert not listing.missing


def test_background_noise_is_no_class(source):
    listing = read_speech_commands(source)
    assert "running_tap.wav" not in {clip.path.name for clip in listing.clips}
    assert "_background_noise_" not in listing.labels.names


def test_listed_recordings_that_are_gone_are_missing(source):
    (source / "yes" / "cid_nohash_0.wav").unlink()
    assert read_speech_commands(source).missing == (Missing("yes/cid_nohash_0.wav", "testing"),)


def test_a_recording_in_both_lists_is_refused(source):
    (source / "testing_list.txt").write_text("no/bob_nohash_0.wav\n")
    with pytest.raises(
        DataError, match=r"no/bob_nohash_0.wav is in validation_list.txt and in testing_list.txt"
    ):
        read_speech_commands(source)


def test_without_lists_the_hash_of_the_speaker_decides(source):
    for name in ("validation_list.txt", "testing_list.txt"):
        (source / name).unlink()
    listing = read_speech_commands(source)
    assert all(clip.fold == hashed_fold(clip.group) for clip in listing.clips)
    assert listing.notes == (
        "no validation_list.txt or testing_list.txt: the hash of a speaker gives the fold",
    )


@pytest.mark.parametrize(
    ("speaker", "fold"),
    [
        *(("026290a7", "validation"), ("060cd039", "validation"), ("099d52ad", "validation")),
        *(("bb05582b", "testing"), ("9a7c1f83", "testing"), ("f2e59fea", "testing")),
        *(("00f0204f", "train"), ("00176480", "train"), ("004ae714", "train")),
    ],
)
def test_the_hash_agrees_with_the_published_lists(speaker, fold):
    assert hashed_fold(speaker) == fold


def test_a_tenth_of_the_speakers_is_for_validation_and_a_tenth_for_testing():
    speakers = [f"{number:08x}" for number in range(5_000)]
    shares = {
        fold: sum(hashed_fold(s) == fold for s in speakers) / 5_000 for fold in ("validation", "testing")
    }
    assert shares == pytest.approx({"validation": 0.1, "testing": 0.1}, abs=0.015)


def test_every_speaker_can_be_a_fold(source):
    listing = read_speech_commands(source, folds="speaker")
    assert all(clip.fold == clip.group for clip in listing.clips)
    assert {clip.fold for clip in listing.clips} == {"ann", "bob", "cid"}


def test_the_authors_order_is_for_all_words(tmp_path, write_sound):
    author = LabelSet.named("speech-commands-author")
    for word in author:
        write_sound(tmp_path / word / "ann_nohash_0.wav", n_samples=8)
    assert read_speech_commands(tmp_path, "author").labels == author
    listing = read_speech_commands(tmp_path)
    assert listing.labels == LabelSet.named("speech-commands") == LabelSet.of(sorted(author))
    assert sum(listing.published.values()) == 105_829


def test_the_authors_order_of_other_words_is_refused(source):
    with pytest.raises(
        DataError, match="the author's order is for the 35 words of version 2; differing: backward"
    ):
        read_speech_commands(source, "author")


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="no recordings in folders named after their word"):
        read_speech_commands(tmp_path)
    with pytest.raises(DataError, match="is not a folder"):
        read_speech_commands(tmp_path / "nowhere")
