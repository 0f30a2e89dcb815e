"""Exceptions and break-glass over HTTP: the whole way, the problem types, and what a session lets a person do."""

from datetime import timedelta
from typing import Any

import pytest
from api_rig import (
    ADMIN,
    AUDITOR,
    CAB,
    CAB_2,
    NOBODY,
    OPERATOR,
    PACKAGER,
    PUBLISHER,
    START,
    Rig,
    id_of,
    problem,
)

SANA, CLEO = "sana.security", "cleo.both"
SESSION = "Eucora-Break-Glass"
SCOPE = {"business_unit": "retail", "boundary": "emea", "site": "*"}


def until(**span: float) -> str:
    return (START + timedelta(**span)).isoformat()


def body(**changes: Any) -> dict[str, Any]:
    return {
        "kind": "vulnerability",
        "title": "zlib in Notes",
        "justification": "The vendor ships the fix next month",
        "controls": ["The listener is closed by the host firewall"],
        "owner": id_of(OPERATOR),
        "subjects": ["CVE-2026-1"],
        "expires_at": until(days=30),
        "application_id": "notes",
    } | changes


def crossing(**changes: Any) -> dict[str, Any]:
    return body(kind="cross_boundary", subjects=["retail/apac/*"], **changes)


async def decide(
    rig: Rig, id: str, by: str, capacity: str = "security_reviewer", decision: str = "approve", **options: Any
) -> Any:
    """A decision on what stands now."""
    what = options.pop("what", "decisions")
    etag = (await rig.get(f"/policy-exceptions/{id}")).headers["ETag"]
    asked = {"capacity": capacity, "decision": decision, "reason": "The control holds"} | options
    return await rig.post(f"/policy-exceptions/{id}/{what}", by, asked, headers={"If-Match": etag})


async def approve(rig: Rig, id: str, what: str = "decisions") -> None:
    """By everybody whom an exception that names no intent needs."""
    for by, capacity in ((SANA, "security_reviewer"), (CAB, "cab_approver")):
        assert (await decide(rig, id, by, capacity, what=what)).status_code == 201


async def approved(rig: Rig, **changes: Any) -> str:
    id = await rig.made("/policy-exceptions", PACKAGER, body(**changes))
    await approve(rig, id)
    return id


async def test_an_exception_shows_its_owner_its_controls_and_the_time_that_is_left(rig: Rig) -> None:
    id = await rig.made("/policy-exceptions", PACKAGER, body())
    asked = (await rig.get(f"/policy-exceptions/{id}")).json()
    assert (asked["status"], asked["in_force"]) == ("requested", False)
    assert asked["needs"] == ["security_reviewer", "cab_approver"]
    await approve(rig, id)
    rig.later(days=29)
    told = (await rig.get(f"/policy-exceptions/{id}")).json()
    assert (told["status"], told["in_force"], told["expires_in_s"]) == ("approved", True, 86_400)
    assert (told["owner"], told["controls"]) == (id_of(OPERATOR), ["The listener is closed by the host firewall"])
    assert [one["by"] for one in told["decisions"]] == [id_of(SANA), id_of(CAB)]
    rig.later(days=1)
    over = (await rig.get(f"/policy-exceptions/{id}")).json()
    assert (over["in_force"], over["expires_in_s"]) == (False, 0)


async def test_a_kind_that_reaches_far_needs_two_people(rig: Rig) -> None:
    id = await rig.made("/policy-exceptions", PACKAGER, crossing())
    assert (await decide(rig, id, CAB, "cab_approver")).status_code == 201
    told = problem(await decide(rig, id, CAB_2, "cab_approver"), 409, "already-decided")
    assert told["missing"] == ["security_reviewer"]
    assert (await rig.get(f"/policy-exceptions/{id}")).json()["status"] == "requested"
    assert (await decide(rig, id, SANA)).status_code == 201
    assert (await rig.get(f"/policy-exceptions/{id}")).json()["status"] == "approved"


async def test_who_asks_does_not_decide_and_that_he_tried_is_on_record(rig: Rig) -> None:
    id = await rig.made("/policy-exceptions", CLEO, crossing())
    before = await rig.events()
    problem(await decide(rig, id, CLEO, "cab_approver"), 403, "asker-may-not-decide")
    assert await rig.events() == before + 1
    assert (await rig.get(f"/policy-exceptions/{id}")).json()["refused_decisions"] == 1


async def test_the_owner_does_not_decide(rig: Rig) -> None:
    id = await rig.made("/policy-exceptions", PACKAGER, body(owner=id_of(SANA)))
    problem(await decide(rig, id, SANA), 403, "owner-may-not-decide")


async def test_a_decision_names_the_version_that_was_seen(rig: Rig) -> None:
    id = await rig.made("/policy-exceptions", PACKAGER, body())
    asked = {"capacity": "security_reviewer", "decision": "approve", "reason": "fine"}
    path = f"/policy-exceptions/{id}/decisions"
    problem(await rig.post(path, SANA, asked), 428, "if-match-missing")
    problem(await rig.post(path, SANA, asked, headers={"If-Match": '"9"'}), 412, "version-mismatch")


@pytest.mark.parametrize(
    ("changes", "slug", "pointer"),
    [
        ({"title": " "}, "title-missing", "#/title"),
        ({"justification": ""}, "justification-missing", "#/justification"),
        ({"controls": []}, "control-missing", "#/controls"),
        ({"owner": ""}, "owner-missing", "#/owner"),
        ({"subjects": []}, "subject-missing", "#/subjects"),
        ({"kind": "unsigned_package"}, "subject-invalid", "#/subjects"),
        ({"ring": 1}, "ring-not-expected", "#/ring"),
        ({"expires_at": until()}, "expiry-in-past", "#/expires_at"),
        ({"expires_at": until(days=90, seconds=1)}, "expiry-too-long", "#/expires_at"),
        ({"expires_at": "2026-03-30T12:00:00"}, "request-invalid", "#/expires_at"),  # in whose zone?
        ({"intent_id": NOBODY}, "exception-for-unknown-intent", "#/intent_id"),
        ({"kind": "anything"}, "request-invalid", "#/kind"),
    ],
)
async def test_terms_that_cannot_be(rig: Rig, changes: dict[str, Any], slug: str, pointer: str) -> None:
    told = problem(await rig.post("/policy-exceptions", PACKAGER, body(**changes)), 422, slug)
    assert told["errors"][0]["pointer"] == pointer
    assert await rig.events() == 0


async def test_a_gate_override_is_for_one_ring_of_one_intent_and_a_publisher_may_ask_for_it(rig: Rig) -> None:
    override = body(kind="gate_override", subjects=["success_rate"], application_id="", ring=1)
    told = problem(await rig.post("/policy-exceptions", PUBLISHER, override), 422, "override-incomplete")
    assert told["missing"] == ["the intent"]
    intent = await rig.propose()
    id = await rig.made("/policy-exceptions", PUBLISHER, override | {"intent_id": intent})
    view = (await rig.get(f"/policy-exceptions/{id}")).json()
    assert (view["ring"], view["application_id"]) == (1, "notes")
    assert view["needs"] == ["security_reviewer", "cab_approver"]
    timeline = (await rig.get(f"/deployment-intents/{intent}/timeline")).json()["items"]
    assert timeline[-1]["summary"].startswith("An exception (gate override) from success_rate was requested")
    problem(await rig.post("/policy-exceptions", PUBLISHER, body()), 403, "role-missing")
    other = override | {"intent_id": intent, "application_id": "edge"}
    problem(await rig.post("/policy-exceptions", PACKAGER, other), 422, "exception-for-other-application")


async def test_who_has_a_part_in_the_release_does_not_override_its_gates(rig: Rig) -> None:
    """Cleo packages and sits on CAB; Piet asks for the exception, so she is neither its asker nor its owner."""
    intent = await rig.propose(person=CLEO)
    override = body(kind="gate_override", subjects=["success_rate"], application_id="", ring=1, intent_id=intent)
    id = await rig.made("/policy-exceptions", PACKAGER, override)
    problem(await decide(rig, id, CLEO, "cab_approver"), 403, "involved-may-not-decide")
    assert (await rig.get(f"/policy-exceptions/{id}")).json()["refused_decisions"] == 1
    await approve(rig, id)
    own = await rig.made("/policy-exceptions", CLEO, override)  # she may ask for her own release
    problem(await decide(rig, own, CLEO, "cab_approver"), 403, "asker-may-not-decide")


async def test_changes_are_asked_for_and_decided_anew(rig: Rig) -> None:
    id = await rig.made("/policy-exceptions", PACKAGER, body())
    path = f"/policy-exceptions/{id}/amendments"
    problem(await rig.post(path, PACKAGER, body()), 409, "changes-not-requested")
    assert (await decide(rig, id, SANA, decision="request_changes")).status_code == 201
    problem(await decide(rig, id, SANA), 409, "exception-not-open")
    problem(await rig.post(path, PACKAGER, crossing()), 422, "kind-may-not-change")
    await rig.made(path, PACKAGER, body(title="zlib in Notes 1.0 only"))
    await approve(rig, id)
    view = (await rig.get(f"/policy-exceptions/{id}")).json()
    assert (view["status"], view["title"]) == ("approved", "zlib in Notes 1.0 only")


async def test_one_extension_is_decided_like_the_exception(rig: Rig) -> None:
    id = await approved(rig)
    path = f"/policy-exceptions/{id}/extensions"
    problem(await decide(rig, id, SANA, what="extension-decisions"), 409, "extension-not-requested")
    for end, slug in ((30, "extension-not-later"), (121, "extension-too-long")):
        problem(await rig.post(path, PACKAGER, {"until": until(days=end), "reason": "late"}), 422, slug)
    await rig.made(path, PACKAGER, {"until": until(days=60), "reason": "The vendor is late"})
    problem(await rig.post(path, PACKAGER, {"until": until(days=61), "reason": "more"}), 409, "extension-pending")
    await approve(rig, id, "extension-decisions")
    view = (await rig.get(f"/policy-exceptions/{id}")).json()
    assert (view["extension"]["status"], view["expires_in_s"]) == ("granted", 60 * 86_400)
    problem(await rig.post(path, PACKAGER, {"until": until(days=80), "reason": "more"}), 409, "extensions-used-up")


async def test_a_revocation_has_a_reason_and_ends_it(rig: Rig) -> None:
    id = await approved(rig)
    path = f"/policy-exceptions/{id}/revocations"
    problem(await rig.post(path, CAB, {"reason": ""}), 422, "reason-missing")
    await rig.made(path, CAB, {"reason": "Exploited in the wild"})
    view = (await rig.get(f"/policy-exceptions/{id}")).json()
    assert (view["status"], view["revoked_by"], view["in_force"]) == ("revoked", id_of(CAB), False)
    asked = {"until": until(days=60), "reason": "late"}
    problem(await rig.post(f"/policy-exceptions/{id}/extensions", PACKAGER, asked), 409, "exception-not-in-force")


async def test_a_decision_after_the_end_puts_the_end_on_record(rig: Rig) -> None:
    id = await rig.made("/policy-exceptions", PACKAGER, body())
    rig.later(days=30)
    problem(await decide(rig, id, SANA), 409, "exception-over")
    assert (await rig.get(f"/policy-exceptions/{id}")).json()["status"] == "expired"


async def test_a_capacity_that_is_not_asked(rig: Rig) -> None:
    id = await rig.made("/policy-exceptions", PACKAGER, body(intent_id=await rig.propose()))
    assert (await rig.get(f"/policy-exceptions/{id}")).json()["needs"] == ["security_reviewer"]  # its score is low
    problem(await decide(rig, id, CAB, "cab_approver"), 409, "capacity-not-needed")
    problem(await decide(rig, id, CAB, "security_reviewer"), 403, "role-missing")


async def test_lists_are_filtered_and_paged(rig: Rig) -> None:
    soon, later_one = await approved(rig), await approved(rig, expires_at=until(days=60))
    open_one = await rig.made("/policy-exceptions", PACKAGER, crossing(expires_at=until(days=1)))

    async def ids(**asked: Any) -> list[str]:
        return [one["id"] for one in (await rig.get("/policy-exceptions", **asked)).json()["items"]]

    assert await ids() == [open_one, later_one, soon]
    assert await ids(status="approved") == [later_one, soon]
    assert await ids(kind="cross_boundary") == [open_one]
    assert await ids(expiring_before=until(days=31)) == [soon]
    assert await ids(expiring_before=until(days=30)) == []
    assert await ids(intent_id=NOBODY) == []
    page = (await rig.get("/policy-exceptions", limit=2)).json()
    assert [one["id"] for one in page["items"]] == [open_one, later_one]
    assert await ids(limit=2, cursor=page["next_cursor"]) == [soon]
    problem(await rig.get(f"/policy-exceptions/{NOBODY}"), 404, "policy-exception-unknown")


def emergency(**changes: Any) -> dict[str, Any]:
    return {"reason_code": "incident", "text": "Take Notes off", "scope": SCOPE} | changes


async def opened(rig: Rig, first: str = OPERATOR, second: str = SANA) -> str:
    id = await rig.made("/break-glass", first, emergency())
    await rig.made(f"/break-glass/{id}/confirmations", second)
    return id


async def test_two_people_open_a_session_and_act_in_it(rig: Rig) -> None:
    intent = await rig.propose()
    start = f"/deployment-intents/{intent}/starts"
    problem(await rig.post(start, OPERATOR), 403, "role-missing")
    session = await rig.made("/break-glass", OPERATOR, emergency())
    problem(await rig.post(start, OPERATOR, headers={SESSION: session}), 403, "break-glass-not-open")
    problem(await rig.post(f"/break-glass/{session}/confirmations", OPERATOR), 403, "requester-may-not-confirm")
    await rig.made(f"/break-glass/{session}/confirmations", SANA)
    problem(await rig.post(start, AUDITOR, headers={SESSION: session}), 403, "not-an-activator")
    problem(await rig.post(start, OPERATOR), 403, "role-missing")  # without naming the session nothing is lent
    await rig.made(start, OPERATOR, headers={SESSION: session})
    view = (await rig.get(f"/break-glass/{session}")).json()
    assert (view["status"], view["open"], view["events"]) == ("active", True, 1)
    assert view["activators"] == [id_of(OPERATOR), id_of(SANA)]
    (deed,) = (await rig.get(f"/break-glass/{session}/events")).json()["items"]
    assert (deed["type"], deed["actor"], deed["intent_id"]) == (
        "deployment_intent.rollout-started", id_of(OPERATOR), intent,
    )  # fmt: skip


async def test_the_mark_is_in_the_entry_that_is_exported(rig: Rig) -> None:
    session = await opened(rig)
    intent = await rig.propose()
    await rig.made(f"/deployment-intents/{intent}/starts", SANA, headers={SESSION: session})
    entries = [one["entry"] for one in (await rig.get("/audit/events", limit=500)).json()["events"]]
    assert [one["type"] for one in entries if one.get("break_glass") == session] == [
        "deployment_intent.rollout-started"
    ]


async def test_a_session_lends_inside_its_scope_only(rig: Rig) -> None:
    intent = await rig.propose()
    elsewhere = emergency(scope={"business_unit": "logistics", "boundary": "apac", "site": "*"})
    session = await rig.made("/break-glass", OPERATOR, elsewhere)
    await rig.made(f"/break-glass/{session}/confirmations", SANA)
    answer = await rig.post(f"/deployment-intents/{intent}/starts", OPERATOR, headers={SESSION: session})
    problem(answer, 403, "outside-publisher-scope")


async def test_a_session_lifts_no_separation_of_duties(rig: Rig) -> None:
    """Dora packages and publishes; what she asked for herself she may not publish, in a session or not."""
    both = "dora.both"  # packages, and publishes in the same scope
    intent = await rig.propose(person=both)
    session = await opened(rig, both, ADMIN)
    answer = await rig.post(f"/deployment-intents/{intent}/starts", both, headers={SESSION: session})
    problem(answer, 403, "requester-may-not-publish")


async def test_a_session_ends_and_is_reviewed_by_somebody_else(rig: Rig) -> None:
    session = await opened(rig)
    problem(await rig.post(f"/break-glass/{session}/reviews", ADMIN, {"findings": "x"}), 409, "nothing-to-review")
    await rig.made(f"/break-glass/{session}/closures", OPERATOR, {"note": "Removed everywhere"})
    answer = await rig.post(f"/deployment-intents/{NOBODY}/starts", OPERATOR, headers={SESSION: session})
    problem(answer, 403, "break-glass-not-open")
    path = f"/break-glass/{session}/reviews"
    problem(await rig.post(path, SANA, {"findings": "fine"}), 403, "activator-may-not-review")
    problem(await rig.post(path, AUDITOR, {"findings": "fine"}), 403, "role-missing")
    await rig.made(path, ADMIN, {"findings": "As it had to be"})
    problem(await rig.post(path, CAB, {"findings": "mine"}), 409, "already-reviewed")
    view = (await rig.get(f"/break-glass/{session}")).json()
    assert (view["status"], view["reviewed_by"], view["review_overdue"]) == ("closed", id_of(ADMIN), False)
    assert view["refused"] == 1


async def test_an_overdue_review_keeps_the_next_session_shut(rig: Rig) -> None:
    session = await opened(rig)
    await rig.made(f"/break-glass/{session}/closures", OPERATOR, {})
    waiting = await rig.made("/break-glass", OPERATOR, emergency())
    rig.later(hours=24)
    told = problem(await rig.post("/break-glass", OPERATOR, emergency()), 409, "review-debt-overdue")
    assert told["sessions"] == [session]
    assert (await rig.get(f"/break-glass/{session}")).json()["review_overdue"]
    problem(await rig.post(f"/break-glass/{waiting}/confirmations", SANA), 409, "break-glass-lapsed")
    await rig.made(f"/break-glass/{session}/reviews", ADMIN, {"findings": "Needed"})
    await rig.made("/break-glass", OPERATOR, emergency())


async def test_what_a_session_cannot_be(rig: Rig) -> None:
    for duration_s in (0, 4 * 3600 + 1):
        told = problem(
            await rig.post("/break-glass", OPERATOR, emergency(duration_s=duration_s)), 422, "duration-invalid"
        )
        assert told["errors"][0]["pointer"] == "#/duration_s"
    problem(await rig.post("/break-glass", OPERATOR, emergency(text="")), 422, "reason-missing")
    problem(await rig.post("/break-glass", AUDITOR, emergency()), 403, "role-missing")
    assert await rig.events() == 0
    session = await rig.made("/break-glass", OPERATOR, emergency(duration_s=4 * 3600))
    problem(await rig.post(f"/break-glass/{session}/closures", OPERATOR, {}), 409, "nothing-to-close")
    await rig.made(f"/break-glass/{session}/confirmations", PUBLISHER)
    problem(await rig.post(f"/break-glass/{session}/confirmations", ADMIN), 409, "already-activated")
    await rig.made(f"/break-glass/{session}/closures", PUBLISHER, {})
    problem(await rig.post(f"/break-glass/{session}/confirmations", ADMIN), 409, "break-glass-not-confirmable")
    for path in (f"/break-glass/{NOBODY}", f"/break-glass/{NOBODY}/events"):
        problem(await rig.get(path), 404, "break-glass-unknown")
    problem(await rig.post(f"/break-glass/{NOBODY}/confirmations", SANA), 404, "break-glass-unknown")
    assert [one["id"] for one in (await rig.get("/break-glass", status="closed")).json()["items"]] == [session]


async def test_a_session_for_a_part_shows_and_changes_nothing_of_the_whole(rig: Rig) -> None:
    nowhere = emergency(scope={"business_unit": "nowhere", "boundary": "none", "site": "hut-7"})
    for asked, status in ((nowhere, 403), (emergency(scope={}), 200)):
        session = await rig.made("/break-glass", OPERATOR, asked)
        await rig.made(f"/break-glass/{session}/confirmations", SANA)
        for path in ("/service-tokens", "/audit/events"):
            assert (await rig.ask("GET", path, OPERATOR, headers={SESSION: session})).status_code == status


async def test_a_service_token_takes_no_part_in_break_glass(rig: Rig) -> None:
    asked = {"name": "pump", "grants": [{"role": "platform_admin"}], "expires_at": until(days=7)}
    secret = (await rig.post("/service-tokens", ADMIN, asked)).json()["secret"]
    session = await opened(rig, ADMIN, SANA)
    program = {"Authorization": f"Bearer {secret}"}
    used = await rig.ask("POST", "/incidents", headers=program | {SESSION: session}, json={})
    problem(used, 403, "break-glass-needs-person")
    waiting = await rig.made("/break-glass", OPERATOR, emergency())
    for path, sent in (
        ("/break-glass", emergency()),
        (f"/break-glass/{waiting}/confirmations", {}),
        (f"/break-glass/{session}/closures", {}),
    ):
        problem(await rig.ask("POST", path, headers=program, json=sent), 403, "break-glass-needs-person")
    problem(await rig.post("/service-tokens", ADMIN, asked, headers={SESSION: session}), 403, "token-in-break-glass")
    assert (await rig.ask("GET", "/break-glass", headers=program)).status_code == 200  # reading is no part


async def test_a_header_that_names_nothing_opens_nothing(rig: Rig) -> None:
    for named in ("nonsense", NOBODY, "../x", '"', "x" * 4_000, b"\xe9", "-" * 300):
        answer = await rig.post("/incidents", OPERATOR, {}, headers={SESSION: named})
        problem(answer, 403, "break-glass-not-open")
    assert await rig.events() == 0
