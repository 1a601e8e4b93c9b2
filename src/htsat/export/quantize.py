"""Linear layers in eight bits: what a graph computes on real clips says how far its values reach."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from htsat.engines.exported import INPUT
from htsat.scores import FloatArray


def quantized(graph: onnx.ModelProto, clips: Sequence[FloatArray]) -> onnx.ModelProto:
    """The graph with its linear layers in int8, weights by channel.

    Spectrum, attention, norms and the classifier's convolution stay in float32: together they hold little of
    the work and most of what eight bits would cost.

    Args:
        graph: in float32.
        clips: `(L,)` each, such as the model will hear.
    """
    with tempfile.TemporaryDirectory() as folder, _no_advice():
        exact, rough = Path(folder, "exact.onnx"), Path(folder, "rough.onnx")
        onnx.save(graph, exact)
        quantize_static(
            exact,
            rough,
            _Clips(clips),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["MatMul"],
            nodes_to_quantize=_linear_layers(graph),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return onnx.load(rough)


class _Clips(CalibrationDataReader):  # type: ignore[misc]
    """Clips one at a time, as the quantiser asks for them."""

    def __init__(self, clips: Sequence[FloatArray]) -> None:
        self._clips = iter(clips)

    def get_next(self) -> dict[str, FloatArray] | None:
        """The next clip, a batch of one."""
        clip = next(self._clips, None)
        return None if clip is None else {INPUT: clip[None]}


def _linear_layers(graph: onnx.ModelProto) -> list[str]:
    """Products of values with weights; those of attention have no weights, the mel filters come first."""
    weights = {tensor.name for tensor in graph.graph.initializer}
    return [node.name for node in graph.graph.node if node.op_type == "MatMul" and node.input[1] in weights]


@contextmanager
def _no_advice() -> Iterator[None]:
    """The quantiser advises on the root logger to optimise the graph first: there is nothing to optimise."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
