"""Roles that end by themselves: by a rule's ``until`` and by a day in a group's name, for the next call everywhere."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from access_world import bearer, token
from api_rig import ADMIN, AUDITOR, CAB, START, Rig, problem, sign_in_of

from eucora.api.auth.grants import Held, held_at, named_by
from eucora.application.service_tokens import COMMAND_LINE
from eucora.domain.people import Grant, Role, Scope

REVIEWERS = "5ab3c2de-0000-4000-8000-000000000009"
LOOKS, SELLS = Grant(Role.AUDITOR), Grant(Role.PUBLISHER, Scope("retail", "emea"))
NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)
BOTH = ["eucora-platform-admin", "eucora-auditor"]


def mapped(until: datetime | None, version: str = "2.0", role: str = "auditor") -> dict[str, Any]:
    rule = {"claim": "groups", "value": REVIEWERS, "role": role} | ({"until": until.isoformat()} if until else {})
    return {"mapping": {"version": version, "rules": [rule], "convention": True}, "reason": "the yearly review"}


async def propose(rig: Rig, body: dict[str, Any], *groups: str) -> Any:
    return await rig.ask("POST", "/role-mappings", headers=bearer(rig.token(ADMIN, groups=[*groups])), json=body)


async def in_force(rig: Rig, body: dict[str, Any]) -> None:
    assert (await propose(rig, body, *BOTH)).status_code == 201
    path = f"/role-mappings/{body['mapping']['version']}"
    await rig.made(f"{path}/activations", CAB, headers=await rig.seen(path))
    rig.later(seconds=1)


async def test_a_rule_gives_nothing_from_its_end_on_in_every_replica_and_without_an_event(rig: Rig) -> None:
    until = START + timedelta(hours=1)
    await in_force(rig, mapped(until))
    assert (await rig.get("/role-mappings/2.0")).json()["mapping"]["rules"][0]["until"] == f"{until:%Y-%m-%dT%H:%M:%SZ}"
    now = rig.clock.now()
    other = sign_in_of(rig, rig.app.state.house.deps.oidc)
    reviewer = rig.token(AUDITOR, groups=[REVIEWERS], exp=int(now.timestamp()) + 7_200)
    before = await rig.events()
    rig.clock.advance((until - now).total_seconds() - 0.001)
    assert (await rig.ask("GET", "/role-mappings", headers=bearer(reviewer))).status_code == 200
    held = await other.person(f"Bearer {reviewer}")
    assert (held.grants, held.ends) == ((LOOKS,), ((LOOKS, until),))
    rig.clock.advance(0.001)
    problem(await rig.ask("GET", "/role-mappings", headers=bearer(reviewer)), 403, "role-missing")
    held = await other.person(f"Bearer {reviewer}")
    assert (held.grants, held.ends) == ((), ())
    assert await rig.events() == before


@pytest.mark.parametrize(
    ("until", "told"),
    [
        (None, "an auditor looks for a time: name until, by 2027-03-03"),
        (START + timedelta(days=367), "an auditor looks for a time"),
        (START, "its until is over"),
    ],
)
async def test_an_auditors_rule_has_an_end_within_a_year(rig: Rig, until: datetime | None, told: str) -> None:
    refused = problem(await propose(rig, mapped(until), *BOTH), 422, "role-mapping-invalid")
    assert any(told in one for one in refused["problems"])
    assert (await propose(rig, mapped(START + timedelta(days=366)), *BOTH)).status_code == 201


async def test_who_holds_a_role_for_a_time_hands_it_on_for_no_longer(rig: Rig) -> None:
    ending = ["eucora-platform-admin", "eucora-auditor-until-2026-12-31"]
    told = problem(await propose(rig, mapped(NEW_YEAR + timedelta(seconds=1)), *ending), 403, "rule-not-held")
    assert told["grants"] == [f"auditor in */*/* after {NEW_YEAR.isoformat()}"]
    assert (await propose(rig, mapped(NEW_YEAR), *ending)).status_code == 201
    grants = [{"role": "auditor"}]
    asked = {"name": "siem", "grants": grants, "expires_at": (NEW_YEAR + timedelta(seconds=1)).isoformat()}
    headers = bearer(rig.token(ADMIN, groups=ending))
    told = problem(await rig.ask("POST", "/service-tokens", headers=headers, json=asked), 403, "token-outlives-granter")
    assert told["latest"] == NEW_YEAR.isoformat()
    asked |= {"expires_at": NEW_YEAR.isoformat()}
    assert (await rig.ask("POST", "/service-tokens", headers=headers, json=asked)).status_code == 201


async def test_a_service_token_proposes_for_its_own_time(rig: Rig) -> None:
    """Save one of the machine's own command line, by which a first mapping is proposed."""
    ends = START + timedelta(days=1)
    body = {
        "name": "as code",
        "grants": [{"role": "platform_admin"}, {"role": "auditor"}],
        "expires_at": ends.isoformat(),
    }
    headers = bearer(rig.token(ADMIN, groups=BOTH))
    secret = (await rig.ask("POST", "/service-tokens", headers=headers, json=body)).json()["secret"]
    later = mapped(ends + timedelta(seconds=1))
    told = problem(await rig.ask("POST", "/role-mappings", headers=bearer(secret), json=later), 403, "rule-not-held")
    assert told["grants"] == [f"auditor in */*/* after {ends.isoformat()}"]
    assert (await rig.ask("POST", "/role-mappings", headers=bearer(secret), json=mapped(ends))).status_code == 201
    machines = await token(rig, Grant(Role.PLATFORM_ADMIN), LOOKS, by=COMMAND_LINE)
    later["mapping"]["version"] = "3.0"
    assert (await rig.ask("POST", "/role-mappings", headers=bearer(machines), json=later)).status_code == 201


@pytest.mark.parametrize(
    ("groups", "held"),
    [
        (["eucora-auditor-until-2026-12-31"], Held((LOOKS,), ((LOOKS, NEW_YEAR),))),
        (["eucora-auditor-until-2026-03-02"], Held((LOOKS,), ((LOOKS, datetime(2026, 3, 3, tzinfo=UTC)),))),
        (["eucora-auditor-until-2026-03-01"], Held((), ())),
        (["eucora-auditor-until-2026-12-31", "eucora-auditor"], Held((LOOKS,), ())),
        (["eucora-auditor", "eucora-auditor-until-2026-03-01"], Held((LOOKS,), ())),
        (
            ["eucora-auditor-until-2026-12-31", "eucora-auditor-until-2026-06-30"],
            Held((LOOKS,), ((LOOKS, NEW_YEAR),)),
        ),
        (
            ["eucora-publisher-until-2026-12-31@retail/emea"],
            Held((SELLS,), ((SELLS, NEW_YEAR),)),
        ),
        (["eucora-publisher-until-2026-12-31"], Held((), ())),
    ],
)
def test_a_groups_name_may_end_with_its_last_day(groups: list[str], held: Held) -> None:
    assert held_at(named_by(groups), START) == held


@pytest.mark.parametrize(
    "group",
    [
        "eucora-auditor-until-",
        "eucora-auditor-until-2026",
        "eucora-auditor-until-2026-02-30",
        "eucora-auditor-until-2026-13-01",
        "eucora-auditor-until-0000-01-01",
        "eucora-auditor-until-9999-12-31",
        "eucora-auditor-until-２０２６-12-31",
        "eucora-auditor-until-2026-12-31T00:00",
        "eucora-auditor-until-20261231",
        "eucora-auditor-until-2026-12-31-until-2027-12-31",
        "eucora-auditor@*/*-until-2026-12-31",
        "eucora-auditor@retail-until-2026-12-31",
        "eucora-until-2026-12-31",
        "-until-2026-12-31",
    ],
)
def test_a_day_that_nobody_can_read_grants_nothing(group: str) -> None:
    assert held_at(named_by([group]), START) == Held((), ())
