"""Connections that nobody uses outlast those of proxies: who closes first is who sends."""

from __future__ import annotations

import pytest
import uvicorn

from htsat.cli.main import main

NGINX_KEEPS_S = 60
"""The default of `keepalive_timeout` of its upstreams."""


def test_a_connection_outlasts_those_of_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    kept_s: list[float] = []

    def run(server: uvicorn.Server, **_: object) -> None:
        server.started = True
        kept_s.append(server.config.timeout_keep_alive)

    monkeypatch.setattr(uvicorn.Server, "run", run)
    assert main(["serve", "--port", "0", "--threads", "1"]) == 0
    [keeps_s] = kept_s
    assert keeps_s > NGINX_KEEPS_S
