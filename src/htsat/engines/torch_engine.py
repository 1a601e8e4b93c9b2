"""The network on PyTorch: CPU, CUDA or Apple's MPS.

Denormal numbers are left as they are: flushing them is a setting of the whole process, and with fused
attention it gains nothing that can be measured.
"""

from __future__ import annotations

from typing import get_args

import torch
from torch import Tensor

from htsat.checkpoints import Model
from htsat.engines.choose import DeviceName, Precision
from htsat.engines.parts import in_parts
from htsat.engines.protocol import Computation, EngineOutput, ModelDescription
from htsat.errors import ConfigError, HtsatError
from htsat.scores import FloatArray


class TorchEngine:
    """A model on a device, for inference only; `compiled` by torch first if that is asked for.

    Raises:
        ConfigError: when the device is not there or a setting does not exist.
    """

    def __init__(
        self,
        model: Model,
        name: str,
        device: DeviceName = "auto",
        precision: Precision = "fp32",
        *,
        compiled: bool = False,
    ) -> None:
        if precision not in get_args(Precision):
            raise ConfigError(f"precision must be one of {', '.join(get_args(Precision))}, got {precision!r}")
        self._device = _device(device)
        self._is_bf16 = precision == "bf16" or (precision == "auto" and _has_bf16(self._device))
        self.network = model.network.to(self._device).eval()
        self._run = torch.compile(self.network) if compiled else self.network
        self.description = ModelDescription.of(name, model.network.config, model.card)

    @property
    def computation(self) -> Computation:
        """What runs the network here."""
        compiled = "" if self._run is self.network else ", compiled"
        precision = "bf16" if self._is_bf16 else "fp32"
        return Computation(f"torch {torch.__version__}{compiled}", str(self._device), precision)

    def frame_scores(self, clips: FloatArray) -> EngineOutput:
        """Run the network on clips `(B, clip_samples)` at the model's sample rate.

        Raises:
            HtsatError: when the batch does not fit into the memory of the device.
        """
        if self._device.type == "cpu":
            return in_parts(self._heard, clips, self.description)
        return self._heard(clips)

    @torch.inference_mode()
    def _heard(self, clips: FloatArray) -> EngineOutput:
        try:
            with torch.autocast(self._device.type, torch.bfloat16, enabled=self._is_bf16):
                output = self._run(torch.from_numpy(clips).to(self._device))
        except torch.OutOfMemoryError as error:
            raise HtsatError(
                f"a batch of {len(clips)} clips needs more memory than {self._device} has"
            ) from error
        return EngineOutput(*map(_array, output))


def _array(tensor: Tensor) -> FloatArray:
    array: FloatArray = tensor.float().cpu().numpy()
    return array


def _has_bf16(device: torch.device) -> bool:
    """Whether a device multiplies in bfloat16 by itself."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):  # older versions cannot tell
        return False
    told = torch.cpu.get_capabilities()
    return any(told.get(name) for name in ("amx_bf16", "avx512_bf16", "bf16"))


def use_threads(n_threads: int) -> None:
    """Let PyTorch compute with so many threads in this process."""
    torch.set_num_threads(n_threads)


def _device(name: str) -> torch.device:
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, is_there in available.items() if is_there))
    if name not in available:
        raise ConfigError(f"device must be one of {', '.join(get_args(DeviceName))}, got {name!r}")
    if not available[name]:
        raise ConfigError(f"device {name!r} is not available on this machine")
    return torch.device(name)
