"""Exported networks on OpenVINO: the fastest on Intel's processors, and on others with bfloat16.

In bfloat16 the spectrum is still computed in float32: a quiet bin beside a loud one needs more than eight
bits. So the graph is cut in two at the log-mel.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from htsat.engines.choose import Precision
from htsat.engines.exported import (
    LOG_MEL,
    OUTPUTS,
    Exported,
    FilePrecision,
    decode,
    engine_output,
    one_line,
    require_parity,
)
from htsat.engines.onnx_file import require_own_weights
from htsat.engines.openvino_reports import reports_withheld
from htsat.engines.parts import in_parts
from htsat.engines.protocol import Computation, EngineOutput, ModelDescription
from htsat.engines.signal_stack import signal_stack_kept
from htsat.scores import FloatArray

with reports_withheld():
    import openvino
    from openvino import opset15 as opset
    from openvino.frontend import FrontEndManager

_HINTS = {"fp32": "f32", "fp16": "f32", "int8": "f32", "bf16": "bf16"}
_METADATA = "framework"
_RUNTIME = f"OpenVINO {openvino.__version__.partition('-')[0]}"


class OpenVinoEngine:
    """An exported `.xml` (with its `.bin`) or `.onnx` file on OpenVINO, checked as `OnnxEngine` checks.

    `precision` None is that of the file; `bf16` is possible for any. Layers in eight bits stay so. A
    processor without bf16 computes in float32: `computation` tells.

    Raises:
        CheckpointError: when the file is not a model that `htsat export` has written.
        ParityError: when its answers are not those of the network that was exported.
    """

    def __init__(
        self, path: Path, name: str, precision: Precision | None = None, n_threads: int | None = None
    ) -> None:
        graph = read_graph(path)
        exported = decode(path, _metadata(graph))
        self.description = ModelDescription.of(name, exported.config, exported.card)
        computed = _computed(precision, exported.precision)
        with one_line(path, "OpenVINO cannot run"), signal_stack_kept():
            parts = _parts(graph, _HINTS[computed])
            compiled = [_compiled(part, hint, n_threads) for part, hint in parts]
            self.computation = Computation(_RUNTIME, "cpu", _precision(compiled[-1], exported.precision))
            self._requests = [part.create_infer_request() for part in compiled]
            require_parity(_RUNTIME, self, exported.reference, [exported.precision, computed])

    def frame_scores(self, clips: FloatArray) -> EngineOutput:
        """Run the network on clips `(B, clip_samples)` at the model's sample rate."""
        return in_parts(self._run, clips, self.description)

    def _run(self, clips: FloatArray) -> EngineOutput:
        values: Any = clips
        for request in self._requests:
            results = request.infer([values], share_inputs=True)
            values = results[0]
        return engine_output({_name(output): np.array(value) for output, value in results.items()})


def read_exported(path: Path) -> Exported:
    """What an `.xml` or `.onnx` file says; it is not run.

    Raises:
        CheckpointError: when the file is not a model that `htsat export` has written.
    """
    return decode(path, _metadata(read_graph(path)))


def read_graph(path: Path) -> openvino.Model:
    """The graph of a file.

    The reader is chosen by the suffix: OpenVINO would try them all, and each would print what it misses.

    Raises:
        CheckpointError: when the file is damaged, or lacks its weights.
    """
    if path.suffix != ".xml":
        require_own_weights(path)
    frontend = FrontEndManager().load_by_framework("ir" if path.suffix == ".xml" else "onnx")
    with one_line(path, "OpenVINO cannot read"):
        return frontend.convert(frontend.load(str(path)))


def _metadata(graph: openvino.Model) -> dict[str, str]:
    """The texts of the file, which OpenVINO keeps when it makes its own of an ONNX file."""
    if not graph.has_rt_info([_METADATA]):
        return {}
    return {key: value.astype(str) for key, value in graph.rt_info[_METADATA].items()}


def _parts(graph: openvino.Model, hint: str) -> list[tuple[openvino.Model, str]]:
    """The whole graph in float32; in fewer bits what follows the log-mel, after a part in float32."""
    if hint == "f32":
        return [(graph, hint)]
    log_mel = next(op.output(0) for op in graph.get_ordered_ops() if LOG_MEL in op.output(0).names)
    spectrum = openvino.Model([log_mel], graph.get_parameters(), "spectrum")
    image = opset.parameter(log_mel.partial_shape, name=LOG_MEL)
    for consumer in log_mel.get_target_inputs():
        if consumer.get_node().get_type_name() != "Result":
            consumer.replace_source_output(image.output(0))
    return [(spectrum, "f32"), (openvino.Model(graph.get_results(), [image], "network"), hint)]


def _name(output: Any) -> str:
    """Which of our outputs it is: OpenVINO keeps the names of what it has joined, too."""
    return next(name for name in OUTPUTS if name in output.names)


def _computed(wanted: Precision | None, of_file: FilePrecision) -> FilePrecision:
    """The precision to compute in."""
    if wanted is None:
        return of_file
    if wanted != "auto":
        return wanted
    has_bf16 = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "bf16" if has_bf16 else "fp32"


def _precision(compiled: openvino.CompiledModel, of_file: FilePrecision) -> str:
    """The precision that OpenVINO has chosen."""
    name = {"f32": "fp32", "bf16": "bf16"}[compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()]
    return f"int8 and {name}" if of_file == "int8" else name


def _compiled(part: openvino.Model, hint: str, n_threads: int | None) -> openvino.CompiledModel:
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"}
    settings["ENABLE_CPU_PINNING"] = False  # pinned threads would make no room for those that decode ahead
    if n_threads is not None:
        settings["INFERENCE_NUM_THREADS"] = n_threads
    return openvino.Core().compile_model(part, "CPU", settings)
