"""Model files of all kinds: `python fuzz/checkpoints.py -max_total_time=60`.

Only what is ours is guided by coverage: the runtimes' own readers are native code and are fed with the same
inputs, whose graphs are never run.
"""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["htsat"]):
    from htsat.checkpoints import header
    from htsat.checkpoints.convert import convert
    from htsat.checkpoints.file import load_model
    from htsat.engines.exported import decode
    from htsat.engines.onnx_file import require_own_weights

import torch
from harness import fuzz
from safetensors.torch import save

from htsat.checkpoints.card import ModelCard
from htsat.labels import LabelSet
from htsat.network import HTSAT, ModelConfig
from htsat.rules import EventRules

ONNX = bytes.fromhex("080812046874736174") + b":\x00"


def document(path: Path) -> None:
    """The header of a model, whatever stands around it."""
    header.decode({"htsat": path.read_text(encoding="utf-8", errors="replace")})


def exported(path: Path) -> None:
    """What an exported file says beside its graph: a line for each key."""
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    decode(path, dict(zip(("htsat", "htsat_precision", "htsat_reference"), lines, strict=False)))


def _small() -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    config = ModelConfig(
        n_classes=2,
        dim=4,
        depths=(2, 2),
        n_heads=(1, 1),
        n_mels=8,
        n_fft=64,
        fold_frames=64,
        n_folds=1,
        clip_s=0.5,
        sample_rate=8000,
        hop_length=80,
        max_hz=4000,
        window=2,
    )
    card = ModelCard(LabelSet.of(["a", "b"]), "multi_label", EventRules((0.5, 0.5)), {"source": "a"})
    return HTSAT(config).state_dict(), header.encode(config, card)


def _saved(content: object, **options: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


if __name__ == "__main__":
    weights, metadata = _small()
    reference = json.dumps(
        {"frame_logits": "AAAA", "tagging_logits": "", "embedding": "", "frame_embedding": ""}
    )
    tensors = {
        "state_dict": {"sed_model.bn0.weight": torch.ones(2), "sed_model.tscam_conv.weight": torch.ones(1)}
    }
    readers = {
        "model.safetensors": load_model,
        "header": document,
        "exported": exported,
        "foreign.pt": convert,
        "foreign.ckpt": convert,
        "graph.onnx": require_own_weights,
    }
    seeds = {
        "model.safetensors": save({"a": torch.ones(2)}, metadata=metadata),
        "header": metadata["htsat"].encode(),
        "exported": f"{metadata['htsat']}\nfp32\n{reference}".encode(),
        "foreign.pt": _saved(tensors),
        "foreign.ckpt": _saved(tensors, _use_new_zipfile_serialization=False),
        "foreign.ckpt code": pickle.dumps({"state_dict": print}),
        "graph.onnx": ONNX,
    }
    fuzz(readers, seeds)
