import pytest

from htsat.data.prepare.esc50 import read_esc50
from htsat.data.prepare.listing import Missing
from htsat.errors import DataError

LICENCES = """# ESC-50

101 - Dog:
- [1-100-A.ogg]: clip derived from bark.wav (http://example.org/100/) by ann [CC0]
- [1-200-A.ogg]: clip derived from [odd] name (http://example.org/200/) by bob [CC-BY-NC]
- [2-300-B.ogg]: clip derived from rain.wav (http://example.org/300/) by cid [CC-BY]
"""
META = """filename,fold,target,category,esc10,src_file,take
1-100-A-0.wav,1,0,dog,True,100,A
1-200-A-0.wav,1,0,dog,True,200,A
2-300-B-1.wav,2,1,rain,True,300,B
"""


@pytest.fixture
def source(tmp_path):
    (tmp_path / "meta").mkdir()
    (tmp_path / "audio").mkdir()
    (tmp_path / "LICENSE").write_text(LICENCES)
    (tmp_path / "meta" / "esc50.csv").write_text(META)
    for name in ("1-100-A-0.wav", "1-200-A-0.wav", "2-300-B-1.wav"):
        (tmp_path / "audio" / name).touch()
    return tmp_path


def test_clips_carry_class_fold_and_source(source):
    data = read_esc50(source)
    assert data.manifest.labels.names == ("dog", "rain")
    last = data.manifest.clips[-1]
    assert (last.path.name, last.labels, last.fold, last.group) == ("2-300-B-1.wav", ("rain",), "2", "300")


def test_only_the_wanted_licences_stay(source):
    data = read_esc50(source, ["CC0", "CC-BY"])
    assert [clip.path.name for clip in data.manifest.clips] == ["1-100-A-0.wav", "2-300-B-1.wav"]
    assert data.listing().credits[source / "audio" / "2-300-B-1.wav"] == (
        "- `2-300-B-1.wav` (CC-BY): clip derived from rain.wav (http://example.org/300/) by cid"
    )


def test_missing_recordings_are_listed(source):
    (source / "audio" / "1-100-A-0.wav").unlink()
    data = read_esc50(source)
    assert data.missing == (Missing("1-100-A-0.wav", "1"),)
    assert len(data.manifest.clips) == 2


def test_an_unknown_licence_is_refused_with_the_nearest(source):
    with pytest.raises(DataError, match="no clip has the licence 'CC-0'; did you mean 'CC0'"):
        read_esc50(source, ["CC-0"])


@pytest.mark.parametrize("name", ["LICENSE", "meta/esc50.csv"])
def test_another_folder_is_refused(source, name):
    (source / name).unlink()
    with pytest.raises(DataError, match=r"LICENSE: not found|esc50.csv: not found"):
        read_esc50(source)


def test_a_clip_without_a_licence_is_refused(source):
    (source / "LICENSE").write_text("".join(LICENCES.splitlines(keepends=True)[:4]))
    with pytest.raises(DataError, match="does not list 1-200-A"):
        read_esc50(source)


def test_published_sizes_say_nothing_of_a_choice_of_licences(source):
    assert sum(read_esc50(source).listing().published.values()) == 2_000
    assert read_esc50(source, ["CC0"]).listing().published == {}
