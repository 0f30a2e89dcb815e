"""Role mappings over HTTP: who may do what changes by four eyes, within a second, on every replica."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from api_rig import ADMIN, CAB, CAB_2, OPERATOR, Rig, id_of, problem, sign_in_of

from eucora.domain.people import Grant, Role, Scope

ADMINS, BOARD, SELLERS = (f"5ab3c2de-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))


def rule(value: str, role: str, **scope: str) -> dict[str, Any]:
    return {"claim": "groups", "value": value, "role": role} | ({"scope": scope} if scope else {})


def body(version: str = "2.0", *rules: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"mapping": {"version": version, "rules": rules, "convention": True} | changes, "reason": "groups have ids"}


def bearing(rig: Rig, person: str, *groups: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {rig.token(person, groups=[*groups])}"}


def emergency() -> dict[str, Any]:
    scope = {"business_unit": "retail", "boundary": "emea"}
    return {"reason_code": "incident", "text": "Give us more roles", "scope": scope}


async def activate(rig: Rig, version: str) -> None:
    path = f"/role-mappings/{version}"
    await rig.made(f"{path}/activations", CAB, headers=await rig.seen(path))


async def refused(rig: Rig, path: str, person: str, status: int, slug: str) -> dict[str, Any]:
    """The problem that an activation meets."""
    seen = {"If-Match": '"1"'}
    return problem(await rig.post(f"{path}/activations", person, headers=seen), status, slug)


async def grants(rig: Rig, person: str, *groups: str) -> list[tuple[str, str]]:
    answer = await rig.ask("GET", "/people/me", headers=bearing(rig, person, *groups))
    assert answer.status_code == 200, answer.text
    return [(one["role"], one["scope"]["business_unit"]) for one in answer.json()["grants"]]


async def test_a_mapping_is_proposed_activated_and_obeyed_within_a_second(rig: Rig) -> None:
    assert await grants(rig, OPERATOR, ADMINS) == []
    await rig.made("/role-mappings", ADMIN, body("2.0", rule(ADMINS, "platform_admin")))
    told = (await rig.get("/role-mappings/2.0")).json()
    assert (told["status"], told["based_on"], told["proposed_by"]) == ("proposed", "1.0", id_of(ADMIN))
    assert await grants(rig, OPERATOR, ADMINS) == [], "a proposal gives nothing"
    await activate(rig, "2.0")
    rig.later(seconds=1)
    assert await grants(rig, OPERATOR, ADMINS) == [("platform_admin", "*")]
    told = (await rig.get("/role-mappings/2.0")).json()
    assert (told["status"], told["activated_by"]) == ("active", id_of(CAB))
    assert told["mapping"]["rules"][0]["value"] == ADMINS
    listed = {
        one["id"]: one["replaced_by"] for one in (await rig.get("/role-mappings", status="active")).json()["items"]
    }
    assert listed == {"1.0": "2.0", "2.0": ""}


async def test_what_a_mapping_no_longer_gives_is_gone_within_a_second_on_every_replica(rig: Rig) -> None:
    await rig.made("/role-mappings", ADMIN, body("2.0", rule(ADMINS, "platform_admin")))
    await activate(rig, "2.0")
    rig.later(seconds=1)
    other = sign_in_of(rig, rig.app.state.house.deps.oidc)
    token = rig.token(OPERATOR, groups=[ADMINS], exp=int(rig.clock.now().timestamp()) + 3600)
    held = (Grant(Role.PLATFORM_ADMIN, Scope()),)
    assert (await other.person(f"Bearer {token}")).grants == held
    await rig.made("/role-mappings", ADMIN, body("3.0"))
    await activate(rig, "3.0")
    assert (await other.person(f"Bearer {token}")).grants == held, "for as long as the second lasts"
    rig.later(seconds=1)
    assert (await other.person(f"Bearer {token}")).grants == ()
    assert await grants(rig, OPERATOR, ADMINS) == []


async def test_nobody_gives_what_he_does_not_hold(rig: Rig) -> None:
    asked = body("2.0", rule(SELLERS, "publisher", business_unit="retail"))
    told = problem(await rig.post("/role-mappings", ADMIN, asked), 403, "rule-not-held")
    assert told["grants"] == ["publisher in retail/*/*"]
    assert told["errors"][0]["pointer"] == "#/mapping/rules"
    both = bearing(rig, ADMIN, "eucora-platform-admin", "eucora-publisher@retail/*")
    answer = await rig.ask("POST", "/role-mappings", headers=both, json=asked)
    assert answer.status_code == 201, answer.text
    # What is in force by then may be carried on by somebody who does not hold it.
    await activate(rig, "2.0")
    rig.later(seconds=1)
    await rig.made("/role-mappings", ADMIN, asked | {"mapping": asked["mapping"] | {"version": "3.0"}})


async def test_one_person_does_not_do_both(rig: Rig) -> None:
    both = bearing(rig, ADMIN, "eucora-platform-admin", "eucora-cab-approver")
    assert (await rig.ask("POST", "/role-mappings", headers=both, json=body())).status_code == 201
    seen = both | await rig.seen("/role-mappings/2.0")
    answer = await rig.ask("POST", "/role-mappings/2.0/activations", headers=seen, json={})
    problem(answer, 403, "proposer-may-not-activate-role-mapping")
    await refused(rig, "/role-mappings/2.0", ADMIN, 403, "role-missing")
    await activate(rig, "2.0")


async def test_an_administrator_of_one_business_unit_maps_nothing(rig: Rig) -> None:
    partly = bearing(rig, ADMIN, "eucora-platform-admin@retail")
    problem(await rig.ask("POST", "/role-mappings", headers=partly, json=body()), 403, "role-missing")


async def test_a_cab_approver_does_not_lock_himself_out(rig: Rig) -> None:
    """Groups of this installation have names, and the new mapping knows ids alone."""
    rules = (rule(ADMINS, "platform_admin"), rule(BOARD, "cab_approver"))
    both = bearing(rig, ADMIN, "eucora-platform-admin", "eucora-cab-approver")
    answer = await rig.ask("POST", "/role-mappings", headers=both, json=body("2.0", *rules, convention=False))
    assert answer.status_code == 201, answer.text
    await refused(rig, "/role-mappings/2.0", CAB, 409, "activator-locks-himself-out")
    stays = bearing(rig, CAB_2, "eucora-cab-approver", BOARD) | await rig.seen("/role-mappings/2.0")
    answer = await rig.ask("POST", "/role-mappings/2.0/activations", headers=stays, json={})
    assert answer.status_code == 201, answer.text
    rig.later(seconds=1)
    problem(await rig.get("/role-mappings"), 403, "role-missing")  # an auditor by name is one no more
    assert await grants(rig, CAB, BOARD) == [("cab_approver", "*")]


async def test_an_older_proposal_does_not_bring_back_what_was_dropped(rig: Rig) -> None:
    for version in ("2.0", "3.0"):
        await rig.made("/role-mappings", ADMIN, body(version))
    await activate(rig, "3.0")
    told = await refused(rig, "/role-mappings/2.0", CAB, 409, "role-mapping-outdated")
    assert (told["based_on"], told["in_force"]) == ("1.0", "3.0")


async def test_of_two_that_would_replace_the_same_mapping_one_does(rig: Rig) -> None:
    """Asked at once, in either order: else the second would bring back what the first has dropped."""
    versions = [f"{number}.0" for number in range(2, 8)]
    for version in versions:
        await rig.made("/role-mappings", ADMIN, body(version))
    seen = {version: await rig.seen(f"/role-mappings/{version}") for version in versions}
    answers = await asyncio.gather(
        *(rig.post(f"/role-mappings/{version}/activations", CAB, headers=seen[version]) for version in versions)
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
    won = next(version for version, answer in zip(versions, answers, strict=True) if answer.status_code == 201)
    for answer in answers:
        if answer.status_code == 409:
            assert problem(answer, 409, "role-mapping-outdated")["in_force"] == won
    assert (await rig.get("/role-mappings/1.0")).json()["replaced_by"] == won


async def test_what_comes_into_force_in_this_moment_is_not_retired_by_one_person(rig: Rig) -> None:
    """Else the older one, which two people replaced, would be back by the word of one."""
    for version in ("2.0", "3.0", "4.0", "5.0"):
        await rig.made("/role-mappings", ADMIN, body(version))
        seen = await rig.seen(f"/role-mappings/{version}")
        path, why = f"/role-mappings/{version}", {"reason": "too wide"}
        activation, retirement = await asyncio.gather(
            rig.post(f"{path}/activations", CAB, headers=seen), rig.post(f"{path}/retirements", CAB_2, why)
        )
        assert (activation.status_code, retirement.status_code) in {(201, 409), (409, 201), (412, 201)}
        if activation.status_code != 201:
            await rig.made("/role-mappings", ADMIN, body(f"{version}.1"))
            await activate(rig, f"{version}.1")


async def test_a_service_token_puts_no_mapping_in_force(rig: Rig) -> None:
    """What a token may do does not follow from the mapping: it could lock out everybody but itself."""
    grants = [{"role": "cab_approver"}]
    ends = rig.clock.now() + timedelta(days=1)
    asked = {"name": "board", "grants": grants, "expires_at": ends.isoformat()}
    both = bearing(rig, CAB, "eucora-platform-admin", "eucora-cab-approver")
    token = (await rig.ask("POST", "/service-tokens", headers=both, json=asked)).json()["secret"]
    await rig.made("/role-mappings", ADMIN, body())
    seen = {"Authorization": f"Bearer {token}"} | await rig.seen("/role-mappings/2.0")
    answer = await rig.ask("POST", "/role-mappings/2.0/activations", headers=seen, json={})
    problem(answer, 403, "role-mapping-by-token")
    assert (await rig.get("/role-mappings/2.0")).json()["status"] == "proposed"


async def test_the_mapping_in_force_is_not_retired(rig: Rig) -> None:
    why = {"reason": "ours is stricter"}
    problem(await rig.post("/role-mappings/1.0/retirements", CAB, why), 409, "policy-version-in-force")
    await rig.made("/role-mappings", ADMIN, body())
    await activate(rig, "2.0")
    problem(await rig.post("/role-mappings/2.0/retirements", CAB, why), 409, "policy-version-in-force")
    await rig.made("/role-mappings/1.0/retirements", CAB, why)
    told = (await rig.get("/role-mappings/1.0")).json()
    assert (told["status"], told["retire_reason"]) == ("retired", "ours is stricter")
    problem(await rig.get("/role-mappings/9.9"), 404, "role-mapping-unknown")
    await refused(rig, "/role-mappings/9.9", CAB, 404, "role-mapping-unknown")


@pytest.mark.parametrize(
    ("asked", "slug"),
    [
        (body("2.0", rule(SELLERS, "publisher")), "request-invalid"),
        (body("2.0", rule(SELLERS, "god")), "request-invalid"),
        (body("2.0", {"claim": "email", "value": "ada@example.org", "role": "platform_admin"}), "role-mapping-invalid"),
        (body("2.0", rule(ADMINS, "platform_admin"), convention=False), "role-mapping-invalid"),
        (body("2.0") | {"reason": " "}, "reason-missing"),
    ],
    ids=["publisher everywhere by omission", "no role", "a claim that people change", "nobody left", "no reason"],
)
async def test_mappings_that_are_not_proposed(rig: Rig, asked: dict[str, Any], slug: str) -> None:
    problem(await rig.post("/role-mappings", ADMIN, asked), 422, slug)
    assert await rig.events() == 0


async def test_a_break_glass_session_changes_no_mapping(rig: Rig) -> None:
    session = await rig.made("/break-glass", OPERATOR, emergency())
    await rig.made(f"/break-glass/{session}/confirmations", "sana.security")
    lent = {"Eucora-Break-Glass": session}
    problem(await rig.post("/role-mappings", OPERATOR, body(), headers=lent), 403, "role-mapping-in-break-glass")
