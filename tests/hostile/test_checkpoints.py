"""Model files that were made to do harm: nothing is executed, filled or read that is not theirs."""

from __future__ import annotations

import io
import json
import os
import pickle
import resource
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from htsat.checkpoints import header
from htsat.checkpoints.card import ModelCard
from htsat.checkpoints.convert import convert
from htsat.checkpoints.file import load_model, read_card
from htsat.engines.onnx_file import require_own_weights
from htsat.errors import CheckpointError, HtsatError
from htsat.labels import LabelSet
from htsat.network import HTSAT, ModelConfig
from htsat.rules import EventRules

onnx = pytest.importorskip("onnx")

CONFIG = ModelConfig(n_classes=2, dim=8, depths=(2, 2, 2, 2), n_heads=(1, 2, 2, 4))
CARD = ModelCard(LabelSet.of(["a", "b"]), "multi_label", EventRules((0.5, 0.5)), {})


@pytest.fixture(scope="session")
def weights() -> dict[str, torch.Tensor]:
    return HTSAT(CONFIG).state_dict()


def document(**changes: Any) -> dict[str, str]:
    told = json.loads(header.encode(CONFIG, CARD)["htsat"])
    return {"htsat": json.dumps(told | {"config": told["config"] | changes})}


def refused(read: Callable[[Path], object], path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert len(message) < 1000
    return message


def packed(header: object, content: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + content


def tensor(shape: list[int], stop: int, dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [0, stop]}


HEADERS = {
    "1 GB": packed({}, length=2**30),
    "2^63 bytes": packed({}, length=2**63),
    "all bits": packed({}, length=2**64 - 1),
    "overlap": packed({"a": tensor([2], 8), "b": tensor([2], 8)}, bytes(8)),
    "overflow": packed({"a": tensor([2**32, 2**32], 0)}),
    "negative": packed({"a": tensor([-1], 4)}, bytes(4)),
    "unknown type": packed({"a": tensor([1], 4, "X9")}, bytes(4)),
    "deep": packed(b'{"a":' + b"[" * 100_000),
    "deep document": packed({"__metadata__": {"htsat": "[" * 100_000}}),
    "digits": packed({"__metadata__": {"htsat": "9" * 100_000}}),
    "names twice": packed(b'{"__metadata__":{"htsat":"{}"},"__metadata__":{"htsat":"{}"}}'),
    "eight bits": packed({"a": tensor([4], 4, "F8_E4M3"), "__metadata__": document()}, bytes(4)),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_are_refused(tmp_path: Path, name: str) -> None:
    refused(load_model, tmp_path / "a.safetensors", HEADERS[name])


CONFIGS = {
    "numbers of 4000 digits": {"dim": 10**4000},
    "wide": {"dim": 2**40},
    "fine": {"fine_width": 2**40},
    "windows": {"window": 2**40},
    "clips": {"clip_s": 1e300},
    "long clips": {"clip_s": 1e6, "hop_length": 32_000, "n_folds": 1000, "fold_frames": 1024},
    "rate": {"sample_rate": 10**300},
    "classes": {"n_classes": 2**60},
    "stages": {"depths": [2] * 10_000, "n_heads": [1] * 10_000},
    "deep stages": {"depths": [2**40, 2, 2, 2]},
    "patches": {"patch": 2**20, "n_mels": 2**23, "fold_frames": 2**23, "n_fft": 1},
    "mels": {"n_mels": 2**40, "n_fft": 1},
    "folds": {"n_folds": 2**40},
    "stretch": {"hop_length": 1, "fold_frames": 2**25},
    "minus": {"n_fft": -1},
    "infinity": {"max_hz": 1e999},
}


@pytest.mark.parametrize("name", CONFIGS)
def test_configurations_that_ask_for_too_much(
    tmp_path: Path, name: str, weights: dict[str, torch.Tensor]
) -> None:
    """Refused without taking what they ask for: that would be GB for each."""
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(load_model, tmp_path / "a.safetensors", save(weights, metadata=document(**CONFIGS[name])))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before_kb + 500_000


@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    field=st.sampled_from(sorted(json.loads(document()["htsat"])["config"])),
    value=st.one_of(
        st.integers(-(2**70), 2**70),
        st.floats(),
        st.text(max_size=3),
        st.none(),
        st.lists(st.integers(), max_size=5),
    ),
)
def test_any_configuration_is_read_or_refused(tmp_path: Path, field: str, value: object) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(save({"a": torch.zeros(1)}, metadata=document(**{field: value})))
    message = ""
    try:
        read_card(path)
    except CheckpointError as error:
        message = str(error)
    assert "\n" not in message


class Trap:
    """What runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("suffix", [".pt", ".ckpt", ".bin"])
def test_no_command_is_executed(tmp_path: Path, suffix: str, new: bool) -> None:
    trap = tmp_path / "executed"
    content = saved({"state_dict": {"a": Trap(f"touch {trap}")}}, _use_new_zipfile_serialization=new)
    assert "Nothing was executed" in refused(convert, tmp_path / f"a{suffix}", content)
    refused(convert, tmp_path / f"b{suffix}", pickle.dumps(Trap(f"touch {trap}")))
    assert not trap.exists()


def saved(content: object, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


def test_compressed_storages_are_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tensor of 16 MB of zeros in a file of some kB: neither torch nor zipfile is asked to unpack it."""
    small = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(saved({"state_dict": {"a": torch.zeros(2**22)}}))) as old,
        zipfile.ZipFile(small, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new,
    ):
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
    assert len(small.getvalue()) < 100_000
    unpacked: list[object] = []
    with monkeypatch.context() as patch:
        patch.setattr(torch, "load", unpacked.append)
        patch.setattr(zipfile.ZipFile, "open", lambda _, name, *__: unpacked.append(name))
        assert "it is compressed" in refused(convert, tmp_path / "small.pt", small.getvalue())
    assert unpacked == []


DISKS = b"PK\x06\x07" + bytes(12) + b"\x09\0\0\0"  # behind it: how many disks there are


@pytest.mark.parametrize(
    ("mark", "behind", "value"),
    [(b"PK\x01\x02", 6, b"\x76\0"), (b"PK\x05\x06", 0, DISKS), (b"PK\x01\x02", 10, b"\x63")],
)
def test_archives_that_are_damaged(tmp_path: Path, mark: bytes, behind: int, value: bytes) -> None:
    """An unknown version of zip, several disks, an unknown compression."""
    content = saved({"state_dict": {"a": torch.zeros(2)}})
    if value is DISKS:
        content = content[: content.rindex(mark)] + DISKS + content[content.rindex(mark) :]
    else:
        at = content.index(mark) + behind
        content = content[:at] + value + content[at + len(value) :]
    refused(convert, tmp_path / "a.pt", content)


VIEWS = {
    "stride 0": {"bn0.weight": torch.zeros(1).expand(10**6, 10**6)},
    "one storage": dict.fromkeys((f"a{number}" for number in range(100)), torch.zeros(1000)),
    "sparse": {"bn0.weight": torch.zeros(2, 2).to_sparse()},
    "nowhere": {"bn0.weight": torch.zeros(2, device="meta")},
    "complex": {"bn0.weight": torch.zeros(2, dtype=torch.complex64)},
    "no axes": {
        "audio_encoder.batch_norm.weight": torch.zeros(2),
        **dict.fromkeys(
            (
                f"audio_encoder.layers.0.blocks.0.attention.self.{part}.weight"
                for part in ("query", "key", "value")
            ),
            torch.zeros(()),
        ),
    },
    "stages": {
        "bn0.weight": torch.zeros(2),
        "tscam_conv.weight": torch.zeros(2, 2, 2, 3),
        "layers.99999999999.blocks.99999999999.norm1.weight": torch.zeros(2),
    },
    "empty": {
        "bn0.weight": torch.zeros(2**40, 0),
        "tscam_conv.weight": torch.zeros(527, 0, 1, 1),
        "layers.0.blocks.0.attn.relative_position_bias_table": torch.zeros(2**60, 0),
        "layers.0.blocks.1.norm1.weight": torch.zeros(0),
        "patch_embed.proj.weight": torch.zeros(2**40, 0, 1, 1),
    },
    "numbers as names": {5: torch.zeros(2), ("a", 7): torch.zeros(2)},
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", VIEWS)
def test_tensors_that_are_refused(tmp_path: Path, name: str) -> None:
    refused(convert, tmp_path / "a.pt", saved({"state_dict": VIEWS[name]}))


def graph(tmp_path: Path, location: str, where: str) -> Path:
    """An ONNX file with a tensor in another file, at one of the places where tensors are."""
    outside = onnx.TensorProto(name="w", data_type=1, dims=[4], data_location=onnx.TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "4096"), ("length", "16")):
        outside.external_data.add(key=key, value=value)
    constant = onnx.helper.make_node("Constant", [], ["y"], value=outside)
    output = onnx.helper.make_tensor_value_info("y", 1, [4])
    inner = onnx.helper.make_graph([constant], "inner", [], [output])
    truth = onnx.helper.make_tensor("c", onnx.TensorProto.BOOL, [], [True])
    either = onnx.helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
    same = onnx.helper.make_node("Identity", ["w"], ["y"])
    graphs = {
        "initialiser": onnx.helper.make_graph([same], "g", [], [output], [outside]),
        "constant": inner,
        "branch": onnx.helper.make_graph([either], "g", [], [output], [truth]),
    }
    path = tmp_path / "model" / "a.onnx"
    path.parent.mkdir()
    path.write_bytes(onnx.helper.make_model(graphs[where]).SerializeToString())
    return path


@pytest.mark.parametrize("where", ["initialiser", "constant", "branch"])
@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "beside.bin", "*/_ORT_MEM_ADDR_/*"])
def test_a_graph_leads_to_no_other_file_and_to_no_address(tmp_path: Path, location: str, where: str) -> None:
    path = graph(tmp_path, location, where)
    with pytest.raises(CheckpointError, match="refused: it says that its weights lie outside of it"):
        require_own_weights(path)


@pytest.mark.parametrize("engine", ["onnx_engine", "openvino_engine"])
def test_no_runtime_sees_such_a_graph(tmp_path: Path, engine: str) -> None:
    """An address in memory ended the process of one of them."""
    module = pytest.importorskip(f"htsat.engines.{engine}")
    path = graph(tmp_path, "*/_ORT_MEM_ADDR_/*", "initialiser")
    with pytest.raises(CheckpointError, match="outside of it"):
        module.read_exported(path)


@settings(max_examples=100, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=st.binary(max_size=60))
def test_any_bytes_are_looked_through(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    message = ""
    try:
        require_own_weights(path)
    except HtsatError as error:
        message = str(error)
    assert "\n" not in message


def test_messages_in_messages_end(tmp_path: Path) -> None:
    def inside(number: int, content: bytes) -> bytes:
        length, size = len(content), b""
        while length > 127:
            length, size = length >> 7, size + bytes([length & 127 | 128])
        return bytes([number << 3 | 2]) + size + bytes([length]) + content

    content = b""
    for _ in range(100):
        content = inside(1, inside(5, inside(6, content)))
    assert "without end" in refused(require_own_weights, tmp_path / "a.onnx", inside(7, content))


ENTITIES = '<?xml version="1.0"?><!DOCTYPE net [<!ENTITY a SYSTEM "file:///etc/passwd"><!ENTITY b "&a;&a;">]>'
GRAPHS = {
    "entities": f'{ENTITIES}<net name="&b;" version="11"><layers>&b;</layers><edges/></net>',
    "deep": "<net>" + "<layers>" * 20_000,
    "no layers": '<net name="a" version="11"><layers/><edges/></net>',
    "not closed": '<net name="a" version="11',
    "empty": "",
}


@pytest.mark.parametrize("name", GRAPHS)
def test_openvino_graphs_that_are_refused(tmp_path: Path, name: str) -> None:
    module = pytest.importorskip("htsat.engines.openvino_engine")
    (tmp_path / "a.bin").write_bytes(b"")
    refused(module.read_exported, tmp_path / "a.xml", GRAPHS[name].encode())
