"""Blocks are found and compared as `blocks.py` and `comparison.py` say."""

from __future__ import annotations

import pytest

from .blocks import blocks_of, console_parts
from .comparison import difference
from .running import Reader, put_programs_in_reach

PAGE = """
```
htsat tag a.wav
```

```
   0.9  dog
```

```
recordings/
```

<!-- not run: no microphone -->
```
A=1 htsat listen
```

- in a list

  ```python
  x = 1
  ```

<!-- first: y = 2 -->
```sh
ls
```
Text.
```
a tree
```

```bibtex
```
"""


def test_the_blocks_of_a_page():
    blocks = list(blocks_of(PAGE))
    assert [block.kind for block in blocks] == [
        "commands",
        "output",
        "other",
        "commands",
        "python",
        "commands",
        "other",
        "other",
    ]
    assert [block.skipped for block in blocks if block.skipped] == ["no microphone"]
    assert blocks[4].text == "x = 1\n"
    assert blocks[5].first == "y = 2"
    assert [block.line for block in blocks[:3]] == [2, 6, 10]


def test_the_commands_of_a_console():
    parts = list(console_parts("$ a \\\n  b\n1\n2\n$ c\n"))
    assert parts == [("a \\\n  b\n", "1\n2\n"), ("c\n", "")]


@pytest.mark.parametrize(
    ("shown", "came"),
    [
        ("0.909  dog", "   0.911 dog\n\n"),
        ("a\n...\nc", "a\nb\nb\nc"),
        ("...", ""),
        ("3.1e-06", "3.2e-06"),
        ("version 1.2.3", "version 1.2.3"),
    ],
)
def test_what_is_the_same(shown, came):
    assert difference(shown, came) is None


@pytest.mark.parametrize(
    ("shown", "came"),
    [
        ("0.909  dog", "0.855  dog"),
        ("0.909  dog", "0.909  cat"),
        ("3 files", "4 files"),
        ("a\nb", "a"),
        ("a", "a\nb"),
        ("a\n...\nc", "a\nb"),
        ("version 1.2.3", "version 1.2.4"),
        ("3.1e-06", "3.1e-05"),
        ("", "a"),
    ],
)
def test_what_is_not_the_same(shown, came):
    assert difference(shown, came) is not None


def test_messages_are_compared_where_they_are_shown():
    assert difference("htsat: 2 left out\nx", "x", "htsat: other\nhtsat: 2 left out\n") is None
    assert difference("htsat: 3 left out\nx", "x", "htsat: 2 left out\n") is not None
    assert difference("x", "x", "htsat: 2 left out\n") is None


def read(page, tmp_path, monkeypatch):
    """The first thing that is wrong on a page."""
    put_programs_in_reach(tmp_path / "programs", monkeypatch)
    monkeypatch.chdir(tmp_path)
    reader = Reader({})
    return next((wrong for wrong in map(reader.read, blocks_of(page)) if wrong), None)


@pytest.mark.parametrize(
    ("page", "wrong"),
    [
        ("```python\nx = 2\n```\n```python\nprint(x)\n```\n```\n2\n```\n", None),
        ("```python\nprint(2)\n```\n```\n3\n```\n", "came '2'"),
        ("```python\n1 / 0\n```\n", "ZeroDivisionError"),
        ("```\nhtsat tag missing.wav\n```\n", "missing.wav: No such file"),
        ("```sh\necho a | tr a b\n```\n```\nb\n```\n", None),
        ("```sh\nfalse | cat\n```\n", "exit code 1"),
        ("```sh\npython -c 'import sys; print(sys.stdout.isatty())'\n```\n```\nTrue\n```\n", None),
        ("```console\n$ echo a\na\n$ echo b\nc\n```\n", "echo b: shown 'c', came 'b'"),
        ("<!-- not run: it fails -->\n```sh\nfalse\n```\n", None),
    ],
)
def test_reading_a_page(page, wrong, tmp_path, monkeypatch):
    found = read(page, tmp_path, monkeypatch)
    assert found is None if wrong is None else wrong in (found or "")
