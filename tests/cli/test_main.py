from __future__ import annotations

import subprocess
import sys
import warnings
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import htsat
from htsat.cli.main import COMMANDS, main
from htsat.errors import CheckpointError, ConfigError, HtsatWarning


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Puts a command in the place of `tag` that raises an error."""

    def install(error: BaseException) -> None:
        def run(argv: list[str]) -> int:
            raise error

        module = ModuleType("htsat.cli.tag")
        module.main = run  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "htsat.cli.tag", module)

    return install


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name}" in shown and purpose in shown for name, purpose in COMMANDS.items())
    assert "example:\n" in shown


def test_the_table_of_commands_is_that_of_the_modules() -> None:
    folder = Path(htsat.__file__).parent / "cli"
    modules = {
        path.stem.replace("_", "-")
        for path in folder.glob("*.py")
        if "def main(argv: list[str]) -> int:" in path.read_text()
    }
    assert modules == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_ends_with_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--help"]) == 0
    assert "htsat " + command in capsys.readouterr().out.rpartition("example")[2]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"htsat {htsat.__version__}\n"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["tga"], "unknown command 'tga'; did you mean 'tag'? (htsat --help lists them)"),
        ([], "no command given (htsat --help lists them)"),
        (["tag"], "the following arguments are required: INPUT"),
        (["tag", "--tpo", "3", "a.wav"], "unknown option '--tpo'; did you mean '--top'?"),
        (["tag", "--to", "3", "a.wav"], "unknown option '--to'; did you mean '--top'?"),
    ],
)
def test_wrong_use(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"htsat: {message}\n")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ConfigError("top must be positive"), 2, "top must be positive"),
        (CheckpointError("x: is not a model"), 1, "x: is not a model"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(28, "No space left on device", "out.csv"), 1, "out.csv: No space left on device"),
        (
            ModuleNotFoundError("No module named 'lightning.fabric'", name="lightning.fabric"),
            1,
            "this command needs packages that are not installed: pip install 'htsat[train]'",
        ),
        (KeyError("a\nb"), 1, "internal error: KeyError: 'a\\nb' (--debug shows where)"),
        (RuntimeError("a\nb"), 1, "internal error: RuntimeError: a b (--debug shows where)"),
    ],
)
def test_every_error_is_one_line(failing, error, code, message, capsys) -> None:  # type: ignore[no-untyped-def]
    failing(error)
    assert main(["tag"]) == code
    assert capsys.readouterr().err == f"htsat: {message}\n"


@pytest.mark.parametrize("argv", [["--debug", "tag"], ["tag", "--debug"]])
def test_debug_shows_where_an_error_comes_from(failing, argv, capsys) -> None:  # type: ignore[no-untyped-def]
    failing(CheckpointError("x: is not a model"))
    assert main(argv) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("Traceback")
    assert shown.endswith("\nhtsat: x: is not a model\n")


def test_help_imports_nothing_heavy() -> None:
    script = """
import sys
from htsat.cli.main import main
code = main(["--help"])
heavy = {"torch", "numpy", "soundfile", "tqdm", "argparse"} & set(sys.modules)
sys.exit(f"imported {heavy}" if heavy else code)
"""
    run = python("-c", script)
    assert (run.returncode, run.stderr) == (0, "")


def test_also_as_a_module() -> None:
    run = python("-m", "htsat", "--version")
    assert (run.returncode, run.stdout) == (0, f"htsat {htsat.__version__}\n")


def test_a_reader_that_goes_away_early_is_no_trouble() -> None:
    script = """
import os, sys
reading, writing = os.pipe()
os.close(reading)
os.dup2(writing, 1)
from htsat.cli.main import main
sys.exit(main(["--help"]))
"""
    run = python("-c", script)
    assert (run.returncode, run.stderr) == (141, "")


def test_every_command_has_a_main() -> None:
    assert all(callable(import_module(f"htsat.cli.{name.replace('-', '_')}").main) for name in COMMANDS)


@pytest.fixture
def warning(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Puts a command in the place of `tag` that warns twice."""

    def install(kind: type[Warning]) -> None:
        def run(argv: list[str]) -> int:
            for _ in range(2):
                warnings.warn("not as fast as it could be", kind, stacklevel=1)
            return 0

        module = ModuleType("htsat.cli.tag")
        module.main = run  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "htsat.cli.tag", module)

    return install


def test_own_warnings_are_messages(warning, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    warning(HtsatWarning)
    assert main(["tag"]) == 0
    assert capsys.readouterr().err == "htsat: not as fast as it could be\n" * 2


def test_warnings_of_others_stay_as_they_are(warning, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    warning(UserWarning)
    usual = warnings.showwarning
    with pytest.warns(UserWarning, match="not as fast"):
        assert main(["tag"]) == 0
    assert capsys.readouterr().err == ""
    assert warnings.showwarning is usual
