from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from htsat.checkpoints import load_model, read_card, save_model
from htsat.errors import CheckpointError
from htsat.network import HTSAT
from htsat.rules import BoxRules, EventRules

BOXES = asdict(BoxRules())
FRONT_END = ("log_mel.", "mel_norm.")


@pytest.fixture
def path(tmp_path, small_network, small_card):
    save_model(tmp_path / "model.safetensors", small_network, small_card)
    return tmp_path / "model.safetensors"


def metadata_of(path):
    with safe_open(path, framework="pt") as file:
        return file.metadata()


def rewrite(path, tensors=None, **fields):
    """Change tensors or fields of the header (None removes one)."""
    header = {**json.loads(metadata_of(path)["htsat"]), **fields}
    header = {name: value for name, value in header.items() if value is not None}
    save_file(tensors or load_file(path), path, metadata={"htsat": json.dumps(header)})


def config_of(path):
    return json.loads(metadata_of(path)["htsat"])["config"]


def rules(thresholds, **others):
    """The rules of a header."""
    return asdict(EventRules(thresholds, **others))


def refusal(path, reader=load_model):
    with pytest.raises(CheckpointError) as caught:
        reader(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


def test_a_model_survives_the_round_trip(path, small_network, small_card):
    network, card = load_model(path)
    assert card == small_card
    assert network.config == small_network.config
    assert not network.training
    for key, tensor in small_network.state_dict().items():
        assert torch.equal(network.state_dict()[key], tensor), key


def test_half_precision_halves_the_weights_and_spares_the_front_end(path, small_network, small_card):
    whole = path.stat().st_size
    save_model(path, small_network, small_card, half=True)
    stored, loaded = load_file(path), load_model(path).network.state_dict()
    n_weights = sum(tensor.numel() for tensor in small_network.state_dict().values())
    n_spared = sum(tensor.numel() for key, tensor in stored.items() if key.startswith(FRONT_END))
    assert whole - path.stat().st_size == pytest.approx(2 * (n_weights - n_spared), rel=0.01)
    assert stored["norm.weight"].dtype == torch.float16
    for key, tensor in small_network.state_dict().items():
        assert loaded[key].dtype == tensor.dtype
        torch.testing.assert_close(loaded[key], tensor, rtol=1e-3, atol=1e-6)
        if key.startswith(FRONT_END):
            assert torch.equal(loaded[key], tensor)


def test_equal_models_are_equal_files(path, small_network, small_card, tmp_path):
    save_model(tmp_path / "again.safetensors", small_network, small_card)
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def test_the_card_is_read_without_the_weights(path, small_network, small_card, monkeypatch):
    monkeypatch.setattr("htsat.checkpoints.file.build", None)
    monkeypatch.setattr("htsat.checkpoints.file.read_tensors", None)
    assert read_card(path) == (small_network.config, small_card)


def test_an_encoder_has_no_classes(tmp_path, small_network, encoder_card):
    encoder = HTSAT(replace(small_network.config, n_classes=0, head="none"))
    save_model(tmp_path / "encoder.safetensors", encoder, encoder_card)
    loaded = load_model(tmp_path / "encoder.safetensors")
    assert loaded.network.config.head == "none"
    assert len(loaded.card.labels) == 0


def test_a_card_of_another_network_is_not_saved(tmp_path, small_network, encoder_card):
    with pytest.raises(CheckpointError, match="3 classes in the network, but 0 labels"):
        save_model(tmp_path / "model.safetensors", small_network, encoder_card)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("value", "half"), [(float("nan"), False), (float("inf"), False), (1e30, True)])
def test_weights_that_are_not_finite_are_not_saved(path, small_network, small_card, value, half):
    before = path.read_bytes()
    network = HTSAT(small_network.config)
    with torch.no_grad():
        network.norm.weight[3] = value
    with pytest.raises(CheckpointError, match=r"NaN or infinity in 1 tensor \(norm.weight\)"):
        save_model(path, network, small_card, half=half)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("reader", [load_model, read_card])
@pytest.mark.parametrize(
    "content",
    [b"", b"abc", b"hello, I am no model at all", b"\xff" * 100, bytes(64)],
    ids=["empty", "short", "text", "absurd header", "zeros"],
)
def test_what_is_no_safetensors_file_is_refused(tmp_path, content, reader):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    assert refusal(path, reader).startswith("not a whole safetensors file: ")


@pytest.mark.parametrize("reader", [load_model, read_card])
def test_a_truncated_file_is_refused(path, reader):
    path.write_bytes(path.read_bytes()[:-1])
    assert "not a whole safetensors file" in refusal(path, reader)


def test_missing_files_and_folders_are_refused(tmp_path):
    assert refusal(tmp_path / "none.safetensors") == "no such file"
    assert refusal(tmp_path).startswith("cannot be read: ")


def test_another_safetensors_file_is_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(2)}, path, metadata={"format": "pt"})
    assert refusal(path) == "not an htsat model; a foreign checkpoint must go through `htsat convert`"
    save_file({"weight": torch.zeros(2)}, path)
    assert "not an htsat model" in refusal(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "header is not JSON: "),
        ("[" * 100_000, "header is not JSON: "),
        ("[]", "header must be a JSON object, got []"),
        ('{"format_version": NaN}', "header holds NaN, expected finite numbers"),
        ('{"format_version": 2}', "5 header fields missing (config, labels, task and 2 more)"),
        ("{}", "expected format version 1 to 2, got None"),
    ],
)
def test_a_damaged_header_is_refused(path, text, message):
    save_file(load_file(path), path, metadata={"htsat": text})
    assert refusal(path).startswith(message)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"format_version": 3}, "expected format version 1 to 2, got 3"),
        ({"format_version": True}, "expected format version 1 to 2, got True"),
        ({"format_version": [2]}, "expected format version 1 to 2, got [2]"),
        ({"colour": "red"}, "1 header field unknown (colour)"),
        ({"labels": None}, "1 header field missing (labels)"),
        ({"labels": "dog"}, "labels must be a list, got 'dog'"),
        ({"labels": ["a", "b", 3]}, "labels holds 3"),
        ({"labels": ["a", "b", "a"]}, "labels: class name 'a' occurs twice"),
        ({"labels": ["a", "b", " "]}, "labels: a class name is empty"),
        ({"task": "guess"}, "unknown task 'guess' (there are: multi_label, multi_class)"),
        ({"task": ["multi_label"]}, "unknown task ['multi_label'] (there are: multi_label, multi_class)"),
        ({"rules": None}, "1 header field missing (rules)"),
        ({"rules": [0.1]}, "rules must be a JSON object, got [0.1]"),
        ({"provenance": {"year": 2026}}, "provenance must map names to texts"),
        ({"provenance": "me"}, "provenance must be a JSON object, got 'me'"),
        ({"config": []}, "config must be a JSON object, got []"),
        ({"labels": ["a", "b"], "rules": rules((0.1, 0.2))}, "3 classes in the network, but 2 labels"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(path, fields, message):
    rewrite(path, **fields)
    assert refusal(path) == message
    assert refusal(path, read_card) == message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"thresholds": [0.1, 0.2]}, "expected 3 thresholds, one per class, got 2"),
        ({"thresholds": [0.1, 0.2, 1.5]}, "rules: thresholds must be between 0 and 1, got 1.5"),
        ({"thresholds": [0.1, 0.2, True]}, "thresholds holds True"),
        ({"thresholds": [0.1, 0.2, 10**400]}, "rules: int too large to convert to float"),
        ({"thresholds": 0.5}, "thresholds must be a list, got 0.5"),
        ({"max_gap_s": [1, 2]}, "rules: max_gap_s must have one value per class (3), got 2"),
        ({"max_gap_s": "long"}, "max_gap_s holds 'long'"),
        ({"min_duration_s": -1}, "rules: min_duration_s must be a number of seconds, at least 0, got -1.0"),
        ({"colour": 1}, "1 rule unknown (colour)"),
        ({"boxes": 3}, "boxes must be a JSON object, got 3"),
        ({"boxes": {}}, "3 box rules missing (step_s, max_dip, max_relative_dip)"),
        ({"boxes": {**BOXES, "step_s": 0}}, "rules: step_s must be a number of seconds above 0, got 0.0"),
        ({"boxes": {**BOXES, "max_dip": [0.1]}}, "rules: max_dip must have one value per class (3), got 1"),
        ({"boxes": BOXES, "max_gap_s": 1}, "rules: max_gap_s is a rule on frames and must be 0 for boxes"),
    ],
)
def test_rules_that_do_not_fit_are_refused(path, changes, message):
    rewrite(path, rules={**rules((0.1, 0.2, 0.3)), **changes})
    assert refusal(path) == message
    assert refusal(path, read_card) == message


@pytest.mark.parametrize(
    "stored",
    [
        EventRules((0.1, 0.2, 0.3), (0.5, 1.0, 0.0), 0.25, (0.1, 0.2, 0.0), 0.1),
        EventRules((0.1, 0.2, 0.3), min_duration_s=(0.0, 0.1, 0.2), boxes=BoxRules((0.3, 0.4, 0.5), 0.1)),
    ],
)
def test_rules_survive_the_round_trip(path, small_network, small_card, stored):
    save_model(path, small_network, replace(small_card, rules=stored))
    assert load_model(path).card.rules == stored


def test_files_of_version_1_get_the_usual_rules(path, small_network):
    config = config_of(path)
    del config["fine_width"]
    rewrite(path, format_version=1, rules=None, thresholds=[0.1, 0.2, 1], config=config)
    network, card = load_model(path)
    assert network.config == small_network.config
    assert card.rules == EventRules.usual((0.1, 0.2, 1.0))
    rewrite(path, thresholds=[0.1, 0.2])
    assert refusal(path) == "expected 3 thresholds, one per class, got 2"
    rewrite(path, thresholds=None)
    assert refusal(path) == "1 header field missing (thresholds)"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dim": "8"}, "config: dim must be int, got '8'"),
        ({"dim": 8.0}, "config: dim must be int, got 8.0"),
        ({"dim": True}, "config: dim must be int, got True"),
        ({"depths": 4}, "config: depths must be tuple, got 4"),
        ({"depths": [2, 1, "1", 1]}, "config: depths must be int, got '1'"),
        ({"head": "two"}, "config: head must be one of token_semantic, linear, none, got 'two'"),
        ({"max_hz": 20_000.0}, "config: max_hz must not exceed half the sample rate (16000), got 20000"),
        ({"clip_s": 1e308}, "config: clip_s must lie within 281,474,976,710,656, got 1e+308"),
        ({"fold_frames": 100}, "config: fold_frames must be a multiple of 32"),
        ({"fold_frames": 32_000_000}, "config asks for 215,168,032,768 values beside the weights"),
        ({"dim": 800_000}, "config asks for 1,413,120,128,036,818 weights or more"),
        ({"n_fft": 2**40}, "config: n_fft is too long for clips of 10.0 s"),
        ({"n_mels": 2**40}, "config asks for "),
        ({"colour": 1}, "1 config field unknown (colour)"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(path, changes, message):
    rewrite(path, config={**config_of(path), **changes})
    assert refusal(path).startswith(message)


def test_a_config_without_a_field_is_refused(path):
    config = config_of(path)
    del config["patch"], config["window"]
    rewrite(path, config=config)
    assert refusal(path) == "2 config fields missing (patch, window)"


def test_whole_numbers_will_do_for_reals(path):
    rewrite(path, config={**config_of(path), "max_hz": 14000, "clip_s": 10})
    assert load_model(path).network.config.max_hz == 14_000.0


def test_missing_and_unknown_tensors_are_named(path):
    tensors = load_file(path)
    for name in ("norm.bias", "norm.weight", "patch_embedding.norm.bias", "patch_embedding.norm.weight"):
        del tensors[name]
    rewrite(path, {**tensors, "extra": torch.zeros(1)})
    assert refusal(path) == (
        "4 tensors missing (patch_embedding.norm.weight, patch_embedding.norm.bias, norm.weight and 1 more) "
        "and 1 tensor unknown (extra)"
    )


def test_shapes_must_be_those_of_the_config(path):
    rewrite(path, {**load_file(path), "norm.weight": torch.zeros(65), "norm.bias": torch.zeros(1, 64)})
    assert refusal(path) == (
        "2 tensors of another shape or type: norm.weight is real (65,), expected real (64,) and 1 more"
    )


def test_integers_are_no_weights(path):
    rewrite(path, {**load_file(path), "norm.weight": torch.zeros(64, dtype=torch.int64)})
    assert "norm.weight is integer (64,), expected real (64,)" in refusal(path)


def test_classes_must_be_those_of_the_classifier(path):
    four = {"labels": ["a", "b", "c", "d"], "rules": rules((0.5,) * 4)}
    rewrite(path, config={**config_of(path), "n_classes": 4}, **four)
    assert "head.token_semantic.weight is real (3, 64, 2, 3), expected real (4, 64, 2, 3)" in refusal(path)


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_weights_that_are_not_finite_are_refused(path, value):
    tensors = load_file(path)
    tensors["norm.weight"][5] = value
    rewrite(path, tensors)
    assert refusal(path) == "NaN or infinity in 1 tensor (norm.weight)"


def test_negative_variances_are_refused(path):
    tensors = load_file(path)
    tensors["mel_norm.running_var"][0] = -1.0
    rewrite(path, tensors)
    assert refusal(path) == "negative variances in mel_norm.running_var"
