from __future__ import annotations

import pytest

from htsat.errors import DataError
from htsat.labels import LabelSet


def test_the_place_of_a_name_is_its_index() -> None:
    labels = LabelSet.of(["b", "a", "c"])
    assert len(labels) == 3
    assert list(labels) == ["b", "a", "c"]
    assert [labels.index(name) for name in labels] == [0, 1, 2]
    assert labels[1] == "a"
    assert labels == LabelSet(("b", "a", "c"))


@pytest.mark.parametrize("names", [("a", ""), ("a", " ")])
def test_empty_names_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match="a class name is empty"):
        LabelSet(names)


def test_names_that_occur_twice_are_refused() -> None:
    with pytest.raises(DataError, match="class name 'b' occurs twice"):
        LabelSet(("a", "b", "c", "b"))


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(DataError, match=r"unknown class 'Syren'; did you mean 'Siren'\?"):
        LabelSet(("Dog", "Siren")).index("Syren")
    with pytest.raises(DataError, match=r"unknown class 'xyz'$"):
        LabelSet(("Dog", "Siren")).index("xyz")


@pytest.mark.parametrize(
    ("name", "n_classes", "places"),
    [
        ("audioset", 527, {0: "Speech", 74: "Dog", 137: "Music", 526: "Field recording"}),
        ("speech-commands-author", 35, {0: "bed", 10: "zero", 34: "backward"}),
        ("esc50", 50, {0: "dog", 49: "hand_saw"}),
    ],
)
def test_label_sets_of_the_package(name: str, n_classes: int, places: dict[int, str]) -> None:
    labels = LabelSet.named(name)
    assert len(labels) == n_classes
    assert {index: labels[index] for index in places} == places


def test_an_unknown_label_set_is_refused_with_all_there_are() -> None:
    with pytest.raises(
        DataError, match=r"no label set 'audio-set'; did you mean 'audioset'\? \(there are: audioset,"
    ):
        LabelSet.named("audio-set")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ()),
        ("dog\ncat", ("dog", "cat")),
        ("dog\ncat\n", ("dog", "cat")),
        ("a\u2028b\x0bc\n", ("a\u2028b\x0bc",)),
    ],
)
def test_a_list_has_a_name_on_each_line(text: str, names: tuple[str, ...]) -> None:
    assert LabelSet.listed(text).names == names


def test_an_empty_line_in_a_list_is_no_name() -> None:
    with pytest.raises(DataError, match="a class name is empty"):
        LabelSet.listed("dog\n\ncat\n")
