"""What generators of valid and invalid values leave out: NUL, half a surrogate pair, numbers beyond every type.

Each leaf of each example of a body in turn holds one of them, and each parameter of each path and query.
"""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import orjson
from api_rig import ADMIN, Rig

from eucora.api.openapi import document
from eucora.domain.people import Role

DESCRIBED = document()
MARK = "urn:leaf"
# As they stand in JSON: the text of a leaf, or what stands in its place.
VALUES = (
    rb'"a\u0000b"',
    rb'"\ud800"',
    rb'"\udc00\ud800"',
    b"1" + b"0" * 400,
    b"1e999",
    b"-1e999",
    b"9223372036854775808",
)


def leaves(value: Any) -> Iterator[Any]:
    """The value once for each of its leaves, with the mark in that leaf's place."""
    match value:
        case dict():
            for name, inner in value.items():
                yield from ({**value, name: one} for one in leaves(inner))
        case list():
            for number, inner in enumerate(value):
                yield from ([*value[:number], one, *value[number + 1 :]] for one in leaves(inner))
        case _:
            yield MARK


def asked() -> Iterator[tuple[str, Any]]:
    """Address and example of every body of JSON."""
    for path, operations in DESCRIBED["paths"].items():
        content = operations.get("post", {}).get("requestBody", {}).get("content", {})
        if "application/json" in content:
            name = content["application/json"]["schema"]["$ref"].rsplit("/", 1)[-1]
            yield address(path), DESCRIBED["components"]["schemas"][name]["examples"][0]


def address(path: str, value: str = "0199e5a4-6f00-7000-8000-0000000000ff") -> str:
    return re.sub(r"\{\w+\}", value, path)


def everybody(rig: Rig) -> dict[str, str | bytes]:
    groups = [f"eucora-{role.value.replace('_', '-')}" for role in Role]
    return {
        "Authorization": f"Bearer {rig.token(ADMIN, groups=groups)}",
        "Content-Type": "application/json",
        "If-Match": '"1"',
    }


async def test_no_leaf_of_a_body_takes_the_service_down(rig: Rig) -> None:
    headers, before, tried = everybody(rig), await rig.events(), 0
    for path, example in asked():
        for number, marked in enumerate(leaves(example)):
            for value in (VALUES[number % 3], VALUES[3 + number % 4]):
                body = orjson.dumps(marked).replace(f'"{MARK}"'.encode(), value)
                answer = await rig.ask("POST", path, headers=headers, content=body)
                told = (path, body[:400], answer.text)
                assert answer.status_code < 500, told
                assert value not in VALUES[:3] or answer.status_code in (400, 403, 404, 422), told
                tried += 1
    assert tried > 300
    assert await rig.events() < before + tried


async def test_no_parameter_takes_the_service_down(rig: Rig) -> None:
    headers, tried = everybody(rig), 0
    for path, operations in DESCRIBED["paths"].items():
        if "get" not in operations:
            continue
        names = [one["name"] for one in operations["get"].get("parameters", ()) if one["in"] == "query"]
        for value in (quote("a\x00b"), "%ff%fe", "%ed%a0%80", "1" + "0" * 400):
            queries = [f"?{name}={value}" for name in names]
            for at in [address(path, value), *(address(path) + query for query in queries)]:
                answer = await rig.ask("GET", at, headers=headers, caught_up=False)
                assert answer.status_code < 500, (at, answer.text)
                tried += 1
    assert tried > 300
