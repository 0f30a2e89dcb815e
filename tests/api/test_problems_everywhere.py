"""Every answer that is no success is a problem document, from every route and from the framework, and is declared."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import orjson
import pytest
from api_rig import ADMIN, NOBODY, PACKAGER, Rig, problem

from eucora.api.app import create_app
from eucora.api.openapi import document
from eucora.domain.people import Role

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
NEVER = ("TRACE", "BREW")  # refused before anybody looks at the path
# What stands for each parameter of a path; nothing is there under any of them.
NAMES = {
    "sha256": "0" * 64,
    "pack": "0" * 64,
    "other": "1" * 64,
    "version": "none",
    "job_id": "4711",
    "finding_id": f"{NOBODY}.1",
}
JSON = {"Content-Type": "application/json"}
# Media type, body, and what it may be answered with.
UNREADABLE: tuple[tuple[Any, ...], ...] = (
    ("text/plain", b"{}", 415),
    ("application/json", b"{", 400),
    ("application/json", b"[]", 422),
    ("", b"{}", 415),
    ("application/json", b'{"reason": "\xff"}', 400),
    ("application/json", b"1e999", 400, 422),
    ("application/json", b'{"no such field": 1}', 422),
    ("application/json", b'{"reason": "\\u0000"}', 422),
    ("application/json", b'{"reason": "\\ud800"}', 400, 422),
    ("application/json", b"[" * 40 + b"]" * 40, 422),
    ("application/json", b"", 422),
)


def at(path: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda name: NAMES.get(name[1], NOBODY), path)


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def told(answer: httpx.Response, operation: dict[str, Any], *statuses: int) -> dict[str, Any]:
    """The problem, after what each one owes: a type, a way out, and a line in the description of the route."""
    where = operation["operationId"]
    assert answer.status_code in statuses, f"{where}: {answer.status_code} {answer.text[:300]}"
    assert str(answer.status_code) in operation["responses"], f"{where} does not declare {answer.status_code}"
    body: dict[str, Any] = answer.json()
    return problem(answer, answer.status_code, str(body["type"]).removeprefix("urn:eucora:problem:"))


@pytest.fixture
def everybody(rig: Rig) -> dict[str, str]:
    """A token with every role everywhere."""
    groups = [f"eucora-{role.value.replace('_', '-')}" for role in Role] + ["eucora-publisher@*"]
    return {"Authorization": f"Bearer {rig.token(ADMIN, groups=groups)}"}


NO_PATHS = (
    "/",
    "/nothing",
    "/docs",
    "/api/v1",
    "/api/v1/",
    "/api/v2/incidents",
    "/api/v1/incidents/",
    f"/api/v1/incidents/{NOBODY}/nothing",
    "//api/v1/incidents",
    "/api/v1/../v1/nothing",
    "/%00",
    "/%zz",
    "/%ff%fe",
    "/%2e%2e%2fetc%2fpasswd",
)


async def test_a_path_that_is_none_is_a_problem(rig: Rig) -> None:
    for path in NO_PATHS:
        answer = await rig.http.get(httpx.URL("http://eucora.test").copy_with(raw_path=path.encode()))
        assert "openapi.json" in problem(answer, 404, "route-unknown")["detail"], path


async def test_a_method_that_a_path_does_not_know_names_those_that_it_does(rig: Rig) -> None:
    known: dict[str, set[str]] = {}
    for method, path, _ in operations():
        known.setdefault(path, set()).add(method)
    assert len(known) > 80
    for path in known:
        # What stands there literally, as /deployment-intents/plans does, is no id to another path.
        alike = known if "{" in path else [path]
        here = [other for other in alike if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", other), at(path))]
        answered = {method for other in here for method in known[other]}
        answered |= {"HEAD"} if "GET" in answered else set()
        for method in (one for one in (*METHODS, *NEVER) if one not in answered):
            answer = await rig.http.request(method, at(path))
            assert (answer.status_code, answer.headers["Content-Type"]) == (405, "application/problem+json"), path
            if method != "HEAD":
                problem(answer, 405, "method-not-allowed")
            if method in METHODS:
                assert set(answer.headers["Allow"].split(", ")) == answered, (method, path)


async def test_whoever_does_not_sign_in_gets_a_problem_from_every_route(rig: Rig) -> None:
    count = 0
    for method, path, operation in operations():
        if operation.get("security"):
            answer = await rig.http.request(method, at(path), headers=JSON, content=b"{}" if method == "POST" else b"")
            told(answer, operation, 401)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
            count += 1
    assert count > 110


async def test_a_query_that_cannot_be_read_is_a_problem_of_every_list(rig: Rig, everybody: dict[str, str]) -> None:
    lists = 0
    for method, path, operation in operations():
        if method != "GET" or not operation.get("security"):
            continue
        names = {one["name"]: one["schema"] for one in operation.get("parameters", []) if one["in"] == "query"}
        queries = ["x=%00", "x%00=1"]
        if "limit" in names:
            queries += [f"limit={value}" for value in ("many", "0", "1e3", names["limit"]["maximum"] + 1)]
        if "cursor" in names:
            assert names["limit"]["maximum"] <= 1_000, path
            queries += [f"cursor={value}" for value in ("", "a.b", "%ff%fe")]
        for query in queries:
            # What the path names may be looked for first: then there is nothing under that id.
            told(await rig.http.get(f"{at(path)}?{query}", headers=everybody), operation, 422, 404)
        lists += "cursor" in names
    assert lists > 20


async def test_a_body_that_cannot_be_read_is_a_problem_of_every_write(rig: Rig, everybody: dict[str, str]) -> None:
    named = everybody | {"If-Match": '"1"'}
    before, count = await rig.events(), 0
    for method, path, operation in operations():
        if "application/json" not in operation.get("requestBody", {}).get("content", {}):
            continue
        count += 1
        for kind, content, *statuses in UNREADABLE if count % 5 == 0 else UNREADABLE[:3]:
            headers = named | {"Content-Type": kind, "Idempotency-Key": f"{operation['operationId']}-{count}"}
            answer = await rig.http.request(method, at(path), headers=headers, content=content)
            told(answer, operation, *statuses, 404)
        large = named | JSON | {"Content-Length": "1000001", "Idempotency-Key": "k"}
        told(await rig.http.request(method, at(path), headers=large, content=b"{}"), operation, 413, 404)
    assert count > 50
    assert await rig.events() == before


async def test_a_path_that_names_nothing_readable_is_a_problem(rig: Rig, everybody: dict[str, str]) -> None:
    for method, path, operation in operations():
        if "{" not in path or method != "GET":
            continue
        for value in ("%00", "%ff", "x" * 300, "%2e%2e"):
            url = httpx.URL("http://eucora.test").copy_with(raw_path=re.sub(r"\{\w+\}", value, path).encode())
            answer = await rig.http.request(method, url, headers=everybody)
            told(answer, operation, 404, 422)


async def test_a_fault_of_ours_is_a_problem_that_tells_nothing_of_it(rig: Rig) -> None:
    app = create_app(replace(rig.app.state.house.deps, replies=BrokenReplies()))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://eucora.test") as http:
        answer = await replace(rig, app=app, http=http).post("/evidence-packs", PACKAGER, await rig.pack_body())
    problem(answer, 500, "internal-fault")
    assert "hunter2" not in answer.text


class BrokenReplies:
    """A part that has a fault, and says more in it than it should."""

    async def find(self, owner: str, key: str) -> None:
        raise RuntimeError("hunter2")

    async def keep(self, reply: object, position: int, at: object) -> bool:
        raise RuntimeError("hunter2")


async def test_a_problem_is_told_by_what_it_declares(rig: Rig) -> None:
    """The document of the standard: what is in it has the types that the description says."""
    schema = document()["components"]["schemas"]["ProblemDocument"]
    answer = await rig.http.get("/nothing")
    body = orjson.loads(answer.content)
    assert set(schema["required"]) <= set(body)
    assert {name: type(body[name]) for name in schema["required"]} == dict.fromkeys(schema["required"], str) | {
        "status": int
    }
