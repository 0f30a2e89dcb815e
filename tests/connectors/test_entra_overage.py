"""A person in too many groups for a token signs in: the lab's Graph is asked with our own connector."""

from typing import Any

import pytest
from intune_lab import IntuneWorld

from eucora.api.auth.grants import held_under
from eucora.api.auth.overage import GroupsElsewhere, GroupsUnavailable
from eucora.domain.people import Grant, Role, Scope
from eucora.domain.role_rules import RoleMapping, RoleRule
from eucora.lab.faults import Fault
from eucora.lab.graph.people import EVERYBODY, group_id
from eucora.lab.oidc import PEOPLE, Person
from eucora.store.ids import RandomIds

SEED = 7
RULES = (
    RoleRule("groups", group_id(SEED, "eucora-cab-approver"), Role.CAB_APPROVER),
    RoleRule("groups", group_id(SEED, "eucora-publisher@retail/emea"), Role.PUBLISHER, Scope("retail", "emea")),
    RoleRule("groups", group_id(SEED, EVERYBODY), Role.AUDITOR),
)
MAPPING = RoleMapping("2.0", RULES)


def claims_of(person: Person) -> dict[str, Any]:
    """What Entra sends of somebody who is in more than 200 groups."""
    return {
        "sub": "pairwise",
        "oid": person.subject,
        "_claim_names": {"groups": "src1"},
        "_claim_sources": {"src1": {}},
    }


def named(username: str) -> Person:
    return next(person for person in PEOPLE if person.username == username)


@pytest.mark.parametrize(
    ("username", "roles"),
    [
        ("carla.cab", [Grant(Role.CAB_APPROVER), Grant(Role.AUDITOR)]),
        ("petra.publisher", [Grant(Role.PUBLISHER, Scope("retail", "emea")), Grant(Role.AUDITOR)]),
        ("oskar.operator", [Grant(Role.AUDITOR)]),
    ],
)
async def test_graph_says_which_groups_a_person_is_in_nested_ones_too(username: str, roles: list[Grant]) -> None:
    world = IntuneWorld()
    elsewhere = GroupsElsewhere(world.connection.people, world.clock, RandomIds())
    held = await held_under(MAPPING, claims_of(named(username)), "groups", elsewhere, now=world.clock.now())
    assert list(held.grants) == roles
    asked = [request.url.path for request in world.wire.requests if "transitiveMemberOf" in request.url.path]
    assert len(asked) == 1


async def test_a_tenant_that_does_not_let_us_see_people_judges_nobody() -> None:
    world = IntuneWorld()
    world.lab.faults.add("graph", Fault(403, 1, path_contains="transitiveMemberOf"))
    elsewhere = GroupsElsewhere(world.connection.people, world.clock, RandomIds())
    with pytest.raises(GroupsUnavailable, match=r"User\.Read\.All"):
        await held_under(MAPPING, claims_of(named("carla.cab")), "groups", elsewhere, now=world.clock.now())


async def test_somebody_of_another_tenant_is_not_judged() -> None:
    world = IntuneWorld()
    elsewhere = GroupsElsewhere(world.connection.people, world.clock, RandomIds())
    stranger = claims_of(named("carla.cab")) | {"oid": "0c5fb3a0-2222-4000-8000-000000000002"}
    with pytest.raises(GroupsUnavailable, match="knows no such person"):
        await held_under(MAPPING, stranger, "groups", elsewhere, now=world.clock.now())
