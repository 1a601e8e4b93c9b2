from __future__ import annotations

from pathlib import Path

import pytest

from htsat.class_sets.hierarchy import Hierarchy
from htsat.errors import DataError
from htsat.labels import LabelSet


def members(hierarchy: Hierarchy, labels: LabelSet) -> dict[str, set[str]]:
    groups = hierarchy.groups(labels)
    return {
        name: {labels[place] for place in own} for name, own in zip(groups.labels, groups.places, strict=True)
    }


def of(path: Path, text: str) -> Hierarchy:
    path.write_text("class\tparent\n" + text, encoding="utf-8")
    return Hierarchy.of(str(path))


def test_a_parent_has_all_that_is_below_it(tmp_path: Path) -> None:
    tree = of(tmp_path / "a.tsv", "dog\tpet\ncat\tpet\npet\tanimal\nowl\tanimal\nowl\tbird, wild\n")
    labels = LabelSet(("owl", "pet", "dog", "rain"))
    assert members(tree, labels) == {
        "owl": {"owl"},
        "pet": {"pet", "dog"},
        "dog": {"dog"},
        "rain": {"rain"},
        "animal": {"owl", "pet", "dog"},
        "bird, wild": {"owl"},
    }
    assert tree.groups(labels).labels.names[:4] == labels.names


def test_circles_end(tmp_path: Path) -> None:
    tree = of(tmp_path / "a.tsv", "a\tb\na\tb\nb\tc\nc\ta\n")
    assert members(tree, LabelSet(("a",))) == {"a": {"a"}, "b": {"a"}, "c": {"a"}}


def test_the_ontology_of_audioset_knows_all_its_classes() -> None:
    labels = LabelSet.named("audioset")
    groups = members(Hierarchy.of("audioset"), labels)
    assert len(groups) == 527 + 30
    tops = {
        "Human sounds",
        "Animal",
        "Music",
        "Natural sounds",
        "Sounds of things",
        "Source-ambiguous sounds",
    }
    tops.add("Channel, environment and background")
    assert set.union(*(groups[name] for name in tops)) == set(labels)
    assert groups["Dog"] >= {"Dog", "Bark", "Yip", "Growling", "Howl", "Bow-wow", "Whimper (dog)"}
    assert "Bark" in groups["Animal"] & groups["Domestic animals, pets"]
    assert "Dog" not in groups["Bark"]
    assert groups["Human voice"] > groups["Speech"] > groups["Conversation"] == {"Conversation"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class;parent\n", r"expected the columns class and parent, with a tab between, found class;parent"),
        ("", "found nothing"),
        ("class\tparent\na\tb\na\n", "line 3: expected a class and a parent"),
        ("class\tparent\na\t \n", "line 2: expected a class and a parent"),
        ("class\tparent\né\tb\n".encode("latin-1"), "is no text in UTF-8"),
    ],
)
def test_other_tables_are_refused(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=rf"a\.tsv[:,] .*{message}"):
        Hierarchy.of(str(path))


def test_unknown_names_and_classes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no hierarchy 'audiset'; did you mean 'audioset'\? .*: audioset"):
        Hierarchy.of("audiset")
    with pytest.raises(DataError, match="hierarchy audioset: holds none of the model's 1 classes"):
        Hierarchy.of("audioset").groups(LabelSet(("bellt",)))
