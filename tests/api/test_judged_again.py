"""Nothing is written on an old judgement of who asks: not after a slow body, not after long work, not in a repeat."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import asyncpg
import orjson
import pytest
from access_world import RETAIL, bearer, session_body
from api_rig import ADMIN, CAB, OPERATOR, PACKAGER, Rig, TwinPlane, incident_body, intent_body, package, problem, sha256
from test_api_once import LateReplies, replica_of
from test_api_role_mappings import SELLERS, activate, body, rule

from eucora.application.planes import Group
from eucora.domain.planes import Plane

Step = Callable[[], Awaitable[None]]


async def pieces(data: bytes, between: Step) -> AsyncIterator[bytes]:
    """The body; after its first half that happens."""
    yield data[: len(data) // 2]
    await between()
    yield data[len(data) // 2 :]


async def token_of(rig: Rig, *roles: str) -> tuple[str, Step]:
    """A service token, and what revokes it."""
    ends = (rig.clock.now() + timedelta(days=1)).isoformat()
    wanted = {"name": "slow", "grants": [{"role": role} for role in roles], "expires_at": ends}
    groups = ["eucora-platform-admin", *(f"eucora-{role.replace('_', '-')}" for role in roles)]
    issuer = bearer(rig.token(ADMIN, groups=groups))  # nobody grants what he does not hold
    answer = await rig.ask("POST", "/service-tokens", headers=issuer, json=wanted)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()

    async def revoke() -> None:
        revoked = await rig.post(f"/service-tokens/{made['id']}/revocations", ADMIN, {"reason": "stolen"})
        assert revoked.status_code == 201
        rig.later(seconds=2)

    return made["secret"], revoke


async def test_a_token_that_is_revoked_while_its_body_is_on_its_way_makes_no_other_token(rig: Rig) -> None:
    secret, revoke = await token_of(rig, "platform_admin")
    ends = (rig.clock.now() + timedelta(days=1)).isoformat()
    planted = orjson.dumps({"name": "planted", "grants": [{"role": "platform_admin"}], "expires_at": ends})
    headers = bearer(secret) | {"Content-Type": "application/json"}
    answer = await rig.ask("POST", "/service-tokens", headers=headers, content=pieces(planted, revoke))
    problem(answer, 401, "token-refused")
    names = [one["name"] for one in (await rig.get("/service-tokens", ADMIN)).json()["items"]]
    assert names == ["slow"]


@pytest.mark.parametrize("path", ["/artifacts?file_name=notes.pkg", "/evidence-documents?kind=test_evidence"])
async def test_a_file_whose_token_is_revoked_meanwhile_is_not_kept(rig: Rig, path: str) -> None:
    secret, revoke = await token_of(rig, "packaging_engineer")
    sent = package()
    before = await rig.events()
    answer = await rig.ask("POST", path, headers=bearer(secret), content=pieces(sent, revoke))
    problem(answer, 401, "token-refused")
    assert await rig.events() == before + 1, "only the revocation"
    assert await rig.world.artifacts.size(sha256(sent)) is None
    other, _ = await token_of(rig, "packaging_engineer")
    assert (await rig.ask("POST", path, headers=bearer(other), content=sent)).status_code in (200, 201)


class Slow(TwinPlane):
    """Something happens while the plane is asked for its groups."""

    def __init__(self, meanwhile: Step) -> None:
        super().__init__(Plane.JAMF)
        self._meanwhile = meanwhile

    async def resolve(self, group: str, *, correlation_id: str) -> Group:
        if not self.resolved:
            await self._meanwhile()
        return await super().resolve(group, correlation_id=correlation_id)


async def test_a_token_that_is_revoked_during_long_work_leaves_nothing_on_record(rig: Rig) -> None:
    wish = intent_body(await rig.pack(), (0, 1, 2))
    secret, revoke = await token_of(rig, "packaging_engineer")
    rig.planes[Plane.JAMF] = slow = Slow(revoke)
    before = await rig.events()
    problem(await rig.ask("POST", "/deployment-intents", headers=bearer(secret), json=wish), 401, "token-refused")
    assert slow.resolved, "it was let in"
    assert await rig.events() == before + 1, "only the revocation"


async def test_who_may_still_is_not_asked_to_begin_anew(rig: Rig) -> None:
    secret, _ = await token_of(rig, "packaging_engineer")

    async def time_passes() -> None:
        rig.later(minutes=10)

    sent = pieces(package(), time_passes)
    answer = await rig.ask("POST", "/artifacts?file_name=notes.pkg", headers=bearer(secret), content=sent)
    assert answer.status_code == 201, answer.text


async def five_minutes_of(rig: Rig, who: str) -> str:
    """A token that is over in five minutes: of somebody who signed in, of a program, or of what a program issued."""
    end = rig.clock.now() + timedelta(minutes=5)
    if who == "person":
        return rig.token(PACKAGER, exp=int(end.timestamp()))
    shown = rig.token(ADMIN, groups=["eucora-platform-admin", "eucora-packaging-engineer"])
    own = {"name": "own", "grants": [{"role": "packaging_engineer"}], "expires_at": end.isoformat()}
    issuing = own | {"name": "issuing", "grants": [{"role": "platform_admin"}, {"role": "packaging_engineer"}]}
    for wanted in [own] if who == "program" else [issuing, own]:
        answer = await rig.ask("POST", "/service-tokens", headers=bearer(shown), json=wanted)
        assert answer.status_code == 201, answer.text
        shown = answer.json()["secret"]
    return shown


@pytest.mark.parametrize("path", ["/artifacts?file_name=notes.pkg", "/evidence-documents?kind=test_evidence"])
@pytest.mark.parametrize("who", ["person", "program", "second program"])
async def test_a_token_need_not_outlive_the_upload_that_it_began(rig: Rig, who: str, path: str) -> None:
    """Tokens of people live for five minutes, as Keycloak makes them, and a file may be on its way for fifteen."""
    headers = bearer(await five_minutes_of(rig, who))

    async def minutes_pass() -> None:
        rig.later(minutes=8)

    answer = await rig.ask("POST", path, headers=headers, content=pieces(package(), minutes_pass))
    assert answer.status_code in (200, 201), answer.text
    # And it begins no other.
    problem(await rig.ask("POST", path, headers=headers, content=package("2.0")), 401, "token-refused")


async def test_no_token_is_good_for_longer_than_an_upload_may_take(rig: Rig) -> None:
    limits = rig.app.state.house.deps.limits
    headers = bearer(rig.token(PACKAGER))  # good for the first fifteen minutes

    async def hours_pass() -> None:
        rig.later(seconds=2 * limits.upload_s + 120)

    sent = pieces(package(), hours_pass)
    answer = await rig.ask("POST", "/artifacts?file_name=notes.pkg", headers=headers, content=sent)
    problem(answer, 401, "token-refused")


async def test_a_token_that_was_revoked_is_void_also_when_it_is_over_by_then(rig: Rig) -> None:
    secret, revoke = await token_of(rig, "packaging_engineer")

    async def revoked_and_over() -> None:
        await revoke()
        rig.later(minutes=8)

    sent = package()
    answer = await rig.ask(
        "POST", "/artifacts?file_name=notes.pkg", headers=bearer(secret), content=pieces(sent, revoked_and_over)
    )
    problem(answer, 401, "token-refused")
    assert await rig.world.artifacts.size(sha256(sent)) is None


async def placed(rig: Rig, version: str, unit: str, role: str = "packaging_engineer") -> None:
    """From now on the sellers hold the role in the unit, and nothing anywhere else."""
    proposer = bearer(rig.token(ADMIN, groups=["eucora-platform-admin", f"eucora-{role.replace('_', '-')}"]))
    offered = body(version, rule(SELLERS, role, business_unit=unit))
    answer = await rig.ask("POST", "/role-mappings", headers=proposer, json=offered)
    assert answer.status_code == 201, answer.text
    await activate(rig, version)
    rig.later(seconds=2)


async def test_who_was_moved_to_another_unit_meanwhile_begins_anew(rig: Rig) -> None:
    """What was decided was decided with the roles that he held."""
    await placed(rig, "2.0", "retail")
    seller = bearer(rig.token(OPERATOR, groups=[SELLERS]))
    path = "/artifacts?file_name=notes.pkg"

    async def moved() -> None:
        await placed(rig, "3.0", "wholesale")

    answer = await rig.ask("POST", path, headers=seller, content=pieces(package("2.0"), moved))
    assert "send it again" in problem(answer, 403, "roles-changed")["detail"]
    assert (await rig.ask("POST", path, headers=seller, content=package("2.0"))).status_code == 201


async def test_a_repeat_is_not_answered_where_its_caller_has_no_say_any_more(rig: Rig) -> None:
    """The body alone names the scope here, which the use case asks about, and a repeat does not come to it."""
    pack = await rig.pack()
    await placed(rig, "2.0", RETAIL.business_unit)
    seller, wish = bearer(rig.token(OPERATOR, groups=[SELLERS])), intent_body(pack, (0, 1, 2))
    first = await rig.ask("POST", "/deployment-intents", headers=seller, json=wish, key="one")
    assert first.status_code == 201, first.text
    again = await rig.ask("POST", "/deployment-intents", headers=seller, json=wish, key="one")
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    await placed(rig, "3.0", "wholesale")
    refused = await rig.ask("POST", "/deployment-intents", headers=seller, json=wish, key="one")
    assert first.json()["id"] not in problem(refused, 403, "role-missing")["detail"]
    assert "idempotent-replayed" not in refused.headers


async def test_nor_where_the_answer_is_seen_only_when_the_request_was_refused(rig: Rig, pool: asyncpg.Pool) -> None:
    """Its twin at another replica committed meanwhile, so the answer is looked for once more."""
    pack = await rig.pack()
    await placed(rig, "2.0", RETAIL.business_unit)
    seller, wish = bearer(rig.token(OPERATOR, groups=[SELLERS])), intent_body(pack, (0, 1, 2))
    first = await rig.ask("POST", "/deployment-intents", headers=seller, json=wish, key="one")
    assert first.status_code == 201, first.text
    await placed(rig, "3.0", "wholesale")
    late = LateReplies(pool)
    async with replica_of(rig, late) as other:
        refused = await other.ask("POST", "/deployment-intents", headers=seller, json=wish, key="one")
    assert late.asked == 2
    problem(refused, 403, "role-missing")
    assert "idempotent-replayed" not in refused.headers


async def test_what_a_path_names_is_judged_before_any_repeat(rig: Rig) -> None:
    """As for a new request: what stands where he has no say does not exist for him."""
    intent = await rig.propose()
    incident = await rig.made("/incidents", OPERATOR, incident_body(intent_id=intent))
    await placed(rig, "2.0", "retail", "endpoint_operator")
    seller = bearer(rig.token(CAB, groups=[SELLERS]))
    note = {"path": f"/incidents/{incident}/notes", "headers": seller, "json": {"text": "seen"}, "key": "one"}
    first, again = await rig.ask("POST", **note), await rig.ask("POST", **note)
    assert (first.status_code, again.content) == (201, first.content), first.text
    await placed(rig, "3.0", "wholesale", "endpoint_operator")
    problem(await rig.ask("POST", **note), 404, "incident-unknown")


async def test_repeats_of_all_that_a_body_places_are_answered_to_whoever_made_it(rig: Rig) -> None:
    intent = await rig.propose()
    for path, person, wish in (
        ("/incidents", OPERATOR, incident_body()),
        ("/incidents", OPERATOR, incident_body(intent_id=intent)),
        ("/break-glass", OPERATOR, session_body(RETAIL)),
    ):
        first = await rig.post(path, person, wish, key="one" + str(wish))
        assert first.status_code == 201, first.text
        again = await rig.post(path, person, wish, key="one" + str(wish))
        assert (again.status_code, again.content) == (201, first.content)
