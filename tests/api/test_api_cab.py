"""The CAB desk over HTTP: the queue, what changed since one looked, lent votes, and verdicts on emergency changes."""

from datetime import timedelta
from typing import Any

import pytest
from api_rig import ADMIN, AUDITOR, CAB, CAB_2, NOBODY, OPERATOR, PACKAGER, START, Rig, id_of, intent_body, problem

SANA, CYRUS = "sana.security", "cyrus.cab"
YES = {"vote": "approve", "reason": "rollback rehearsed, findings are low"}


async def reviewed(
    rig: Rig, category: str = "vpn", urgency: str = "standard", change_kind: str = "normal", **application: Any
) -> str:
    """A release before CAB; the id of its review."""
    pack = await rig.made("/evidence-packs", PACKAGER, await rig.pack_body(category=category, **application))
    body = intent_body(pack, (0, 1, 2)) | {"change_kind": change_kind}
    intent = await rig.made("/deployment-intents", PACKAGER, body)
    asked = {"urgency": urgency, "justification": "exploited in the wild"}
    return await rig.made(f"/deployment-intents/{intent}/submissions", PACKAGER, asked)


async def cast(rig: Rig, review: str, voter: str, saw: int = 1, **more: Any) -> Any:
    return await rig.post(f"/cab-reviews/{review}/votes", voter, YES | more, headers={"If-Match": f'"{saw}"'})


def lent(to: str, **changes: Any) -> dict[str, Any]:
    ends_at = (START + timedelta(days=14)).isoformat()
    return {"delegate": id_of(to), "ends_at": ends_at, "reason": "parental leave"} | changes


async def test_the_queue_is_ordered_by_due_time_and_then_by_class(rig: Rig) -> None:
    business = await reviewed(rig, "erp")
    critical = await reviewed(rig, "vpn")
    urgent = await reviewed(rig, "erp", "urgent")
    queue = (await rig.get("/cab-reviews/queue")).json()["items"]
    assert [one["id"] for one in queue] == [urgent, critical, business]
    assert [one["votes_missing"] for one in queue] == [2, 3, 2]
    of_class = (await rig.get("/cab-reviews/queue", blast_radius_class="business_critical")).json()["items"]
    assert [one["id"] for one in of_class] == [urgent, business]
    pages, cursor = [], None
    while True:
        page = (await rig.get("/cab-reviews/queue", limit=1, **({"cursor": cursor} if cursor else {}))).json()
        pages += [one["id"] for one in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert pages == [urgent, critical, business]
    await rig.post(f"/cab-reviews/{urgent}/withdrawals", PACKAGER, {"reason": "a new version is out"})
    assert [one["id"] for one in (await rig.get("/cab-reviews/queue")).json()["items"]] == [critical, business]


async def test_a_foreign_cursor_is_refused(rig: Rig) -> None:
    problem(await rig.get("/cab-reviews/queue", cursor="nonsense"), 422, "cursor-invalid")


async def test_the_desk_shows_the_quorum_and_who_may_not_vote_and_why(rig: Rig) -> None:
    review = await reviewed(rig)
    await cast(rig, review, CAB)
    body = (await rig.get(f"/cab-reviews/{review}")).json()
    assert (body["quorum"], body["approvals"], body["votes_missing"]) == (3, 1, 2)
    assert (body["escalated"], body["change_kind"], body["ring"]) == (False, "normal", None)
    assert {(one["person"], one["rule"]) for one in body["conflicts"]} == {
        (id_of(PACKAGER), "requester"),
        (id_of(PACKAGER), "assembled_evidence"),
        (id_of(PACKAGER), "registered_artifact"),
    }
    assert all(one["why"] for one in body["conflicts"])
    assert body["rules"]["standard_s"] == 48 * 3600
    assert body["grounds"] == body["votes"][0]["grounds"] != ""


async def test_who_looks_again_is_told_what_changed_since(rig: Rig) -> None:
    review = await reviewed(rig)
    path = f"/cab-reviews/{review}"
    assert (await rig.get(path)).json()["changed_since"] is None
    assert (await rig.get(path, since=1)).json()["changed_since"] == []
    await cast(rig, review, CAB)
    (change,) = (await rig.get(path, since=1)).json()["changed_since"]
    assert (change["version"], change["type"], change["actor"]) == (2, "cab_review.vote-cast", id_of(CAB))
    assert change["summary"] == f"A CAB member voted approve: {YES['reason']}"
    problem(await cast(rig, review, CAB_2, saw=1), 412, "review-changed")
    assert (await cast(rig, review, CAB_2, saw=2)).status_code == 201
    assert [one["version"] for one in (await rig.get(path, since=1)).json()["changed_since"]] == [2, 3]
    problem(await rig.get(path, since=-1), 422, "request-invalid")


async def test_a_vote_is_lent_cast_in_its_owners_name_and_taken_back(rig: Rig) -> None:
    review = await reviewed(rig)
    problem(await cast(rig, review, SANA), 403, "role-missing")
    delegation = await rig.made("/cab-delegations", CAB, lent(SANA))
    (shown,) = (await rig.get("/cab-delegations", in_force=True)).json()["items"]
    assert (shown["id"], shown["delegator"], shown["delegate"]) == (delegation, id_of(CAB), id_of(SANA))
    problem(await cast(rig, review, CYRUS, delegation_id=delegation), 409, "cab-delegation-not-in-force")
    assert (await cast(rig, review, SANA, delegation_id=delegation)).status_code == 201
    (vote,) = (await rig.get(f"/cab-reviews/{review}")).json()["votes"]
    assert (vote["voter"], vote["on_behalf_of"], vote["delegation_id"]) == (id_of(SANA), id_of(CAB), delegation)
    problem(await cast(rig, review, CAB, saw=2), 409, "delegator-vote-used")
    problem(
        await cast(rig, review, SANA, saw=2, delegation_id=delegation, reason="again"), 409, "delegate-voted-already"
    )
    back = {"reason": "back early"}
    problem(await rig.post(f"/cab-delegations/{delegation}/revocations", CAB_2, back), 403, "cab-delegation-not-yours")
    assert (await rig.post(f"/cab-delegations/{delegation}/revocations", ADMIN, back)).status_code == 201
    assert (await rig.get("/cab-delegations", in_force=True)).json()["items"] == []
    ended = (await rig.get(f"/cab-delegations/{delegation}")).json()
    assert (ended["status"], ended["in_force"], ended["ended_by"]) == ("revoked", False, id_of(ADMIN))


async def test_a_delegation_names_a_policy_that_stands(rig: Rig) -> None:
    asked = lent(SANA, governance_policy="9.9")
    problem(await rig.post("/cab-delegations", CAB, asked), 404, "governance-policy-unknown")


@pytest.mark.parametrize(
    ("changes", "slug"),
    [
        ({"ends_at": "2026-03-01T00:00:00Z"}, "cab-delegation-times-invalid"),
        ({"starts_at": "2026-03-01T00:00:00Z"}, "cab-delegation-times-invalid"),
        ({"ends_at": "2026-05-01T00:00:00Z"}, "cab-delegation-times-invalid"),
        ({"starts_at": "9000-12-31T23:00:00Z", "ends_at": "9000-12-31T23:59:59Z"}, "cab-delegation-times-invalid"),
        ({"delegate": " "}, "delegate-missing"),
        ({"delegate": id_of(CAB)}, "delegate-missing"),
        ({"reason": " "}, "reason-missing"),
        ({"ends_at": "2026-03-10T00:00:00"}, "request-invalid"),
    ],
)
async def test_a_delegation_that_cannot_be_is_refused_where_it_is_made(
    rig: Rig, changes: dict[str, Any], slug: str
) -> None:
    problem(await rig.post("/cab-delegations", CAB, lent(SANA, **changes)), 422, slug)
    assert await rig.events() == 0


async def test_delegations_are_for_cab_and_do_not_chain(rig: Rig) -> None:
    for person in (SANA, PACKAGER, AUDITOR, ADMIN, OPERATOR):
        problem(await rig.post("/cab-delegations", person, lent(CAB)), 403, "role-missing")
    await rig.made("/cab-delegations", CAB, lent(CAB_2))
    problem(await rig.post("/cab-delegations", CAB_2, lent(CYRUS)), 409, "delegate-may-not-delegate")
    problem(await rig.post("/cab-delegations", CYRUS, lent(CAB)), 409, "delegate-has-delegated")
    problem(await rig.get(f"/cab-delegations/{NOBODY}"), 404, "cab-delegation-unknown")
    problem(
        await rig.post(f"/cab-delegations/{NOBODY}/revocations", CAB, {"reason": "back"}), 404, "cab-delegation-unknown"
    )


async def test_an_emergency_change_is_judged_by_who_had_no_part_in_it(rig: Rig) -> None:
    review = await reviewed(rig, change_kind="emergency")
    assert (await cast(rig, review, CAB)).status_code == 201
    assert (await cast(rig, review, CYRUS, saw=2)).status_code == 201
    body = (await rig.get(f"/cab-reviews/{review}")).json()
    assert (body["status"], body["quorum"], body["urgency"]) == ("approved", 2, "urgent")
    assert body["retrospective"]["status"] == "open"
    rig.later(hours=73)
    pack = await rig.made("/evidence-packs", PACKAGER, await rig.pack_body(category="vpn"))
    again = await rig.made("/deployment-intents", PACKAGER, intent_body(pack, (0, 1)) | {"change_kind": "emergency"})
    asked = {"urgency": "urgent", "justification": "exploited again"}
    problem(await rig.post(f"/deployment-intents/{again}/submissions", PACKAGER, asked), 409, "retrospective-overdue")
    path, verdict = f"/cab-reviews/{review}/retrospectives", {"verdict": "justified", "findings": "it was real"}
    problem(await rig.post(path, CAB, verdict), 403, "voter-may-not-judge")
    problem(await rig.post(path, PACKAGER, verdict), 403, "role-missing")
    problem(await rig.post(path, CAB_2, verdict | {"findings": " "}), 422, "reason-missing")
    assert [one["id"] for one in (await rig.get("/cab-reviews", retrospective="open")).json()["items"]] == [review]
    assert (await rig.post(path, CAB_2, verdict)).status_code == 201
    problem(await rig.post(path, CAB_2, verdict | {"findings": "it was not"}), 409, "retrospective-closed")
    assert (await rig.get("/cab-reviews", retrospective="open")).json()["items"] == []
    (closed,) = (await rig.get("/cab-reviews", retrospective="closed")).json()["items"]
    debt = closed["retrospective"]
    assert (debt["status"], debt["verdict"], debt["closed_by"]) == ("closed", "justified", id_of(CAB_2))
    assert [one["rule"] for one in debt["refused"]] == ["voter"]
    assert (await rig.post(f"/deployment-intents/{again}/submissions", PACKAGER, asked)).status_code == 201


async def test_a_normal_change_has_nothing_to_judge(rig: Rig) -> None:
    review = await reviewed(rig)
    verdict = {"verdict": "justified", "findings": "it was real"}
    problem(await rig.post(f"/cab-reviews/{review}/retrospectives", CAB, verdict), 409, "retrospective-not-due")
    problem(await rig.post(f"/cab-reviews/{NOBODY}/retrospectives", CAB, verdict), 404, "cab-review-unknown")


@pytest.mark.parametrize(
    "condition",
    [
        {"kind": "max_ring", "value": "5"},
        {"kind": "min_soak_hours", "value": "2161"},
        {"kind": "min_success_rate", "value": "1.01"},
        {"kind": "monitor_until", "value": "2026-03-02T08:00:00Z"},
        {"kind": "monitor_until", "value": "2027-03-02T08:00:00Z"},
        {"kind": "monitor_until", "value": "0001-01-01T00:00:00+14:00"},
        {"kind": "min_soak_hours", "value": "1e999999999"},
        {"kind": "text", "value": " "},
    ],
)
async def test_a_condition_that_could_never_be_kept_is_refused_with_the_vote(
    rig: Rig, condition: dict[str, str]
) -> None:
    review = await reviewed(rig)
    told = problem(await cast(rig, review, CAB, conditions=[condition]), 422, "condition-invalid")
    assert told["errors"][0]["pointer"] == "#/conditions"
    assert (await rig.get(f"/cab-reviews/{review}")).json()["approvals"] == 0


async def test_text_conditions_that_could_not_be_recorded_together_are_refused_with_field_and_limit(rig: Rig) -> None:
    review = await reviewed(rig)
    texts = [{"kind": "text", "value": f"{number}{'界' * 3_999}"} for number in range(2)]
    told = problem(await cast(rig, review, CAB, conditions=texts), 422, "conditions-too-long")
    assert told["errors"][0]["pointer"] == "#/conditions"
    assert told["size"] > told["size_max"] == 20_000
    assert (await rig.get(f"/cab-reviews/{review}")).json()["approvals"] == 0
