"""Models that are kept on this machine: one file each, found by its name.

```
<cache>/models/NAME.safetensors, NAME.onnx
```
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from htsat.errors import ConfigError
from htsat.zoo.settings import cache_folder

EXPORTED, TRAINABLE = ".onnx", ".safetensors"
"""How the files end that run without torch, and those that can be trained on."""


class KeptModel(NamedTuple):
    """A model in the cache, as one file or as both."""

    name: str
    paths: tuple[Path, ...]


def models_folder() -> Path:
    """Where models are kept; it need not exist yet.

    Raises:
        ConfigError: when there is neither `HTSAT_CACHE` nor a home directory.
    """
    return cache_folder() / "models"


def kept_models() -> tuple[KeptModel, ...]:
    """All models in the cache, by name."""
    try:
        paths = sorted(path for path in models_folder().iterdir() if path.suffix in (EXPORTED, TRAINABLE))
    except (OSError, ConfigError):  # nothing was ever kept, or could be
        return ()
    visible = [path for path in paths if not path.name.startswith(".")]  # the others are being written
    names = sorted({path.stem for path in visible})
    return tuple(KeptModel(name, tuple(path for path in visible if path.stem == name)) for name in names)


def find_kept(name: str, *, exported: bool) -> Path | None:
    """The file of a model in the cache: the exported one if that is wanted and there, else what there is."""
    found = next((model for model in kept_models() if model.name == name), None)
    if found is None:
        return None
    wanted = EXPORTED if exported else TRAINABLE
    return min(found.paths, key=lambda path: path.suffix != wanted)


def size_bytes(folder: Path) -> int:
    """Bytes of all files below a folder; links count as what they are, files that vanish as nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            status = path.lstat()
        except OSError:
            continue
        total += status.st_size if path.is_file() and not path.is_symlink() else 0
    return total
