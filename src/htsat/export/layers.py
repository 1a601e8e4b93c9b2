"""Layers that stand in all parts of the network, as operators of a graph.

B batch, C channels, H, W token grid, f frequency cells, T frames.
"""

from __future__ import annotations

from torch import nn

from htsat.export.builder import GraphBuilder, Value


def add_layer_norm(g: GraphBuilder, value: Value, norm: nn.LayerNorm) -> Value:
    """Layer norm over the last axis."""
    scale, bias = g.constant(norm.weight.float()), g.constant(norm.bias.float())
    return g.add("LayerNormalization", value, scale, bias, axis=-1, epsilon=norm.eps)


def add_linear(g: GraphBuilder, value: Value, linear: nn.Linear) -> Value:
    """Linear layer over the last axis, with or without a bias."""
    product = g.add("MatMul", value, g.weight(linear.weight.T))
    return product if linear.bias is None else g.add("Add", product, g.constant(linear.bias.float()))


def add_perceptron(g: GraphBuilder, value: Value, layers: nn.Module) -> Value:
    """Two linear layers with a GELU between them: the `nn.Sequential` of a block."""
    first, _, second = layers.children()
    assert isinstance(first, nn.Linear)
    assert isinstance(second, nn.Linear)
    return add_linear(g, g.add("Gelu", add_linear(g, value, first)), second)


def add_convolution(g: GraphBuilder, value: Value, convolution: nn.Conv1d | nn.Conv2d) -> Value:
    """Convolution with zeros around."""
    assert convolution.bias is not None
    padding = [int(size) for size in convolution.padding]
    return g.add(
        "Conv",
        value,
        g.weight(convolution.weight),
        g.constant(convolution.bias.float()),
        strides=convolution.stride,
        pads=padding + padding,
        group=convolution.groups,
    )


def add_unfold(g: GraphBuilder, tokens: Value, grid: tuple[int, int], n_folds: int, channels: int) -> Value:
    """`folding.unfold` for tokens `(B, H * W, C)` in the order of their grid -> `(B, C, f, T)`."""
    height, width = grid
    stretches = g.reshape(tokens, -1, n_folds, height // n_folds, width, channels)
    return g.reshape(g.transpose(stretches, 0, 4, 2, 1, 3), -1, channels, height // n_folds, n_folds * width)
