"""Times at the ends of the calendar: each is an ordinary wrong parameter, on every route that takes one."""

from collections.abc import Iterator
from typing import Any

import pytest
from api_rig import ADMIN, CAB, NOBODY, OPERATOR, PACKAGER, Rig, id_of, problem

from eucora.api.openapi import document

LATEST, EARLIEST = "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"  # in UTC, neither can be said
WRONG = (LATEST, EARLIEST, "9999-12-31T23:59:59.999999Z", "9001-01-01T00:00:00Z", "1969-12-31T23:59:59Z")
FILLED = {"{sha256}": "0" * 64, "{pack}": "0" * 64, "{version}": "1.1", "{job_id}": "1"}


def is_time(schema: Any) -> bool:
    """Whether a time with an offset is among what the schema takes."""
    return schema.get("format") == "date-time" or any(is_time(one) for one in schema.get("anyOf", ()))


def filled(path: str) -> str:
    for name, value in FILLED.items():
        path = path.replace(name, value)
    return "/".join(NOBODY if part.startswith("{") else part for part in path.split("/"))


def asked_with_times() -> Iterator[tuple[str, list[str]]]:
    """(path, names of its query parameters that are times) of every GET route that has one."""
    for path, methods in document()["paths"].items():
        queries = [one for one in methods.get("get", {}).get("parameters", ()) if one["in"] == "query"]
        if times := [one["name"] for one in queries if is_time(one["schema"])]:
            yield path, times


TIMES = dict(asked_with_times())


def test_the_routes_that_take_a_time_are_found() -> None:
    assert {"/api/v1/policy-exceptions", "/api/v1/deployment-intents/{intent_id}", "/api/v1/calendar"} <= {*TIMES}


@pytest.mark.parametrize("path", TIMES)
async def test_a_time_at_the_end_of_the_calendar_is_a_wrong_parameter(rig: Rig, path: str) -> None:
    for wrong in WRONG:
        for name in TIMES[path]:
            asked = dict.fromkeys(TIMES[path], "2026-03-02T00:00:00Z") | {name: wrong}
            told = problem(await rig.get(filled(path), **asked), 422, "request-invalid")
            assert {one["parameter"].split(".")[0] for one in told["errors"]} == {name}


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_time_at_the_end_of_the_calendar_is_a_wrong_field(rig: Rig, wrong: str) -> None:
    waiver = {
        "kind": "vulnerability",
        "title": "zlib",
        "justification": "no fix",
        "controls": ["shut"],
        "owner": id_of(OPERATOR),
        "subjects": ["CVE-2026-1"],
        "application_id": "notes",
        "expires_at": wrong,
    }
    lent = {"delegate": id_of(ADMIN), "reason": "leave", "starts_at": wrong, "ends_at": wrong}
    token = {"name": "pump", "grants": [{"role": "auditor"}], "expires_at": wrong}
    for path, person, body in (
        ("/policy-exceptions", PACKAGER, waiver),
        (f"/policy-exceptions/{NOBODY}/extensions", PACKAGER, {"until": wrong, "reason": "late"}),
        ("/cab-delegations", CAB, lent),
        ("/service-tokens", ADMIN, token),
    ):
        told = problem(await rig.post(path, person, body), 422, "request-invalid")
        times = {f"#/{name}" for name in ("expires_at", "until", "starts_at", "ends_at") if name in body}
        assert {one["pointer"] for one in told["errors"]} == times
    assert await rig.events() == 0


async def test_an_offset_is_no_matter_of_what_is_found(rig: Rig) -> None:
    intent = await rig.propose()
    path = f"/deployment-intents/{intent}"
    for now in ("2026-03-02T08:00:00Z", "2026-03-02T22:00:00+14:00", "2026-03-01T18:00:00-14:00"):
        assert (await rig.get(path, as_of=now)).json()["id"] == intent
    problem(await rig.get(path, as_of="2026-03-02T21:59:59+14:00"), 404, "deployment-intent-unknown")
