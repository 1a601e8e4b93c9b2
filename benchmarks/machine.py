"""What a measurement was made on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "bf16")
"""What decides how fast matrix products are, in eight bits and in bfloat16, as Linux names it."""
PACKAGES = ("htsat", "numpy", "torch", "onnxruntime", "openvino", "transformers", "soundfile", "soxr")


def processor() -> str:
    names = _facts("model name")
    return names[0] if names else platform.processor()


def machine() -> dict[str, Any]:
    """Processor, what it can do, its load now, and the versions of what runs on it; nothing is imported."""
    flags = set(" ".join(_facts("flags") or _facts("Features")).split())
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "instructions": [name for name in INSTRUCTIONS if name in flags],
        "load": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": _versions(),
    }


def summary(facts: dict[str, Any]) -> str:
    """A machine in two lines, for the head of a table."""
    packages = ", ".join(f"{name} {number}" for name, number in facts["packages"].items())
    instructions = " ".join(facts["instructions"])
    return f"{facts['processor']}, {facts['cores']} cores ({instructions}), load {facts['load']}\n{packages}"


def _facts(name: str) -> list[str]:
    """What the kernel says under a name about each core."""
    source = Path("/proc/cpuinfo")
    lines = source.read_text().splitlines() if source.exists() else []
    return [line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == name]


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
