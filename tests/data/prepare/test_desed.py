import pytest

from htsat.data.manifest import read_manifest
from htsat.data.prepare.desed import read_desed
from htsat.data.prepare.listing import Missing
from htsat.data.prepare.pipeline import Wishes, prepare
from htsat.errors import DataError

STRONG = "filename\tonset\toffset\tevent_label\n"


@pytest.fixture
def source(tmp_path, write_sound):
    """The layout of 2021: real recordings and, in a release beside them, synthetic ones."""
    audio, metadata = tmp_path / "audio", tmp_path / "metadata"
    synthetic = "train/synthetic21_train/soundscapes"
    tables = {
        metadata / "train/weak.tsv": "filename\tevent_labels\n"
        "Y-BJNMHMZDcU_50.000_60.000.wav\tSpeech,Dog\nY0AllowThis0_0.000_10.000.wav\tFrying\n",
        metadata / "validation/validation.tsv": STRONG
        + "YvAl1dat10n1_30.000_40.000.wav\t0.5\t2.0\tDog\nYvAl1dat10n1_30.000_40.000.wav\t3.0\t4.0\tCat\n"
        + "YvAl1dat10n1_30.000_40.000.wav\t5.0\t6.0\tDog\nYn0events000_0.000_10.000.wav\t\t\t\n",
        metadata / "eval/public.tsv": STRONG + "1Ro0FgMWTUE_120_130.wav\t0.000\t2.081\tSpeech\n",
        tmp_path / f"dcase_synth/metadata/{synthetic}.tsv": STRONG + "1000.wav\t1.0\t2.0\tBlender\n",
    }
    for path, text in tables.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name in ("Y-BJNMHMZDcU_50.000_60.000", "Y0AllowThis0_0.000_10.000"):
        write_sound(audio / f"train/weak/{name}.wav")
    for name in ("YvAl1dat10n1_30.000_40.000", "Yn0events000_0.000_10.000"):
        write_sound(audio / f"validation/validation/{name}.wav")
    write_sound(audio / "eval/public/1Ro0FgMWTUE_120_130.wav")
    write_sound(audio / "train/unlabel_in_domain/Yun1abe11ed0_10.000_20.000.wav")
    write_sound(tmp_path / f"dcase_synth/audio/{synthetic}/1000.wav")
    return tmp_path


def described(listing):
    return [(clip.fold, clip.path.name, clip.labels, clip.group) for clip in listing.clips]


def test_all_parts_are_folds_with_labels_of_their_events(source):
    listing = read_desed(source)
    assert described(listing) == [
        ("weak", "Y-BJNMHMZDcU_50.000_60.000.wav", ("Dog", "Speech"), "-BJNMHMZDcU"),
        ("weak", "Y0AllowThis0_0.000_10.000.wav", ("Frying",), "0AllowThis0"),
        ("synthetic", "1000.wav", ("Blender",), ""),
        ("validation", "YvAl1dat10n1_30.000_40.000.wav", ("Cat", "Dog"), "vAl1dat10n1"),
        ("validation", "Yn0events000_0.000_10.000.wav", (), "n0events000"),
        ("public", "1Ro0FgMWTUE_120_130.wav", ("Speech",), "1Ro0FgMWTUE"),
    ]
    assert len(listing.labels) == 10
    assert listing.published == {"weak": 1_578, "validation": 1_168, "public": 692, "unlabelled": 14_412}


def test_strong_parts_point_to_their_table(source):
    events = {clip.fold: clip.events for clip in read_desed(source).clips}
    assert events == {
        "weak": None,
        "synthetic": source / "dcase_synth/metadata/train/synthetic21_train/soundscapes.tsv",
        "validation": source / "metadata/validation/validation.tsv",
        "public": source / "metadata/eval/public.tsv",
    }


def test_unlabelled_recordings_are_no_clips_unless_wanted(source):
    listing = read_desed(source)
    assert [clip.path.name for clip in listing.unlabelled] == ["Yun1abe11ed0_10.000_20.000.wav"]
    assert listing.notes == ("of 1 recordings nothing is known (fold unlabelled)",)
    wanted = read_desed(source, keep_unlabelled=True)
    assert not wanted.unlabelled
    assert described(wanted)[-1] == ("unlabelled", "Yun1abe11ed0_10.000_20.000.wav", (), "un1abe11ed0")


def test_one_part_is_enough(source):
    listing = read_desed(source / "dcase_synth")
    assert [clip.fold for clip in listing.clips] == ["synthetic"]
    assert listing.notes == ("parts that are not there: weak, validation, public, unlabelled",)


def test_the_older_layout(tmp_path, write_sound):
    table = tmp_path / "dcase2019/dataset/metadata/validation/validation.csv"
    table.parent.mkdir(parents=True)
    table.write_text(STRONG + "Yabcdefghijk_0.000_10.000.wav\t0\t1\tCat\n")
    write_sound(tmp_path / "dcase2019/dataset/audio/validation/Yabcdefghijk_0.000_10.000.wav")
    assert described(read_desed(tmp_path)) == [
        ("validation", "Yabcdefghijk_0.000_10.000.wav", ("Cat",), "abcdefghijk")
    ]


def test_missing_and_unlisted_recordings(source, write_sound):
    (source / "audio/train/weak/Y0AllowThis0_0.000_10.000.wav").unlink()
    other = write_sound(source / "audio/eval/public/other.wav")
    listing = read_desed(source)
    assert listing.missing == (Missing("Y0AllowThis0_0.000_10.000.wav", "weak"),)
    assert listing.unlisted == (str(other),)


def test_labels_that_are_no_class_are_taken_off_and_counted(source):
    (source / "metadata/train/weak.tsv").write_text(
        "filename\tevent_labels\n"
        "Y-BJNMHMZDcU_50.000_60.000.wav\tSpeech,Piano\nY0AllowThis0_0.000_10.000.wav\tPiano\n"
    )
    listing = read_desed(source)
    assert [clip.labels for clip in listing.clips if clip.fold == "weak"] == [("Speech",)]
    assert listing.unknown_labels == {"Piano": 2}


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="no part of DESED below it"):
        read_desed(tmp_path)
    with pytest.raises(DataError, match="is not a folder"):
        read_desed(tmp_path / "nowhere")


def test_recordings_without_their_table_are_refused(source):
    (source / "metadata/eval/public.tsv").unlink()
    with pytest.raises(DataError, match=r"public.tsv: not found; it holds the labels of the part public"):
        read_desed(source)


def test_another_table_is_refused(source):
    (source / "metadata/eval/public.tsv").write_text("file\tlabel\n")
    with pytest.raises(DataError, match=r"expected columns filename, event_labels or .*, found file, label"):
        read_desed(source)


def test_the_manifest_holds_events_and_durations(source):
    output = source / "out"
    prepared = prepare(read_desed(source), source, output, Wishes(), lambda examined, _: examined)
    clips = read_manifest(prepared.manifest_path).clips
    assert {clip.duration_s for clip in clips} == {0.1}
    assert clips[-1].events == source / "metadata/eval/public.tsv"
    (row,) = (output / "unlabelled.tsv").read_text().splitlines()[1:]
    assert row == f"{source}/audio/train/unlabel_in_domain/Yun1abe11ed0_10.000_20.000.wav\tun1abe11ed0"
