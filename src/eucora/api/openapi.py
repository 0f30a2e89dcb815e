"""The description of the API, as committed at ``openapi/eucora.json``."""

import json
from typing import Any, Final

from eucora import __version__
from eucora.api.app import assemble
from eucora.api.problems import ProblemDocument

BEARER: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "An access token of the identity provider (RS256 or ES256), or a service token (eucora_…).",
}
_REF: Final = "#/components/schemas/{model}"


def document() -> dict[str, Any]:
    """OpenAPI 3.1, complete: every route with its refusals, roles and security."""
    described: dict[str, Any] = assemble(__version__).openapi()
    components = described.setdefault("components", {})
    schemas: dict[str, Any] = components.setdefault("schemas", {})
    problem = ProblemDocument.model_json_schema(ref_template=_REF)
    schemas |= problem.pop("$defs", {})
    schemas["ProblemDocument"] = problem
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    components["securitySchemes"] = {"bearer": BEARER}
    return described


def text() -> str:
    """The document as it is committed: the same bytes for the same API."""
    return json.dumps(document(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
