"""Exported networks on ONNX Runtime: processors of every make, without torch.

It computes in float32; files of fewer bits are smaller, and those of int8 are faster too.
"""

from __future__ import annotations

import os
from pathlib import Path

import onnxruntime

from htsat.engines.exported import INPUT, Exported, decode, engine_output, one_line, require_parity
from htsat.engines.onnx_file import require_own_weights
from htsat.engines.parts import in_parts
from htsat.engines.protocol import Computation, EngineOutput, ModelDescription
from htsat.scores import FloatArray

_ONLY_FATAL = 4


class OnnxEngine:
    """An exported `.onnx` file on ONNX Runtime, checked against the scores that it brings along.

    `n_threads` None is all cores.

    Raises:
        CheckpointError: when the file is not a model that `htsat export` has written.
        ParityError: when its answers are not those of the network that was exported.
    """

    def __init__(self, path: Path, name: str, n_threads: int | None = None) -> None:
        self._session = _session(path, n_threads)
        self._outputs = [output.name for output in self._session.get_outputs()]
        exported = _exported(path, self._session)
        self.description = ModelDescription.of(name, exported.config, exported.card)
        precision = "int8" if exported.precision == "int8" else "fp32"
        self.computation = Computation(f"ONNX Runtime {onnxruntime.__version__}", "cpu", precision)
        with one_line(path, "ONNX Runtime cannot run"):
            require_parity(self.computation.runtime, self, exported.reference, [exported.precision])

    def frame_scores(self, clips: FloatArray) -> EngineOutput:
        """Run the network on clips `(B, clip_samples)` at the model's sample rate."""
        return in_parts(self._run, clips, self.description)

    def _run(self, clips: FloatArray) -> EngineOutput:
        values = self._session.run(self._outputs, {INPUT: clips})
        return engine_output(dict(zip(self._outputs, values, strict=True)))


def read_exported(path: Path) -> Exported:
    """What an `.onnx` file says; it is not run.

    Raises:
        CheckpointError: when the file is not a model that `htsat export` has written.
    """
    return _exported(path, _session(path, 1))


def _exported(path: Path, session: onnxruntime.InferenceSession) -> Exported:
    return decode(path, session.get_modelmeta().custom_metadata_map)


def _session(path: Path, n_threads: int | None) -> onnxruntime.InferenceSession:
    require_own_weights(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads or os.cpu_count() or 1
    options.log_severity_level = _ONLY_FATAL
    # Threads that wait in a loop would take the cores from those that decode ahead.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    with one_line(path, "ONNX Runtime cannot read"):
        return onnxruntime.InferenceSession(_source(path), options, providers=["CPUExecutionProvider"])


def _source(path: Path) -> Path | bytes:
    """What to open; a file whose name is no text is handed over by its content."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return path.read_bytes()
    return path
