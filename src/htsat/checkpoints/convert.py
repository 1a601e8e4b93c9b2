"""Foreign checkpoints as models of ours: the kind is recognised from the names of the tensors."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from htsat.checkpoints import clap, imagenet, official
from htsat.checkpoints.card import ModelCard
from htsat.checkpoints.file import Model
from htsat.checkpoints.names import Converted, Tensors
from htsat.checkpoints.pickles import read_foreign, weights_file
from htsat.checkpoints.problems import naming, some
from htsat.checkpoints.tensors import build
from htsat.errors import CheckpointError
from htsat.files import sha256
from htsat.labels import LabelSet
from htsat.rules import default_rules
from htsat.scores import Task

_PREFIXES = ("module.", official.PREFIX)


class Conversion(NamedTuple):
    """A converted model, and what the user should know about it."""

    model: Model
    notes: tuple[str, ...]


class Classes(NamedTuple):
    """What the outputs of a classifier mean, and what had to be assumed."""

    labels: LabelSet
    task: Task
    notes: tuple[str, ...] = ()


class Recognised(NamedTuple):
    """What kind of checkpoint it is, and its weights under our names."""

    kind: str
    converted: Converted


class Published(NamedTuple):
    """A published classifier, recognised by its number of classes."""

    labels: str
    task: Task


_N_SPEECH_COMMANDS = 35
_SPEECH_COMMANDS_HZ = 16_000

# Speech Commands was trained with one-hot targets and binary cross-entropy (official behaviour 11).
_PUBLISHED = {
    527: Published("audioset", "multi_label"),
    50: Published("esc50", "multi_class"),
    _N_SPEECH_COMMANDS: Published("speech-commands-author", "multi_label"),
}


def convert(
    path: Path, labels: LabelSet | None = None, task: Task | None = None, sample_rate: int | None = None
) -> Conversion:
    """Turn a foreign checkpoint into a model.

    Known are checkpoints of the official code, unfused CLAP models of LAION and Hugging Face (as encoders)
    and Swin-T/C24 for ImageNet (as an encoder to start training from).

    Args:
        path: a `.safetensors` file, a file that torch saved, or a folder with one of Hugging Face.
        labels: names of the classes; those of the published classifiers are known by their number.
        task: `multi_label` unless the published classifier was trained otherwise.
        sample_rate: in Hz, where it differs from that of the mel filterbank in the file.

    Raises:
        CheckpointError: when the file is of no known kind, is not whole, or its classes have no names.
    """
    with naming(path):
        file = weights_file(path)
        kind, converted = _recognised(read_foreign(file), sample_rate)
        config = converted.config
        classes = _classes(config.n_classes, labels, task) if config.n_classes else _no_classes(labels, task)
        notes = (*converted.notes, *classes.notes, *_rate_doubt(converted, labels))
        network = build(config, converted.tensors)
        provenance = {
            "kind": kind,
            "source": file.name,
            "sha256 of the source": sha256(file),
            "licence": "not stated in the source",
            "notes": "; ".join(notes),
        }
        rules = default_rules(classes.task, config.n_classes)
        card = ModelCard(classes.labels, classes.task, rules, provenance)
    return Conversion(Model(network, card), notes)


def _recognised(tensors: Tensors, sample_rate: int | None) -> Recognised:
    for prefix in _PREFIXES:
        tensors = {key.removeprefix(prefix): tensor for key, tensor in tensors.items()}
    if f"{clap.LAION_PREFIX}bn0.weight" in tensors:
        return Recognised("audio encoder of LAION-CLAP", clap.from_laion(tensors, sample_rate))
    if (branch := clap.hugging_face_prefix(tensors)) is not None:
        converted = clap.from_hugging_face(tensors, branch, sample_rate)
        return Recognised("audio encoder of a Hugging Face CLAP model", converted)
    if official.claims(tensors):
        return Recognised("official HTS-AT checkpoint", official.convert(tensors, sample_rate))
    if imagenet.claims(tensors):
        return Recognised(imagenet.KIND, imagenet.convert(tensors, sample_rate))
    raise CheckpointError(
        "is of no known kind: expected the official HTS-AT, an unfused CLAP with HTS-AT, or Swin-T/C24; "
        f"got tensors {some(tensors)}"
    )


def _classes(n_classes: int, labels: LabelSet | None, task: Task | None) -> Classes:
    published = _PUBLISHED.get(n_classes)
    if labels is None:
        if published is None:
            raise CheckpointError(f"has {n_classes} classes without names; name them with --labels")
        return Classes(LabelSet.named(published.labels), task or published.task)
    if len(labels) != n_classes:
        raise CheckpointError(f"has {n_classes} classes, but there are {len(labels)} labels")
    if task is None:
        note = "the file does not tell its task: assumed multi_label (several classes at once); see --task"
        return Classes(labels, "multi_label", (note,))
    return Classes(labels, task)


def _no_classes(labels: LabelSet | None, task: Task | None) -> Classes:
    if labels is not None or task is not None:
        raise CheckpointError("becomes an encoder without classes: labels and task do not apply")
    return Classes(LabelSet(()), "multi_label")


def _rate_doubt(converted: Converted, labels: LabelSet | None) -> tuple[str, ...]:
    """The published Speech Commands model cannot be told from its file (official behaviour 1)."""
    may_be_it = converted.config.n_classes == _N_SPEECH_COMMANDS and labels is None
    if not may_be_it or converted.config.sample_rate == _SPEECH_COMMANDS_HZ:
        return ()
    return (f"if it is the published Speech Commands model, set its sample rate: {_SPEECH_COMMANDS_HZ} Hz",)
