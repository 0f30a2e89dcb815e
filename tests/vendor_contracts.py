"""Holds recorded exchanges to a vendor's OpenAPI 3.0 description: path, method, query, and both bodies.

The descriptions lie beside the repository and are not part of it; without them the checks are skipped.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl

import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "contracts"
_METHODS = ("get", "put", "post", "patch", "delete")
_FORMATS = FormatChecker(formats=["date-time"])


class Recorded(Protocol):
    """What a check needs of an exchange; bodies too long to keep are None and are not checked."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def query(self) -> str: ...
    @property
    def request_type(self) -> str: ...
    @property
    def request_body(self) -> bytes | None: ...
    @property
    def status(self) -> int: ...
    @property
    def response_type(self) -> str: ...
    @property
    def response_body(self) -> bytes | None: ...


@dataclass(frozen=True)
class Operation:
    """One method of one path template, with references to its parts left in."""

    template: str
    method: str
    body: Mapping[str, Any]
    parameters: tuple[Mapping[str, Any], ...]


def contract(file_name: str, *, closed: bool = False) -> "Contract":
    """The description of that name; the running test is skipped where it is absent.

    ``closed`` makes a property that the named schema does not declare a deviation.
    """
    if not (FOLDER / file_name).exists():
        pytest.skip(f"vendor description {file_name} is not beside the repository")
    return _load(file_name, closed)


@lru_cache(maxsize=8)
def _load(file_name: str, closed: bool) -> "Contract":
    text = (FOLDER / file_name).read_text(encoding="utf-8")
    parsed = json.loads(text) if file_name.endswith(".json") else yaml.load(text, Loader=yaml.CSafeLoader)
    return Contract(parsed, closed=closed)


class Contract:
    """A parsed description."""

    def __init__(self, description: Mapping[str, Any], *, closed: bool) -> None:
        self._description = description
        self._schemas = _definitions(description.get("components", {}).get("schemas", {}), closed=closed)
        self._templates = sorted(description["paths"], key=lambda path: -len(re.sub(r"{[^}]*}", "", path)))
        self._patterns = {path: _pattern(path) for path in self._templates}

    def operation(self, method: str, path: str) -> Operation | None:
        """The operation of the template with the most literal text that fits ``path``; None when none does."""
        for template in self._templates:
            item = self._description["paths"][template]
            if method.lower() in item and self._patterns[template].fullmatch(path):
                body = item[method.lower()]
                parameters = (*item.get("parameters", ()), *body.get("parameters", ()))
                return Operation(template, method, body, tuple(self._resolved(one) for one in parameters))
        return None

    @property
    def schemas(self) -> Mapping[str, Any]:
        """The named schemas, in the description's own dialect."""
        schemas: Mapping[str, Any] = self._description["components"]["schemas"]
        return schemas

    def deviations(
        self, exchange: Recorded, *, base: str = "", strict_status: bool = True, request: bool = True
    ) -> list[str]:
        """Every point in which the exchange is not what the description says; ``base`` is cut off the path.

        ``strict_status`` also holds success to the status that the vendor's own page names, where it names one.
        Without ``request`` only the answer is looked at.
        """
        where = f"{exchange.method} {exchange.path}"
        if not exchange.path.startswith(base):
            return [f"{where}: not below {base}"]
        operation = self.operation(exchange.method, exchange.path[len(base) :])
        if operation is None:
            return [f"{where}: no such operation"]
        found = [*self._answer(operation, exchange, strict_status=strict_status)]
        if request:
            found += self._query(operation, exchange)
        if request and exchange.status < 400:  # a refused request need not be a good one
            found += self._request(operation, exchange)
        return [f"{exchange.method} {operation.template} -> {exchange.status}: {text}" for text in found]

    def check(self, schema: Mapping[str, Any], instance: Any) -> list[str]:
        """Where ``instance`` does not fit ``schema``, which is written in the description's own dialect."""
        whole = {"$defs": self._schemas, **_schema(schema)}
        validator = Draft202012Validator(whole, format_checker=_FORMATS)
        return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(instance)]

    def _query(self, operation: Operation, exchange: Recorded) -> Iterable[str]:
        known = {one["name"] for one in operation.parameters if one["in"] == "query"}
        for name, _ in parse_qsl(exchange.query, keep_blank_values=True):
            # The token of a next link, or of a delta link, is the server's own; no client makes one up.
            if name not in known and name not in {"$skiptoken", "$deltatoken"}:
                yield f"query parameter {name!r} is not described"

    def _request(self, operation: Operation, exchange: Recorded) -> Iterable[str]:
        declared = self._resolved(operation.body.get("requestBody"))
        if not exchange.request_body:
            if declared.get("required") and exchange.request_body is not None:
                yield "the request has no body"
            return
        if not declared:
            yield "no request body is described"
            return
        for text in self._content(declared, exchange.request_type, exchange.request_body):
            yield f"request {text}"

    def _answer(self, operation: Operation, exchange: Recorded, *, strict_status: bool) -> Iterable[str]:
        responses = operation.body["responses"]
        status = str(exchange.status)
        declared = next((responses[key] for key in (status, f"{status[0]}XX", "default") if key in responses), None)
        if declared is None:
            yield "the status is not described"
            return
        documented = operation.body.get("x-documented-success-status")
        if strict_status and documented and exchange.status < 400 and status != str(documented):
            yield f"the vendor's page says {documented}"
        if exchange.response_body:
            for text in self._content(self._resolved(declared), exchange.response_type, exchange.response_body):
                yield f"response {text}"

    def _content(self, declared: Mapping[str, Any], media_type: str, body: bytes) -> Iterable[str]:
        bare = media_type.partition(";")[0].strip().lower()
        content = declared.get("content", {})
        if bare not in content:
            yield f"of type {bare!r} is not described, only {sorted(content)}"
        elif bare.endswith("json") and "schema" in content[bare]:
            yield from self.check(content[bare]["schema"], json.loads(body))

    def _resolved(self, part: Mapping[str, Any] | None) -> Mapping[str, Any]:
        while part and "$ref" in part:
            *_, kind, name = part["$ref"].split("/")
            part = self._description["components"][kind][name]
        return part or {}


def _pattern(template: str) -> re.Pattern[str]:
    pieces = re.split(r"({[^}]*})", template)
    return re.compile("".join("[^/]+" if piece.startswith("{") else re.escape(piece) for piece in pieces))


def _definitions(schemas: Mapping[str, Any], *, closed: bool) -> dict[str, Any]:
    """Each schema twice: ``X@plain`` as others inherit it, and ``X``, which also looks at the type an object names."""
    found: dict[str, Any] = {}
    for name, schema in schemas.items():
        plain = _schema(schema)
        for part in plain.get("allOf", ()):
            if "$ref" in part:
                part["$ref"] += "@plain"
        found[f"{name}@plain"] = plain
        whole: dict[str, Any] = {"allOf": [{"$ref": f"#/$defs/{name}@plain"}]}
        for part in (schema, *schema.get("allOf", ())):
            discriminator = part.get("discriminator", {})
            for value, target in discriminator.get("mapping", {}).items():
                field = discriminator["propertyName"]
                named = {"properties": {field: {"const": value}}, "required": [field]}
                whole["allOf"].append({"if": named, "then": {"$ref": f"{_reference(target)}@plain"}})
        if closed and _is_object(schema):
            whole |= {"patternProperties": {"@odata\\.": True}, "unevaluatedProperties": False}
        found[name] = whole
    return found


def _is_object(schema: Mapping[str, Any]) -> bool:
    """It lists properties, itself or through what it inherits, and does not leave itself open."""
    parts = schema.get("allOf", [schema])
    return any("properties" in part for part in parts) and not schema.get("additionalProperties")


def _reference(target: str) -> str:
    return target.replace("#/components/schemas/", "#/$defs/")


def _schema(schema: Any) -> Any:
    """A schema of OpenAPI 3.0 in JSON Schema 2020-12."""
    if isinstance(schema, list):
        return [_schema(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    if "$ref" in schema:
        return {"$ref": _reference(schema["$ref"])}
    # Names of properties are no keywords, so their table is walked apart.
    found = {
        key: {name: _schema(part) for name, part in value.items()} if key == "properties" else _schema(value)
        for key, value in schema.items()
        if key not in ("nullable", "discriminator", "example", "xml", "externalDocs", "readOnly", "writeOnly")
    }
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if found.get(exclusive) is True:
            found[exclusive] = found.pop(bound)
        elif found.get(exclusive) is False:
            del found[exclusive]
    return {"anyOf": [found, {"type": "null"}]} if schema.get("nullable") else found
