from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from starlette.testclient import TestClient

from htsat.web.metrics import BATCHES, LATENCIES_S, Metrics

SAMPLE = re.compile(r'(?P<name>[a-z_]+)(\{(?P<labels>([a-z]+="[^"\\\n]*",?)*)\})? (?P<value>\S+)')


class Sample(NamedTuple):
    name: str
    labels: tuple[tuple[str, str], ...]
    value: float


def parsed(text: str) -> list[Sample]:
    """The samples of a text in the format of Prometheus; each family must be declared before, and once."""
    samples, kinds = [], {}
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.removeprefix("# TYPE ").split()
            assert name not in kinds
            kinds[name] = kind
        elif not line.startswith("# HELP "):
            found = SAMPLE.fullmatch(line)
            assert found, line
            labels = tuple(re.findall(r'([a-z]+)="([^"]*)"', found["labels"] or ""))
            family = re.sub("_(bucket|sum|count)$", "", found["name"])
            assert kinds.get(family) == "histogram" or found["name"] in kinds
            samples.append(Sample(found["name"], labels, float(found["value"])))
    return samples


def value(samples: list[Sample], name: str, **labels: str) -> float:
    [found] = [s.value for s in samples if s.name == name and dict(s.labels) == labels]
    return found


def test_what_was_done_is_counted(client: TestClient, sound: Callable[..., bytes], engine: Any) -> None:
    for duration_s in (1.5, 2.5):
        client.post("/v1/tag", content=sound(duration_s))
    client.post("/v1/tag", content=b"no sound")
    client.post("/v1/tag?tpo=1", content=b"x")
    client.get("/none")
    client.get("/v1/model", headers={"host": "evil.example"})
    answer = client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    samples = parsed(answer.text)
    assert value(samples, "htsat_requests_total", route="/v1/tag", status="200") == 2
    assert value(samples, "htsat_requests_total", route="/v1/tag", status="422") == 1
    assert value(samples, "htsat_requests_total", route="other", status="404") == 1
    assert value(samples, "htsat_requests_total", route="other", status="403") == 1
    assert value(samples, "htsat_rejections_total", reason="bad_audio") == 1
    assert value(samples, "htsat_rejections_total", reason="bad_request") == 1
    assert value(samples, "htsat_rejections_total", reason="foreign") == 1
    assert value(samples, "htsat_sound_seconds_total") == 4.0
    assert value(samples, "htsat_batch_clips_sum") == sum(engine.batch_sizes) == 2 + 4
    assert value(samples, "htsat_batch_clips_count") == len(engine.batch_sizes) == 2
    assert value(samples, "htsat_request_seconds_count", route="/v1/tag") == 4
    assert value(samples, "htsat_queue_length") == 0


def test_addresses_do_not_become_labels(client: TestClient) -> None:
    for number in range(30):
        client.get(f"/none/{number}")
        client.get(f"/static/{number}")
        client.request(f"METHOD{number}", "/v1/tag")
    samples = parsed(client.get("/metrics").text)
    routes = {dict(s.labels)["route"] for s in samples if s.name == "htsat_requests_total"}
    assert routes == {"other", "/static", "/v1/tag"}


@pytest.mark.parametrize(
    ("bounds", "name"), [(LATENCIES_S, "htsat_request_seconds"), (BATCHES, "htsat_batch_clips")]
)
def test_histograms_count_what_lies_at_or_below_each_bound(bounds: tuple[float, ...], name: str) -> None:
    metrics = Metrics()
    for wall_s in bounds:
        metrics.request("/", 200, wall_s)
        metrics.batch(int(wall_s), 0.5)
    metrics.request("/", 200, 1e6)
    metrics.batch(10**6, 0.5)
    samples = [s for s in parsed(metrics.text(0)) if s.name == f"{name}_bucket"]
    assert [s.value for s in samples] == [*range(1, len(bounds) + 1), len(bounds) + 1]
    edges = [dict(s.labels)["le"] for s in samples]
    assert edges[-1] == "+Inf"
    assert [float(edge) for edge in edges[:-1]] == list(bounds)
