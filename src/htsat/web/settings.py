"""What a service permits, and whom it serves."""

from __future__ import annotations

import ipaddress
import math
from dataclasses import dataclass
from pathlib import Path

from htsat.errors import ConfigError


@dataclass(frozen=True)
class ServiceSettings:
    """The settings of a service.

    - `host`: the name or address that it is bound to.
    - `allowed_hosts`: further names by which browsers may address it, as behind a reverse proxy.
    - `token`: what every request must bring; None asks for nothing.
    - `max_upload_bytes`: largest body of a request.
    - `max_duration_s`: longest recording.
    - `queue_length`: requests that may wait while others are heard.
    - `idle_s`: how long a client may keep the service waiting, for the next part of a body or with a result.
    - `workspace`: folder of the page's own files; None is a temporary one.
    - `recordings`: files and folders that the page offers.

    Raises:
        ConfigError: naming the field that is out of range.
    """

    host: str = "127.0.0.1"
    allowed_hosts: tuple[str, ...] = ()
    token: str | None = None
    max_upload_bytes: int = 1_000_000_000
    max_duration_s: float = 14_400.0
    queue_length: int = 32
    idle_s: float = 60.0
    workspace: Path | None = None
    recordings: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if self.token is not None and not (self.token and self.token.isascii() and self.token.isprintable()):
            raise ConfigError("token must be at least one printable ASCII character")
        if self.token is not None and set(self.token) & set(' ";,\\'):
            raise ConfigError("token must not hold spaces, quotes, commas, semicolons or backslashes")
        for name in ("max_upload_bytes", "queue_length"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("max_duration_s", "idle_s"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"{name} must be a number of seconds above 0, got {getattr(self, name)}")

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches the service."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether a name or address, without brackets, means this machine and is reached by no other."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
