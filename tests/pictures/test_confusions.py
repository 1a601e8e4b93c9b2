import numpy as np
import pytest
from PIL import Image

from htsat.pictures import confusions
from htsat.pictures.confusions import confusion_counts, draw_confusions, side_by_side


def random_matrix(n_classes, seed=0):
    rng = np.random.default_rng(seed)
    return rng.poisson(0.4, (n_classes, n_classes)) + np.diag(rng.integers(0, 9, n_classes))


def test_the_matrix_is_that_of_the_report(make_report):
    matrix = random_matrix(6)
    np.testing.assert_array_equal(confusion_counts(make_report(tuple("abcdef"), matrix)), matrix)


def test_classes_that_are_confused_stand_side_by_side():
    matrix = np.diag([9] * 6)
    matrix[0, 4], matrix[4, 0], matrix[4, 2], matrix[1, 5] = 2, 1, 2, 1
    order = side_by_side(matrix, list(range(6)))
    assert order in ([0, 4, 2, 1, 5, 3], [2, 4, 0, 1, 5, 3])


@pytest.mark.parametrize("n_classes", [1, 2, 9, 40])
def test_the_order_holds_every_class_once(n_classes):
    order = side_by_side(random_matrix(n_classes), list(range(n_classes)))
    assert sorted(order) == list(range(n_classes))


def test_the_most_confused_pair_are_neighbours():
    matrix = random_matrix(20, seed=3)
    matrix[7, 15] = 50
    order = side_by_side(matrix, list(range(20)))
    assert abs(order.index(7) - order.index(15)) == 1


def test_the_picture_grows_with_the_classes(make_report, tmp_path):
    sizes = []
    for n_classes in (3, 30):
        path = tmp_path / "new" / f"{n_classes}.png"
        draw_confusions(path, make_report(tuple(map(str, range(n_classes))), random_matrix(n_classes)))
        with Image.open(path) as image:
            sizes.append(image.size)
    assert sizes[0][0] == sizes[0][1] < sizes[1][0]


def test_names_and_counts_stand_in_the_picture(make_report, tmp_path):
    matrix = np.array([[3, 1, 0], [0, 2, 0], [0, 0, 0]])
    path = tmp_path / "odd $ame.svg"
    draw_confusions(path, make_report(("cash $5 $", "rain_1", "silence"), matrix))
    text = path.read_text(encoding="utf-8")
    for shown in ("cash $5 $", "rain_1", "silence", "75%", "100%", "accuracy 83.3% of 6 clips"):
        assert shown in text
    assert "nan" not in text


def test_of_very_many_classes_the_most_confused_are_shown(make_report, tmp_path, monkeypatch):
    monkeypatch.setattr(confusions, "_MAX_CLASSES", 10)
    matrix = np.diag([3] * 12)
    matrix[11, 0] = 1
    draw_confusions(tmp_path / "big.svg", make_report(tuple(f"class-{i}-" for i in range(12)), matrix))
    text = (tmp_path / "big.svg").read_text(encoding="utf-8")
    assert "the 10 most confused of 12" in text
    assert ("class-0-" in text, "class-11-" in text, "class-10-" in text) == (True, True, False)


def test_long_names_leave_room_for_the_matrix(make_report, tmp_path):
    names = ("x" * 200, "speech " * 20)
    draw_confusions(tmp_path / "long.svg", make_report(names, np.array([[3, 1], [0, 2]])))
    text = (tmp_path / "long.svg").read_text(encoding="utf-8")
    assert f"{'x' * 37}..." in text
    assert "x" * 38 not in text
