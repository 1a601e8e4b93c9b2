"""From the name of a model to a recogniser that is ready to listen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from htsat.checkpoints.resolve import resolve
from htsat.engines.choose import DeviceName, EngineName, EngineSettings, Precision, open_engine
from htsat.engines.parts import SOUND_AT_ONCE_S, clips_at_once
from htsat.engines.protocol import Computation, RunningEngine
from htsat.errors import ConfigError
from htsat.recognition.clips import Short
from htsat.recognition.recognizer import Recognizer
from htsat.recognition.silence import GatedEngine

if TYPE_CHECKING:
    from htsat.network import HTSAT


class LoadedModel(Recognizer):
    """A recogniser that hears silence once, and knows what runs its network."""

    def __init__(
        self,
        runtime: RunningEngine,
        *,
        gate_dbfs: float | None = None,
        batch_size: int | None = None,
        overlap: float = 0.5,
        short: Short = "repeat",
    ) -> None:
        n_together = _usual_batch_size(runtime) if batch_size is None else batch_size
        super().__init__(GatedEngine(runtime, gate_dbfs), batch_size=n_together, overlap=overlap, short=short)
        self._runtime = runtime

    @property
    def computation(self) -> Computation:
        """What runs the network, where, and in which precision."""
        return self._runtime.computation

    @property
    def network(self) -> HTSAT:
        """The module inside, in evaluation mode and on its device.

        Raises:
            ConfigError: when another runtime runs the network.
        """
        from htsat.engines.torch_engine import TorchEngine

        if not isinstance(self._runtime, TorchEngine):
            raise ConfigError("the network is at hand with the engine torch only: load(..., engine='torch')")
        return self._runtime.network


def load(  # noqa: PLR0913  (the settings of listening, for users in one place)
    model: str | Path | None = None,
    *,
    device: DeviceName = "auto",
    engine: Literal["auto"] | EngineName = "auto",
    precision: Precision | None = None,
    n_threads: int | None = None,
    compiled: bool = False,
    batch_size: int | None = None,
    overlap: float = 0.5,
    short: Short = "repeat",
    gate_dbfs: float | None = None,
) -> LoadedModel:
    """Load a model to listen with.

    Args:
        model: a name, a model file (`.safetensors`, or `.onnx`, `.xml` from `htsat export`), or
            `hf://owner/repo`; None is the model in the package.
        device: `auto` takes the first of CUDA, MPS and CPU that there is; exported files run on the CPU.
        engine: what runs the network; `auto` takes the fastest that is installed and gives the right scores.
        precision: `bf16` is faster where the processor supports it; probabilities then move by about 0.01.
            `auto` is bf16 there and float32 elsewhere; None is what the file says: float32, unless it was
            exported otherwise, so that all machines agree.
        n_threads: of the processor; None is all cores.
        compiled: whether torch compiles the network first.
        batch_size: clips that run together; None is 20 s of sound on a processor, where more only takes
            memory (docs/performance.md), and 160 s elsewhere.
        overlap: fraction of a clip that neighbouring clips share.
        short: what fills the clip of a recording that is shorter: its repetition, or zeros.
        gate_dbfs: clips whose RMS is below this level count as silence (`htsat.recognition.silence`).

    Raises:
        CheckpointError: when there is no such model, or the file is not one.
        ConfigError: when a setting does not exist or is out of range.
        MissingExtraError: when what runs such a file is not installed.
    """
    settings = EngineSettings(engine, device, precision, n_threads, compiled)
    path = resolve(model, exported=settings.wants_exported)
    name = path.stem if model is None else str(model)
    return LoadedModel(
        open_engine(path, name, settings),
        gate_dbfs=gate_dbfs,
        batch_size=batch_size,
        overlap=overlap,
        short=short,
    )


def _usual_batch_size(runtime: RunningEngine) -> int:
    """Clips that together last so long as pays off where the network runs."""
    sound_s = SOUND_AT_ONCE_S if runtime.computation.device == "cpu" else 160.0
    return clips_at_once(runtime.description, sound_s)
