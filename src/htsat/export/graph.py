"""The network as an ONNX graph: waveform in, frame logits and embeddings out.

Not traced from torch but stated a second time, in the form that runtimes compute fastest. What follows from
sizes alone (Fourier kernels, attention masks) is told by formulas that a runtime works out when it loads the
graph; the file holds the weights and little else.

B batch, L samples, C channels, f frequency cells, T output frames (T' those of the last stage), K classes,
D embedding.
"""

from __future__ import annotations

import onnx
import torch

from htsat.engines.exported import INPUT, output_shapes
from htsat.export.builder import GraphBuilder, Value
from htsat.export.heads import Map, add_fine_head, add_head
from htsat.export.layers import add_layer_norm, add_unfold
from htsat.export.spectrum import add_tokens
from htsat.export.stages import Tokens, add_stage
from htsat.network import HTSAT
from htsat.network.swin import Stage


def build_graph(network: HTSAT, storage: str = "fp32") -> onnx.ModelProto:
    """The graph of a network, with its weights stored as `fp32`, `fp16` or `bf16`.

    Its outputs are those of `HTSATOutput` that there are: `frame_logits` unless it is an encoder,
    `tagging_logits` if there is a fine head, `embedding` and `frame_embedding`.
    """
    g = GraphBuilder(storage)
    outputs = _add_outputs(g, network, _add_stages(g, add_tokens(g, INPUT, network), network))
    shapes = output_shapes(network.config)
    clips = ("batch", network.config.clip_samples)
    return g.model({INPUT: clips}, outputs, {name: ("batch", *shapes[name]) for name in outputs})


def _add_stages(g: GraphBuilder, first: Value, network: HTSAT) -> list[Map]:
    """The maps of all stages, the finest first."""
    height, width = network.config.token_grid
    tokens = Tokens.of_grid(first, (height, width))
    maps = []
    for index, stage in enumerate(network.stages):
        assert isinstance(stage, Stage)
        grid = (height >> index, width >> index)
        stage_tokens, tokens = add_stage(g, tokens, stage, grid)
        maps.append(Map(stage_tokens, grid))
    return maps


def _add_outputs(g: GraphBuilder, network: HTSAT, maps: list[Map]) -> dict[str, Value]:
    config, last = network.config, maps[-1]
    natural = last.tokens.arranged(g, torch.arange(len(last.tokens.order)))
    normalised = add_layer_norm(g, natural, network.norm)
    features = add_unfold(g, normalised, last.grid, config.n_folds, config.embedding_dim)  # (B, D, f, T')
    frame_embedding = g.transpose(g.add("ReduceMean", features, g.integers(2), keepdims=0), 0, 2, 1)
    embedding = g.add("ReduceMean", frame_embedding, g.integers(1), keepdims=0)
    outputs = {"embedding": embedding, "frame_embedding": frame_embedding}
    if config.head == "none":
        return outputs
    tagging_logits = add_head(g, network.head, features, frame_embedding)
    if network.fine_head is None:
        return {"frame_logits": tagging_logits, **outputs}
    fine_logits = add_fine_head(g, network.fine_head, maps)
    return {"frame_logits": fine_logits, "tagging_logits": tagging_logits, **outputs}
