"""Exported files: the graph of a network, its header, and the scores that it must give on every machine."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import onnx

from htsat.checkpoints import Model, header
from htsat.engines.exported import FilePrecision, Runtime, check_suffix, encode, reference_clip
from htsat.engines.onnx_engine import OnnxEngine
from htsat.engines.torch_engine import TorchEngine
from htsat.errors import ConfigError, HtsatError, last_line
from htsat.export.graph import build_graph
from htsat.files import atomic_path, temporary_folder
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
    from htsat.engines.openvino_engine import OpenVinoEngine

    with (
        atomic_path(path) as graph_file,
        atomic_path(path.with_suffix(".bin")) as weight_file,
        temporary_folder(path.resolve().parent, f".{path.name}.writing-") as folder,
    ):
        written = _converted(graph, folder)
        OpenVinoEngine(written, path.stem)
        shutil.copyfile(written.with_suffix(".bin"), weight_file)
        shutil.copyfile(written, graph_file)


def _converted(graph: onnx.ModelProto, folder: Path) -> Path:
    """The graph as OpenVINO writes it, in two files of a folder."""
    import openvino

    from htsat.engines.openvino_engine import read_graph

    source, target = folder / "graph.onnx", folder / "graph.xml"
    onnx.save(graph, source)
    try:
        openvino.save_model(read_graph(source), target, compress_to_fp16=False)
    except RuntimeError as error:  # all that it says of a full disk
        raise HtsatError(f"{folder.parent}: OpenVINO cannot write its files: {last_line(error)}") from error
    return target
