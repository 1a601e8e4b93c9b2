"""Models to measure, each as the files that the engines read: `.safetensors`, `.onnx` and `-int8.onnx`."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from htsat.checkpoints import Model
    from htsat.scores import FloatArray

EXAMPLES = Path(__file__).parent.parent / "examples"
CALIBRATION = ("dog.ogg", "rain.ogg", "crackling_fire.ogg")
SETTINGS = (
    ("torch", "fp32"),
    ("torch", "bf16"),
    ("onnx", "fp32"),
    ("onnx", "int8"),
    ("openvino", "fp32"),
    ("openvino", "bf16"),
    ("openvino", "int8"),
)
"""The engines, each in the precisions that it has."""
N_CLASSES = 527
RANDOM_THRESHOLD = 0.95
"""Random networks give probabilities around a half; so high, there are few events, as in real recordings."""


def run_apart(function: Callable[..., None], *args: Any) -> None:
    """Run what makes the files in a process that has ended when anything is measured.

    So nothing that it has loaded counts, and none of its threads is left.
    """
    process = multiprocessing.get_context("spawn").Process(target=function, args=args)
    process.start()
    process.join()
    if process.exitcode:
        sys.exit("what is to be measured could not be written")


def write_models(names: list[str], folder: Path) -> None:
    """Write every model in every form; the names are those of packaged models and of sizes."""
    from htsat.checkpoints import load_model, save_model
    from htsat.checkpoints.resolve import packaged_models, resolve
    from htsat.export.write import export_model

    for name in names:
        model = load_model(resolve(name)) if name in packaged_models() else random_model(name)
        save_model(folder / f"{name}.safetensors", model.network, model.card)
        export_model(model, folder / f"{name}.onnx")
        export_model(model, folder / f"{name}-int8.onnx", precision="int8", calibration=_clips(model))


def random_model(size: str) -> Model:
    """A network of one of our sizes that has learned nothing; the same every time."""
    import torch

    from htsat.checkpoints import Model, ModelCard
    from htsat.labels import LabelSet
    from htsat.network import HTSAT, ModelConfig
    from htsat.rules import EventRules

    torch.manual_seed(0)
    labels = LabelSet(tuple(f"class {number}" for number in range(N_CLASSES)))
    rules = EventRules.usual((RANDOM_THRESHOLD,) * N_CLASSES)
    network = HTSAT(ModelConfig.named(size, n_classes=N_CLASSES)).eval()
    return Model(network, ModelCard(labels, "multi_label", rules))


def _clips(model: Model) -> list[FloatArray]:
    """A clip of each recording for calibration, which is not what is measured."""
    import numpy as np

    from htsat.audio import load_audio

    config = model.network.config
    sounds = [load_audio(EXAMPLES / name, config.sample_rate) for name in CALIBRATION]
    return [np.resize(sound, config.clip_samples) for sound in sounds]


def model_path(folder: Path, name: str, engine: str, precision: str) -> Path:
    """The file of a model that an engine reads; int8 has one of its own."""
    if engine == "torch":
        return folder / f"{name}.safetensors"
    return folder / f"{name}{'-int8' if precision == 'int8' else ''}.onnx"
