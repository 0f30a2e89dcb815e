"""What every route does alike: ETag and Location, HEAD, pages that lead on, and queries that it does not know.

All routes are the app's own and all things those of one installation; nothing is listed here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import pytest
from access_world import seeded
from api_rig import ADMIN, CAB, NOBODY, PACKAGER, Rig, incident_body, problem

from eucora.api.openapi import document
from eucora.application.ports import Context, Write
from eucora.domain.people import Role
from eucora.domain.workload_trust import ClaimCondition, Terms, WorkloadTrustMade

DESCRIBED = document()["paths"]
EVERY_ROLE = [f"eucora-{role.value.replace('_', '-')}" for role in Role] + ["eucora-publisher@*"]
OFFSET = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d.*[+-]\d\d:?\d\d")
WRITTEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def operations(method: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in DESCRIBED.items():
        if method in methods:
            yield path, methods[method]


def takes(operation: dict[str, Any], name: str) -> bool:
    return any(one["name"] == name for one in operation.get("parameters", ()))


def headers_of(operation: dict[str, Any], status: str) -> set[str]:
    return set(operation["responses"].get(status, {}).get("headers", {}))


@dataclass
class House:
    """An installation with something everywhere. ``made``: path, Location, ETag and id of what was written."""

    rig: Rig
    everybody: dict[str, str]
    ids: dict[str, str] = field(default_factory=dict)
    made: list[tuple[str, str, str, str]] = field(default_factory=list)

    def at(self, path: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda name: self.ids.get(name[1], NOBODY), path)

    async def get(self, path: str, **sent: str) -> httpx.Response:
        query = {"ring": "0"} if path.endswith("/devices") else {}
        if path.endswith("/occurrences"):
            query = {"from": "2026-03-02T08:00:00Z", "until": "2026-12-02T08:00:00Z"}
        answer: httpx.Response = await self.rig.http.get(self.at(path), headers=self.everybody | sent, params=query)
        return answer


@pytest.fixture
async def house(rig: Rig) -> House:
    found = House(rig, {"Authorization": f"Bearer {rig.token(ADMIN, groups=EVERY_ROLE)}"})

    async def note(answer: httpx.Response) -> None:
        if answer.status_code == 201:
            await answer.aread()
            told = answer.headers
            path = answer.request.url.path
            found.made.append((path, told.get("Location", ""), told.get("ETag", ""), str(answer.json().get("id", ""))))

    rig.http.event_hooks["response"].append(note)
    units = await seeded(rig)
    packs, artifacts = (await rig.get("/evidence-packs")).json(), (await rig.get("/artifacts")).json()
    (retail, _) = units.values()
    found.ids |= retail.ids | {"pack": packs["items"][0]["id"], "sha256": artifacts["items"][0]["sha256"]}
    found.ids |= {"other": found.ids["pack"], "version": "1.0"}
    lent = {"delegate": "idp|chen", "ends_at": "2026-03-09T08:00:00Z", "reason": "Leave"}
    found.ids["delegation_id"] = await rig.made("/cab-delegations", CAB, lent)
    program = {"name": "siem", "grants": [{"role": "auditor"}], "expires_at": "2026-06-01T00:00:00Z"}
    found.ids["token_id"] = await rig.made("/service-tokens", ADMIN, program, headers=found.everybody)
    found.ids["trust_id"] = await trusted(rig)
    await rig.runner.catch_up_all()
    return found


async def trusted(rig: Rig) -> str:
    """A workload trust on record; its issuer is one that no setting lists."""
    terms = Terms("notes", "https://ci.test", "eucora", (ClaimCondition("sub", "repo:acme"),), (), 900)
    now, id = rig.clock.now(), str(uuid4())
    write = Write(f"workload_trust-{id}", 0, [WorkloadTrustMade(id, terms, "test|admin", now)])
    await rig.world.store.append([write], context=Context("test", "trust"), at=now)
    return id


def test_who_takes_a_version_has_somewhere_to_read_it() -> None:
    """Every write with If-Match stands under a GET that answers an ETag, and every ETag is declared."""
    count = 0
    for path, operation in operations("post"):
        if takes(operation, "If-Match"):
            above = DESCRIBED[path.rpartition("/")[0]]["get"]
            assert "ETag" in headers_of(above, "200"), path
            count += 1
    assert count > 30
    for path, operation in operations("get"):
        if takes(operation, "If-None-Match"):
            assert {"ETag"} <= headers_of(operation, "200") & headers_of(operation, "304"), path


async def test_the_etag_is_there_and_is_not_sent_twice(house: House) -> None:
    tagged, unchanged = 0, 0
    for path, operation in operations("get"):
        if "ETag" not in headers_of(operation, "200"):
            continue
        answer = await house.get(path)
        assert answer.status_code == 200, (path, answer.text)
        assert re.fullmatch(r'"\d+"', answer.headers["ETag"]), path
        again = await house.get(path, **{"If-None-Match": answer.headers["ETag"]})
        assert (again.status_code, again.content) == (
            (304, b"") if takes(operation, "If-None-Match") else (200, answer.content)
        ), path
        tagged, unchanged = tagged + 1, unchanged + (again.status_code == 304)
    assert tagged > 12
    assert unchanged > 8


async def test_what_was_written_can_be_read_where_the_answer_says(house: House) -> None:
    rig, incident = house.rig, house.ids["incident_id"]
    await rig.made(f"/incidents/{incident}/notes", ADMIN, {"text": "Looked at"}, headers=house.everybody)
    await rig.made("/incidents", ADMIN, incident_body(), headers=house.everybody)
    versioned, names = 0, {"made": 0, "moved": 0, "elsewhere": 0}
    for path, at, etag, id in house.made:
        route = next(one for one in DESCRIBED if "post" in DESCRIBED[one] and fits(one, path))
        assert bool(at) is ("Location" in headers_of(DESCRIBED[route]["post"], "201")), route
        if not at:
            continue
        answer = await rig.ask("GET", at, headers=house.everybody)
        assert answer.status_code == 200, (route, at, answer.text)
        assert id in (answer.json().get("id"), answer.json().get("sha256")), route
        kind = "made" if at == f"{path}/{id}" else "moved" if path.startswith(f"{at}/") else "elsewhere"
        names[kind] += 1
        if "ETag" in answer.headers:
            assert int(answer.headers["ETag"].strip('"')) >= int(etag.strip('"')), route
            versioned += 1
    assert all(names.values()), names
    assert sum(names.values()) > versioned > 10


def fits(template: str, path: str) -> bool:
    return bool(re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)) and "{" not in path


def test_every_201_says_where_unless_nothing_shows_it() -> None:
    nowhere = {one["operationId"] for _, one in operations("post") if "201" in one["responses"]} - {
        one["operationId"] for _, one in operations("post") if "Location" in headers_of(one, "201")
    }
    # A document shows in the packs that name it; a job in the list of those that gave up.
    assert nowhere == {"upload_evidence_document", "retry_job"}


async def test_a_repeat_is_told_the_same_place(house: House) -> None:
    first = await house.rig.post("/incidents", ADMIN, incident_body(), headers=house.everybody, key="once")
    again = await house.rig.post("/incidents", ADMIN, incident_body(), headers=house.everybody, key="once")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"] == f"/api/v1/incidents/{first.json()['id']}"


PLAIN = {"Accept-Encoding": "identity"}  # what has no body is not compressed


async def test_head_is_get_without_a_body(house: House) -> None:
    count = 0
    for path, _ in operations("get"):
        if path.endswith("/content"):
            continue  # an auditor's fetch of a file is on record, so it moves what is read
        got = await house.get(path, **PLAIN)
        head = await house.rig.http.head(str(got.request.url), headers=house.everybody | PLAIN)
        assert (head.status_code, head.content) == (got.status_code, b""), path
        for name in ("Content-Type", "ETag", "Content-Security-Policy", "Cache-Control"):
            assert head.headers.get(name) == got.headers.get(name), (path, name)
        assert {*head.headers} == {*got.headers}, path
        count += got.status_code == 200
    assert count > 45


async def test_a_head_of_a_stream_does_not_stay(house: House) -> None:
    headers = house.everybody | {"Accept": "text/event-stream"}
    head = await house.rig.http.head("/api/v1/audit/events/stream", headers=headers)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"].startswith("text/event-stream")


async def test_a_head_takes_nothing_away_so_nothing_goes_on_record(house: House) -> None:
    """What an auditor would leave behind by the GET of the log, of its stream and of a file."""
    pack = (await house.get("/api/v1/evidence-packs/{pack}")).json()
    file = f"/api/v1/evidence-packs/{pack['id']}/documents/{pack['documents'][0]['sha256']}/content"
    for path in ("/api/v1/audit/events", "/api/v1/audit/events/stream", file):
        house.rig.later(hours=1)  # an export is recorded once an hour
        house.everybody["Authorization"] = f"Bearer {house.rig.token(ADMIN, groups=EVERY_ROLE)}"
        before = await house.rig.events()
        head = await house.rig.http.head(path, headers=house.everybody | PLAIN)
        assert (head.status_code, await house.rig.events()) == (200, before), path
        got = await house.rig.http.get(path, headers=house.everybody | PLAIN)
        assert await house.rig.events() == before + 1, path
        told = {*got.headers} - {"last-modified"}  # of a file: when this copy was made
        assert {*head.headers} == told, path
    assert head.headers["Content-Length"] == got.headers["Content-Length"] == str(len(got.content))
    assert head.headers["ETag"] == got.headers["ETag"]


async def test_a_query_that_a_route_does_not_know_is_refused(house: House) -> None:
    """Or a filter with a slip in its name would let everything through."""
    count = 0
    for method in ("get", "post"):
        for path, operation in operations(method):
            if not operation["security"]:
                continue
            known = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"}
            send = {"headers": house.everybody | {"Idempotency-Key": "k", "Content-Type": "application/json"}}
            answer = await house.rig.http.request(method.upper(), f"{house.at(path)}?stats=open&Limit=1", **send)
            told = problem(answer, 422, "request-invalid")
            assert [one["parameter"] for one in told["errors"]] == ["stats", "Limit"], path
            assert all(name in told["errors"][0]["detail"] for name in known), path
            count += 1
    assert count > 110


async def test_one_filter_given_twice_is_refused(house: House) -> None:
    twice = await house.rig.http.get("/api/v1/incidents?status=open&status=resolved", headers=house.everybody)
    assert problem(twice, 422, "request-invalid")["errors"][0]["parameter"] == "status"


async def test_a_page_leads_to_the_next(house: House) -> None:
    lists = [path for path, operation in operations("get") if takes(operation, "cursor")]
    assert all("Link" in headers_of(DESCRIBED[path]["get"], "200") for path in lists)
    assert len(lists) > 20
    seen: list[str] = []
    at = "/api/v1/incidents?status=open&limit=1&application=notes"
    while at:
        answer = await house.rig.http.get(at, headers=house.everybody)
        seen += [one["id"] for one in answer.json()["items"]]
        link = answer.links.get("next", {}).get("url", "")
        assert bool(link) is bool(answer.json()["next_cursor"])
        at = link
    assert len(seen) == len({*seen}) == 2
    feed = await house.rig.http.get("/api/v1/audit/events?limit=3", headers=house.everybody)
    onward = await house.rig.http.get(feed.links["next"]["url"], headers=house.everybody)
    assert [one["position"] for one in onward.json()["events"]] == [3, 4, 5]


async def test_every_time_is_told_in_utc(house: House) -> None:
    window = {"effect": "deny", "name": "Fair", "reason": "All hands", "end": "2026-06-01T10:00:00+02:00"}
    await house.rig.made("/change-windows", ADMIN, window | {"start": "2026-06-01T08:00:00+02:00"})
    await house.rig.runner.catch_up_all()
    times, wrong = 0, []
    for path, _ in operations("get"):
        answer = await house.get(path)
        if answer.headers.get("Content-Type") != "application/json":
            continue
        for text in texts(answer.json()):
            times += bool(WRITTEN.fullmatch(text))
            if OFFSET.fullmatch(text):
                wrong.append((path, text))
    assert wrong == []
    assert times > 100


def texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for one in value.values():
                yield from texts(one)
        case list():
            for one in value:
                yield from texts(one)


async def test_a_file_comes_whole(house: House) -> None:
    """Also where a part of it is asked for: a wrong range would be refused by something that is no problem document."""
    pack = (await house.get("/api/v1/evidence-packs/{pack}")).json()
    document = pack["documents"][0]["sha256"]
    path = f"/api/v1/evidence-packs/{pack['id']}/documents/{document}/content"
    whole = await house.rig.http.get(path, headers=house.everybody)
    for asked in ("bytes=0-1", "bytes=9999999-", "bytes=x", "lines=1-2"):
        answer = await house.rig.http.get(path, headers=house.everybody | {"Range": asked})
        assert (answer.status_code, answer.content) == (200, whole.content), asked
    assert whole.headers["Accept-Ranges"] == "none"


async def test_a_coded_body_is_refused(house: House) -> None:
    sent = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    told = await house.rig.post("/incidents", ADMIN, incident_body(), headers=house.everybody | sent)
    problem(told, 415, "media-type-unsupported")
    assert told.headers["Accept-Encoding"] == "identity"
    upload = await house.rig.ask(
        "POST", "/evidence-documents", PACKAGER, params={"kind": "scan"}, content=b"x", headers=sent
    )
    problem(upload, 415, "media-type-unsupported")
