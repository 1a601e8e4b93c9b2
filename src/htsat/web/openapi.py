"""What the paths for programs take and give, for machines (OpenAPI 3.1)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib import resources
from typing import Any


def openapi_document(version: str, labels: Iterable[str]) -> dict[str, Any]:
    """The description of the service; `version` is that of the package, `labels` are those of the model."""
    text = resources.files("htsat.web").joinpath("openapi.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    document["info"]["version"] = version
    if known := list(labels):
        document["components"]["parameters"]["classes"]["schema"]["items"]["enum"] = known
    return document
