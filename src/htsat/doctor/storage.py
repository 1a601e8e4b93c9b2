"""Models and caches on this machine, and whether others may be fetched."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from htsat.checkpoints.resolve import DEFAULT_MODEL, packaged_models, resolve
from htsat.doctor.findings import Check, Finding
from htsat.files import sha256
from htsat.zoo.cache import kept_models, models_folder, size_bytes
from htsat.zoo.catalog import find_known
from htsat.zoo.fetch import is_address
from htsat.zoo.settings import MIRROR, mirrors, offline_switch


def packaged(check: Check) -> list[Finding]:
    """Whether the weights in the package are whole; the exported file beside them is heard by the engines."""
    path, known = resolve(DEFAULT_MODEL), find_known(DEFAULT_MODEL)
    if known is not None and known.sha256 != sha256(path):
        return check.broken(f"{path} is damaged: its SHA-256 is not the one that was published")
    return check.ok(f"{', '.join(packaged_models())} (SHA-256 as published)")


def cache(check: Check) -> list[Finding]:
    """What was fetched, and whether more could be kept."""
    folder, kept = models_folder(), kept_models()
    if not kept:
        detail = f"{folder}: empty (htsat models lists what there is to get)"
    else:
        megabytes = size_bytes(folder) / 1e6
        detail = f"{folder}: {', '.join(model.name for model in kept)} ({megabytes:.0f} MB)"
    if not _is_writable(folder):
        return [Finding(check.name, "missing", f"{detail}; cannot be written", check.fix)]
    return check.ok(detail)


def hub_cache(check: Check) -> list[Finding]:
    """What the Hugging Face Hub's client keeps."""
    home = os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface"
    folder = Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub")
    if not folder.is_dir():
        return check.ok(f"{folder}: empty")
    repositories = list(folder.glob("models--*"))
    return check.ok(f"{folder}: {len(repositories)} models, {size_bytes(folder) / 1e6:.0f} MB")


def network(check: Check) -> list[Finding]:
    """Whether models may be fetched, and from where first."""
    switch = offline_switch()
    detail = f"switched off by {switch}" if switch else "used only to get models that are asked for"
    places = mirrors()
    if places:
        detail += f"; {MIRROR} is {', '.join(places)}"
    absent = [place for place in places if not _is_reachable(place)]
    return check.broken(f"{detail}; no such folder: {absent[0]}") if absent else check.ok(detail)


def _is_reachable(place: str) -> bool:
    """Whether a mirror that is a folder is there; addresses are not asked."""
    return is_address(place) or Path(place).expanduser().is_dir()


def _is_writable(folder: Path) -> bool:
    """Whether a file can be made there, or in the nearest folder above that exists."""
    there = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
    try:
        with tempfile.TemporaryFile(dir=there):
            return True
    except OSError:
        return False
