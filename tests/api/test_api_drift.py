"""Drift and rollbacks over HTTP: what is found, who may act on it, and where a release goes back to."""

from dataclasses import replace

import pytest
from api_rig import AUDITOR, CAB, NOBODY, OPERATOR, PACKAGER, PUBLISHER, Rig, problem

from eucora.application.deployment_intents import measure_now
from eucora.application.execute import execute, load
from eucora.application.ports import Context
from eucora.application.react import react
from eucora.domain import drift
from eucora.domain.deployment_intent import DECIDER, commands
from eucora.domain.drift_compare import DriftKind, Finding, Remedy
from eucora.domain.governance_types import DriftRules
from eucora.domain.grounds import Grounds
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring

MISSING = Finding(Plane.JAMF, DriftKind.MISSING_ASSIGNMENT, Ring.LAB, "ring-0", "install", "nothing", Remedy.ASSIGN)
CHANGED = Finding(Plane.JAMF, DriftKind.CHANGED_CONTENT, Ring.LAB, "", "1", "2", Remedy.NONE)


async def look(rig: Rig, intent_id: str, *findings: Finding) -> None:
    """What the job that inspects the plane puts on record."""
    now = rig.clock.now()
    command = drift.RecordInspection(intent_id, Plane.JAMF, findings, False, DriftRules(), 3_600, now)
    context = Context("eucora|service", "rig", intent_id=intent_id)
    await execute(rig.world.store, drift.DECIDER, intent_id, command, context=context, at=now, react=react)


@pytest.fixture
async def intent_id(rig: Rig) -> str:
    intent_id = await rig.propose()
    await rig.installed_in_the_lab(intent_id)
    return intent_id


async def test_findings_are_listed_and_told_apart(rig: Rig, intent_id: str) -> None:
    await look(rig, intent_id, MISSING, CHANGED)
    low, high = f"{intent_id}.1", f"{intent_id}.2"
    listed = (await rig.get("/drift-findings", intent_id=intent_id)).json()["items"]
    assert [(one["id"], one["kind"], one["severity"], one["status"]) for one in listed] == [
        (high, "changed_content", "high", "waiting"),
        (low, "missing_assignment", "low", "open"),
    ]
    for filters, expected in (
        ({"severity": "high"}, [high]),
        ({"kind": "missing_assignment"}, [low]),
        ({"plane": "intune"}, []),
        ({"status": "waiting"}, [high]),
    ):
        found = (await rig.get("/drift-findings", **filters)).json()["items"]
        assert [one["id"] for one in found] == expected
    told = (await rig.get(f"/drift-findings/{low}")).json()
    assert (told["group"], told["expected"], told["found"], told["remedy"], told["tries"], told["automatic"]) == (
        "ring-0", "install", "nothing", "assign", 1, True,
    )  # fmt: skip
    said = [one["summary"] for one in (await rig.get(f"/deployment-intents/{intent_id}/timeline")).json()["items"]]
    assert (
        "Drift (low) found on jamf: missing assignment for group ring-0, install was decided and nothing is there"
        in said
    )
    await look(rig, intent_id, CHANGED)
    assert (await rig.get(f"/drift-findings/{low}")).json()["status"] == "cleared"


async def test_an_operator_has_it_put_right_or_lets_it_stand(rig: Rig, intent_id: str) -> None:
    pilot = replace(MISSING, ring=Ring.PILOT)
    await look(rig, intent_id, pilot, CHANGED)
    missing, changed = f"/drift-findings/{intent_id}.1", f"/drift-findings/{intent_id}.2"
    for person in (PUBLISHER, CAB, AUDITOR):
        problem(await rig.post(f"{missing}/remediations", person), 403, "role-missing")
    answer = await rig.post(f"{missing}/remediations", OPERATOR)
    assert (answer.status_code, answer.json()["id"]) == (201, f"{intent_id}.1")
    told = (await rig.get(missing)).json()
    assert (told["status"], told["tries"], told["escalated_at"]) == ("open", 1, None)
    problem(await rig.post(f"{changed}/remediations", OPERATOR), 409, "drift-not-remediable")
    reason = {"reason": "The vendor pushed a hotfix"}
    problem(await rig.post(f"{changed}/acceptances", OPERATOR, {"reason": " "}), 422, "reason-missing")
    assert (await rig.post(f"{changed}/acceptances", OPERATOR, reason)).status_code == 201
    told = (await rig.get(changed)).json()
    assert (told["status"], told["accepted_because"]) == ("accepted", "The vendor pushed a hotfix")


async def test_a_finding_that_is_gone_or_never_was(rig: Rig, intent_id: str) -> None:
    await look(rig, intent_id, MISSING)
    await look(rig, intent_id)
    problem(await rig.post(f"/drift-findings/{intent_id}.1/remediations", OPERATOR), 409, "drift-finding-cleared")
    for id in (f"{intent_id}.2", f"{NOBODY}.1"):
        problem(await rig.get(f"/drift-findings/{id}"), 404, "drift-finding-unknown")
        problem(await rig.post(f"/drift-findings/{id}/remediations", OPERATOR), 404, "drift-finding-unknown")
    problem(await rig.get("/drift-findings/nonsense"), 422, "request-invalid")


async def test_a_rollback_without_a_release_before_it_goes_to_nothing(rig: Rig, intent_id: str) -> None:
    path = f"/deployment-intents/{intent_id}/rollbacks"
    told = problem(await rig.post(path, PUBLISHER, {"reason": "P1", "to": "previous"}), 409, "no-previous-release")
    assert told["errors"][0]["pointer"] == "#/to"
    problem(await rig.post(path, PUBLISHER, {"reason": "P1", "to": "yesterday"}), 422, "request-invalid")
    assert (await rig.post(path, PUBLISHER, {"reason": "P1"})).status_code == 201
    rollback = (await rig.get(f"/deployment-intents/{intent_id}")).json()["rollback"]
    assert (rollback["to_intent"], rollback["to_version"]) == ("", "")


async def test_a_rollback_goes_to_the_release_before_it(rig: Rig) -> None:
    first = await rig.propose(rings=[0])
    await rig.installed_in_the_lab(first)
    for hours in (0, 25):
        rig.later(hours=hours)
        await rig.check_in(first)
        await measure(rig, first)
    assert (await rig.get(f"/deployment-intents/{first}")).json()["status"] == "completed"
    pack = await rig.made("/evidence-packs", PACKAGER, await rig.pack_body(version="1.1"))
    second = await rig.propose(evidence_pack=pack)
    await rig.installed_in_the_lab(second)
    answer = await rig.post(f"/deployment-intents/{second}/rollbacks", PUBLISHER, {"reason": "P1", "to": "previous"})
    assert answer.status_code == 201, answer.text
    rollback = (await rig.get(f"/deployment-intents/{second}")).json()["rollback"]
    assert (rollback["to_intent"], rollback["to_version"]) == (first, "1.0")


async def measure(rig: Rig, intent_id: str) -> None:
    """What the job that counts the lab ring puts on record."""
    state, now = await load(rig.world.store, DECIDER, intent_id), rig.clock.now()
    measurement = await measure_now(rig.world, state, Ring.LAB)
    assert measurement is not None
    await rig.run(intent_id, commands.RecordMeasurement(Ring.LAB, measurement, Grounds(), now))


async def test_a_finding_is_decided_as_it_was_seen_whatever_happens_to_others(rig: Rig, intent_id: str) -> None:
    await look(rig, intent_id, MISSING, CHANGED)
    low, high = f"/drift-findings/{intent_id}.1", f"/drift-findings/{intent_id}.2"
    seen, reason = await rig.seen(low), {"reason": "known"}
    assert (await rig.post(f"{high}/acceptances", OPERATOR, reason)).status_code == 201
    accepted = await rig.post(f"{low}/acceptances", OPERATOR, reason, headers=seen)
    assert accepted.status_code == 201, accepted.text
    assert accepted.headers["ETag"] == (await rig.get(low)).headers["ETag"]
    stale = await rig.post(f"{low}/acceptances", OPERATOR, {"reason": "again"}, headers=seen)
    problem(stale, 412, "version-mismatch")
