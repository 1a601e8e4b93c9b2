import numpy as np
import pytest

from htsat.errors import ConfigError, DataError
from htsat.evaluation.class_map import ClassMap
from htsat.labels import LabelSet
from htsat.rules import BoxRules, EventRules

AUDIOSET, DESED = LabelSet.named("audioset"), LabelSet.named("desed")

# Official behaviour 12: which outputs of the official model count for each class.
OFFICIAL = {
    "Speech": range(8),
    "Frying": (366, 367, 368),
    "Dishes": (364,),
    "Running_water": range(288, 298),
    "Blender": (369,),
    "Electric_shaver_toothbrush": (382,),
    "Alarm_bell_ringing": (310, *range(388, 403)),
    "Cat": range(81, 86),
    "Dog": range(74, 80),
    "Vacuum_cleaner": (377,),
}


def test_the_map_of_the_paper():
    groups = ClassMap.of("desed").grouped(AUDIOSET, "any")
    assert sorted(groups.labels) == sorted(DESED)
    for label, places in zip(groups.labels, groups.places, strict=True):
        assert places.tolist() == list(OFFICIAL[label])


def test_a_map_of_ones_own(tmp_path):
    path = tmp_path / "my map, ü.tsv"
    path.write_text("class\ttarget\nBark\tanimal\nMeow\tanimal\nBark\tdog\n", encoding="utf-8")
    own = ClassMap.of(str(path))
    assert (own.targets.names, own.members) == (("animal", "dog"), (("Bark", "Meow"), ("Bark",)))
    groups = own.grouped(LabelSet(("Meow", "Siren", "Bark")), "any")
    values = np.array([[0.1, 0.9, 0.2], [0.4, 0.0, 0.3]])
    np.testing.assert_array_equal(groups.largest(values), [[0.2, 0.2], [0.4, 0.3]])


def test_rules_are_those_of_the_classes_where_they_agree(tmp_path):
    path = tmp_path / "map.tsv"
    path.write_text("class\ttarget\na\tx\nb\tx\nc\ty\n")
    groups = ClassMap.of(str(path)).grouped(LabelSet(("c", "b", "a")), "any")
    rules = EventRules((0.5, 0.2, 0.2), max_gap_s=0.3, min_duration_s=(1.0, 0.5, 0.5))
    assert groups.rules(rules) == EventRules((0.2, 0.5), (0.0, 0.0), (0.5, 1.0), (0.3, 0.3), (0.0, 0.0))
    boxes = EventRules((0.2, 0.2, 0.2), boxes=BoxRules(step_s=(2.0, 1.0, 1.0)))
    assert groups.rules(boxes).boxes == BoxRules((1.0, 2.0), (0.2, 0.2), (0.5, 0.5))
    with pytest.raises(ConfigError, match=r"different rules for the classes that stand for 'x'.*--rules"):
        groups.rules(EventRules((0.5, 0.2, 0.3)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected the columns class and target, with a tab between, found nothing"),
        ("Bark,dog\n", "found Bark,dog"),
        ("class\ttarget\n", "has no classes"),
        ("class\ttarget\nBark\tdog\nMeow\n", "line 3: expected a class and a target"),
        ("class\ttarget\nBark\t \n", "line 2: expected a class and a target"),
        ("class\ttarget\nBark\tdog\nBark\tdog\n", "line 3: 'Bark' stands for 'dog' twice"),
    ],
)
def test_tables_that_do_not_fit_are_refused(tmp_path, text, message):
    path = tmp_path / "map.tsv"
    path.write_text(text)
    with pytest.raises(DataError, match=f"map.tsv.*{message}"):
        ClassMap.of(str(path))


def test_what_is_no_text_is_refused(tmp_path):
    (tmp_path / "map.tsv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"map\.tsv: is no text in UTF-8"):
        ClassMap.of(str(tmp_path / "map.tsv"))


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(DataError, match=r"no class map 'dsed'; did you mean 'desed'\? \(a file, or one of: "):
        ClassMap.of("dsed")
    message = r"class map desed: model 'm' has no class 'Whistle'; did you mean 'Whistling'\?"
    names = ["Whistling" if name == "Whistle" else name for name in AUDIOSET if name != "Whistling"]
    with pytest.raises(DataError, match=message):
        ClassMap.of("desed").grouped(LabelSet.of(names), "m")
