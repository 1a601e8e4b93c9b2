import re

import pytest

from htsat.data.prepare.folder import read_own_folder
from htsat.errors import DataError


@pytest.fixture
def source(tmp_path, write_sound):
    for name in ("dog/yard-01.wav", "dog,rain/yard-02.wav", "_negative/room-01.wav", "stray.wav"):
        write_sound(tmp_path / name)
    return tmp_path


def test_folders_are_classes(source):
    listing = read_own_folder(source)
    assert [(clip.path.name, clip.labels, clip.group) for clip in listing.clips] == [
        ("room-01.wav", (), "room-01"),
        ("yard-01.wav", ("dog",), "yard-01"),
        ("yard-02.wav", ("dog", "rain"), "yard-02"),
    ]
    assert listing.labels.names == ("dog", "rain")
    assert listing.unlisted == ("stray.wav",)


def test_a_pattern_gives_the_group(source):
    listing = read_own_folder(source, re.compile(r"^([a-z]+)-"))
    assert [clip.group for clip in listing.clips] == ["room", "yard", "yard"]


@pytest.mark.parametrize("pattern", [r"^(\d+)-", r"^yard(x?)"])
def test_a_name_without_the_group_is_refused(source, pattern):
    with pytest.raises(DataError, match=r"room-01.wav: the pattern .* finds no group in its name"):
        read_own_folder(source, re.compile(pattern))


def test_a_file_is_refused(source):
    with pytest.raises(DataError, match="is not a folder"):
        read_own_folder(source / "stray.wav")


def test_label_files_go_before_folders(source):
    (source / "dog/yard-01.txt").write_text("0.5\t1.5\tbark\n")
    (source / "orphan.txt").write_text("0.5\t1.5\tbark\n")
    listing = read_own_folder(source, re.compile(r"^([a-z]+)-"))
    assert [(clip.path.name, clip.labels, clip.group) for clip in listing.clips] == [
        ("yard-01.wav", ("bark",), "yard")
    ]
    assert [clip.path.name for clip in listing.unlabelled] == ["room-01.wav", "yard-02.wav", "stray.wav"]
    assert [entry.name for entry in listing.missing] == [f"the recording of {source / 'orphan.txt'}"]
