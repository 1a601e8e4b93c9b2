"""Requests that nobody would think of, made of the description of the service by schemathesis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from htsat.recognition.recognizer import Recognizer
from htsat.web.app import create_app
from htsat.web.settings import ServiceSettings

pytestmark = pytest.mark.slow

LISTENING = ("/v1/tag", "/v1/detect", "/v1/embed")
FACTS = ("/v1/model", "/healthz", "/readyz", "/metrics", "/openapi.json")

repeatable = settings(
    derandomize=True, max_examples=50, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
both_modes = pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])


@pytest.fixture(scope="module")
def api(new_engine: Callable[..., Any], served: Callable[..., Any]) -> Iterator[Any]:
    """The description, as a real service tells it."""
    app = create_app(Recognizer(new_engine(), batch_size=4), ServiceSettings(idle_s=10.0))
    with served(app) as port:
        yield schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/openapi.json")


@pytest.mark.parametrize("path", LISTENING)
@both_modes
@repeatable
@given(data=st.data())
def test_any_body(api: Any, path: str, mode: GenerationMode, data: st.DataObject) -> None:
    """What is no recording is refused, whatever it is, and never by an internal error."""
    case = data.draw(api[path]["POST"].as_strategy(generation_mode=mode))
    case.call_and_validate(excluded_checks=[positive_data_acceptance])


@pytest.mark.parametrize("path", LISTENING)
@both_modes
@repeatable
@given(data=st.data())
def test_any_parameters_of_a_real_recording(
    api: Any, path: str, mode: GenerationMode, data: st.DataObject, sound: Callable[..., bytes]
) -> None:
    """Parameters that fit the description are answered, those that do not are refused."""
    # Given here, the body is not one of the things that schemathesis makes wrong.
    case = data.draw(
        api[path]["POST"].as_strategy(
            generation_mode=mode, body=sound(), media_type="application/octet-stream"
        )
    )
    case.call_and_validate()


@pytest.mark.parametrize("path", FACTS)
@repeatable
@given(data=st.data())
def test_any_question_about_the_service(api: Any, path: str, data: st.DataObject) -> None:
    data.draw(api[path]["GET"].as_strategy()).call_and_validate()
