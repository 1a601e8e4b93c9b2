import numpy as np

from htsat.pictures.classes import draw_classes


def test_the_hardest_classes_are_shown_with_their_clips(make_report, tmp_path):
    draw_classes(tmp_path / "classes.svg", make_report(tuple(f"class-{i}-" for i in range(40))))
    text = (tmp_path / "classes.svg").read_text(encoding="utf-8")
    assert "the 30 hardest of 40 classes" in text
    assert "mAP 0.500" in text
    assert text.index("class-0-") < text.index("class-1-") < text.index("class-29-")
    assert "class-30-" not in text
    assert "accuracy" not in text


def test_classes_without_clips_are_not_shown(make_report, tmp_path):
    report = make_report(("rain", "wind", "silence"), np.diag([3, 2, 0]))
    draw_classes(tmp_path / "classes.svg", report)
    text = (tmp_path / "classes.svg").read_text(encoding="utf-8")
    assert "2 classes" in text
    assert "silence" not in text
