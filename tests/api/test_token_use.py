"""Service tokens in use: good from the commit on, void from the revocation on, in every replica."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from access_world import RETAIL, bearer, token
from api_rig import ADMIN, AUDITOR, CAB, NOBODY, PACKAGER, Rig, id_of, problem

from eucora.api.app import create_app
from eucora.api.house import ApiDeps
from eucora.application.ports import Context, Write
from eucora.application.service_tokens import digest_secret, make_secret, token_named, well_formed
from eucora.domain.people import Grant, Role
from eucora.domain.service_token import ServiceTokenIssued

pytestmark = pytest.mark.slow


def asked(rig: Rig, days: float = 1, **changes: Any) -> dict[str, Any]:
    ends = (rig.clock.now() + timedelta(days=days)).isoformat()
    return {"name": "pipeline", "grants": [{"role": "auditor"}], "expires_at": ends} | changes


async def issued(rig: Rig, **changes: Any) -> dict[str, Any]:
    both = rig.token(ADMIN, groups=["eucora-platform-admin", "eucora-auditor"])
    answer = await rig.ask("POST", "/service-tokens", headers=bearer(both), json=asked(rig, **changes))
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def me(rig: Rig, secret: str, http: httpx.AsyncClient | None = None) -> int:
    path = "http://eucora.test/api/v1/people/me"
    return (await (http or rig.http).get(path, headers=bearer(secret))).status_code


def replica(rig: Rig) -> httpx.AsyncClient:
    """A second app over the same database, which shares nothing else with the first."""
    deps: ApiDeps = rig.app.state.house.deps
    transport = httpx.ASGITransport(create_app(deps))
    return httpx.AsyncClient(transport=transport, base_url="http://eucora.test")


async def test_a_token_is_good_at_once_and_void_at_once_in_every_replica(rig: Rig) -> None:
    """No read model is brought up to date here: the token leads to its own stream."""
    made = await issued(rig, grants=[{"role": "platform_admin"}], name="sibling")
    async with replica(rig) as other:
        assert [await me(rig, made["secret"]), await me(rig, made["secret"], other)] == [200, 200]
        path = f"/service-tokens/{made['id']}/revocations"
        assert (await rig.post(path, ADMIN, {"reason": "leaked"})).status_code == 201
        assert [await me(rig, made["secret"], other), await me(rig, made["secret"])] == [401, 401]


async def test_a_token_names_its_id_and_is_kept_as_a_digest_only(rig: Rig) -> None:
    made = await issued(rig)
    secret = made["secret"]
    assert well_formed(secret)
    assert token_named(secret) == made["id"]
    assert not well_formed(secret[:-1] + ("0" if secret[-1] != "0" else "1"))
    [recorded] = await rig.world.store.read_recorded(f"service_token-{made['id']}")
    assert isinstance(recorded.event, ServiceTokenIssued)
    assert recorded.event.secret_sha256 == digest_secret(secret)
    assert secret not in repr(recorded)


async def test_a_token_with_the_id_of_another_is_none(rig: Rig) -> None:
    """Right in form and checksum, and with the id of a token that is good: its random bytes are other ones."""
    made = await issued(rig)
    for forged in (make_secret(made["id"]), make_secret(NOBODY), "eucora_" + "A" * 64 + "_6b0d2d2c"):
        assert await me(rig, forged) == 401
    assert await me(rig, made["secret"]) == 200


async def test_a_token_of_an_earlier_version_is_found_by_its_digest(rig: Rig) -> None:
    body = "p" * 43
    secret = f"eucora_{body}_{digest_secret(body)[:8]}"
    assert token_named(secret) is None
    now, token_id = rig.clock.now(), str(uuid4())
    event = ServiceTokenIssued(
        token_id, "old", (Grant(Role.AUDITOR),), digest_secret(secret), now + timedelta(days=1), "idp|ada", now
    )
    await rig.world.store.append(
        [Write(f"service_token-{token_id}", 0, [event])], context=Context("idp|ada", "old"), at=now
    )
    await rig.runner.catch_up("tokens")
    assert await me(rig, secret) == 200


async def test_the_list_says_to_the_minute_when_a_token_was_last_used(rig: Rig) -> None:
    made, unused = await issued(rig), await issued(rig)
    start = rig.clock.now()

    async def last_used() -> dict[str, str | None]:
        return {one["id"]: one["last_used_at"] for one in (await rig.get("/service-tokens")).json()["items"]}

    assert await last_used() == {made["id"]: None, unused["id"]: None}
    before = await rig.events()
    await me(rig, made["secret"])
    rig.clock.advance(59)
    await me(rig, made["secret"])
    async with replica(rig) as other:
        await me(rig, made["secret"], other)
    assert await last_used() == {made["id"]: f"{start:%Y-%m-%dT%H:%M:%SZ}", unused["id"]: None}
    rig.clock.advance(1)
    await me(rig, made["secret"])
    assert (await last_used())[made["id"]] == f"{start + timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"
    assert await rig.events() == before, "a use is no event"


async def test_a_token_that_was_refused_was_not_used(rig: Rig) -> None:
    made = await issued(rig)
    await rig.post(f"/service-tokens/{made['id']}/revocations", ADMIN, {"reason": "leaked"})
    assert await me(rig, made["secret"]) == 401
    [told] = (await rig.get("/service-tokens")).json()["items"]
    assert told["last_used_at"] is None


async def test_a_token_lends_what_it_holds_and_no_longer_than_it_holds_it(rig: Rig) -> None:
    parent = await issued(rig, days=2, grants=[{"role": "platform_admin"}])
    for changes, slug in (
        ({"days": 3, "grants": [{"role": "platform_admin"}]}, "token-outlives-granter"),
        ({"days": 1, "grants": [{"role": "auditor"}]}, "grant-not-held"),
    ):
        answer = await rig.ask("POST", "/service-tokens", headers=bearer(parent["secret"]), json=asked(rig, **changes))
        problem(answer, 403, slug)
    child = asked(rig, days=2, grants=[{"role": "platform_admin", "scope": {"business_unit": "retail"}}])
    answer = await rig.ask("POST", "/service-tokens", headers=bearer(parent["secret"]), json=child)
    assert answer.status_code == 201, answer.text


async def test_an_admin_of_one_unit_issues_no_tokens(rig: Rig) -> None:
    """Tokens are the whole installation's: he could neither list nor revoke what he made."""
    secret = await token(rig, Grant(Role.PLATFORM_ADMIN, RETAIL))
    grants = [{"role": "platform_admin", "scope": {"business_unit": "retail"}}]
    answer = await rig.ask("POST", "/service-tokens", headers=bearer(secret), json=asked(rig, grants=grants))
    problem(answer, 403, "role-missing")


async def test_an_auditor_reads_until_the_token_ends(rig: Rig) -> None:
    secret = (await issued(rig, days=1))["secret"]
    assert (await rig.ask("GET", "/audit/events", headers=bearer(secret))).status_code == 200
    rig.later(days=1)
    assert await me(rig, secret) == 401


async def accesses(rig: Rig) -> list[tuple[str, str]]:
    log = await rig.world.store.read_all(-1, 1_000)
    return [(one.type.removeprefix("audit_access."), one.actor) for one in log if one.type.startswith("audit_access.")]


async def test_what_an_auditor_reads_of_the_evidence_is_on_record(rig: Rig) -> None:
    pack = await rig.pack()
    document = (await rig.get(f"/evidence-packs/{pack}", PACKAGER)).json()["documents"][0]["sha256"]
    path = f"/evidence-packs/{pack}/documents/{document}/content"
    for person in (PACKAGER, CAB):
        assert (await rig.get(path, person)).status_code == 200
    assert await accesses(rig) == [], "who works with it is no auditor"
    for _ in range(2):
        assert (await rig.get(path, AUDITOR)).status_code == 200
    assert await accesses(rig) == [("evidence-read", id_of(AUDITOR))] * 2
    last = (await rig.world.store.read_all(await rig.world.store.head() - 1, 1))[0].event
    assert (getattr(last, "pack", None), getattr(last, "document", None)) == (pack, document)
    assert (await rig.get(f"/evidence-packs/{pack}/documents/{'0' * 64}/content", AUDITOR)).status_code == 404
    assert len(await accesses(rig)) == 2, "nothing was read"


async def test_an_export_of_the_log_is_on_record_once_an_hour(rig: Rig) -> None:
    """A follower that polls finds the end: his own asking does not go on for ever."""
    first = (await rig.get("/audit/events")).json()
    cursor, polled = first["next_cursor"], []
    for _ in range(4):
        page = (await rig.get("/audit/events", cursor=cursor)).json()
        cursor = page["next_cursor"]
        polled.append(len(page["events"]))
    assert polled == [1, 0, 0, 0]
    assert await accesses(rig) == [("log-exported", id_of(AUDITOR))]
    await rig.get("/audit/events", ADMIN)
    rig.later(hours=1)
    await rig.get("/audit/events", cursor=cursor)
    assert await accesses(rig) == [("log-exported", id_of(person)) for person in (AUDITOR, ADMIN, AUDITOR)]
