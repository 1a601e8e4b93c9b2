"""Optional parts of the package: whether their libraries can be imported."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from htsat.doctor.findings import Check, Finding

_DISTRIBUTIONS = {"yaml": "PyYAML", "python_multipart": "python-multipart"}


def imported(check: Check) -> list[Finding]:
    """Import what an extra brings."""
    for module in check.packages:
        import_module(module)
    return check.ok(", ".join(f"{module} {_version(module)}".strip() for module in check.packages))


def microphone(check: Check) -> list[Finding]:
    """Whether PortAudio is there, and what it can listen to."""
    import sounddevice

    devices = [device for device in sounddevice.query_devices() if device["max_input_channels"] > 0]
    detail = f"sounddevice {sounddevice.__version__}"
    if not devices:
        fix = "connect one, or pipe sound into htsat listen"
        return [Finding(check.name, "missing", f"{detail}: no input device", fix)]
    usual = sounddevice.query_devices(kind="input")["name"]
    return check.ok(f"{detail}: {len(devices)} input devices, usually {usual}")


def _version(module: str) -> str:
    try:
        return version(_DISTRIBUTIONS.get(module, module))
    except PackageNotFoundError:
        return ""
