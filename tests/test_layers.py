"""The house stands: imports go downwards, torch stays where it belongs, only the command line prints."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import htsat

ROOT = Path(htsat.__file__).parent
MODULES = sorted(path.relative_to(ROOT).with_suffix("") for path in ROOT.rglob("*.py"))

VALUES = {"errors", "files", "labels", "rules", "scores", "tar_members"}
MAY_IMPORT = {
    **dict.fromkeys(VALUES, VALUES),
    "network": VALUES,
    "zoo": VALUES,
    "checkpoints": VALUES | {"network", "zoo"},
    "audio": VALUES,
    "engines": VALUES | {"network", "checkpoints"},
    "recognition": VALUES | {"audio", "engines"},
    "class_sets": VALUES | {"engines", "evaluation"},
    "formats": VALUES,
    "bulk": VALUES | {"audio", "formats"},
    "export": VALUES | {"network", "checkpoints", "engines", "recognition", "data", "metrics", "evaluation"},
    "web": VALUES
    | {"audio", "engines", "recognition", "loading", "formats", "bulk", "data", "pictures", "htsat"},
    "doctor": VALUES | {"audio", "engines", "checkpoints", "zoo", "htsat"},
    "loading": VALUES | {"network", "checkpoints", "engines", "recognition"},
    "processes": VALUES,
    "search": VALUES | {"checkpoints", "engines", "recognition", "formats", "htsat"},
    "data": VALUES | {"audio", "formats", "processes"},
    "metrics": VALUES,
    "evaluation": VALUES | {"audio", "recognition", "checkpoints", "processes", "data", "metrics"},
    "pictures": VALUES | {"metrics", "evaluation", "training"},
    "reports": VALUES | {"audio", "recognition", "formats", "bulk", "data", "pictures"},
    "training": VALUES
    | {"network", "checkpoints", "audio", "recognition", "loading", "processes", "data", "metrics"}
    | {"evaluation", "htsat"},
    "cli": None,
}
"""For each part of the package the parts below it; `cli` stands on top. `htsat` is the package itself."""

TORCH = {"network", "checkpoints", "training", "export", "engines/torch_engine", "processes"}
TORCH |= {"doctor/hearing"}


def tree(module: Path) -> ast.Module:
    return ast.parse((ROOT / module).with_suffix(".py").read_text(encoding="utf-8"))


def imports(module: Path) -> Iterator[str]:
    """Dotted names of all that a module imports, wherever in it."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where a name comes from"
            names = [f"htsat.{alias.name}" for alias in node.names]
            yield from names if node.module == "htsat" else [str(node.module)]


def own_imports(module: Path) -> set[str]:
    """The parts of the package that a module imports; `htsat` for the package itself."""
    dotted = [name.split(".") for name in imports(module)]
    return {names[1] if len(names) > 1 else "htsat" for names in dotted if names[0] == "htsat"}


def test_every_part_of_the_package_has_a_place() -> None:
    assert {module.parts[0] for module in MODULES} - {"__init__", "__main__"} <= set(MAY_IMPORT)


def test_imports_go_downwards() -> None:
    upwards = {}
    for module in MODULES:
        below = MAY_IMPORT.get(module.parts[0])
        if below is not None:
            upwards[str(module)] = own_imports(module) - below - {module.parts[0]}
    assert {module: wrong for module, wrong in upwards.items() if wrong} == {}


def test_torch_stays_where_it_belongs() -> None:
    users = [
        module
        for module in MODULES
        if {name.partition(".")[0] for name in imports(module)} & {"torch", "lightning"}
    ]
    assert [str(module) for module in users if not {module.parts[0], module.as_posix()} & TORCH] == []


def test_packages_that_break_torch_stay_out() -> None:
    banned = {"torchvision", "torchaudio", "timm", "librosa"}
    assert [m for m in MODULES if banned & {name.partition(".")[0] for name in imports(m)}] == []


def speaks(module: Path) -> bool:
    """Whether a module uses `print` or the streams of the terminal."""
    return any(
        (isinstance(node, ast.Name) and node.id == "print")
        or (isinstance(node, ast.Attribute) and node.attr in ("stdin", "stdout", "stderr"))
        for node in ast.walk(tree(module))
    )


def test_only_the_command_line_prints() -> None:
    assert [module for module in MODULES if speaks(module) and module.parts[0] != "cli"] == []


def test_the_engine_protocol_knows_no_engine() -> None:
    assert {name for name in imports(Path("engines/protocol")) if name.startswith("htsat")} == {
        "htsat.checkpoints.card",
        "htsat.labels",
        "htsat.network.config",
        "htsat.rules",
        "htsat.scores",
    }


def test_listening_without_torch() -> None:
    script = """
import sys
import htsat, htsat.audio, htsat.bulk.inputs, htsat.checkpoints.resolve, htsat.cli.detect, htsat.cli.embed
import htsat.formats, htsat.recognition.recognizer
sys.exit("torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
