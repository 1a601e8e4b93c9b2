"""From what a user calls a model to its file. Imports neither torch nor the Hub unless it must."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from htsat.errors import CheckpointError, MissingExtraError, did_you_mean

DEFAULT_MODEL = "nano-esc50"
"""The packaged model that is used when none is named."""
HUB_SCHEME = "hf://"
MODEL_NAME = "model.safetensors"
"""Name of the model file in a repository of the Hub, and in a folder."""


def packaged_models() -> tuple[str, ...]:
    """Names of the models that come with the package."""
    return tuple(sorted(path.stem for path in _packaged_folder().glob("*.safetensors")))


def resolve(model: str | Path | None = None, *, exported: bool = False) -> Path:
    """The file of a model.

    Args:
        model: name of a packaged model, path of a file or of a folder that holds `model.safetensors`, or
            `hf://owner/repo[@revision]`, which is downloaded once and kept; None is the default model.
        exported: whether a packaged model is wanted as the file that runs without torch; it comes as both.

    Raises:
        CheckpointError: when there is no such model; the message tells the nearest name.
    """
    name = DEFAULT_MODEL if model is None else str(model)
    if name.startswith(HUB_SCHEME):
        return _fetched(name)
    if name in packaged_models():
        return _packaged_folder() / f"{name}{'.onnx' if exported else '.safetensors'}"
    path = Path(name) / MODEL_NAME if Path(name).is_dir() else Path(name)
    if not path.is_file():
        raise CheckpointError(_unknown(name))
    return path


def _fetched(address: str) -> Path:
    try:
        from htsat.checkpoints.hub import fetch
    except ModuleNotFoundError as error:
        raise MissingExtraError("models from the Hugging Face Hub", "hub") from error
    return fetch(address)


def _packaged_folder() -> Path:
    return Path(str(resources.files("htsat") / "models"))


def _unknown(name: str) -> str:
    if Path(name).is_dir():
        return f"{name}: expected a folder with {MODEL_NAME}"
    if Path(name).suffix or len(Path(name).parts) > 1:
        return f"{name}: no such model file"
    known = packaged_models()
    return f"no model {name!r}{did_you_mean(name, known)} (there are: {', '.join(known) or 'none'})"
