"""What lies outside every scope of the caller does not exist for him: not alone, and in no list."""

import asyncio
from typing import Any

import pytest
from access_world import (
    EVERYWHERE,
    LOGISTICS,
    RETAIL,
    Unit,
    asked,
    bearer,
    exception_body,
    seeded,
    session_body,
    token,
    window_body,
)
from api_rig import AUDITOR, NOBODY, OPERATOR, PACKAGER, Rig, id_of, incident_body, intent_body, problem

from eucora.application.ports import Context, Write
from eucora.domain.incident import Response, RolloutsCalledToStop
from eucora.domain.people import Grant, Role, Scope

pytestmark = pytest.mark.slow

LISTS = {
    "/deployment-intents": "intent_id",
    "/cab-reviews": "review_id",
    "/cab-reviews/queue": "review_id",
    "/incidents": "incident_id",
    "/policy-exceptions": "exception_id",
    "/drift-findings": "finding_id",
    "/break-glass": "session_id",
}


@pytest.fixture
async def units(rig: Rig) -> dict[str, Unit]:
    return await seeded(rig)


async def get(rig: Rig, path: str, secret: str, **params: Any) -> Any:
    return await rig.ask("GET", path, headers=bearer(secret), params=params)


async def listed(rig: Rig, path: str, secret: str, **params: Any) -> list[str]:
    answer = await get(rig, path, secret, **params)
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["items"]]


async def test_lists_hold_what_the_scopes_of_the_caller_cover(rig: Rig, units: dict[str, Unit]) -> None:
    everywhere = await token(rig, Grant(Role.AUDITOR))
    in_one = {name: await token(rig, Grant(Role.AUDITOR, Scope(name))) for name in units}
    in_both = await token(rig, *(Grant(Role.AUDITOR, Scope(name)) for name in units))
    in_none = await token(rig, Grant(Role.AUDITOR, Scope("finance")))
    narrower = await token(rig, Grant(Role.AUDITOR, Scope("retail", "emea", "berlin")))
    for path, name in LISTS.items():
        ids = {unit: units[unit].ids[name] for unit in units}
        both = {*ids.values()}
        assert {*await listed(rig, path, everywhere)} == both, path
        assert {*await listed(rig, path, in_both)} == both, path
        for unit, secret in in_one.items():
            assert await listed(rig, path, secret) == [ids[unit]], path
        # A site of retail does not cover a rollout to all of retail.
        assert await listed(rig, path, in_none) == await listed(rig, path, narrower) == [], path


async def test_pages_are_cut_after_the_scope_was_applied(rig: Rig, units: dict[str, Unit]) -> None:
    """A page of one is full, and its cursor leads to the next of his: nothing is left out after the cut."""
    pack = (await get(rig, "/evidence-packs", await token(rig, Grant(Role.AUDITOR)))).json()["items"][0]["id"]
    mine = [units["retail"].ids["intent_id"]]
    for name in ("logistics", "retail", "logistics"):
        body = intent_body(pack, (0, 1)) | {"scope": asked(units[name].scope)}
        made = await rig.made("/deployment-intents", PACKAGER, body)
        mine += [made] if name == "retail" else []
    secret = await token(rig, Grant(Role.CAB_APPROVER, RETAIL))
    first = (await get(rig, "/deployment-intents", secret, limit=1)).json()
    second = (await get(rig, "/deployment-intents", secret, limit=1, cursor=first["next_cursor"])).json()
    assert [one["id"] for page in (first, second) for one in page["items"]] == mine[::-1]
    assert second["next_cursor"] is None


async def test_filters_reach_no_further(rig: Rig, units: dict[str, Unit]) -> None:
    secret = await token(rig, Grant(Role.SECURITY_REVIEWER, RETAIL))
    for path in ("/cab-reviews", "/incidents", "/policy-exceptions", "/drift-findings"):
        for unit, count in (("retail", 1), ("logistics", 0)):
            found = await listed(rig, path, secret, intent_id=units[unit].ids["intent_id"])
            assert len(found) == count, path


async def test_the_ring_board_is_that_of_the_scope(rig: Rig, units: dict[str, Unit]) -> None:
    """Both units roll out the same application: each sees its own rollout as the newest."""
    boards = {}
    for name, scope in (("retail", RETAIL), ("logistics", LOGISTICS), ("everywhere", EVERYWHERE)):
        boards[name] = (await get(rig, "/ring-board", await token(rig, Grant(Role.AUDITOR, scope)))).json()["items"]
    assert [row["newest_intent"] for row in boards["retail"]] == [units["retail"].ids["intent_id"]]
    assert [row["newest_intent"] for row in boards["logistics"]] == [units["logistics"].ids["intent_id"]]
    assert boards["everywhere"] == boards["logistics"]  # it was proposed last
    assert {cell["intent_id"] for cell in boards["retail"][0]["planned"]} == {units["retail"].ids["intent_id"]}


async def test_what_has_no_scope_is_shown_to_everybody_with_a_role(rig: Rig, units: dict[str, Unit]) -> None:
    about_all = await rig.made("/policy-exceptions", PACKAGER, exception_body(rig))
    wide = await rig.made("/incidents", OPERATOR, incident_body())
    secret = await token(rig, Grant(Role.PUBLISHER, RETAIL))
    assert about_all in await listed(rig, "/policy-exceptions", secret)
    assert wide in await listed(rig, "/incidents", secret)
    for path in (f"/policy-exceptions/{about_all}", f"/incidents/{wide}"):
        assert (await get(rig, path, secret)).status_code == 200
    assert len(await listed(rig, "/change-windows", secret)) == len(units)
    assert len(await listed(rig, "/evidence-packs", secret)) == 1
    # To decide on what is for everybody, a role for one part is not enough.
    decider = await token(rig, Grant(Role.SECURITY_REVIEWER, RETAIL))
    decision = {"capacity": "security_reviewer", "decision": "approve", "reason": "it holds"}
    for path, body in ((f"/policy-exceptions/{about_all}/decisions", decision), (f"/incidents/{wide}/resolutions", {})):
        problem(await rig.ask("POST", path, headers=bearer(decider), json=body), 403, "role-missing")


async def test_an_id_of_another_scope_is_answered_as_one_that_was_never_given(rig: Rig, units: dict[str, Unit]) -> None:
    """Whatever else is wrong with the request: a missing key, a version that is not the latest, a body that is none."""
    secret = await token(rig, Grant(Role.PUBLISHER, RETAIL), Grant(Role.ENDPOINT_OPERATOR, RETAIL))
    theirs = units["logistics"].ids["intent_id"]
    wrong: list[dict[str, Any]] = [
        {"key": ""},
        {"json": {"nonsense": 1}},
        {"content": b"{", "headers": {"Content-Type": "application/json"}},
        {"json": {"reason": "stop"}, "headers": {"If-Match": '"999"'}},
        {"json": {"reason": "stop"}},
    ]
    for request in wrong:
        answers = []
        for id in (theirs, NOBODY, theirs.upper()):
            options = {**request, "headers": bearer(secret) | request.get("headers", {})}
            answer = await rig.ask("POST", f"/deployment-intents/{id}/pauses", **options)
            told = problem(answer, 404, "deployment-intent-unknown")
            answers.append({name: told[name] for name in told.keys() - {"instance", "correlation_id"}})
        assert answers[0] == answers[1] == answers[2]


async def test_a_body_that_names_another_scope_tells_no_more(rig: Rig, units: dict[str, Unit]) -> None:
    operator = await token(rig, Grant(Role.ENDPOINT_OPERATOR, RETAIL), Grant(Role.PACKAGING_ENGINEER, RETAIL))
    theirs, ours = (units[name].ids["intent_id"] for name in ("logistics", "retail"))
    for id in (theirs, NOBODY):
        answer = await rig.ask("POST", "/incidents", headers=bearer(operator), json=incident_body(intent_id=id))
        assert problem(answer, 422, "rollout-unknown")["intent_id"] == id
        answer = await rig.ask("POST", "/policy-exceptions", headers=bearer(operator), json=exception_body(rig, id))
        problem(answer, 422, "exception-for-unknown-intent")
    made = await rig.ask("POST", "/incidents", headers=bearer(operator), json=incident_body(intent_id=ours))
    assert made.status_code == 201, made.text
    # An incident of an application stops its rollouts everywhere, and so asks for the role everywhere.
    answer = await rig.ask("POST", "/incidents", headers=bearer(operator), json=incident_body())
    problem(answer, 403, "role-missing")


async def test_nothing_is_made_outside_ones_scope(rig: Rig, units: dict[str, Unit]) -> None:
    secret = await token(
        rig,
        *(Grant(role, RETAIL) for role in (Role.PACKAGING_ENGINEER, Role.PLATFORM_ADMIN, Role.CAB_APPROVER)),
    )
    pack = (await listed(rig, "/evidence-packs", secret))[0]
    before = await rig.events()
    for scope in (units["logistics"].scope, EVERYWHERE, Scope("*", "emea")):
        for path, body in (
            ("/deployment-intents", intent_body(pack, (0, 1)) | {"scope": asked(scope)}),
            ("/deployment-intents/plans", intent_body(pack, (0, 1)) | {"scope": asked(scope)}),
            ("/change-windows", window_body(scope)),
        ):
            problem(await rig.ask("POST", path, headers=bearer(secret), json=body), 403, "role-missing")
    assert await rig.events() == before
    inside = intent_body(pack, (0, 1)) | {"scope": asked(units["retail"].scope)}
    assert (await rig.ask("POST", "/deployment-intents", headers=bearer(secret), json=inside)).status_code == 201


async def test_nobody_lends_what_lies_outside_his_scope(rig: Rig) -> None:
    """Break-glass lends a publisher's and an admin's rights; whoever opens it has his own role for all of its scope."""
    publisher = {"Authorization": f"Bearer {rig.token(AUDITOR, groups=['eucora-publisher@retail/emea'])}"}
    for scope in (Scope("logistics", "apac"), RETAIL, EVERYWHERE):
        answer = await rig.ask("POST", "/break-glass", headers=publisher, json=session_body(scope))
        problem(answer, 403, "role-missing")
    session = await rig.made("/break-glass", OPERATOR, session_body(Scope("logistics", "apac")))
    answer = await rig.ask("POST", f"/break-glass/{session}/confirmations", headers=publisher)
    problem(answer, 404, "break-glass-unknown")
    opened = await rig.ask("POST", "/break-glass", headers=publisher, json=session_body(Scope("retail", "emea")))
    assert opened.status_code == 201, opened.text


async def test_a_vote_for_everything_is_lent_by_those_only_who_vote_everywhere(rig: Rig) -> None:
    secret = await token(rig, Grant(Role.CAB_APPROVER, RETAIL))
    body = {"delegate": id_of(OPERATOR), "ends_at": "2026-03-10T08:00:00Z", "reason": "leave"}
    problem(await rig.ask("POST", "/cab-delegations", headers=bearer(secret), json=body), 403, "role-missing")


async def test_a_read_that_waits_sees_the_scope_too(rig: Rig, units: dict[str, Unit]) -> None:
    """Which rows a scope covers is read off the intents: whoever waits for a review waits for its intent as well."""
    secret = await token(rig, Grant(Role.CAB_APPROVER, RETAIL))
    position = str(await rig.world.store.head())
    headers = bearer(secret) | {"Eucora-Min-Position": position}
    await rig.runner.catch_up("cab_desk")
    waiting, _ = await asyncio.gather(
        rig.ask("GET", "/cab-reviews", headers=headers, caught_up=False), rig.runner.catch_up("intents")
    )
    assert waiting.status_code == 200
    assert [one["id"] for one in waiting.json()["items"]] == [units["retail"].ids["review_id"]]


async def test_an_incident_tells_of_the_rollouts_inside_the_scope(rig: Rig, units: dict[str, Unit]) -> None:
    """A P1 of an application stops its rollouts in both units, and each unit sees its own."""
    wide = await rig.made("/incidents", OPERATOR, incident_body(severity="p1"))
    intents = tuple(sorted(unit.ids["intent_id"] for unit in units.values()))
    called = RolloutsCalledToStop(Response.HALT, intents, rig.clock.now())
    context = Context("eucora|service", "rig")
    await rig.world.store.append([Write(f"incident-{wide}", 1, [called])], context=context, at=rig.clock.now())
    for name, scope in (("retail", RETAIL), ("logistics", LOGISTICS)):
        secret = await token(rig, Grant(Role.ENDPOINT_OPERATOR, scope))
        told = (await get(rig, f"/incidents/{wide}", secret)).json()
        assert [one["intent_id"] for one in told["rollouts"]] == [units[name].ids["intent_id"]]
    assert len((await rig.get(f"/incidents/{wide}")).json()["rollouts"]) == len(units)
