"""What exported files say, and how damaged and foreign ones are refused."""

from __future__ import annotations

import base64
import copy
import json
import shutil

import numpy as np
import onnx
import pytest

from htsat.checkpoints import header
from htsat.engines import onnx_engine, openvino_engine
from htsat.engines.exported import (
    KEYS,
    OUTPUTS,
    ParityError,
    decode,
    difference,
    encode,
    engine_output,
    require_parity,
)
from htsat.engines.onnx_engine import OnnxEngine
from htsat.engines.openvino_engine import OpenVinoEngine
from htsat.engines.protocol import EngineOutput, ModelDescription
from htsat.errors import CheckpointError
from htsat.export.write import export_model

NOT_OURS = "not a model that `htsat export` has written"


@pytest.fixture
def reference():
    random = np.random.default_rng(0)
    shapes = [(1, 8, 3), (1, 8, 3), (1, 32), (1, 8, 32)]
    return EngineOutput(*(random.standard_normal(shape).astype(np.float32) for shape in shapes))


@pytest.fixture
def metadata(small_model, reference):
    return encode(header.encode(small_model.network.config, small_model.card), "fp16", reference)


def test_metadata_comes_back_as_it_was(small_model, reference, metadata, tmp_path):
    found = decode(tmp_path / "m.onnx", metadata)
    assert tuple(metadata) == KEYS
    assert (found.config, found.card) == (small_model.network.config, small_model.card)
    assert found.precision == "fp16"
    for name in OUTPUTS:
        np.testing.assert_array_equal(getattr(found.reference, name), getattr(reference, name))


@pytest.mark.parametrize("kind", ["onnx", "xml"])
def test_both_formats_keep_it(kind, files, small_model):
    read = {"onnx": onnx_engine.read_exported, "xml": openvino_engine.read_exported}[kind]
    found = read(files / f"small.{kind}")
    assert (found.config, found.card) == (small_model.network.config, small_model.card)
    assert found.precision == "fp32"
    as_onnx = onnx_engine.read_exported(files / "small.onnx").reference
    np.testing.assert_array_equal(found.reference.frame_logits, as_onnx.frame_logits)


def replaced_array(text):
    """The reference, with scores of too few frames."""
    arrays = json.loads(text)
    return json.dumps(arrays | {"frame_logits": base64.b64encode(bytes(8)).decode()})


@pytest.mark.parametrize(
    ("key", "damage", "message"),
    [
        ("htsat", lambda text: text[:-1], "header is not JSON"),
        ("htsat", lambda text: text.replace('"n_classes": 3', '"n_classes": 4'), "4 classes in the network"),
        ("htsat_precision", lambda _: "fp8", "precision must be one of fp32, fp16, bf16, int8, got 'fp8'"),
        ("htsat_reference", lambda text: text[:-1], "the reference scores cannot be read: JSONDecodeError"),
        (
            "htsat_reference",
            lambda text: text.replace('": "', '": "?'),
            "the reference scores cannot be read",
        ),
        ("htsat_reference", lambda _: "{}", r"cannot be read: KeyError\('frame_logits'\)"),
        ("htsat_reference", lambda _: "[1]", "the reference scores cannot be read: TypeError"),
        (
            "htsat_reference",
            lambda _: '{"frame_logits": 1}',
            "the reference scores cannot be read: TypeError",
        ),
        ("htsat_reference", lambda _: "[" * 100_000, "the reference scores cannot be read: RecursionError"),
        ("htsat_reference", replaced_array, "the reference scores cannot be read: ValueError"),
    ],
)
def test_damaged_metadata_is_one_line(key, damage, message, metadata, tmp_path):
    with pytest.raises(CheckpointError, match=message) as caught:
        decode(tmp_path / "m.onnx", metadata | {key: damage(metadata[key])})
    assert str(caught.value).startswith(f"{tmp_path / 'm.onnx'}: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(tmp_path)) + 200


@pytest.mark.parametrize("missing", KEYS)
def test_a_file_without_our_metadata_is_foreign(missing, metadata, tmp_path):
    with pytest.raises(CheckpointError, match=f": {NOT_OURS}$"):
        decode(tmp_path / "m.onnx", {key: text for key, text in metadata.items() if key != missing})


@pytest.mark.parametrize("engine", [OnnxEngine, OpenVinoEngine])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (lambda whole: whole[: len(whole) // 2], "cannot read it: "),
        (lambda _: b"hello", "cannot read it: "),
        (lambda _: b"", f"cannot read it: |{NOT_OURS}"),
    ],
)
def test_a_damaged_onnx_file_is_one_line(engine, content, reason, files, tmp_path):
    path = tmp_path / "small.onnx"
    path.write_bytes(content((files / "small.onnx").read_bytes()))
    with pytest.raises(CheckpointError, match=reason) as caught:
        engine(path, "small")
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("suffix", "content", "reason"),
    [
        (".bin", None, "Empty weights data in bin file or bin file cannot be found!"),
        (".bin", lambda whole: whole[:-100], "Incorrect weights in bin file!"),
        (".xml", lambda whole: whole[: len(whole) // 2], r"\S+"),
        (".xml", lambda _: b"", "No document element found"),
    ],
)
def test_a_damaged_openvino_file_is_one_line(suffix, content, reason, files, tmp_path):
    for each in (".xml", ".bin"):
        shutil.copy(files / f"small{each}", tmp_path)
    damaged = tmp_path / f"small{suffix}"
    whole = damaged.read_bytes()
    damaged.unlink()
    if content is not None:
        damaged.write_bytes(content(whole))
    path = tmp_path / "small.xml"
    with pytest.raises(CheckpointError, match=f"^{path}: OpenVINO cannot read it: {reason}"):
        OpenVinoEngine(path, "small")


def test_weights_of_another_model_are_refused(files, small_model, tmp_path):
    """As a crash between the renaming of both files would leave them."""
    network = copy.deepcopy(small_model.network)
    network.norm.weight.data *= 1.5
    export_model(small_model._replace(network=network), tmp_path / "small.xml", "openvino")
    shutil.copy(files / "small.xml", tmp_path)
    with pytest.raises(ParityError, match=r"^small: computed by OpenVINO .* probabilities are off by"):
        OpenVinoEngine(tmp_path / "small.xml", "small")


@pytest.mark.parametrize("engine", [OnnxEngine, OpenVinoEngine])
def test_a_foreign_onnx_file_is_refused(engine, files, tmp_path):
    graph = onnx.load(files / "small.onnx")
    del graph.metadata_props[:]
    onnx.save(graph, tmp_path / "foreign.onnx")
    with pytest.raises(CheckpointError, match=f"^{tmp_path}/foreign.onnx: {NOT_OURS}$"):
        engine(tmp_path / "foreign.onnx", "foreign")


@pytest.mark.parametrize(("engine", "runtime"), [(OnnxEngine, "ONNX Runtime"), (OpenVinoEngine, "OpenVINO")])
def test_a_graph_that_does_not_run_is_one_line(engine, runtime, files, tmp_path):
    """Our metadata over a graph that takes clips of another length."""
    graph = onnx.load(files / "small.onnx")
    graph.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 4_001
    onnx.save(graph, tmp_path / "other.onnx")
    with pytest.raises(CheckpointError, match=f"^{tmp_path}/other.onnx: {runtime} cannot r") as caught:
        engine(tmp_path / "other.onnx", "other")
    assert "\n" not in str(caught.value)


class Answering:
    """An engine that gives the reference, moved by so much."""

    def __init__(self, description, reference, **moved):
        self.description = description
        self._answer = reference._replace(
            **{name: getattr(reference, name) + np.float32(by) for name, by in moved.items()}
        )

    def frame_scores(self, clips):
        assert clips.shape == (1, self.description.clip_samples)
        return self._answer


@pytest.fixture
def description(small_model):
    return ModelDescription.of("m", small_model.network.config, small_model.card)


@pytest.mark.parametrize(
    ("moved", "precision", "passes"),
    [
        ({}, "fp32", True),
        ({"frame_logits": 1e-5}, "fp32", True),
        ({"frame_logits": 1e-2}, "fp32", False),
        ({"tagging_logits": 1e-2}, "fp32", False),
        ({"embedding": 1e-1}, "fp32", False),
        ({"frame_embedding": 1e-1}, "fp32", False),
        ({"frame_logits": 1e-2}, "fp16", True),
        ({"frame_logits": 1e-1}, "fp16", False),
        ({"frame_logits": 1e-1}, "bf16", True),
        ({"frame_logits": 1.0}, "bf16", False),
        ({"frame_logits": 0.5}, "int8", True),
        ({"frame_logits": 5.0}, "int8", False),
        ({"frame_logits": np.nan}, "int8", False),
        ({"embedding": np.inf}, "int8", False),
    ],
)
def test_how_far_off_an_engine_may_be(moved, precision, passes, description, reference):
    engine = Answering(description, reference, **moved)
    if passes:
        require_parity("runtime", engine, reference, [precision])
    else:
        with pytest.raises(
            ParityError, match=rf"^m: computed by runtime \({precision}\) probabilities are off"
        ):
            require_parity("runtime", engine, reference, [precision])


def test_the_rougher_of_two_precisions_counts(description, reference):
    engine = Answering(description, reference, frame_logits=0.5)
    require_parity("runtime", engine, reference, ["int8", "bf16"])
    with pytest.raises(ParityError, match=r"\(bf16\)"):
        require_parity("runtime", engine, reference, ["fp32", "bf16"])


def test_an_answer_of_another_shape_is_infinitely_far(description, reference):
    other = reference._replace(frame_logits=reference.frame_logits[:, :-1])
    assert difference(other, reference, description).probability == np.inf


def test_outputs_that_a_graph_lacks_are_filled_in(reference):
    arrays = reference._asdict()
    tagging_alone = engine_output({name: arrays[name] for name in OUTPUTS if name != "tagging_logits"})
    assert tagging_alone.tagging_logits is tagging_alone.frame_logits
    encoder = engine_output({name: arrays[name] for name in ("embedding", "frame_embedding")})
    assert encoder.frame_logits.shape == encoder.tagging_logits.shape == (1, 8, 0)
