"""What numbers of answers cannot be less than, so that a typed client needs no case for it.

Almost all of them count, or say how long, at which position or in which version: none of these is below zero. Models of
requests say their bounds themselves, because there they are rules and not facts.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

EMPTY: Final = -1  # the position before the first event
# By schema and field; all others are 0 or more. A version is 0 for what comes with the product.
LEAST: Final[Mapping[tuple[str, str], int]] = {
    ("ReceiptBody", "version"): 1,
    ("IssuedBody", "version"): 1,
    ("FeedBody", "head"): EMPTY,
    ("InstallPlan", "return_codes"): -(2**31),  # Windows' are signed
    ("RingDevicesBody", "delta"): -(10**9),  # devices that are fewer now than when they were planned
    ("JobBody", "id"): 1,
    ("RetryBody", "id"): 1,
    ("ProblemDocument", "status"): 400,
}
_NUMBERS: Final = ("integer", "number")


def bound(schemas: Mapping[str, Any], operations: Iterable[Mapping[str, Any]]) -> None:
    """Give every number of the schemas that operations answer with its minimum, where it says none itself."""
    for name in reached(schemas, [operation["responses"] for operation in operations]):
        for field, schema in schemas[name].get("properties", {}).items():
            for number in numbers(schema):
                if not {"minimum", "exclusiveMinimum"} & number.keys():
                    number["minimum"] = LEAST.get((name, field), 0)


def reached(schemas: Mapping[str, Any], used: Any) -> set[str]:
    """The names of the schemas that something refers to, also through others."""
    found: set[str] = set()
    waiting = [used]
    while waiting:
        match waiting.pop():
            case {"$ref": str(ref)} if ref.startswith("#/components/schemas/"):
                name = ref.rsplit("/", 1)[-1]
                if name not in found:
                    found.add(name)
                    waiting.append(schemas[name])
            case dict(inner):
                waiting.extend(value for key, value in inner.items() if key not in ("default", "examples"))
            case list(inner):
                waiting.extend(inner)
    return found


def numbers(schema: Any) -> Iterator[dict[str, Any]]:
    """The numbers inside a schema, without those of the schemas that it refers to."""
    if isinstance(schema, dict):
        if schema.get("type") in _NUMBERS and "enum" not in schema and "const" not in schema:
            yield schema
        for key in ("items", "additionalProperties", "anyOf", "oneOf", "prefixItems"):
            yield from numbers(schema.get(key))
    elif isinstance(schema, list):
        for one in schema:
            yield from numbers(one)
