"""Python, the system, the processor and memory: what everything else stands on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

from htsat.doctor.findings import Check, Finding

_X86 = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_vnni": "VNNI",
    "avx512_bf16": "bf16",
    "amx_tile": "AMX",
}
_ARM = {"asimd": "NEON", "sve": "SVE", "i8mm": "i8mm", "bf16": "bf16"}
_FEATURES = {"x86_64": _X86, "AMD64": _X86, "aarch64": _ARM, "arm64": _ARM}
_FEW_BYTES = 2_000_000_000


def python(check: Check) -> list[Finding]:
    """Which Python runs this."""
    bits = "64 bit" if sys.maxsize > 2**32 else "32 bit"
    build = platform.python_implementation()
    return check.ok(f"{platform.python_version()} ({build}, {bits}), {sys.executable}")


def system(check: Check) -> list[Finding]:
    """The operating system."""
    library = " ".join(platform.libc_ver()).strip()
    names = (f"{platform.system()} {platform.release()}", platform.machine(), library)
    return check.ok(", ".join(name for name in names if name))


def package(check: Check) -> list[Finding]:
    """The version of htsat, and where it lies."""
    import htsat

    folder = Path(htsat.__file__).parent
    detail = f"{htsat.__version__}, {folder}"
    try:
        installed = importlib.metadata.version("htsat")
    except importlib.metadata.PackageNotFoundError:
        return check.ok(f"{detail} (run from its source, not installed)")
    if installed != htsat.__version__:
        detail += f" (pip has installed {installed})"
    return check.ok(detail)


def processor(check: Check) -> list[Finding]:
    """Cores that may be used, and what they can do that networks profit from."""
    kind, flags = _processor_flags()
    names = _FEATURES.get(platform.machine(), {})
    able = [name for flag, name in names.items() if flag in flags]
    lacking = [name for flag, name in names.items() if flag not in flags]
    abilities = f" with {', '.join(able)}" if able else ""
    abilities += f"; without {', '.join(lacking)}" if flags and lacking else ""
    return check.ok(f"{kind or platform.machine()}, {_cores()}{abilities}")


def memory(check: Check) -> list[Finding]:
    """How much memory there is, and how much of it is free."""
    total, free = _memory_bytes()
    if total is None:
        return check.ok("not told by this system")
    detail = f"{total / 1e9:.1f} GB" + ("" if free is None else f", {free / 1e9:.1f} GB of it free")
    if free is not None and free < _FEW_BYTES / 4:
        return check.broken(f"{detail}: listening takes about 0.4 GB")
    return check.ok(detail)


def temporary(check: Check) -> list[Finding]:
    """The folder for temporary files, tried by writing one."""
    folder = tempfile.gettempdir()
    with tempfile.TemporaryFile() as file:
        file.write(bytes(1 << 16))
    free = shutil.disk_usage(folder).free
    detail = f"{folder}, {free / 1e9:.1f} GB free"
    if free < _FEW_BYTES:
        return check.broken(detail)
    return check.ok(detail)


def _processor_flags() -> tuple[str, set[str]]:
    """Name and abilities of the processor, where the system tells them in a file."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor(), set()
    values = {
        name.strip(): value.strip()
        for name, _, value in (line.partition(":") for line in text.splitlines())
        if value
    }
    return values.get("model name", ""), set(values.get("flags", values.get("Features", "")).split())


def _cores() -> str:
    n_there = os.cpu_count() or 1
    n_usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else n_there
    cores = f"{n_usable} core{'s' * (n_usable != 1)}"
    quota = _quota()
    limit = f", of which the container may use {quota:g}" if quota and quota < n_usable else ""
    return (cores if n_usable == n_there else f"{cores} of {n_there}") + limit


def _quota() -> float | None:
    """Cores' worth of time that a container may take, if it is limited."""
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return int(limit) / int(period)
    except (OSError, ValueError):  # not Linux, an older one, or no limit
        return None


def _memory_bytes() -> tuple[int | None, int | None]:
    """All memory and what is free of it; of a container its own, where that is less."""
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        total: int | None = page * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None, None
    free = _available()
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii"))
        used = int(Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return total, free
    left = limit - used
    return min(total or limit, limit), left if free is None else min(free, left)


def _available() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):
        return None
