"""Engines, each proven by what the packaged model answers to the reference clip."""

from __future__ import annotations

import time
from importlib.metadata import version

from htsat.checkpoints.resolve import DEFAULT_MODEL, resolve
from htsat.doctor.findings import Check, Finding
from htsat.engines.choose import EngineName, EngineSettings, open_engine, read_exported
from htsat.engines.exported import LIMITS, difference, reference_clip, require_parity


def onnx(check: Check) -> list[Finding]:
    """ONNX Runtime, which a plain installation brings along."""
    return check.ok(f"{version('onnxruntime')}: {_heard('onnx')}")


def openvino(check: Check) -> list[Finding]:
    """OpenVINO."""
    return check.ok(f"{version('openvino')}: {_heard('openvino')}")


def torch(check: Check) -> list[Finding]:
    """PyTorch, on the device that `auto` takes."""
    import torch as library

    return check.ok(f"{library.__version__} ({', '.join(_torch_devices())}): {_heard('torch')}")


def _heard(engine: EngineName) -> str:
    """How fast and how right the packaged model is on an engine.

    Raises:
        HtsatError: when its answer is not that of the network that was exported.
    """
    exported = read_exported(resolve(DEFAULT_MODEL, exported=True))
    path = resolve(DEFAULT_MODEL, exported=engine != "torch")
    runtime = open_engine(path, DEFAULT_MODEL, EngineSettings(engine))
    require_parity(engine, runtime, exported.reference, [exported.precision])
    clip = reference_clip(runtime.description.clip_samples)
    started_s = time.perf_counter()
    answer = runtime.frame_scores(clip)
    passed_s = time.perf_counter() - started_s
    found = difference(answer, exported.reference, runtime.description)
    return (
        f"hears {runtime.description.clip_s:g} s in {passed_s:.3f} s, probabilities within "
        f"{found.probability:.0e} (limit {LIMITS[exported.precision].probability:g})"
    )


def _torch_devices() -> list[str]:
    import torch as library

    built = library.version.cuda or library.version.hip
    devices = [f"built for CUDA {built}" if built else "built for processors"]
    if library.cuda.is_available():
        devices += [library.cuda.get_device_name(index) for index in range(library.cuda.device_count())]
    if library.backends.mps.is_available():
        devices.append("Apple's MPS")
    return [*devices, f"uses {library.backends.cpu.get_cpu_capability()}"]
