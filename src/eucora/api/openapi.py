"""The description of the API, as committed at ``openapi/eucora.json`` and served at ``/openapi.json``."""

import json
from typing import Any

from eucora import __version__
from eucora.api.app import assemble


def document() -> dict[str, Any]:
    """OpenAPI 3.1, complete: every route with its refusals, roles and security.

    Raises:
        KeyError: a noun or a parameter that :mod:`eucora.api.described` says nothing about.
    """
    return assemble(__version__).openapi()


def text() -> str:
    """The document as it is committed: the same bytes for the same API."""
    return json.dumps(document(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
