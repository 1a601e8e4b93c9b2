"""What the environment says about models: where they are kept, from where they may come, and whether at all.

| variable | |
|---|---|
| `HTSAT_CACHE` | folder of what was fetched |
| `HTSAT_MIRROR` | folders or base addresses that are asked first, with `;` between them |
| `HTSAT_OFFLINE`, `HF_HUB_OFFLINE` | `1`: nothing is asked for over a network |
| `HF_ENDPOINT` | address of the Hugging Face Hub, or of a mirror of it |
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from htsat.errors import ConfigError

CACHE, MIRROR = "HTSAT_CACHE", "HTSAT_MIRROR"
OFFLINE = ("HTSAT_OFFLINE", "HF_HUB_OFFLINE")
HUB = "HF_ENDPOINT"
_USUAL_HUB = "https://huggingface.co"
_YES = {"1", "on", "true", "yes"}


def cache_folder() -> Path:
    """Where fetched models are kept; it need not exist yet.

    Raises:
        ConfigError: when there is neither `HTSAT_CACHE` nor a home directory.
    """
    if os.environ.get(CACHE):
        return Path(os.environ[CACHE]).expanduser()
    try:
        return _usual_caches() / "htsat"
    except RuntimeError:
        raise ConfigError(f"there is no home directory to keep models in: set {CACHE} to a folder") from None


def _usual_caches() -> Path:
    """The folder for caches of this system."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def offline_switch() -> str | None:
    """Name of the variable that forbids every connection, if one does."""
    return next((name for name in OFFLINE if os.environ.get(name, "").strip().lower() in _YES), None)


def mirrors() -> tuple[str, ...]:
    """Folders and base addresses to be asked before the publisher."""
    return tuple(place.strip() for place in os.environ.get(MIRROR, "").split(";") if place.strip())


def hub_endpoint() -> str:
    """Base address of the Hugging Face Hub."""
    return (os.environ.get(HUB) or _USUAL_HUB).rstrip("/")
