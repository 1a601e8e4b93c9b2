"""From what a user calls a model to its file. Imports neither torch nor the Hub unless it must."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from htsat.errors import CheckpointError, MissingExtraError, did_you_mean
from htsat.zoo.cache import find_kept, kept_models
from htsat.zoo.catalog import find_known, known_models

DEFAULT_MODEL = "nano-esc50"
"""The packaged model that is used when none is named."""
HUB_SCHEME = "hf://"
MODEL_NAME = "model.safetensors"
"""Name of the model file in a repository of the Hub, and in a folder."""
EXPORTED_NAME = "model.onnx"
"""Name there of the file that runs without torch."""


def packaged_models() -> tuple[str, ...]:
    """Names of the models that come with the package."""
    return tuple(sorted(path.stem for path in _packaged_folder().glob("*.safetensors")))


def known_names() -> tuple[str, ...]:
    """Every name that a model can have: in the package, in the cache, and in the catalogue."""
    kept = [model.name for model in kept_models()]
    return tuple(dict.fromkeys([*packaged_models(), *kept, *(model.name for model in known_models())]))


def resolve(model: str | Path | None = None, *, exported: bool = False) -> Path:
    """The file of a model.

    Args:
        model: name of a model in the package or in the cache, path of a file or of a folder that holds
            `model.safetensors` or `model.onnx`, or `hf://owner/repo[@revision]`, which holds the same, is
            downloaded once and kept; None is the default model.
        exported: whether the file that runs without torch is wanted where a model comes as both.

    Raises:
        CheckpointError: when there is no such model; the message tells the nearest name.
    """
    name = DEFAULT_MODEL if model is None else str(model)
    if name.startswith(HUB_SCHEME):
        return _fetched(name, exported)
    if name in packaged_models():
        return _packaged_folder() / f"{name}{'.onnx' if exported else '.safetensors'}"
    found = find_kept(name, exported=exported) or _in_place(Path(name), exported)
    if found is None:
        raise CheckpointError(_unknown(name))
    return found


def _in_place(path: Path, exported: bool) -> Path | None:
    """A file as it is named, or that of a folder."""
    if not path.is_dir():
        return path if path.is_file() else None
    trainable, runnable = path / MODEL_NAME, path / EXPORTED_NAME
    if not trainable.is_file() or not runnable.is_file():
        return next((file for file in (trainable, runnable) if file.is_file()), None)
    # A run may have gone on since its model was exported.
    is_current = runnable.stat().st_mtime >= trainable.stat().st_mtime
    return runnable if exported and is_current else trainable


def _fetched(address: str, exported: bool) -> Path:
    try:
        from htsat.checkpoints.hub import fetch
    except ModuleNotFoundError as error:
        raise MissingExtraError("models from the Hugging Face Hub", "hub") from error
    return fetch(address, names=(EXPORTED_NAME, MODEL_NAME) if exported else (MODEL_NAME, EXPORTED_NAME))


def _packaged_folder() -> Path:
    return Path(str(resources.files("htsat") / "models"))


def _unknown(name: str) -> str:
    if Path(name).is_dir():
        return f"{name}: expected a folder with {MODEL_NAME} or {EXPORTED_NAME}"
    if find_known(name):
        return f"model {name!r} is not on this machine yet: htsat models get {name}"
    if Path(name).suffix or len(Path(name).parts) > 1:
        return f"{name}: no such model file"
    here = (*packaged_models(), *(model.name for model in kept_models()))
    return f"no model {name!r}{did_you_mean(name, known_names())} (there are: {', '.join(here) or 'none'})"
