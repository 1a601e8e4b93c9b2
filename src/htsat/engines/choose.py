"""From the file of a model to an engine that runs it on this machine."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

from htsat.engines.exported import SUFFIXES, Exported, ParityError
from htsat.engines.protocol import RunningEngine
from htsat.errors import CheckpointError, ConfigError, HtsatWarning, MissingExtraError

EngineName = Literal["torch", "onnx", "openvino"]

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
"""Where to run; `auto` takes the first of CUDA, MPS and CPU that there is."""

Precision = Literal["auto", "fp32", "bf16"]
"""Of the matrix products; log-mel and results are float32 in any case. `auto` is bf16 where the processor or
device has it, and the engine uses it."""

_READERS: dict[str, tuple[EngineName, ...]] = {
    ".safetensors": ("torch",),
    ".onnx": ("openvino", "onnx"),
    ".xml": ("openvino",),
}
"""What runs the files of each suffix, the fastest first (docs/performance.md)."""
_PACKAGES: dict[EngineName, str] = {"torch": "torch", "onnx": "onnxruntime", "openvino": "openvino"}


@dataclass(frozen=True)
class EngineSettings:
    """How a network is to be run.

    - `engine`: what runs it; `auto` takes the fastest that is installed, can read the file, computes in the
      precision that was asked for, and gives the scores that the file brings along.
    - `precision`: None is that of the file.
    - `n_threads`: of the processor; None is all cores.
    - `compiled`: whether torch compiles the network first, which takes a minute and a C++ compiler.

    Raises:
        ConfigError: when a setting does not exist, or two do not go together.
    """

    engine: Literal["auto"] | EngineName = "auto"
    device: DeviceName = "auto"
    precision: Precision | None = None
    n_threads: int | None = None
    compiled: bool = False

    def __post_init__(self) -> None:
        _require("engine", self.engine, ("auto", *get_args(EngineName)))
        _require("device", self.device, get_args(DeviceName))
        if self.precision is not None:
            _require("precision", self.precision, get_args(Precision))
        if self.engine == "onnx" and self.precision == "bf16":
            raise ConfigError("ONNX Runtime computes in float32; bf16 needs the engine openvino or torch")
        if self.engine in ("onnx", "openvino") and (self.compiled or self.device in ("cuda", "mps")):
            what = "compiling" if self.compiled else f"device {self.device}"
            raise ConfigError(f"{what} needs the engine torch, got {self.engine}")

    @property
    def wants_exported(self) -> bool:
        """Whether a model that comes as both had better be run from its exported file."""
        if self.engine != "auto":
            return self.engine in _READERS[".onnx"]
        return any(self.suits(engine) and is_installed(engine) for engine in _READERS[".onnx"])

    def suits(self, engine: EngineName) -> bool:
        """Whether an engine can do what is asked for."""
        if self.engine != "auto":
            return engine == self.engine
        if engine == "torch":
            return True
        is_special = self.compiled or self.device in ("cuda", "mps")
        return not is_special and not (engine == "onnx" and self.precision == "bf16")


def _require(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigError(f"{name} must be one of {', '.join(known)}, got {value!r}")


def is_installed(engine: EngineName) -> bool:
    """Whether the package of an engine is there; it is not imported."""
    return find_spec(_PACKAGES[engine]) is not None


def open_engine(path: Path, name: str, settings: EngineSettings) -> RunningEngine:
    """An engine that runs the model of a file.

    A runtime that does not give the scores of an exported file is passed over with a warning, if another can
    take its place.

    Raises:
        CheckpointError: when the file is not a model.
        ConfigError: when nothing runs such a file in the way that is asked for.
        MissingExtraError: when what could is not installed.
        ParityError: when nothing that could gives the right scores.
    """
    readers = _readers(path, settings)
    installed = _installed(path, readers)
    for engine in installed[:-1]:
        try:
            return _open(engine, path, name, settings)
        except ParityError as error:
            warnings.warn(f"{error}; trying another runtime", HtsatWarning, stacklevel=2)
    return _open(installed[-1], path, name, settings)


def _readers(path: Path, settings: EngineSettings) -> list[EngineName]:
    """The engines that can run a file, the fastest first."""
    if path.suffix not in _READERS:
        raise CheckpointError(
            f"{path}: a model ends with {', '.join(_READERS)}; "
            "a foreign checkpoint must go through `htsat convert`"
        )
    able = _READERS[path.suffix]
    suited = [engine for engine in able if settings.suits(engine)]
    if not suited:
        raise ConfigError(f"{path.name} runs on {' or '.join(able)}, {_obstacle(path, settings)}")
    return suited


def _installed(path: Path, readers: Sequence[EngineName]) -> list[EngineName]:
    installed = [engine for engine in readers if is_installed(engine)]
    if not installed:
        raise MissingExtraError(path.name, readers[0])
    return installed


def _obstacle(path: Path, settings: EngineSettings) -> str:
    """What stands against the engines of a file, and what to do."""
    if settings.engine == "auto":
        wish = "compiled" if settings.compiled else f"on {settings.device}"
        return f"not {wish}: that needs its .safetensors"
    if path.suffix == ".safetensors":
        return f"not on {settings.engine}; `htsat export` makes a file for it"
    return f"not on {settings.engine}"


def is_model(path: Path) -> bool:
    """Whether a file is, by its suffix, one that some engine runs."""
    return path.suffix in _READERS


def is_exported(path: Path) -> bool:
    """Whether a file is, by its suffix, one of `htsat export`."""
    return path.suffix in SUFFIXES.values()


def read_exported(path: Path) -> Exported:
    """What an exported file says; it is not run.

    Raises:
        CheckpointError: when the file is not a model that `htsat export` has written.
        MissingExtraError: when what could read it is not installed.
    """
    readers = _installed(path, _READERS[path.suffix])
    if "onnx" in readers:
        from htsat.engines import onnx_engine

        return onnx_engine.read_exported(path)
    from htsat.engines import openvino_engine

    return openvino_engine.read_exported(path)


def _open(engine: EngineName, path: Path, name: str, settings: EngineSettings) -> RunningEngine:
    """Imports what runs it, and nothing else."""
    if engine == "onnx":
        from htsat.engines.onnx_engine import OnnxEngine

        return OnnxEngine(path, name, settings.n_threads)
    if engine == "openvino":
        from htsat.engines.openvino_engine import OpenVinoEngine

        return OpenVinoEngine(path, name, settings.precision, settings.n_threads)
    from htsat.checkpoints.file import load_model
    from htsat.engines.torch_engine import TorchEngine, use_threads

    if settings.n_threads is not None:
        use_threads(settings.n_threads)
    precision = settings.precision or "fp32"
    return TorchEngine(load_model(path), name, settings.device, precision, compiled=settings.compiled)
