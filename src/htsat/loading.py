"""From the name of a model to a recogniser that is ready to listen."""

from __future__ import annotations

from pathlib import Path

from htsat.checkpoints.file import load_model
from htsat.checkpoints.resolve import resolve
from htsat.engines.torch_engine import DeviceName, Precision, TorchEngine
from htsat.errors import ConfigError
from htsat.network import HTSAT
from htsat.recognition.clips import Short
from htsat.recognition.recognizer import Recognizer

_ENGINES = ("auto", "torch")


class LoadedModel(Recognizer):
    """A recogniser whose network runs on PyTorch and is at hand."""

    engine: TorchEngine

    @property
    def network(self) -> HTSAT:
        """The module inside, in evaluation mode and on its device."""
        return self.engine.network


def load(  # noqa: PLR0913  (the settings of listening, for users in one place)
    model: str | Path | None = None,
    *,
    device: DeviceName = "auto",
    engine: str = "auto",
    precision: Precision = "fp32",
    batch_size: int = 8,
    overlap: float = 0.5,
    short: Short = "repeat",
) -> LoadedModel:
    """Load a model to listen with.

    Args:
        model: a name, a model file, or `hf://owner/repo`; None is the model in the package.
        device: `auto` takes the first of CUDA, MPS and CPU that there is.
        engine: what runs the network; `auto` and `torch` are the same today.
        precision: `bf16` is faster where the processor supports it; probabilities then move by about 0.01.
        batch_size: clips that run together.
        overlap: fraction of a clip that neighbouring clips share.
        short: what fills the clip of a recording that is shorter: its repetition, or zeros.

    Raises:
        CheckpointError: when there is no such model, or the file is not one.
        ConfigError: when a setting does not exist or is out of range.
    """
    if engine not in _ENGINES:
        raise ConfigError(f"engine must be one of {', '.join(_ENGINES)}, got {engine!r}")
    path = resolve(model)
    name = path.stem if model is None else str(model)
    runtime = TorchEngine(load_model(path), name, device, precision)
    return LoadedModel(runtime, batch_size=batch_size, overlap=overlap, short=short)
