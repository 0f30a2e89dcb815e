"""Whoever reads the description knows how large, how long and how many: of all that is asked, and of what is told."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from eucora.api.openapi import document
from eucora.api.told_numbers import numbers, reached
from eucora.api.words import Number

DESCRIBED = document()
SCHEMAS: dict[str, Any] = DESCRIBED["components"]["schemas"]
OPERATIONS = [one for path in DESCRIBED["paths"].values() for one in path.values()]
ASKED = reached(SCHEMAS, [one.get("requestBody", {}) for one in OPERATIONS])
TOLD = reached(SCHEMAS, [one["responses"] for one in OPERATIONS])
LOW, HIGH = {"minimum", "exclusiveMinimum"}, {"maximum", "exclusiveMaximum"}
FINITE = {"maxLength", "enum", "const", "format"}


def inside(schema: Any, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema inside one, with the way to it; not those that it refers to."""
    if not isinstance(schema, dict):
        return
    yield where, schema
    for name, one in schema.get("properties", {}).items():
        yield from inside(one, f"{where}.{name}")
    for key in ("items", "additionalProperties"):
        yield from inside(schema.get(key), f"{where}[]")
    for key in ("anyOf", "oneOf", "prefixItems"):
        for one in schema.get(key, ()):
            yield from inside(one, where)


def asked() -> Iterator[tuple[str, dict[str, Any]]]:
    for name in sorted(ASKED):
        yield from inside(SCHEMAS[name], name)
    for operation in OPERATIONS:
        for one in operation.get("parameters", ()):
            yield from inside(one["schema"], f"{operation['operationId']}?{one['name']}")


def unbounded(schema: dict[str, Any]) -> bool:
    """Whether a value of the schema may be as large as it likes. A text that a bounded pattern holds is finite."""
    match schema.get("type"):
        case "integer" | "number":
            return "enum" not in schema and not (LOW & schema.keys() and HIGH & schema.keys())
        case "string":
            return not FINITE & schema.keys() and not _holds(schema.get("pattern", ""))
        case "array":
            return "maxItems" not in schema
        case "object":
            return "propertyNames" not in schema and schema.get("additionalProperties") is not False
        case _:
            return False


def _holds(pattern: str) -> bool:
    return pattern.startswith("^") and pattern.endswith("$") and not set(pattern) & set("*+")


TIMES = ("_at", ".at", "_before", "_until")
SHARES = ("remind_at", "escalate_at")  # of the time until something is due
HEADERS_OF_HTTP = {"If-Match", "If-None-Match"}  # lists, as long as the headers may be together


def test_nothing_that_is_asked_is_without_a_bound() -> None:
    found = [where for where, schema in asked() if unbounded(schema)]
    assert [where for where in found if where.rpartition("?")[2] not in HEADERS_OF_HTTP] == []
    assert len(ASKED) > 80
    assert sum(1 for _ in asked()) > 800


def test_every_number_that_is_told_has_a_least_value() -> None:
    seen = 0
    for name in TOLD:
        for where, schema in inside(SCHEMAS[name], name):
            for number in numbers({key: value for key, value in schema.items() if key != "properties"}):
                assert LOW & number.keys(), where
                seen += 1
    assert seen > 200


def test_a_check_that_finds_nothing_would_find_these() -> None:
    loose: tuple[dict[str, Any], ...] = (
        {"type": "integer", "minimum": 0},
        {"type": "number", "maximum": 1},
        {"type": "string"},
        {"type": "string", "pattern": "^a*$"},
        {"type": "string", "pattern": "a{3}"},
        {"type": "array", "items": {}},
        {"type": "object", "properties": {}},
        {"type": "object", "additionalProperties": True},
    )
    assert all(unbounded(one) for one in loose)


def test_a_time_is_told_as_one() -> None:
    named = [
        (where, schema)
        for name in ASKED | TOLD
        for where, schema in inside(SCHEMAS[name], name)
        if where.endswith(TIMES) and not where.endswith(SHARES) and schema.get("type") not in (None, "object")
    ]
    assert [where for where, one in named if one["type"] != "null" and one.get("format") != "date-time"] == []
    assert len(named) > 60


@pytest.mark.parametrize(
    "given",
    ["1_000", "\u0661", "1e2", " 1", "+1", ".5", "1.", "0" * 99 + "1", "NaN", "Infinity", "", "0.123456789", 1001],
)
def test_a_number_that_does_not_look_like_one_is_none(given: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Number).validate_python(given)


@pytest.mark.parametrize("given", ["0.95", 0.95, "-0.95", "1000", 7, "0.12345678"])
def test_a_number_is_exact(given: object) -> None:
    assert TypeAdapter(Number).validate_python(given) == Decimal(str(given))
