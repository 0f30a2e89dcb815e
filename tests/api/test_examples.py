"""Who reads the description sees for every body one that is right, and what is asked there is understood."""

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from pydantic import TypeAdapter

from eucora.api.app import ROUTERS
from eucora.api.described import examples
from eucora.api.openapi import document
from eucora.api.routes import GuardedRoute

DESCRIBED = document()
SCHEMAS: dict[str, Any] = DESCRIBED["components"]["schemas"]
MODELS = {
    route.name: route.body_field.field_info.annotation
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, GuardedRoute) and route.body_field is not None
}


def bodies() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Operation, ``asked`` or ``told``, and the schema, of every body of JSON that is asked for or answered."""
    for path in DESCRIBED["paths"].values():
        for operation in path.values():
            asked = operation.get("requestBody", {}).get("content", {})
            told = [answer.get("content", {}) for status, answer in operation["responses"].items() if status < "300"]
            for kind, content in [("asked", asked), *(("told", one) for one in told)]:
                if "application/json" in content:
                    yield operation["operationId"], kind, content["application/json"]["schema"]


BODIES = list(bodies())


def examples_of(schema: dict[str, Any]) -> list[Any]:
    if schema.get("type") == "array":
        return [[one] for one in examples_of(schema["items"])]
    found: list[Any] = SCHEMAS[schema["$ref"].rsplit("/", 1)[-1]].get("examples", [])
    return found


@pytest.mark.parametrize(("operation", "kind", "schema"), BODIES, ids=[f"{one}-{kind}" for one, kind, _ in BODIES])
def test_a_body_has_an_example_that_is_one(operation: str, kind: str, schema: dict[str, Any]) -> None:
    found = examples_of(schema)
    assert found
    whole = {**schema, "components": DESCRIBED["components"]}
    checker = jsonschema.Draft202012Validator(whole, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    for example in found:
        checker.validate(example)
        if kind == "asked":
            TypeAdapter(MODELS[operation]).validate_python(example)


def test_all_of_them_were_looked_at() -> None:
    assert len(BODIES) > 150
    assert {kind for _, kind, _ in BODIES} == {"asked", "told"}
    named = {str(schema.get("$ref", schema.get("items", {}).get("$ref"))).rsplit("/", 1)[-1] for *_, schema in BODIES}
    items = {
        SCHEMAS[name]["properties"]["items"]["items"]["$ref"].rsplit("/", 1)[-1]
        for name in named
        if name.startswith("Listing_")
    }
    assert examples().keys() <= named | items
