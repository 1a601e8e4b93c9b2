"""Finds the command, runs it, and turns every error into one line and an exit code.

This module imports next to nothing, so that `htsat --help` is instant.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

import htsat
from htsat.cli.terminal import one_line, open_streams, printable_results
from htsat.errors import ConfigError, HtsatError, HtsatWarning, MissingExtraError, did_you_mean

COMMANDS = {
    "tag": "name what is heard in recordings",
    "detect": "find when each sound begins and ends",
    "plot": "draw a recording with what is heard in it, as a picture or a page",
    "report": "write a page about what is heard in many recordings",
    "segments": "cut found events out as sound files, to look through",
    "listen": "report sounds live, each when it has ended",
    "serve": "open a page in the browser that listens, and the same for programs",
    "embed": "turn recordings into vectors",
    "search": "find recordings that sound like one, or like words",
    "similar": "find what sounds alike among embedded recordings",
    "finetune": "train a model on your own recordings",
    "train": "run an experiment: a preset, or a file of settings",
    "teach": "write a model's answers down, for another to learn from",
    "average": "make one model of several by averaging their weights",
    "labels": "put files of strong labels into other formats, and see what they hold",
    "evaluate": "measure how well a model hears labelled recordings",
    "evaluate-events": "compare detected events with true ones",
    "tune": "choose rules for events on labelled recordings",
    "prepare": "make a data set ready for training",
    "pack": "pack recordings into shards, for sets of millions",
    "export": "write a model for ONNX Runtime or OpenVINO",
    "convert": "turn a published checkpoint into a model file",
    "info": "tell what a model, recording, training run or data set is",
    "models": "list the models known by name, and get them",
    "doctor": "tell what works here, what is missing, and what mends it",
}

DEBUG = ContextVar("debug", default=False)
"""Whether errors show where they come from."""

EXIT_FAILED = 1
EXIT_WRONG_USE = 2
EXIT_INTERRUPTED = 130
_EXIT_BROKEN_PIPE = 141

_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_WITHOUT_NAME = "standard output, or a temporary file"
"""Who cannot be written, where the system does not say: all else is told by its name."""

_EXTRAS = {
    "torch": "torch",
    "safetensors": "torch",
    "huggingface_hub": "hub",
    "onnx": "export",
    "openvino": "openvino",
    "lightning": "train",
    "jsonargparse": "train",
    "yaml": "train",
    "transformers": "text",
    "av": "media",
    "fsspec": "remote",
    "urllib3": "remote",
    "ray": "ray",
    "matplotlib": "plot",
}


class _Problem(NamedTuple):
    """One line for the user, and the exit code."""

    message: str
    exit_code: int


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; return the exit code: 0 done, 1 something failed, 2 wrong use."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    DEBUG.set("--debug" in arguments)
    open_streams()
    try:
        with _own_warnings_in_one_line(), printable_results():
            code = _run([argument for argument in arguments if argument != "--debug"])
        sys.stdout.flush()
        return code
    except SystemExit as request:
        return request.code if isinstance(request.code, int) else EXIT_FAILED
    except BrokenPipeError:
        _drop_standard_output()
        return _EXIT_BROKEN_PIPE
    except (Exception, KeyboardInterrupt) as error:
        if DEBUG.get():
            traceback.print_exc()
        problem = _explain(error)
        print(f"htsat: {one_line(problem.message)}", file=sys.stderr)
        return problem.exit_code


@contextmanager
def _own_warnings_in_one_line() -> Iterator[None]:
    """Show ours as messages, each time; those of other libraries as ever."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", HtsatWarning)
        warnings.showwarning = partial(_show_warning, warnings.showwarning)
        yield


def _show_warning(
    usual: Callable[..., None], message: Warning | str, category: type[Warning], *place: Any
) -> None:
    if issubclass(category, HtsatWarning):
        print(f"htsat: {one_line(str(message))}", file=sys.stderr)
    else:
        usual(message, category, *place)


def _run(arguments: list[str]) -> int:
    name = arguments[0] if arguments else ""
    if name in COMMANDS:
        return int(import_module(f"htsat.cli.{name.replace('-', '_')}").main(arguments[1:]))
    if name == "--version":
        print(f"htsat {htsat.__version__}")
    elif name in ("-h", "--help"):
        print(_help())
    else:
        problem = f"unknown command {name!r}{did_you_mean(name, COMMANDS)}" if name else "no command given"
        raise ConfigError(f"{problem} (htsat --help lists them)")
    return 0


def _help() -> str:
    commands = "\n".join(f"  {name:<16} {purpose}" for name, purpose in COMMANDS.items())
    return f"""usage: htsat COMMAND ...

Hear what is in a recording and when.

commands:
{commands}

options:
  --version  show the version
  --debug    show where an error comes from (after any command)
  --help     show this text, or that of a command: htsat tag --help

example:
  htsat tag street.flac"""


def _explain(error: BaseException) -> _Problem:
    match error:
        case KeyboardInterrupt():
            return _Problem("interrupted", EXIT_INTERRUPTED)
        case ConfigError():
            return _Problem(str(error), EXIT_WRONG_USE)
        case HtsatError():
            return _Problem(str(error), EXIT_FAILED)
        case ModuleNotFoundError() if error.name and error.name.partition(".")[0] in _EXTRAS:
            package = error.name.partition(".")[0]
            return _Problem(str(MissingExtraError("this command", _EXTRAS[package])), EXIT_FAILED)
        case OSError() if error.strerror and (error.filename or error.errno in _DISK_ERRORS):
            return _Problem(f"{error.filename or _WITHOUT_NAME}: {error.strerror}", EXIT_FAILED)
    words = " ".join(str(error).split())
    return _Problem(f"internal error: {type(error).__name__}: {words} (--debug shows where)", EXIT_FAILED)


def _drop_standard_output() -> None:
    """Nobody reads it any more; without this Python would complain once more when it exits."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
