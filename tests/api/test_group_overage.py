"""People in more groups than a token holds: Graph says which, and nobody loses his roles in silence."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from token_forge import Keys, Provider, door

from eucora.api.auth.grants import held_under
from eucora.api.auth.overage import GroupsElsewhere, GroupsUnavailable
from eucora.api.problems import Refused
from eucora.application.planes import PlaneForbidden, PlaneUnavailable
from eucora.domain.people import Grant, Role
from eucora.domain.planes import Plane
from eucora.domain.role_rules import ROLE_MAPPING_1_0, RoleMapping, RoleRule
from eucora.lab.clock import ManualClock
from eucora.store.ids import RandomIds

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
GROUP, ADA = "5ab3c2de-0000-4000-8000-000000000001", "0c5fb3a0-2222-4000-8000-000000000002"
AUDITOR = RoleRule("groups", GROUP, Role.AUDITOR)
MAPPING = RoleMapping("2.0", (AUDITOR,))
POINTER: dict[str, Any] = {
    "oid": ADA,
    "_claim_names": {"groups": "src1"},
    "_claim_sources": {"src1": {"endpoint": "https://evil.test/getMemberObjects"}},
}


@dataclass
class Group:
    id: str


class Directory:
    """Who is in which group, as a test decides."""

    def __init__(self) -> None:
        self.groups: dict[str, list[str]] = {ADA: [GROUP, "another"]}
        self.failure: Exception | None = None
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def groups_of(self, person: str, *, correlation_id: str) -> Sequence[Group] | None:
        assert correlation_id
        self.asked.append(person)
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        held = self.groups.get(person)
        return None if held is None else [Group(one) for one in held]


@dataclass
class Desk:
    directory: Directory
    clock: ManualClock
    elsewhere: GroupsElsewhere

    async def grants(self, mapping: RoleMapping = MAPPING, **claims: Any) -> tuple[Grant, ...]:
        claims = {"sub": "ada", **claims}
        return (await held_under(mapping, claims, "groups", self.elsewhere, now=NOON)).grants


@pytest.fixture
def desk() -> Desk:
    directory, clock = Directory(), ManualClock(NOON)
    return Desk(directory, clock, GroupsElsewhere(directory, clock, RandomIds()))


@pytest.mark.parametrize("pointer", [POINTER, {"oid": ADA, "hasgroups": True}, {"oid": ADA, "hasgroups": "true"}])
async def test_groups_that_the_token_does_not_hold_are_asked_for(desk: Desk, pointer: dict[str, Any]) -> None:
    assert await desk.grants(**pointer) == (Grant(Role.AUDITOR),)
    assert desk.directory.asked == [ADA]


async def test_a_token_that_holds_its_groups_is_taken_at_its_word(desk: Desk) -> None:
    assert await desk.grants(oid=ADA, groups=[GROUP]) == (Grant(Role.AUDITOR),)
    assert await desk.grants(oid=ADA, groups=[], hasgroups=True) == ()
    assert await desk.grants(oid=ADA) == ()
    assert desk.directory.asked == []


async def test_a_mapping_that_reads_no_groups_asks_for_none(desk: Desk) -> None:
    by_role = RoleMapping("2.0", (RoleRule("roles", "Auditors", Role.AUDITOR),))
    assert await desk.grants(by_role, roles=["Auditors"], **POINTER) == (Grant(Role.AUDITOR),)
    assert desk.directory.asked == []


async def test_an_answer_is_good_for_five_minutes(desk: Desk) -> None:
    await desk.grants(**POINTER)
    desk.directory.groups[ADA] = []
    desk.clock.advance(299)
    assert await desk.grants(**POINTER) == (Grant(Role.AUDITOR),)
    desk.clock.advance(1)
    assert await desk.grants(**POINTER) == ()
    assert len(desk.directory.asked) == 2


async def test_a_crowd_of_calls_of_one_person_asks_once(desk: Desk) -> None:
    desk.directory.gate.clear()
    calls = [asyncio.create_task(desk.grants(**POINTER)) for _ in range(20)]
    await asyncio.sleep(0)
    calls[0].cancel()  # who hangs up takes nothing from the others
    desk.directory.gate.set()
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert found[1:] == [(Grant(Role.AUDITOR),)] * 19
    assert desk.directory.asked == [ADA]


FAILURES = [
    PlaneUnavailable(Plane.INTUNE, "people", "503 Service Unavailable"),
    PlaneForbidden(Plane.INTUNE, "people", "403 Forbidden"),
]


@pytest.mark.parametrize("failure", FAILURES, ids=["away", "forbidden"])
async def test_without_an_answer_nobody_is_somebody_without_roles(desk: Desk, failure: Exception) -> None:
    desk.directory.failure = failure
    with pytest.raises(GroupsUnavailable, match=r"User\.Read\.All"):
        await desk.grants(**POINTER)
    desk.directory.failure = None
    desk.clock.advance(9)
    with pytest.raises(GroupsUnavailable, match=r"User\.Read\.All"):
        await desk.grants(**POINTER)
    assert desk.directory.asked == [ADA], "a directory in trouble is not asked for each call of everybody"
    desk.clock.advance(1)
    assert await desk.grants(**POINTER) == (Grant(Role.AUDITOR),)


@pytest.mark.parametrize("claims", [POINTER | {"oid": "nobody"}, POINTER | {"oid": 7}, POINTER | {"oid": ""}])
async def test_a_person_whom_graph_does_not_know_is_not_judged(desk: Desk, claims: dict[str, Any]) -> None:
    with pytest.raises(GroupsUnavailable):
        await desk.grants(**claims)


async def test_names_of_groups_are_never_looked_up(desk: Desk) -> None:
    """Everybody may make a group in Entra, and call it as he likes."""
    desk.directory.groups[ADA] = ["eucora-platform-admin"]
    with pytest.raises(GroupsUnavailable, match="reads names of groups"):
        await desk.grants(ROLE_MAPPING_1_0, **POINTER)
    assert desk.directory.asked == []


async def test_only_groups_can_be_looked_up(desk: Desk) -> None:
    by_role = RoleMapping("2.0", (RoleRule("roles", "Auditors", Role.AUDITOR),))
    with pytest.raises(GroupsUnavailable, match="the claim roles elsewhere"):
        await desk.grants(by_role, oid=ADA, _claim_names={"roles": "src1"})
    assert desk.directory.asked == []


@pytest.fixture
async def idp() -> AsyncIterator[Provider]:
    idp = Provider(Keys(), ManualClock(NOON))
    async with idp.http:
        yield idp


async def test_the_caller_is_told_503_and_what_helps(idp: Provider) -> None:
    token = idp.token({"typ": "JWT"}, groups=..., **POINTER)
    for directory, told in ((None, "connect Microsoft Graph"), (Directory(), "")):
        people = door(idp, MAPPING, directory=directory)
        if not told:
            assert (await people.person(f"Bearer {token}")).grants == (Grant(Role.AUDITOR),)
            continue
        with pytest.raises(Refused) as refused:
            await people.person(f"Bearer {token}")
        problem = refused.value.problem
        assert (problem.row.status, problem.row.slug) == (503, "groups-unavailable")
        assert told in problem.detail
        assert problem.headers["Retry-After"] == "30"
