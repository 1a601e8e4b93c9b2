"""What the paths for programs take and give, for machines (OpenAPI 3.1)."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any


def openapi_document(version: str) -> dict[str, Any]:
    """The description of the service; `version` is that of the package."""
    text = resources.files("htsat.web").joinpath("openapi.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    document["info"]["version"] = version
    return document
