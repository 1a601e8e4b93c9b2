"""Endings of messages."""

from __future__ import annotations

import pytest

from htsat.errors import did_you_mean, last_line


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("dgo", "; did you mean 'dog'?"),
        ("dog bark", "; did you mean 'dog_bark'?"),
        ("xylophone", ""),
        ("dog" * 67, ""),  # 201 characters: nobody mistypes so much
    ],
)
def test_the_nearest_name_is_meant(name: str, ending: str) -> None:
    assert did_you_mean(name, ["cat", "dog", "dog_bark", "dog" * 66]) == ending


def test_the_last_line_says_it() -> None:
    assert last_line(ValueError("first\nsecond\n")) == "second"
    assert last_line(ValueError()) == "ValueError"
