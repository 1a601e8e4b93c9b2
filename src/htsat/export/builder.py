"""An ONNX graph while it is built: operators, and constants in as few bytes as they need."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from ml_dtypes import bfloat16
from numpy.typing import DTypeLike, NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

OPSET = 20
"""The first with GELU as one operator."""
_IR_VERSION = 10
"""Of the file format: that of the opset, so that runtimes of its time read the file."""

STORAGE: dict[str, DTypeLike] = {"fp32": np.float32, "fp16": np.float16, "bf16": bfloat16}
"""Types in which weights may be stored."""

Value = str
"""The name of what an operator gives, or of a constant."""


class GraphBuilder:
    """Collects operators in the order of their computation.

    Matrices and kernels of weights are stored as `storage` says and widened to float32 by the graph itself,
    which runtimes do once, when they load it.
    """

    def __init__(self, storage: str = "fp32") -> None:
        self._storage = np.dtype(STORAGE[storage])
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[bytes, Value] = {}
        self._tensors: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: Value, **attributes: Any) -> Value:
        """The output of a new operator."""
        return self.add_many(operator, 1, *inputs, **attributes)[0]

    def add_many(self, operator: str, n_outputs: int, *inputs: Value, **attributes: Any) -> list[Value]:
        """All outputs of a new operator."""
        name = f"{operator}_{len(self._nodes)}"
        outputs = [name] if n_outputs == 1 else [f"{name}_{index}" for index in range(n_outputs)]
        self._nodes.append(helper.make_node(operator, list(inputs), outputs, name, **attributes))
        return outputs

    def named(self, name: str, value: Value) -> Value:
        """The same value under a name by which it can be found in the finished graph."""
        self._nodes.append(helper.make_node("Identity", [value], [name], name))
        return name

    def constant(self, array: NDArray[Any] | Tensor) -> Value:
        """An array as it is; equal ones are stored once."""
        array = np.ascontiguousarray(_array(array))
        key = repr((array.dtype, array.shape)).encode() + array.tobytes()
        if key not in self._constants:
            self._constants[key] = f"constant_{len(self._constants)}"
            self._tensors.append(numpy_helper.from_array(array, self._constants[key]))
        return self._constants[key]

    def integers(self, *values: int) -> Value:
        """A list of whole numbers: axes, a shape."""
        return self.constant(np.array(values, np.int64))

    def scalar(self, value: float) -> Value:
        """One number in float32."""
        return self.constant(np.array(value, np.float32))

    def weight(self, tensor: Tensor) -> Value:
        """A learned matrix or kernel."""
        stored = self.constant(_array(tensor).astype(self._storage))
        return stored if self._storage == np.float32 else self.add("Cast", stored, to=TensorProto.FLOAT)

    def reshape(self, value: Value, *shape: int) -> Value:
        """`value` in another shape; -1 stands for the batch."""
        return self.add("Reshape", value, self.integers(*shape))

    def transpose(self, value: Value, *axes: int) -> Value:
        """`value` with its axes in another order."""
        return self.add("Transpose", value, perm=axes)

    def take(self, value: Value, indices: NDArray[Any] | Tensor, axis: int) -> Value:
        """Elements of `value` along an axis, at fixed places."""
        return self.add("Gather", value, self.constant(indices), axis=axis)

    def model(
        self, inputs: dict[str, tuple[str | int, ...]], outputs: dict[str, Value], shapes: dict[str, Any]
    ) -> onnx.ModelProto:
        """The finished graph; what is given out gets the names of `outputs`."""
        for name, value in outputs.items():
            self.named(name, value)
        graph = helper.make_graph(
            self._nodes,
            "htsat",
            [_float32(name, shape) for name, shape in inputs.items()],
            [_float32(name, shapes[name]) for name in outputs],
            self._tensors,
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=_IR_VERSION,
            producer_name="htsat",
        )
        onnx.checker.check_model(model, full_check=True)
        return model


def _array(value: NDArray[Any] | Tensor) -> NDArray[Any]:
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)


def _float32(name: str, shape: tuple[str | int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
