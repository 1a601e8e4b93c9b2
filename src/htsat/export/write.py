"""Exported files: the graph of a network, its header, and the scores that it must give on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx

from htsat.checkpoints import Model, header
from htsat.engines.exported import FilePrecision, Runtime, check_suffix, encode, reference_clip
from htsat.engines.onnx_engine import OnnxEngine
from htsat.engines.torch_engine import TorchEngine
from htsat.errors import ConfigError
from htsat.export.graph import build_graph
from htsat.files import atomic_path
from htsat.network import HTSAT
from htsat.scores import FloatArray


def export_model(
    model: Model,
    path: Path,
    runtime: Runtime = "onnx",
    precision: FilePrecision = "fp32",
    calibration: Sequence[FloatArray] = (),
) -> None:
    """Write a model for another runtime, and open it there before it gets its name.

    An OpenVINO file is two: `.xml`, and the weights beside it in `.bin`.

    Args:
        model: the network in float32, with its card.
        path: ends with the suffix of the runtime.
        runtime: what will run it.
        precision: `fp16` and `bf16` store weights in half the bytes, which ONNX Runtime widens when it loads
            them; OpenVINO computes `bf16` files in bfloat16. `int8` computes linear layers in eight bits.
        calibration: clips `(L,)` such as the model will hear, which `int8` needs.

    Raises:
        ConfigError: when the suffix is another, or `int8` has no clips.
        ParityError: when the file does not give the scores of the network; nothing is written.
    """
    check_suffix(path, runtime)
    graph = _graph(model.network, precision, calibration)
    engine = TorchEngine(model, path.stem, "cpu")
    reference = engine.frame_scores(reference_clip(engine.description.clip_samples))
    document = header.encode(model.network.config, model.card)
    onnx.helper.set_model_props(graph, encode(document, precision, reference))
    if runtime == "onnx":
        _write_onnx(graph, path)
    else:
        _write_openvino(graph, path)


def _graph(network: HTSAT, precision: FilePrecision, calibration: Sequence[FloatArray]) -> onnx.ModelProto:
    if precision != "int8":
        return build_graph(network, precision)
    if not len(calibration):
        raise ConfigError("int8 needs clips to calibrate with")
    from htsat.export.quantize import quantized

    return quantized(build_graph(network), calibration)


def _write_onnx(graph: onnx.ModelProto, path: Path) -> None:
    with atomic_path(path) as temporary:
        onnx.save(graph, temporary)
        OnnxEngine(temporary, path.stem)


def _write_openvino(graph: onnx.ModelProto, path: Path) -> None:
    """The weights get their name first: a file that lacks them, or has others, does not pass its check."""
    import openvino

    from htsat.engines.openvino_engine import OpenVinoEngine, read_graph

    with atomic_path(path) as temporary, atomic_path(path.with_suffix(".bin")) as weights:
        source = temporary.with_suffix(".onnx")
        try:
            onnx.save(graph, source)
            openvino.save_model(read_graph(source), temporary, compress_to_fp16=False)
            OpenVinoEngine(temporary, path.stem)
            temporary.with_suffix(".bin").replace(weights)
        finally:
            source.unlink(missing_ok=True)
            temporary.with_suffix(".bin").unlink(missing_ok=True)
