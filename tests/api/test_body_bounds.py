"""What anybody may send: no body of JSON takes more than its own size times a small number, whatever is in it."""

import tracemalloc
from typing import Any

import httpx
import pytest
from layered import caller, problem_of

from eucora.api.app import assemble
from eucora.api.asking import Asked
from eucora.api.bodies import BODY_MAX, DEPTH_MAX, NAME_MAX, VALUES_MAX
from eucora.api.correlation import Correlation
from eucora.api.handlers import ERRORS_MAX
from eucora.api.routes import noun, public

APP = assemble("0")
TIMES = 60  # of a body: what the parser makes of it, and what is kept of the fields that are refused
router = noun("exchanges")


class Read(Asked):
    """What the route reads."""

    trust: str
    token: str


@router.post("")
@public()
async def exchange(body: Read) -> None:
    """As where a CI's job signs in: what it signs in with is in the body, so everybody's is read."""


async def sent(content: bytes) -> httpx.Response:
    async with caller(Correlation(assemble("0", [router]))) as http:
        return await http.post("/api/v1/exchanges", content=content, headers={"Content-Type": "application/json"})


async def refusal(content: bytes) -> dict[str, Any]:
    [error] = problem_of(await sent(content), 422, "request-invalid")["errors"]
    return dict(error)


def whole(pieces: bytes, before: bytes = b"[", after: bytes = b"0]") -> bytes:
    """A body of the size that is just allowed, of many such pieces."""
    return before + pieces * ((BODY_MAX - len(before) - len(after)) // len(pieces)) + after


HOSTILE = {
    "a long name over many": whole(b"1,", b'{"' + b"a" * 500_000 + b'":[', b"1]}"),
    "a long name over some": b'{"' + b"a" * 90_000 + b'":[' + b"1," * 5_000 + b"1]}",
    "long names in each other": (b'{"' + b"a" * 30_000 + b'":') * 30 + b"[" + b"1," * 40_000 + b"1]" + b"}" * 30,
    "many numbers": whole(b"1,"),
    "many lists": whole(b"[],"),
    "many objects": whole(b'{"a":1},'),
    "many names": b"{" + b",".join(b'"%x":1' % number for number in range(100_000)) + b"}",
    "as many wrong names as values are let through": b"{"
    + b",".join(b'"%040x":1' % number for number in range(VALUES_MAX - 1))
    + b"}",
    "one long number": whole(b"9", b"", b""),
    "many long numbers": whole(b"9" * 300 + b","),
    "one long text": whole(b"a", b'"', b'"'),
    "depth": b"[" * (BODY_MAX // 2) + b"]" * (BODY_MAX // 2),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
async def test_no_body_takes_much_more_than_its_size(content: bytes) -> None:
    assert len(content) <= BODY_MAX
    problem_of(await sent(b"[]"), 422, "request-invalid")  # what is made once is made now
    tracemalloc.start()
    try:
        answer = await sent(content)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.status_code in (400, 422), answer.text[:300]
    assert peak < TIMES * BODY_MAX
    assert len(answer.content) < 500 * ERRORS_MAX


async def test_a_refusal_still_says_where() -> None:
    inner = b'{"rings":[{"a/b~c":["good",{"x":"bad\\u0000"}]}]}'
    assert (await refusal(inner))["pointer"] == "#/rings/0/a~1b~0c/1/x"
    assert (await refusal(b'{"first":[[]],"then":{"na\\u0000me":1}}'))["pointer"] == "#/then"
    assert (await refusal(b'"bad\\u0000"'))["pointer"] == "#"


async def test_the_bounds_themselves_are_let_through_and_nothing_beyond() -> None:
    deep, deeper = (b"[" * depth + b"]" * depth for depth in (DEPTH_MAX, DEPTH_MAX + 1))
    assert "object" in (await refusal(deep))["detail"], "only the route itself wants something else"
    assert "nested deeper" in (await refusal(deeper))["detail"]
    many, more = (b"[" + b"1," * (count - 2) + b"1]" for count in (VALUES_MAX, VALUES_MAX + 1))
    assert "object" in (await refusal(many))["detail"]
    assert "values" in (await refusal(more))["detail"]
    name, longer = (b'[{"%s":1}]' % (b"a" * length) for length in (NAME_MAX, NAME_MAX + 1))
    assert "object" in (await refusal(name))["detail"]
    error = await refusal(longer)
    assert error == {"pointer": "#/0", "detail": f"a name has {NAME_MAX + 1} characters; {NAME_MAX} are the most"}


async def test_a_refusal_names_no_more_fields_than_somebody_reads() -> None:
    content = b"{" + b",".join(b'"%x":1' % number for number in range(5 * ERRORS_MAX)) + b"}"
    told = problem_of(await sent(content), 422, "request-invalid")
    assert len(told["errors"]) == ERRORS_MAX


def bodies() -> dict[str, Any]:
    described: dict[str, Any] = APP.openapi()
    return {
        str(operation["operationId"]): operation["requestBody"]["content"]["application/json"]["schema"]
        for operations in described["paths"].values()
        for operation in operations.values()
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    }


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    named = schema.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = APP.openapi()["components"]["schemas"][named] if named else schema
    return found


def largest(schema: dict[str, Any]) -> tuple[int, int]:
    """How many values it lets through at the most, and the length of its longest name."""
    schema = resolved(schema)
    if choices := [*schema.get("anyOf", ()), *schema.get("oneOf", ())]:
        sizes = [largest(one) for one in choices]
        return max(count for count, _ in sizes), max(length for _, length in sizes)
    if schema.get("type") == "array":
        fixed = [largest(one) for one in schema.get("prefixItems", ())]
        each = fixed or [largest(schema["items"])] * schema["maxItems"]
        return 1 + sum(count for count, _ in each), max(length for _, length in each)
    inner = {name: largest(one) for name, one in schema.get("properties", {}).items()}
    if others := schema.get("additionalProperties"):
        inner |= dict.fromkeys(resolved(schema["propertyNames"])["enum"], largest(others))
    longest = max((max(len(name), length) for name, (_, length) in inner.items()), default=0)
    return 1 + sum(count for count, _ in inner.values()), longest


def test_every_body_that_a_route_can_read_is_within_them() -> None:
    sizes = {name: largest(schema) for name, schema in bodies().items()}
    assert len(sizes) > 50
    assert max(count for count, _ in sizes.values()) <= VALUES_MAX
    assert max(length for _, length in sizes.values()) <= NAME_MAX
