"""What was made with a token ends with it, in every replica, and makes nothing itself.

Else what a thief made would outlive the token that he stole.
"""

from collections.abc import Coroutine
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from access_world import bearer
from api_rig import ADMIN, AUDITOR, NOBODY, Rig, id_of, problem

from eucora.api.app import create_app
from eucora.api.auth.programs import Programs
from eucora.api.house import ApiDeps
from eucora.application.ports import EventStore, History
from eucora.application.service_tokens import COMMAND_LINE, issue_token, issue_token_as
from eucora.application.workload_trusts import make_trust
from eucora.application.world import Caller
from eucora.domain.people import Grant, Person, Role
from eucora.domain.service_token import ShownTokenOver
from eucora.domain.workload_trust import ClaimCondition, Terms
from eucora.domain.workload_trust_issuers import IssuerList
from eucora.store.ids import RandomIds
from eucora.store.log import EventLog

pytestmark = pytest.mark.slow

CI = "https://token.actions.githubusercontent.com"
EVERYTHING = (Grant(Role.PLATFORM_ADMIN), Grant(Role.CAB_APPROVER))
TRUST: dict[str, Any] = {
    "name": "notes pipeline",
    "issuer": CI,
    "audience": "eucora",
    "conditions": [{"claim": "repository", "value": "acme/notes"}],
    "grants": [{"role": "platform_admin"}],
}
TERMS = Terms("notes", CI, "eucora", (ClaimCondition("repository", "acme/notes"),), EVERYTHING[:1], 900)


def asked(rig: Rig, role: str = "platform_admin") -> dict[str, Any]:
    ends = (rig.clock.now() + timedelta(hours=12)).isoformat()
    return {"name": "pipeline", "grants": [{"role": role}], "expires_at": ends}


async def issued(rig: Rig, shown: str, role: str = "platform_admin") -> httpx.Response:
    return await rig.ask("POST", "/service-tokens", headers=bearer(shown), json=asked(rig, role))


async def from_the_machine(rig: Rig) -> dict[str, str]:
    """What ``eucora token`` prints."""
    operator = Caller(Person(COMMAND_LINE, "command line", ()), "bootstrap")
    ends = rig.clock.now() + timedelta(days=1)
    made = await issue_token_as(rig.world, operator, name="way-in", grants=EVERYTHING, expires_at=ends, held=EVERYTHING)
    return {"id": made.receipt.id, "secret": made.secret}


async def revoked(rig: Rig, token_id: str) -> None:
    await rig.made(f"/service-tokens/{token_id}/revocations", ADMIN, {"reason": "stolen"})


async def statuses(rig: Rig, secret: str) -> list[int]:
    """What the token is answered with by this replica, and by one that shares nothing but the database."""
    deps: ApiDeps = rig.app.state.house.deps
    world = replace(deps.world, store=EventLog(deps.pool, RandomIds()))
    transport = httpx.ASGITransport(create_app(replace(deps, world=world)))
    async with httpx.AsyncClient(transport=transport, base_url="http://eucora.test") as other:
        answers = [
            await http.get("http://eucora.test/api/v1/people/me", headers=bearer(secret)) for http in (rig.http, other)
        ]
    return [answer.status_code for answer in answers]


async def test_with_a_stolen_token_end_all_tokens_that_were_issued_with_it(rig: Rig) -> None:
    stolen, other = await from_the_machine(rig), await from_the_machine(rig)
    child, cousin = (await issued(rig, stolen["secret"])).json(), (await issued(rig, other["secret"])).json()
    assert await statuses(rig, child["secret"]) == [200, 200]
    await revoked(rig, stolen["id"])
    assert await statuses(rig, child["secret"]) == [401, 401]
    assert await statuses(rig, cousin["secret"]) == [200, 200]
    told = problem(await rig.ask("GET", "/people/me", headers=bearer(child["secret"])), 401, "token-refused")
    assert "with which this one was issued" in told["detail"]
    (found,) = (await rig.get("/service-tokens", issued_with=stolen["id"])).json()["items"]
    assert (found["id"], found["issued_with"], found["valid"]) == (child["id"], stolen["id"], False)
    assert found["issued_by"] == COMMAND_LINE
    assert (await rig.get(f"/service-tokens/{child['id']}")).json()["valid"] is False
    (found,) = (await rig.get("/service-tokens", issued_with=other["id"])).json()["items"]
    assert (found["id"], found["valid"]) == (cousin["id"], True)
    assert (await rig.get("/service-tokens", issued_with=NOBODY)).json()["items"] == []


async def test_what_a_person_issues_was_issued_with_no_token(rig: Rig) -> None:
    await rig.made("/service-tokens", ADMIN, asked(rig))
    await rig.made("/workload-trusts", ADMIN, TRUST)
    assert [one["issued_with"] for one in (await rig.get("/service-tokens")).json()["items"]] == [""]
    assert [one["made_with"] for one in (await rig.get("/workload-trusts")).json()["items"]] == [""]


async def test_trusts_that_were_made_with_a_token_are_found_by_it(rig: Rig) -> None:
    stolen = await from_the_machine(rig)
    await rig.made("/workload-trusts", ADMIN, TRUST)
    made = await rig.ask("POST", "/workload-trusts", headers=bearer(stolen["secret"]), json=TRUST)
    assert made.status_code == 201, made.text
    (found,) = (await rig.get("/workload-trusts", made_with=stolen["id"])).json()["items"]
    assert (found["id"], found["made_with"], found["made_by"]) == (made.json()["id"], stolen["id"], COMMAND_LINE)
    assert (await rig.get(f"/workload-trusts/{found['id']}")).json()["made_with"] == stolen["id"]


async def test_a_token_that_was_issued_with_a_token_issues_nothing_further(rig: Rig) -> None:
    """And so whoever looks for what a token left behind has looked everywhere after one step."""
    parent = await from_the_machine(rig)
    child = (await issued(rig, parent["secret"])).json()["secret"]
    before = await rig.events()
    told = problem(await issued(rig, child), 403, "token-hands-nothing-on")
    assert "sign in" in told["detail"]
    answer = await rig.ask("POST", "/workload-trusts", headers=bearer(child), json=TRUST)
    problem(answer, 403, "token-hands-nothing-on")
    assert await rig.events() == before
    assert (await rig.ask("GET", "/service-tokens", headers=bearer(child))).status_code == 200, "it acts all the same"


@pytest.mark.parametrize("what", ["token", "trust"])
async def test_nothing_that_is_being_made_survives_the_revocation_of_the_token_it_is_made_with(
    rig: Rig, what: str
) -> None:
    """The revocation commits between the reading of the parent and the append."""
    parent = await from_the_machine(rig)

    class Overtaken(EventLog):
        tries = 0

        async def append(self, *args: Any, **named: Any) -> Any:
            self.tries += 1
            await revoked(rig, parent["id"])
            return await super().append(*args, **named)

    log = Overtaken(rig.app.state.house.deps.pool, RandomIds())
    person = Person(COMMAND_LINE, "way-in", EVERYTHING, credential=f"eucora|{parent['id']}")
    world, caller = replace(rig.world, store=log), Caller(person, "race")
    ends: datetime = rig.clock.now() + timedelta(hours=1)
    making: Coroutine[Any, Any, object] = (
        issue_token(world, caller, name="child", grants=EVERYTHING[:1], expires_at=ends)
        if what == "token"
        else make_trust(world, caller, TERMS, people="", allowed=IssuerList((CI,)))
    )
    with pytest.raises(ShownTokenOver):
        await making
    assert log.tries == 1, "the second try read that the parent is gone, and did not come to its append"
    await log.close()
    assert [one["id"] for one in (await rig.get("/service-tokens")).json()["items"]] == [parent["id"]]
    assert (await rig.get("/workload-trusts")).json()["items"] == []


async def test_only_a_token_that_rests_on_another_costs_a_reading_more(rig: Rig) -> None:
    parent = await from_the_machine(rig)
    child = (await issued(rig, parent["secret"])).json()

    class Counting:
        """Passes on; keeps which streams were read."""

        def __init__(self, store: EventStore) -> None:
            self.store, self.streams = store, list[str]()

        async def read(self, stream: str, *, as_of: int | datetime | None = None) -> History:
            self.streams.append(stream)
            return await self.store.read(stream, as_of=as_of)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.store, name)

    for shown, streams in ((parent, [parent["id"]]), (child, [child["id"], parent["id"]])):
        counting = Counting(rig.world.store)
        reads = rig.app.state.house.reads
        programs = Programs(reads.tokens, counting, rig.clock, reads.token_uses)
        assert (await programs.person(shown["secret"])).id == COMMAND_LINE
        assert counting.streams == [f"service_token-{one}" for one in streams]


async def test_a_vote_is_lent_in_person(rig: Rig) -> None:
    """One that was lent with a token would stay lent after the token's revocation."""
    token = (await from_the_machine(rig))["secret"]
    body = {
        "delegate": id_of(AUDITOR),
        "ends_at": (rig.clock.now() + timedelta(hours=2)).isoformat(),
        "reason": "on leave",
    }
    answer = await rig.ask("POST", "/cab-delegations", headers=bearer(token), json=body)
    assert "sign in" in problem(answer, 403, "cab-delegation-needs-person")["detail"]
    assert (await rig.get("/cab-delegations")).json()["items"] == []
