"""Asking twice, paging, tracing, the feed, the jobs, the probes: what every caller may rely on."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import httpx
import orjson
import pytest
from api_rig import ADMIN, AUDITOR, BOTH, NOBODY, OPERATOR, PACKAGER, Rig, id_of, incident_body, package, problem, scan

from eucora.api.app import create_app
from eucora.api.cursors import Cursors
from eucora.api.openapi import document
from eucora.application.ports import Clock, Context, NewJob, Write
from eucora.codec.canonical import canonical
from eucora.domain.incident import IncidentResolved
from eucora.projections.paging import BadCursor
from eucora.store.jobs import JobQueue
from eucora.store.replies import Replies, StoredReply
from eucora.workers.housekeeping import keep_house


async def test_a_repeat_gets_the_same_answer_and_records_nothing(rig: Rig) -> None:
    await rig.pack()
    first = await rig.post("/incidents", OPERATOR, incident_body(), key="one")
    count = await rig.events()
    again = await rig.post("/incidents", OPERATOR, incident_body(), key='"one"')
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    for name in ("ETag", "Eucora-Position", "Content-Type"):
        assert again.headers[name] == first.headers[name]
    assert await rig.events() == count


async def test_a_repeat_is_answered_as_then_whatever_happened_since(rig: Rig) -> None:
    await rig.pack()
    path = f"/incidents/{await rig.made('/incidents', OPERATOR, incident_body())}"
    first = await rig.post(f"{path}/notes", OPERATOR, {"text": "one"}, key="one")
    await rig.made(f"{path}/resolutions", OPERATOR, {"root_cause": "a driver"})
    # Also where what the caller saw is stale by now: he saw it when he asked.
    again = await rig.post(f"{path}/notes", OPERATOR, {"text": "one"}, key="one", headers={"If-Match": '"1"'})
    assert (again.status_code, again.content) == (201, first.content)
    assert [again.headers[name] for name in ("ETag", "Eucora-Position")] == ['"2"', first.headers["Eucora-Position"]]


async def test_what_had_nothing_to_record_is_answered_as_then_too(rig: Rig) -> None:
    pack = await rig.pack()
    body = await rig.pack_body()
    count = await rig.events()
    first = await rig.post("/evidence-packs", PACKAGER, body, key="one")
    assert first.json() == {"id": pack, "version": 1}
    newer = (await rig.upload(scan() + b"\n", "scan")).json()["sha256"]
    await rig.made(f"/evidence-packs/{pack}/rescans", PACKAGER, {"document": newer})
    other_key = await rig.post("/evidence-packs", PACKAGER, body, key="two")
    assert other_key.json() == {"id": pack, "version": 2}
    again = await rig.post("/evidence-packs", PACKAGER, body, key="one")
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["ETag"] == first.headers["ETag"] == '"1"'
    assert again.headers["Eucora-Position"] == first.headers["Eucora-Position"]
    assert await rig.events() == count + 1, "the newer scan alone"


async def test_a_refusal_that_goes_on_record_goes_there_once(rig: Rig) -> None:
    intent = await rig.propose(person=BOTH)
    before = await rig.events()
    first = await rig.post(f"/deployment-intents/{intent}/starts", BOTH, key="one")
    problem(first, 403, "requester-may-not-publish")
    again = await rig.post(f"/deployment-intents/{intent}/starts", BOTH, key="one")
    assert (again.status_code, again.content) == (403, first.content)
    assert again.headers["Content-Type"] == first.headers["Content-Type"] == "application/problem+json"
    assert await rig.events() == before + 1
    problem(await rig.post(f"/deployment-intents/{intent}/starts", BOTH, key="two"), 403, "requester-may-not-publish")
    assert await rig.events() == before + 2


async def test_a_request_that_is_still_being_answered_is_not_asked_twice(rig: Rig) -> None:
    under_way, before = rig.app.state.house.under_way, await rig.events()
    under_way.patience_s = 0.0
    path, body = "/incidents", orjson.dumps(incident_body())
    asked = hashlib.sha256(b"POST /api/v1/incidents?\n" + body).hexdigest()

    async def send(content: bytes) -> httpx.Response:
        kind = {"Content-Type": "application/json"}
        return await rig.ask("POST", path, OPERATOR, key="one", content=content, headers=kind)

    with under_way.answering(id_of(OPERATOR), "one", asked):
        answer = await send(body)
        assert problem(answer, 409, "idempotency-key-in-use")
        assert answer.headers["Retry-After"] == "1"
        problem(await send(body + b" "), 422, "idempotency-key-reused")
        assert await rig.events() == before
    await rig.pack()
    assert (await send(body)).status_code == 201


async def test_a_refusal_by_what_the_same_request_did_elsewhere_is_no_refusal(rig: Rig, pool: asyncpg.Pool) -> None:
    """The twin at another replica came first, and committed after this one had looked for its answer."""
    await rig.pack()
    path = f"/incidents/{await rig.made('/incidents', OPERATOR, incident_body())}/notes"
    note, seen = {"text": "vendor called"}, {"If-Match": '"1"'}
    first = await rig.post(path, OPERATOR, note, key="one", headers=seen)
    late = LateReplies(pool)
    async with replica_of(rig, late) as other:
        again = await other.post(path, OPERATOR, note, key="one", headers=seen)
        assert (again.status_code, again.content, late.asked) == (201, first.content, 2)
        late.asked = 0
        answer = await other.post(path, OPERATOR, {"text": "another"}, key="one", headers=seen)
        problem(answer, 422, "idempotency-key-reused")
        problem(await other.post(path, OPERATOR, note, key="two", headers=seen), 412, "version-mismatch")


async def test_what_the_same_request_did_elsewhere_is_told_as_there(rig: Rig, pool: asyncpg.Pool) -> None:
    """As above, where this one then finds nothing left to do."""
    await rig.pack()
    path = f"/incidents/{await rig.made('/incidents', OPERATOR, incident_body())}/resolutions"
    first = await rig.post(path, OPERATOR, {"root_cause": "a driver"}, key="one")
    await rig.made("/incidents", OPERATOR, incident_body())
    late = LateReplies(pool)
    async with replica_of(rig, late) as other:
        again = await other.post(path, OPERATOR, {"root_cause": "a driver"}, key="one")
    assert (again.status_code, again.content, late.asked) == (201, first.content, 2)
    assert again.headers["Eucora-Position"] == first.headers["Eucora-Position"]


@asynccontextmanager
async def replica_of(rig: Rig, replies: Replies) -> AsyncIterator[Rig]:
    """A second API on the same database, with an idea of its own of what was answered before."""
    app = create_app(replace(rig.app.state.house.deps, replies=replies))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://eucora.test") as http:
        yield replace(rig, app=app, http=http)


class LateReplies(Replies):
    """What is kept is seen from the second look on."""

    asked = 0

    async def find(self, owner: str, key: str) -> StoredReply | None:
        self.asked += 1
        return None if self.asked == 1 else await super().find(owner, key)


async def test_after_a_day_the_key_is_a_new_one(rig: Rig, pool: asyncpg.Pool) -> None:
    await rig.pack()
    first = await rig.made("/incidents", OPERATOR, incident_body(), key="one")
    rig.later(hours=24)
    for expected in (True, False):
        stop = asyncio.Event()
        await keep_house(Replies(pool), OneRound(rig.clock, stop), stop)
        again = await rig.made("/incidents", OPERATOR, incident_body(), key="one")
        assert (again == first) is expected
        rig.later(seconds=1)


class OneRound:
    """The rig's clock, which is asked once."""

    def __init__(self, clock: Clock, stop: asyncio.Event) -> None:
        self._clock, self._stop = clock, stop

    def now(self) -> datetime:
        self._stop.set()
        return self._clock.now()


async def test_the_key_belongs_to_one_request(rig: Rig) -> None:
    await rig.pack()
    await rig.made("/incidents", OPERATOR, incident_body(), key="one")
    answer = await rig.post("/incidents", OPERATOR, incident_body(severity="p1"), key="one")
    problem(answer, 422, "idempotency-key-reused")
    answer = await rig.post(f"/incidents/{NOBODY}/resolutions", OPERATOR, {"root_cause": "x"}, key="one")
    problem(answer, 422, "idempotency-key-reused")


async def test_the_key_belongs_to_one_person(rig: Rig) -> None:
    await rig.pack()
    mine = await rig.made("/incidents", OPERATOR, incident_body(), key="one")
    theirs = await rig.made("/incidents", "sana.security", incident_body(), key="one")
    assert mine != theirs


async def test_a_refused_request_keeps_no_answer(rig: Rig) -> None:
    await rig.pack()
    refused = await rig.post("/incidents", OPERATOR, incident_body(affected_devices=-1), key="one")
    problem(refused, 422, "affected-devices-invalid")
    assert (await rig.post("/incidents", OPERATOR, incident_body(), key="one")).status_code == 201


async def test_an_upload_may_be_repeated(rig: Rig) -> None:
    async def upload(key: str) -> httpx.Response:
        return await rig.ask(
            "POST", "/artifacts", PACKAGER, key=key, params={"file_name": "notes.pkg"}, content=package()
        )

    first, again, other_key = await upload("one"), await upload("one"), await upload("two")
    assert first.content == again.content == other_key.content
    assert [one.status_code for one in (first, again, other_key)] == [201, 201, 201]
    assert await rig.events() == 1


async def test_twins_that_race_act_once(rig: Rig) -> None:
    await rig.pack()
    before = await rig.events()
    asked = [rig.post("/incidents", OPERATOR, incident_body(), key="one") for _ in range(8)]
    answers = await asyncio.gather(*asked)
    assert {(one.status_code, one.content) for one in answers} == {(201, answers[0].content)}
    assert await rig.events() == before + 1


@pytest.mark.parametrize(
    ("key", "slug"),
    [("", "idempotency-key-missing"), ("x" * 256, "idempotency-key-invalid"), ('""', "idempotency-key-invalid")],
)
async def test_a_key_is_required(rig: Rig, key: str, slug: str) -> None:
    told = problem(await rig.post("/incidents", OPERATOR, incident_body(), key=key), 400, slug)
    assert "Idempotency-Key" in told["detail"]
    assert await rig.events() == 0


async def test_pages_hold_every_item_once_while_new_ones_come(rig: Rig) -> None:
    await rig.pack()
    made = [await rig.made("/incidents", OPERATOR, incident_body(affected_devices=n)) for n in range(7)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params: dict[str, Any] = {"limit": 3, "status": "open"} | ({"cursor": cursor} if cursor else {})
        page = (await rig.get("/incidents", **params)).json()
        seen += [one["id"] for one in page["items"]]
        await rig.made("/incidents", OPERATOR, incident_body())
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == made[::-1]


async def test_a_cursor_belongs_to_its_list(rig: Rig) -> None:
    await rig.pack()
    for _ in range(2):
        await rig.made("/incidents", OPERATOR, incident_body())
    cursor = (await rig.get("/incidents", limit=1)).json()["next_cursor"]
    assert (await rig.get("/incidents", limit=5, cursor=cursor)).status_code == 200
    problem(await rig.get("/incidents", cursor=cursor, status="open"), 422, "cursor-invalid")
    problem(await rig.get("/artifacts", cursor=cursor), 422, "cursor-invalid")
    problem(await rig.get("/incidents", cursor=cursor[:-1] + "x"), 422, "cursor-invalid")
    problem(await rig.get("/incidents", cursor="WzAsIngiXQ"), 422, "cursor-invalid")


@pytest.mark.parametrize("limit", [0, -1, 1001, "many"])
async def test_limits_are_bounded(rig: Rig, limit: object) -> None:
    problem(await rig.get("/incidents", limit=limit), 422, "request-invalid")


def test_cursors_need_a_real_key_and_depend_on_it() -> None:
    with pytest.raises(ValueError, match="16"):
        Cursors(b"short")
    sealed = Cursors(b"a" * 16).seal("inner", "list")
    assert Cursors(b"a" * 16).open(sealed, "list") == "inner"
    with pytest.raises(BadCursor):
        Cursors(b"b" * 16).open(sealed, "list")


def test_a_cursor_that_was_touched_anywhere_is_refused() -> None:
    cursors = Cursors(b"a" * 16)
    sealed = cursors.seal("inner", "/incidents?[]")
    for place, letter in enumerate(sealed):
        for other in ("A" if letter != "A" else "B", "", letter + letter, "\ud800"):
            with pytest.raises(BadCursor):
                cursors.open(sealed[:place] + other + sealed[place + 1 :], "/incidents?[]")
    for of in ("/incidents?[('status', 'open')]", "/artifacts?[]", ""):
        with pytest.raises(BadCursor):
            cursors.open(sealed, of)


def test_every_list_comes_in_pages() -> None:
    described, lists = document(), []
    for path, operations in described["paths"].items():
        answers = operations.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        reference = answers.get("application/json", {}).get("schema", {}).get("$ref", "/")
        shape = described["components"]["schemas"].get(reference.rsplit("/", 1)[1], {})
        if "next_cursor" not in shape.get("properties", {}):
            continue
        lists.append(path)
        given = {one["name"]: one["schema"] for one in operations["get"]["parameters"] if one["in"] == "query"}
        assert given["limit"]["maximum"] <= 1_000, path
        assert "cursor" in given, path
    assert len(lists) > 20


async def test_the_correlation_id_is_carried_into_the_log(rig: Rig) -> None:
    await rig.pack()
    headers = {"X-Correlation-ID": "ticket 4711"}
    answer = await rig.post("/incidents", OPERATOR, incident_body(), headers=headers)
    assert answer.headers.get_list("X-Correlation-ID") == ["ticket 4711"]
    *_, event = (await rig.get("/audit/events")).json()["events"]
    assert event["entry"]["stream"].startswith("incident-")
    assert event["entry"]["correlation_id"] == "ticket 4711"


@pytest.mark.parametrize("given", ["", "x" * 129, "tab\there", "caf\xe9"])
async def test_a_correlation_id_that_could_hurt_is_replaced(rig: Rig, given: str) -> None:
    answer = await rig.ask("GET", "/livez", headers={"X-Correlation-ID": given.encode("latin-1")})
    assert re.fullmatch("[0-9a-f-]{36}", answer.headers["X-Correlation-ID"])


async def test_the_feed_holds_every_event_and_its_checksum_can_be_recomputed(rig: Rig) -> None:
    await rig.pack()
    await rig.get("/audit/events")  # the first reading of an hour is an event itself
    before = (await rig.get("/audit/events")).json()
    first = before["head"] + 1
    for number in range(5):
        await rig.made("/incidents", OPERATOR, incident_body(description=f"Gerät {number}"))
    pages = [(await rig.get("/audit/events", limit=2, cursor=before["next_cursor"])).json()]
    while pages[-1]["has_more"]:
        pages.append((await rig.get("/audit/events", limit=2, cursor=pages[-1]["next_cursor"])).json())
    assert [len(page["events"]) for page in pages] == [2, 2, 1]
    assert [event["position"] for page in pages for event in page["events"]] == [first + n for n in range(5)]
    for page in pages:
        bodies = b"".join(canonical(event["entry"]) for event in page["events"])
        assert page["checksum"] == {"algorithm": "sha256", "value": hashlib.sha256(bodies).hexdigest()}
        assert page["head"] == first + 4
    end = (await rig.get("/audit/events", limit=2, cursor=pages[-1]["next_cursor"])).json()
    assert (end["events"], end["has_more"]) == ([], False)
    await rig.made("/incidents", OPERATOR, incident_body())
    news = (await rig.get("/audit/events", limit=2, cursor=end["next_cursor"])).json()
    assert [event["position"] for event in news["events"]] == [first + 5]


async def test_the_feed_gives_the_stored_bytes(rig: Rig, pool: asyncpg.Pool) -> None:
    await rig.register()
    stored = bytes(await pool.fetchval("select body from event where position = 0"))
    answer = await rig.get("/audit/events")
    assert stored in answer.content
    assert orjson.loads(stored) == answer.json()["events"][0]["entry"]


async def test_an_empty_log_has_a_cursor_too(rig: Rig) -> None:
    page = (await rig.get("/audit/events")).json()
    assert (page["events"], page["has_more"], page["head"]) == ([], False, -1)
    assert page["checksum"]["value"] == hashlib.sha256(b"").hexdigest()
    assert (await rig.get("/audit/events", cursor=page["next_cursor"])).status_code == 200


async def test_dead_jobs_are_seen_and_retried(rig: Rig, pool: asyncpg.Pool) -> None:
    now, queue = rig.clock.now(), JobQueue(pool, "w")
    jobs = [NewJob("publish", {"number": number}, now, attempts_max=1) for number in range(3)]
    event = IncidentResolved("worn cable", "ada", now)
    await rig.world.store.append([Write("incident-1", 0, [event])], context=Context("ada", "c"), at=now, jobs=jobs)
    for claimed in await queue.claim(2, now):
        assert await queue.fail(claimed, "the plane is away", now + timedelta(hours=1))
    dead = (await rig.get("/operations/jobs", OPERATOR, limit=1)).json()
    assert (dead["items"][0]["state"], dead["items"][0]["last_error"]) == ("dead", "the plane is away")
    more = (await rig.get("/operations/jobs", OPERATOR, limit=1, cursor=dead["next_cursor"])).json()
    assert (len(more["items"]), more["next_cursor"]) == (1, None)
    path = f"/operations/jobs/{dead['items'][0]['id']}/retries"
    answer = await rig.post(path, ADMIN, key="")
    assert (answer.status_code, answer.json()["state"]) == (201, "ready")
    problem(await rig.post(path, ADMIN, key=""), 404, "dead-job-unknown")
    assert len((await rig.get("/operations/jobs", OPERATOR, state="ready")).json()["items"]) == 2


async def test_the_probes_answer(rig: Rig) -> None:
    assert (await rig.ask("GET", "/livez")).json() == {"status": "ok"}
    assert (await rig.ask("GET", "/startupz")).json() == {"status": "ok"}
    assert (await rig.ask("GET", "/readyz")).json() == {"status": "ok"}


async def test_a_server_that_stops_says_so_first(rig: Rig) -> None:
    rig.app.state.house.lifecycle.draining = True
    problem(await rig.ask("GET", "/readyz"), 503, "not-ready")
    assert (await rig.ask("GET", "/livez")).status_code == 200


async def test_another_schema_is_not_ready(rig: Rig, database: Any) -> None:
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute("update alembic_version set version_num = 'older'")
    await owner.close()
    problem(await rig.ask("GET", "/startupz"), 503, "not-started")
    told = problem(await rig.ask("GET", "/readyz"), 503, "not-ready")
    assert "eucora migrate" in told["detail"]


async def test_without_a_database_it_lives_and_is_not_ready(rig: Rig, pool: asyncpg.Pool) -> None:
    await pool.close()
    assert (await rig.ask("GET", "/livez", caught_up=False)).status_code == 200
    problem(await rig.ask("GET", "/readyz", caught_up=False), 503, "not-ready")
    headers = {"Authorization": f"Bearer {rig.token(AUDITOR)}"}
    answer = await rig.ask("GET", "/incidents", headers=headers, caught_up=False)
    problem(answer, 503, "database-away")
    assert answer.headers["Retry-After"]


async def test_what_is_served_as_the_description_is_the_description(rig: Rig) -> None:
    served = await rig.http.get("/openapi.json")
    assert served.status_code == 200
    assert {**served.json(), "info": {}} == {**document(), "info": {}}
    assert (await rig.http.get("/docs")).status_code == 404


async def test_no_server_owned_field_can_be_set(rig: Rig) -> None:
    for field in ("id", "reported_by", "version", "status"):
        answer = await rig.post("/incidents", OPERATOR, incident_body(**{field: "x"}))
        assert problem(answer, 422, "request-invalid")["errors"][0]["pointer"] == f"#/{field}"


async def test_who_one_claims_to_be_in_a_header_means_nothing(rig: Rig) -> None:
    headers = {"X-User": "ada", "X-Forwarded-User": "ada", "X-Forwarded-Proto": "https", "X-Remote-User": "ada"}
    problem(await rig.ask("GET", "/incidents", headers=headers), 401, "unauthenticated")


async def test_one_line_a_request_says_who_did_what_and_how_it_ended(rig: Rig) -> None:
    answer = await rig.post("/incidents", OPERATOR, incident_body(), headers={"X-Correlation-ID": "c-7"})
    (line,) = rig.logs
    told = {name: line[name] for name in ("event", "method", "route", "status", "actor", "correlation_id")}
    assert told == {
        "event": "request",
        "method": "POST",
        "route": "/api/v1/incidents",
        "status": answer.status_code,
        "actor": id_of(OPERATOR),
        "correlation_id": "c-7",
    }
    assert line["duration_ms"] >= 0


async def test_nothing_in_a_request_breaks_a_line_or_shows_a_secret(rig: Rig) -> None:
    token = rig.token(AUDITOR)
    path = "/artifacts/%0d%0afake=1%1b[31m%e2%80%a8?cursor=hunter2"
    await rig.ask("GET", path, headers={"Authorization": f"Bearer {token}"}, caught_up=False)
    (line,) = [one for one in rig.logs if one["event"] == "request"]
    assert line["route"] == "/api/v1/artifacts/{sha256}"
    assert "hunter2" not in str(rig.logs)
    assert token not in str(rig.logs)
