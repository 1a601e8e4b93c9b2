from pathlib import Path

import pytest

from htsat.data.manifest import Clip, Manifest, read_folder, read_manifest, write_manifest
from htsat.errors import DataError
from htsat.labels import LabelSet

SUFFIXES = frozenset({".wav"})


def _clips(n, **changes):
    return tuple(Clip(Path(f"{i}.wav"), ("dog",), **{k: v[i] for k, v in changes.items()}) for i in range(n))


def test_a_manifest_survives_writing_and_reading(tmp_path):
    clips = (
        Clip(tmp_path / "a.wav", ("Male speech, man speaking", "dog"), 1.5, 2.25, 3, "tape 1"),
        Clip(tmp_path / "b.wav", ()),
    )
    manifest = Manifest(clips, LabelSet.of(["dog", "cat", "Male speech, man speaking"]))
    write_manifest(tmp_path / "manifest.tsv", manifest)
    assert read_manifest(tmp_path / "manifest.tsv") == manifest


def test_paths_are_relative_to_the_manifest(tmp_path):
    (tmp_path / "m.tsv").write_text("path\tlabels\nsub/a.wav\tdog\n")
    assert read_manifest(tmp_path / "m.tsv").clips[0].path == tmp_path / "sub" / "a.wav"


def test_without_a_list_classes_are_in_alphabetical_order(tmp_path):
    (tmp_path / "m.tsv").write_text("path\tlabels\na.wav\tdog;cat\nb.wav\tbee\n")
    assert read_manifest(tmp_path / "m.tsv").labels.names == ("bee", "cat", "dog")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path\tlabels\tstart\na.wav\tdog\t-1\n", r"a\.wav: start must be at least 0 s, got -1\.0"),
        ("path\tlabels\tduration\na.wav\tdog\tnan\n", r"a\.wav: duration must be above 0 s, got nan"),
        ("path\na.wav\n", "needs a column 'labels', found path"),
        ("path\tlabels\tfoo\na.wav\tdog\t1\n", "unknown column 'foo'"),
        ("path\tlabels\tfold\na.wav\tdog\tone\n", "line 2: invalid literal"),
        ("path\tlabels\n\tdog\n", "line 2: the path is empty"),
        ("path\tlabels\n", "no clips to learn from"),
        ("", "needs a column 'path', found none"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(tmp_path, text, message):
    (tmp_path / "m.tsv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_manifest(tmp_path / "m.tsv")


def test_a_label_outside_the_list_is_refused_with_the_nearest(tmp_path):
    (tmp_path / "labels.txt").write_text("siren\nrain\n")
    (tmp_path / "m.tsv").write_text("path\tlabels\na.wav\tsirens\n")
    with pytest.raises(DataError, match=r"a\.wav: unknown class 'sirens'; did you mean 'siren'"):
        read_manifest(tmp_path / "m.tsv")


def test_a_folder_names_its_classes(tmp_path):
    for name in (
        "dog/1.wav",
        "dog/deep/2.WAV",
        "cat,dog/3.wav",
        "_negative/4.wav",
        ".trash/5.wav",
        "dog/notes.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    manifest = read_folder(tmp_path, SUFFIXES)
    assert manifest.labels.names == ("cat", "dog")
    labels = {clip.path.name: clip.labels for clip in manifest.clips}
    assert labels == {"1.wav": ("dog",), "2.WAV": ("dog",), "3.wav": ("cat", "dog"), "4.wav": ()}


def test_a_folder_without_recordings_is_refused(tmp_path):
    with pytest.raises(DataError, match="no recordings in folders named after their class"):
        read_folder(tmp_path, SUFFIXES)


def test_a_fold_is_held_out():
    manifest = Manifest(_clips(4, fold=[1, 2, 1, 2]), LabelSet.of(["dog"]))
    train, valid = manifest.split_fold(2)
    assert [clip.fold for clip in train.clips] == [1, 1]
    assert [clip.fold for clip in valid.clips] == [2, 2]
    with pytest.raises(DataError, match=r"no clip has fold 5; the manifest's folds are \[1, 2\]"):
        manifest.split_fold(5)


def test_a_split_never_separates_a_group():
    groups = ["a", "a", "b", "b", "c", "c", "d", "d"]
    manifest = Manifest(_clips(8, group=groups), LabelSet.of(["dog"]))
    for seed in range(5):
        train, valid = manifest.split_share(0.25, seed)
        assert {clip.group for clip in train.clips}.isdisjoint({clip.group for clip in valid.clips})
        assert len(valid.clips) == 2


def test_one_recording_cannot_be_split():
    manifest = Manifest(_clips(2, group=["a", "a"]), LabelSet.of(["dog"]))
    with pytest.raises(DataError, match="nothing can be held out"):
        manifest.split_share(0.5, 0)
