"""Documents of Jamf's Classic API held to its description, which speaks of XML as if it were JSON."""

from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree.ElementTree import Element


def deviations(schemas: Mapping[str, Any], schema: Mapping[str, Any], element: Element, path: str) -> Iterator[str]:
    """Where ``element`` is not what ``schema`` says; a list in the description is a repeated child in XML."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rsplit("/", 1)[1]]
    if schema.get("type") == "array":
        schema = schema["items"]
    if (properties := schema.get("properties")) is not None:
        for child in element:
            if child.tag not in properties:
                yield f"{path}/{child.tag} is not described"
            else:
                yield from deviations(schemas, properties[child.tag], child, f"{path}/{child.tag}")
        return
    text = element.text or ""
    allowed = {"boolean": text in ("true", "false"), "integer": text.removeprefix("-").isdecimal()}
    if not allowed.get(schema.get("type", ""), True) or text not in schema.get("enum", [text]):
        yield f"{path} is {text!r}"
