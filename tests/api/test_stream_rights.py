"""Who was let into a stream is judged on: where a token, a role or a scope ends, so does the stream."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from access_world import bearer
from api_rig import ADMIN, AUDITOR, CAB, OPERATOR, Rig
from starlette.requests import Request
from stream_reader import Reader, reading
from test_api_role_mappings import SELLERS, activate, body, rule

from eucora.api.event_stream import Reached, Streams
from eucora.api.problems import Refused
from eucora.api.routes import GuardedRoute
from eucora.api.stream_rights import StandingRights
from eucora.api.streams import log
from eucora.store.reserve import goes_first

LOG = "/api/v1/audit/events/stream"


async def service_token(rig: Rig, name: str = "feed", **span: float) -> dict[str, Any]:
    ends = (rig.clock.now() + timedelta(**(span or {"days": 1}))).isoformat()
    asked = {"name": name, "grants": [{"role": "platform_admin"}], "expires_at": ends}
    answer = await rig.ask("POST", "/service-tokens", ADMIN, json=asked)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def first_reading(rig: Rig, token: str) -> None:
    """That somebody reads the log is an event itself, once an hour for each caller."""
    assert (await rig.ask("GET", "/audit/events", headers=bearer(token))).status_code == 200


async def read_up(reader: Reader, rig: Rig) -> None:
    """Everything that is in the log now."""
    while await rig.events() > (await event_of(reader))[0] + 1:
        pass


async def event_of(reader: Reader) -> tuple[int, Any]:
    event = await reader.event()
    assert event is not None
    return event


def told(reader: Reader, slug: str) -> None:
    assert reader.problem is not None
    assert reader.problem["type"] == f"urn:eucora:problem:{slug}", reader.problem
    assert reader.problem["correlation_id"]
    assert reader.ended


async def test_a_revoked_token_reads_nothing_more_not_even_its_revocation(rig: Rig) -> None:
    made = await service_token(rig)
    await first_reading(rig, made["secret"])
    async with reading(rig.app, LOG, made["secret"]) as reader:
        await read_up(reader, rig)
        answer = await rig.post(f"/service-tokens/{made['id']}/revocations", ADMIN, {"reason": "leaked"})
        assert answer.status_code == 201
        assert await reader.event() is None
    told(reader, "token-refused")


async def test_a_role_and_a_scope_that_end_with_a_mapping_end_their_streams(rig: Rig) -> None:
    """One caller is a platform admin by the first mapping and nobody by the second; the other's scope moves away."""
    rig.app.state.house.streams.judge_s = 0.01
    intent = await rig.propose()
    proposer = {
        "Authorization": f"Bearer {rig.token(ADMIN, groups=['eucora-platform-admin', 'eucora-endpoint-operator'])}"
    }
    given = [rule("heads", "platform_admin"), rule(SELLERS, "endpoint_operator", business_unit="retail")]
    taken = [rule(SELLERS, "endpoint_operator", business_unit="wholesale")]
    for version, rules in (("2.0", given), ("3.0", taken)):
        answer = await rig.ask("POST", "/role-mappings", headers=proposer, json=body(version, *rules))
        assert answer.status_code == 201, answer.text
        if rules is given:
            await activate(rig, version)
            rig.later(seconds=1)
    timeline = f"/api/v1/deployment-intents/{intent}/timeline/stream"
    head, seller = rig.token(OPERATOR, groups=["heads"]), rig.token(CAB, groups=[SELLERS])
    await first_reading(rig, head)
    async with reading(rig.app, LOG, head) as log_reader, reading(rig.app, timeline, seller) as timeline_reader:
        await read_up(log_reader, rig)
        await event_of(timeline_reader)
        await activate(rig, "3.0")
        rig.later(seconds=1)
        while await log_reader.event() is not None:
            pass
        while await timeline_reader.event() is not None:
            pass
    told(log_reader, "role-missing")
    told(timeline_reader, "deployment-intent-unknown")


async def test_a_token_that_expires_in_silence_ends_its_stream(rig: Rig) -> None:
    rig.app.state.house.streams.judge_s = 0.01
    made = await service_token(rig, hours=2)
    lasting = rig.token(AUDITOR, exp=int(rig.clock.now().timestamp()) + 3 * 3600)
    for one in (made["secret"], lasting):
        await first_reading(rig, one)
    async with (
        reading(rig.app, LOG, rig.token(AUDITOR)) as persons,
        reading(rig.app, LOG, made["secret"]) as programs,
        reading(rig.app, LOG, lasting) as stays,
    ):
        for reader in (persons, programs, stays):
            await read_up(reader, rig)
        rig.later(minutes=20)
        assert await persons.event() is None
        told(persons, "token-refused")
        assert not programs.ended
        rig.later(hours=2)
        assert await programs.event() is None
        told(programs, "token-refused")
        await service_token(rig, "another", hours=1)
        assert await event_of(stays), "who still may is told on"


@pytest.mark.parametrize("program", [False, True])
async def test_while_the_log_stands_still_a_caller_is_judged_without_a_query(rig: Rig, program: bool) -> None:
    made = await service_token(rig)
    secret = made["secret"] if program else rig.token(ADMIN)
    rights, streams = standing(rig, secret)
    for _ in range(2):
        await rights.hold(sending=False)
    pool = rig.app.state.house.deps.pool
    with goes_first():  # so all of them
        taken = [await pool.acquire() for _ in range(pool.get_max_size())]
    for _ in range(10):
        await rights.hold(sending=False)
    streams.reached = Reached(8, 8)
    rig.later(seconds=1)  # the mapping is known for one
    asking = asyncio.create_task(rights.hold(sending=False))
    for _ in range(50):
        await asyncio.sleep(0)
    assert not asking.done(), "the log has moved: it is asked"
    for connection in taken:
        await pool.release(connection)
    await asking


async def test_news_that_are_sent_are_judged_by_the_log_itself(rig: Rig) -> None:
    """What this process knows of the log may be seconds old: so much would a revoked token still read."""
    made = await service_token(rig)
    rights, streams = standing(rig, made["secret"])
    for _ in range(3):
        await rights.hold(sending=False)
    assert (await rig.post(f"/service-tokens/{made['id']}/revocations", ADMIN, {"reason": "leaked"})).status_code == 201
    await rights.hold(sending=False)
    with pytest.raises(Refused):
        await rights.hold(sending=True)
    assert streams.reached == Reached(7, 7), "nobody told it"


def standing(rig: Rig, secret: str) -> tuple[StandingRights, Streams]:
    """The rights of whoever follows the log with that token, where this process takes the log to be at 7."""

    async def look() -> Reached:
        raise AssertionError("no stream is open")

    streams = Streams(look, asyncio.Event(), 1)
    streams.reached = Reached(7, 7)
    route = next(one for one in log.routes if isinstance(one, GuardedRoute))
    headers = [(name.lower().encode(), value.encode()) for name, value in bearer(secret).items()]
    scope = {"type": "http", "app": rig.app, "route": route, "headers": headers, "path_params": {}, "state": {}}
    return StandingRights(Request(scope), streams), streams
