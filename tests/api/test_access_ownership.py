"""Separation of duties over every route that decides: what one person began, he does not decide, whatever he holds.

One person has every role there is. He proposes, asks and opens, and is refused where he decides on it; somebody else
with the role alone is not.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest
from access_world import exception_body, session_body
from api_rig import ADMIN, CAB, OPERATOR, PACKAGER, PUBLISHER, Rig, intent_body, problem
from test_api_policies import gates_body, model_body

from eucora.api.app import ROUTERS
from eucora.api.routes import GuardedRoute, Where
from eucora.domain.people import Role, Scope

SANA = "sana.security"
DECIDING: Final = {Role.CAB_APPROVER, Role.SECURITY_REVIEWER, Role.PUBLISHER}
# The refusal that whoever began it gets.
OWNED: Final = {
    "start_rollout": "requester-may-not-publish",
    "promote_ring": "requester-may-not-publish",
    "resume_rollout": "requester-may-not-publish",
    "cast_vote": "requester-may-not-vote",
    "decide_policy_exception": "asker-may-not-decide",
    "confirm_break_glass": "requester-may-not-confirm",
    "review_break_glass": "activator-may-not-review",
    "activate_gate_policy": "proposer-may-not-activate",
    "activate_governance_policy": "proposer-may-not-activate-governance-policy",
    "approve_risk_model": "proposer-may-not-approve-risk-model",
    "activate_role_mapping": "proposer-may-not-activate-role-mapping",
}
# Refused as well, and tried with the longer story that it takes: the test file.
TRIED_ELSEWHERE: Final = {
    "close_retrospective": "test_api_cab.py",
    "decide_exception_extension": "test_api_exceptions.py",
    "resolve_incident": "test_api_story.py",
}
# Whoever stops, takes back, takes note or asks decides nothing in his own favour.
OPEN_TO_WHOEVER_BEGAN_IT: Final = {
    "pause_rollout",
    "halt_rollout",
    "abort_rollout",
    "roll_back",
    "end_rollback",
    "rehearse_rollback",
    "revoke_approval",
    "revoke_policy_exception",
    "request_exception_extension",
    "amend_policy_exception",
    "close_break_glass",
    "reclassify_incident",
    "reopen_incident",
    "add_incident_note",
    "assess_blast_radius",
    "amend_change_window",
    "cancel_change_window",
    "delegate_cab_vote",
    "revoke_cab_delegation",
    "rescan_evidence_pack",
    "retire_gate_policy",
    "retire_governance_policy",
    "retire_risk_model",
    "retire_role_mapping",
    "approve_maturity_rise",  # proposed by the service
    "decline_maturity_rise",
}
GROUPS: Final = [f"eucora-{role.value.replace('_', '-')}" for role in Role if role is not Role.PUBLISHER]


class Everything:
    """A person with every role, as himself."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._token = rig.token(PACKAGER, groups=[*GROUPS, "eucora-publisher@retail/emea"])

    def headers(self, more: Mapping[str, str] = {}) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}", **more}

    async def post(self, path: str, body: object, **headers: str) -> Any:
        return await self._rig.ask("POST", path, headers=self.headers(headers), json=body)

    async def made(self, path: str, body: object) -> str:
        answer = await self.post(path, body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])


def test_every_route_that_decides_says_whose_decision_it_is_not() -> None:
    deciding = {
        route.name
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, GuardedRoute)
        and route.where in (Where.TARGET, Where.SEEN, Where.INSTALLATION)
        and "POST" in route.methods
        and DECIDING & {*route.permission.roles}
        and {*route.permission.roles} != {*Role}
    }
    told = [*OWNED, *TRIED_ELSEWHERE, *OPEN_TO_WHOEVER_BEGAN_IT]
    assert len(told) == len({*told})
    assert deciding == {*told}


async def intent(rig: Rig, one: Everything) -> str:
    pack = await one.made("/evidence-packs", await rig.pack_body(category="vpn"))
    return await one.made("/deployment-intents", intent_body(pack, (0, 1, 2)))


async def of_intent(rig: Rig, one: Everything) -> dict[str, tuple[str, Any, str]]:
    id = await intent(rig, one)
    path, review = f"/deployment-intents/{id}", await one.made(f"/deployment-intents/{id}/submissions", {})
    vote = {"vote": "approve", "reason": "looks good"}
    return {
        "start_rollout": (f"{path}/starts", {}, PUBLISHER),
        "promote_ring": (f"{path}/promotions", {"to_ring": 1}, PUBLISHER),
        "cast_vote": (f"/cab-reviews/{review}/votes", vote, CAB),
    }


async def of_pause(rig: Rig, one: Everything) -> dict[str, tuple[str, Any, str]]:
    path = f"/deployment-intents/{await intent(rig, one)}"
    for move, body in (("starts", {}), ("pauses", {"reason": "a look at it"})):
        await rig.made(f"{path}/{move}", PUBLISHER, body, headers=await rig.seen(path))
    return {"resume_rollout": (f"{path}/resumptions", {"reason": "it is well again"}, PUBLISHER)}


async def of_exception(rig: Rig, one: Everything) -> dict[str, tuple[str, Any, str]]:
    id = await one.made("/policy-exceptions", exception_body(rig))
    decision = {"capacity": "security_reviewer", "decision": "approve", "reason": "the control holds"}
    return {"decide_policy_exception": (f"/policy-exceptions/{id}/decisions", decision, SANA)}


async def of_confirmation(rig: Rig, one: Everything) -> dict[str, tuple[str, Any, str]]:
    id = await one.made("/break-glass", session_body(Scope("retail", "emea")))
    return {"confirm_break_glass": (f"/break-glass/{id}/confirmations", {}, OPERATOR)}


async def of_session_review(rig: Rig, one: Everything) -> dict[str, tuple[str, Any, str]]:
    id = await one.made("/break-glass", session_body(Scope("retail", "emea")))
    path = f"/break-glass/{id}"
    await rig.made(f"{path}/confirmations", OPERATOR, headers=await rig.seen(path))
    await rig.made(f"{path}/closures", OPERATOR, {"note": "done"}, headers=await rig.seen(path))
    return {"review_break_glass": (f"{path}/reviews", {"findings": "All was needed"}, SANA)}


async def of_policies(rig: Rig, one: Everything) -> dict[str, tuple[str, Any, str]]:
    await one.made("/gate-policies", {"policy": gates_body("2.0"), "reason": "faster"})
    await one.made("/governance-policies", {"policy": {"version": "2.0"}, "reason": "ours"})
    await one.made("/risk-models", {"model": model_body("2.0"), "reason": "ours"})
    await one.made("/role-mappings", {"mapping": {"version": "2.0", "convention": True}, "reason": "ours"})
    return {
        "activate_gate_policy": ("/gate-policies/2.0/activations", {}, CAB),
        "activate_governance_policy": ("/governance-policies/2.0/activations", {}, CAB),
        "approve_risk_model": ("/risk-models/2.0/approvals", {"part": "cab_approver"}, CAB),
        "activate_role_mapping": ("/role-mappings/2.0/activations", {}, CAB),
    }


STORIES: Final[list[Callable[[Rig, Everything], Any]]] = [
    of_intent,
    of_pause,
    of_exception,
    of_confirmation,
    of_session_review,
    of_policies,
]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_who_began_it_is_refused_and_somebody_else_is_not(
    rig: Rig, story: Callable[[Rig, Everything], Any]
) -> None:
    one = Everything(rig)
    moves: dict[str, tuple[str, Any, str]] = await story(rig, one)
    assert moves.keys() <= OWNED.keys()
    for operation, (path, body, other) in moves.items():
        resource = path.rpartition("/")[0]
        own = await one.post(path, body, **await rig.seen(resource))
        problem(own, 403, OWNED[operation])
        another = await rig.post(path, other, body, headers=await rig.seen(resource))
        assert another.status_code != 403, (operation, another.text)


async def test_every_refusal_of_this_file_is_tried(rig: Rig) -> None:
    tried = {operation for story in STORIES for operation in await story(rig, Everything(rig))}
    assert tried == OWNED.keys()


async def test_an_admin_alone_activates_nothing(rig: Rig) -> None:
    """Who may propose policies for everybody may not put one of them in force, nor publish, nor vote."""
    names = {"activate_gate_policy", "activate_governance_policy", "approve_risk_model", "activate_role_mapping"}
    moves = await of_policies(rig, Everything(rig))
    assert moves.keys() == names
    for path, body, _ in moves.values():
        resource = path.rpartition("/")[0]
        problem(await rig.post(path, ADMIN, body, headers=await rig.seen(resource)), 403, "role-missing")
