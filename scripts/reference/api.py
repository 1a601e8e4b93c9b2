"""The pages of the Python reference: public names, signatures and docstrings, read from the source."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).parents[2] / "src"
WIDTH = 100


class Page(NamedTuple):
    """One page: its title, what it is for, and the modules whose public names it tells."""

    title: str
    purpose: str
    modules: Sequence[str]


PAGES = {
    "listening": Page(
        "Listening",
        "`import htsat` has `load`, `Recognizer` and the values; here stand the modules they live in.",
        [
            "htsat.loading",
            "htsat.recognition.recognizer",
            "htsat.recognition.hearing",
            "htsat.recognition.live",
            "htsat.scores",
            "htsat.rules",
            "htsat.labels",
            "htsat.errors",
        ],
    ),
    "events": Page(
        "From scores to events",
        "What makes events of the scores of frames.",
        ["htsat.recognition.events", "htsat.recognition.runs", "htsat.recognition.boxes"],
    ),
    "network": Page(
        "The network",
        "The paper as a PyTorch module (extra `torch`): `from htsat.network import HTSAT, ModelConfig`.",
        ["htsat.network.model", "htsat.network.config", "htsat.network.heads", "htsat.network.frontend"],
    ),
    "checkpoints": Page(
        "Model files",
        "`htsat.checkpoints` has `Model`, `ModelCard`, `load_model`, `read_card` and `save_model`.",
        [
            "htsat.checkpoints.file",
            "htsat.checkpoints.card",
            "htsat.checkpoints.resolve",
            "htsat.checkpoints.hub",
        ],
    ),
    "engines": Page(
        "Engines",
        "What runs a network, and what listening asks of it.",
        ["htsat.engines.protocol", "htsat.engines.choose"],
    ),
    "export": Page("Export", "Networks as graphs for ONNX Runtime and OpenVINO.", ["htsat.export.write"]),
    "formats": Page(
        "Files of events and scores",
        "Readers and writers that scripts need; commands read and write all of docs/listening.md.",
        ["htsat.formats.dcase", "htsat.formats.score_tables", "htsat.formats.embeddings"],
    ),
    "data": Page(
        "Data",
        "What is labelled, and where its sound lies.",
        [
            "htsat.data.clip",
            "htsat.data.manifest",
            "htsat.data.events",
            "htsat.data.label_folder",
            "htsat.data.stores",
        ],
    ),
    "metrics": Page(
        "Metrics",
        "Of clips and of events; numpy only.",
        [
            "htsat.metrics.summary",
            "htsat.metrics.clip_based",
            "htsat.metrics.ranking",
            "htsat.metrics.event_table",
            "htsat.metrics.intersection_based",
            "htsat.metrics.collar_based",
            "htsat.metrics.segment_based",
            "htsat.metrics.counting",
            "htsat.metrics.psds",
            "htsat.metrics.psds_parameters",
            "htsat.metrics.calibration",
        ],
    ),
    "evaluation": Page(
        "Evaluation",
        "A model or an ensemble on labelled recordings; lists of events compared; rules tuned.",
        [
            "htsat.evaluation.ensemble",
            "htsat.evaluation.evaluate",
            "htsat.evaluation.report",
            "htsat.evaluation.event_based",
            "htsat.evaluation.event_report",
            "htsat.evaluation.class_map",
            "htsat.evaluation.rule_sets",
            "htsat.evaluation.tuning",
            "htsat.evaluation.tuned_model",
            "htsat.evaluation.soup",
        ],
    ),
    "training": Page(
        "Settings of training",
        "Every field is an option of `htsat finetune`, `train` and `teach`: `optimisation.batch_size` of "
        "`Experiment` is `--optimisation.batch-size`.",
        ["htsat.training.experiment", "htsat.data.augment", "htsat.training.mixing", "htsat.training.train"],
    ),
    "pictures": Page(
        "Pictures",
        "Drawn by matplotlib (extra `train`).",
        [
            "htsat.pictures.clip",
            "htsat.pictures.spectrogram",
            "htsat.pictures.curves",
            "htsat.pictures.confusions",
        ],
    ),
}

_SECTION = re.compile(r"^(Args|Raises):$", re.MULTILINE)
_ENTRY = re.compile(r"^    (\w[\w.]*): ", re.MULTILINE)


def api_pages() -> dict[str, str]:
    """The pages by their place below `docs/`."""
    rows = [f"| [{page.title}]({name}.md) | {page.purpose} |" for name, page in PAGES.items()]
    index = [
        "# Python reference",
        "",
        "Written from the docstrings by `python scripts/write_reference.py`.",
        "",
    ]
    index += ["| | |", "|---|---|", *rows, ""]
    pages = {f"api/{name}.md": "\n".join(_page(page)) for name, page in PAGES.items()}
    return {"api/index.md": "\n".join(index), **pages}


def _page(page: Page) -> Iterator[str]:
    yield from (f"# {page.title}", "", page.purpose, "")
    for module in page.modules:
        path = SOURCE / module.replace(".", "/")
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        yield from (f"## `{module}`", "", _text(ast.get_docstring(tree)), "")
        for node in tree.body:
            yield from _thing(node, "###")


def _thing(node: ast.stmt, level: str) -> Iterator[str]:
    """Heading, signature and docstring of a public class or function; of a class its methods too."""
    if not isinstance(node, ast.ClassDef | ast.FunctionDef) or node.name.startswith("_") or _overload(node):
        return
    yield from (f"{level} `{node.name}`", "", "```text", *_signature(node), "```", "")
    yield from (_text(ast.get_docstring(node)), "")
    if isinstance(node, ast.ClassDef):
        yield from _fields(node)
        for member in node.body:
            yield from _thing(member, level + "#")


def _overload(node: ast.ClassDef | ast.FunctionDef) -> bool:
    return any(isinstance(name, ast.Name) and name.id == "overload" for name in node.decorator_list)


def _signature(node: ast.ClassDef | ast.FunctionDef) -> Iterator[str]:
    yield from (f"@{ast.unparse(decorator)}" for decorator in node.decorator_list)
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(map(ast.unparse, node.bases))
        yield f"class {node.name}({bases})" if bases else f"class {node.name}"
        constructors = [member for member in node.body if _is_constructor(member)]
        yield from (line for member in constructors for line in _function(member, node.name))
    else:
        yield from _function(node, node.name)


def _is_constructor(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == "__init__"


def _function(node: ast.stmt, name: str) -> Iterator[str]:
    """One line, or one for each argument where that is too long."""
    assert isinstance(node, ast.FunctionDef)
    arguments = re.sub(r"(?<=[\w\])])=(?!=)", " = ", ast.unparse(node.args))
    result = f" -> {ast.unparse(node.returns)}" if node.returns and name == node.name else ""
    line = f"{name}({re.sub(r'^self(, )?', '', arguments)}){result}"
    yield from textwrap.wrap(line, WIDTH, subsequent_indent=" " * (len(name) + 1))


def _fields(node: ast.ClassDef) -> Iterator[str]:
    """The annotated fields of a class, each with the docstring that stands below it."""
    below = [*node.body[1:], ast.Pass()]
    rows = [
        f"| `{ast.unparse(field.target)}` | `{_in_table(ast.unparse(field.annotation))}` | "
        f"{_default(field)} | {_in_table(_string(follower))} |"
        for field, follower in zip(node.body, below, strict=True)
        if isinstance(field, ast.AnnAssign) and not ast.unparse(field.target).startswith("_")
    ]
    if rows:
        yield from ("| field | type | default | |", "|---|---|---|---|", *rows, "")


def _default(field: ast.AnnAssign) -> str:
    if field.value is None:
        return ""
    text = re.sub(r"field\(default_factory=(\w+)\)", r"\1()", ast.unparse(field.value))
    return f"`{_in_table(text)}`"


def _string(node: ast.stmt) -> str:
    if (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ):
        return " ".join(node.value.value.split())
    return ""


def _in_table(text: str) -> str:
    return text.replace("|", "\\|")


def _text(docstring: str | None) -> str:
    """A docstring as Markdown: its sections become lists."""
    if docstring is None:
        return ""
    return _ENTRY.sub(r"- `\1`: ", _SECTION.sub(r"**\1**\n", docstring)).rstrip()
