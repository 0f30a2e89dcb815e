"""Policies over HTTP: versions and their approvals, what-if, backtests, calibration, trust maturity."""

from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from api_rig import (
    ADMIN,
    APPLICATION,
    AUDITOR,
    CAB,
    CAB_2,
    DECLARED,
    OPERATOR,
    PACKAGER,
    PUBLISHER,
    Rig,
    id_of,
    incident_body,
    intent_body,
    problem,
)

from eucora.application.backtests import backtest_gate_policy
from eucora.application.ports import Context, Write
from eucora.domain.deployment_intent.events import DeploymentIntentProposed, GateRunCompleted
from eucora.domain.gate_types import GateFacts, IncidentFacts, Verdict
from eucora.domain.gates import evaluate
from eucora.domain.governance_types import GOVERNANCE_1_0
from eucora.domain.planes import Plane, SiteClass
from eucora.domain.policies import GATE_POLICY_1_0
from eucora.domain.rings import Counts, Measurement, Ring
from eucora.domain.risk_factors import MODEL_1_0

SECURITY = "sana.security"


def model_body(version: str = "1.1", **weights: int) -> dict[str, Any]:
    return {
        "version": version,
        "factors": [
            {
                "name": factor.name,
                "weight": weights.get(factor.name, factor.weight),
                "lines": [{"case": line.case, "value": str(line.value), "rule": line.rule} for line in factor.lines],
            }
            for factor in MODEL_1_0.factors
        ],
        "devices_max": [{"case": case, "devices": devices} for case, devices in MODEL_1_0.devices_max],
        "critical_devices": "1.2",
        "failures": ["0.01", "0.05", "0.10"],
    }


def gates_body(version: str, **changes: Any) -> dict[str, Any]:
    return {
        "version": version,
        "rings": [
            {"ring": int(rule.ring), "success_min": str(rule.success_min), "soak_s": rule.soak_s}
            for rule in GATE_POLICY_1_0.rings
        ],
        "time_to_compliance_s": {site.value: seconds for site, seconds in GATE_POLICY_1_0.time_to_compliance_s},
    } | changes


WHAT_IF = {
    "application": APPLICATION,
    "declared": DECLARED,
    "signatures": ["present"],
    "findings": {"low": 1},
    "devices": 30,
    "history": {},
}


async def active_model(rig: Rig, version: str, **weights: int) -> None:
    await rig.made("/risk-models", ADMIN, {"model": model_body(version, **weights), "reason": "to try it"})
    for who, part in ((CAB, "cab_approver"), (SECURITY, "security_reviewer")):
        seen = await rig.seen(f"/risk-models/{version}")
        await rig.made(f"/risk-models/{version}/approvals", who, {"part": part}, headers=seen)


async def test_a_risk_model_needs_cab_and_security(rig: Rig) -> None:
    body = {"model": model_body(), "reason": "exploitability was underrated"}
    await rig.made("/risk-models", ADMIN, body)
    told = (await rig.get("/risk-models/1.1")).json()
    assert (told["status"], told["approvals"], told["proposed_by"]) == ("proposed", [], id_of(ADMIN))
    path = "/risk-models/1.1"
    answer = await rig.post(f"{path}/approvals", CAB, {"part": "security_reviewer"}, headers=await rig.seen(path))
    problem(answer, 403, "role-missing")
    await rig.made(f"{path}/approvals", CAB, {"part": "cab_approver"}, headers=await rig.seen(path))
    answer = await rig.post(f"{path}/approvals", CAB_2, {"part": "cab_approver"}, headers=await rig.seen(path))
    problem(answer, 409, "risk-model-part-approved")
    await rig.made(f"{path}/approvals", SECURITY, {"part": "security_reviewer"}, headers=await rig.seen(path))
    told = (await rig.get("/risk-models/1.1")).json()
    assert told["status"] == "active"
    assert [one["by"] for one in told["approvals"]] == [id_of(CAB), id_of(SECURITY)]
    assert [one["id"] for one in (await rig.get("/risk-models", status="active")).json()["items"]] == ["1.1"]
    await active_model(rig, "1.2")
    await rig.made("/risk-models/1.1/retirements", SECURITY, {"reason": "it overrates utilities"})
    assert (await rig.get("/risk-models/1.1")).json()["status"] == "retired"


async def test_a_risk_model_is_refused_with_every_problem(rig: Rig) -> None:
    wrong = model_body(history=0)
    wrong["factors"] = wrong["factors"][1:]
    wrong["devices_max"].reverse()
    answer = await rig.post("/risk-models", ADMIN, {"model": wrong, "reason": "x"})
    told = problem(answer, 422, "risk-model-invalid")
    assert len(told["problems"]) == 4
    answer = await rig.post("/risk-models", ADMIN, {"model": model_body("1.0"), "reason": "x"})
    problem(answer, 409, "risk-model-version-taken")


@pytest.mark.parametrize(
    ("noun", "content", "slug"),
    [
        ("risk-models", MODEL_1_0.version, "risk-model-unknown"),
        ("governance-policies", GOVERNANCE_1_0.version, "governance-policy-unknown"),
        ("gate-policies", GATE_POLICY_1_0.version, "gate-policy-unknown"),
    ],
)
async def test_a_version_of_the_product_can_be_read_and_is_retired_only_once_another_is_in_force(
    rig: Rig, noun: str, content: str, slug: str
) -> None:
    told = (await rig.get(f"/{noun}/{content}")).json()
    assert (told["status"], told["proposed_at"]) == ("active", None)
    problem(await rig.get(f"/{noun}/9.9"), 404, slug)
    problem(await rig.post(f"/{noun}/9.9/retirements", CAB, {"reason": "x"}), 404, slug)
    retire = {"reason": "ours is stricter"}
    problem(await rig.post(f"/{noun}/1.0/retirements", CAB, retire), 409, "policy-version-in-force")
    await another(rig, noun)
    await rig.made(f"/{noun}/1.0/retirements", CAB, retire)
    problem(await rig.post(f"/{noun}/2.0/retirements", CAB, retire), 409, "policy-version-in-force")
    told = (await rig.get(f"/{noun}/1.0")).json()
    assert (told["status"], told["retire_reason"]) == ("retired", "ours is stricter")


async def another(rig: Rig, noun: str) -> None:
    """An active version 2.0."""
    if noun == "risk-models":
        await active_model(rig, "2.0")
        return
    policy = gates_body("2.0") if noun == "gate-policies" else {"version": "2.0"}
    await rig.made(f"/{noun}", ADMIN, {"policy": policy, "reason": "ours"})
    await rig.made(f"/{noun}/2.0/activations", CAB, headers=await rig.seen(f"/{noun}/2.0"))


async def test_the_newest_version_in_use_scores_what_names_none(rig: Rig) -> None:
    async def model() -> str:
        answer = await rig.ask("POST", "/risk-assessments", AUDITOR, key="", json=WHAT_IF)
        return str(answer.json()["risk"]["model"])

    assert await model() == "1.0"
    await active_model(rig, "1.2")
    await active_model(rig, "1.1")
    assert await model() == "1.1"  # activated last, whatever it is called
    worse = {"reason": "worse"}
    problem(await rig.post("/risk-models/1.1/retirements", CAB, worse), 409, "policy-version-in-force")
    await active_model(rig, "1.3")
    await rig.made("/risk-models/1.1/retirements", CAB, worse)
    assert await model() == "1.3"
    named = intent_body(await rig.pack(), (0, 1)) | {"risk_model": "1.1"}
    problem(await rig.post("/deployment-intents", PACKAGER, named), 409, "risk-model-out-of-use")


@pytest.mark.parametrize(
    ("noun", "field", "told"),
    [
        ("gate-policies", "gate_policy", "names gate policy 1.0, and 2.0 is in force"),
        ("risk-models", "risk_model", "names risk model 1.0, and 2.0 is in force"),
        ("governance-policies", "governance_policy", "names governance policy 1.0, and 2.0 is in force"),
    ],
)
async def test_whoever_names_another_version_than_the_one_in_force_is_seen_by_cab(
    rig: Rig, noun: str, field: str, told: str
) -> None:
    await another(rig, noun)
    body = intent_body(await rig.pack(), (0, 1))
    routes = []
    for named in ("1.0", "2.0", None):
        intent = await rig.made("/deployment-intents", PACKAGER, body | {"gate_policy": None, field: named})
        routes.append((await rig.get(f"/deployment-intents/{intent}")).json()["route"])
    assert [route["cab_from_ring"] for route in routes] == [1, None, None]
    assert routes[0]["reasons"] == [f"{told}: CAB from ring 1 on"]
    replayed = (await rig.ask("POST", "/risk-models/1.0/backtests", AUDITOR, key="", json={})).json()
    assert (replayed["replayed"], replayed["skipped"]) == (3, [])


async def test_a_proposal_that_names_no_gate_policy_is_judged_by_the_one_in_force(rig: Rig) -> None:
    await another(rig, "gate-policies")
    body = intent_body(await rig.pack(), (0, 1))
    del body["gate_policy"]
    intent = await rig.made("/deployment-intents", PACKAGER, body)
    assert (await rig.get(f"/deployment-intents/{intent}")).json()["policy"]["version"] == "2.0"


async def test_a_proposal_that_kept_too_little_is_skipped_with_the_reason(rig: Rig) -> None:
    known = await rig.propose((0, 1))
    [proposed, *_] = (await rig.world.store.read(f"deployment_intent-{known}")).events
    assert isinstance(proposed, DeploymentIntentProposed)
    for name, old in (
        ("without-history", replace(proposed, history=None)),
        ("otherwise", replace(proposed, risk=replace(proposed.risk, score=proposed.risk.score + 1))),
    ):
        events = [replace(old, intent_id=name)]
        write = Write(f"deployment_intent-{name}", 0, events)
        await rig.world.store.append([write], context=Context("rig", "rig"), at=rig.clock.now())
    told = (await rig.ask("POST", "/risk-models/1.0/backtests", AUDITOR, key="", json={})).json()
    assert told["replayed"] == 1
    assert [(one["intent_id"], one["reason"]) for one in told["skipped"]] == [
        ("without-history", "it was recorded without the history and the findings that it was scored on"),
        ("otherwise", "its own policies give another score or route"),
    ]
    first = (await rig.ask("POST", "/risk-models/1.0/backtests", AUDITOR, key="", json={"limit": 1})).json()
    assert (first["replayed"], first["skipped"]) == (1, [])
    rest = {"after": first["next_after"]}
    told = (await rig.ask("POST", "/risk-models/1.0/backtests", AUDITOR, key="", json=rest)).json()
    assert (told["replayed"], len(told["skipped"]), told["next_after"]) == (0, 2, None)


async def test_a_governance_policy_is_approved_by_cab(rig: Rig) -> None:
    policy = {"version": "2.0", "score_max": "40", "approval_per_ring": True, "break_glass": {"confirm_s": 600}}
    body = {"policy": policy, "reason": "two bad releases"}
    await rig.made("/governance-policies", ADMIN, body)
    problem(await rig.post("/governance-policies/2.0/activations", SECURITY), 403, "role-missing")
    await rig.made("/governance-policies/2.0/activations", CAB, headers={"If-Match": '"1"'})
    told = (await rig.get("/governance-policies/2.0")).json()
    assert (told["status"], told["policy"]["score_max"], told["activated_by"]) == ("active", "40", id_of(CAB))
    assert told["policy"]["break_glass"]["confirm_s"] == 600
    assert told["policy"]["quorum"] == [[radius.value, votes] for radius, votes in GOVERNANCE_1_0.quorum]
    assessed = (await rig.ask("POST", "/risk-assessments", AUDITOR, key="", json=WHAT_IF)).json()
    assert assessed["governance"] == "2.0"  # the newest one governs what names none
    listed = await rig.get("/governance-policies", status="active")
    assert [one["id"] for one in listed.json()["items"]] == ["2.0"]


async def test_a_governance_policy_is_refused_with_every_problem(rig: Rig) -> None:
    policy = {
        "version": "2.0",
        "score_max": "101",
        "quorum": {radius.value: 16 for radius, _ in GOVERNANCE_1_0.quorum},
        "break_glass": {"max_s": 14_401},
        "exceptions": {"valid_max_s": 91 * 86_400},
        "review": {"standard_s": 0},
    }
    answer = await rig.post("/governance-policies", ADMIN, {"policy": policy, "reason": "x"})
    told = problem(answer, 422, "governance-policy-invalid")
    for part in ("score_max", "quorum of critical", "break_glass.max_s", "exceptions.valid_max_s", "review.standard_s"):
        assert any(part in one for one in told["problems"]), part
    policy = {"version": "2.0", "quorums": {}}
    problem(await rig.post("/governance-policies", ADMIN, {"policy": policy, "reason": "x"}), 422, "request-invalid")


async def test_what_if_scores_routes_compares_and_stores_nothing(rig: Rig) -> None:
    await active_model(rig, "1.1", privilege_impact=100)
    events = await rig.events()
    asked = WHAT_IF | {"model": "1.0", "compare": "1.1"}
    told = (await rig.ask("POST", "/risk-assessments", AUDITOR, key="", json=asked)).json()
    # 20×0.2 + 15×0.1 + 10×0.2 + 10×0.1 + 15×0.3 + 10×0.3 + 10×0.1 + 10×0.3
    assert (told["risk"]["score"], told["risk"]["model"], len(told["risk"]["factors"])) == ("20.0", "1.0", 8)
    assert (told["route"]["cab_from_ring"], told["maturity"]) == (None, 0)
    compared = told["compared"]
    assert (compared["risk"]["score"], compared["risk"]["model"]) == ("36.0", "1.1")
    assert [(one["name"], one["was"], one["would_be"]) for one in compared["factors"]] == [
        ("privilege_impact", "4.0", "20.0")
    ]
    newest = (await rig.ask("POST", "/risk-assessments", AUDITOR, key="", json=WHAT_IF)).json()
    assert newest["risk"]["model"] == "1.1"
    assert await rig.events() == events


@pytest.mark.parametrize(
    ("changes", "status", "slug"),
    [
        ({"model": "9.9"}, 404, "risk-model-unknown"),
        ({"compare": "9.9"}, 404, "risk-model-unknown"),
        ({"governance": "9.9"}, 404, "governance-policy-unknown"),
        ({"maturity": 5}, 422, "request-invalid"),
        ({"devices": -1}, 422, "request-invalid"),
        ({"findings": {"critical": -1}}, 422, "request-invalid"),
        ({"history": {"devices_finished": 1, "devices_failed": 2}}, 422, "request-invalid"),
        ({"signatures": ["perhaps"]}, 422, "request-invalid"),
    ],
)
async def test_what_if_refuses_what_cannot_be(rig: Rig, changes: dict[str, Any], status: int, slug: str) -> None:
    answer = await rig.ask("POST", "/risk-assessments", AUDITOR, key="", json=deepcopy(WHAT_IF) | changes)
    problem(answer, status, slug)


async def test_a_risk_model_is_tried_on_what_was_proposed_before(rig: Rig) -> None:
    intent = await rig.propose()
    body = {"model": model_body("1.1", privilege_impact=100, data_access=100, exploitability=100), "reason": "try"}
    await rig.made("/risk-models", ADMIN, body)
    events = await rig.events()
    answers = [await rig.ask("POST", "/risk-models/1.1/backtests", AUDITOR, key="", json={}) for _ in range(2)]
    assert answers[0].status_code == 200, answers[0].text
    assert answers[0].content == answers[1].content
    told = answers[0].json()
    assert (told["model"], told["replayed"], told["skipped"], told["next_after"]) == ("1.1", 1, [], None)
    [one] = told["differences"]
    assert (one["intent_id"], one["was"]["cab_from_ring"], one["would_be"]["cab_from_ring"]) == (intent, None, 2)
    assert one["outcome"]["started"] is False
    assert await rig.events() == events
    same = await rig.ask("POST", "/risk-models/1.0/backtests", AUDITOR, key="", json={})
    assert (same.json()["replayed"], same.json()["differences"]) == (1, [])
    problem(await rig.ask("POST", "/risk-models/7/backtests", AUDITOR, key="", json={}), 404, "risk-model-unknown")


async def judged(rig: Rig, intent: str) -> None:
    """A gate run of the lab on record: ten devices, all installed, and the soak over."""
    history = await rig.world.store.read(f"deployment_intent-{intent}")
    proposed = history.events[0]
    assert isinstance(proposed, DeploymentIntentProposed)
    ten = Counts(Plane.JAMF, SiteClass.ONLINE, 10, 0, 10, 0, 0, 0, 0, reachable=10, reported=10, compliance_p90_s=60)
    facts = GateFacts(
        measurement=Measurement((ten,)),
        started_at=rig.clock.now() - timedelta(days=2),
        now=rig.clock.now(),
        incidents=IncidentFacts(),
        rollback_validated=True,
        approval_problem=None,
    )
    run = replace(evaluate(proposed.policy, Ring.LAB, facts), facts=facts)
    assert run.verdict is Verdict.PASSED
    write = Write(history.stream, history.version, [GateRunCompleted(run)])
    await rig.world.store.append([write], context=Context("rig", "rig", intent_id=intent), at=rig.clock.now())


async def test_a_gate_policy_is_tried_on_recorded_gate_runs(rig: Rig) -> None:
    await rig.made("/gate-policies", ADMIN, {"policy": gates_body("8.0"), "reason": "as it was"})
    await rig.made("/gate-policies/8.0/activations", CAB, headers={"If-Match": '"1"'})
    intent = await rig.propose((0, 1), gate_policy="8.0")
    await judged(rig, intent)
    body = {"policy": gates_body("9.9", sample_min=50), "reason": "more proof"}
    await rig.made("/gate-policies", ADMIN, body)
    answers = [await rig.ask("POST", "/gate-policies/9.9/backtests", AUDITOR, key="", json={}) for _ in range(2)]
    assert answers[0].status_code == 200, answers[0].text
    assert answers[0].content == answers[1].content
    told = answers[0].json()
    assert told["skipped"] == []
    passed = [one for one in told["differences"] if one["was"] == "passed"]
    assert [(one["intent_id"], one["ring"], one["would_be"]) for one in passed] == [(intent, 0, "inconclusive")]
    assert [gate["gate"] for gate in passed[0]["gates"]] == ["sample"]
    same = (await rig.ask("POST", "/gate-policies/8.0/backtests", AUDITOR, key="", json={})).json()
    assert same["replayed"] == told["replayed"] > 0
    assert same["differences"] == []
    problem(await rig.ask("POST", "/gate-policies/7/backtests", AUDITOR, key="", json={}), 404, "gate-policy-unknown")


async def test_a_backtest_of_gates_ends_between_two_intents_once_it_has_seen_enough(rig: Rig) -> None:
    intents = [await rig.propose((0, 1)) for _ in range(3)]
    for intent in intents:
        await judged(rig, intent)
    at, seen = -1, []
    for _ in intents:
        found = await backtest_gate_policy(rig.world, "1.0", after=at, runs_max=1)
        seen.append(found.result.replayed)
        at = -1 if found.next_after is None else found.next_after
    assert (seen, at) == ([1, 1, 1], -1)
    assert (await backtest_gate_policy(rig.world, "1.0", runs_max=4)).result.replayed == 3


async def test_calibration_holds_scores_against_what_happened(rig: Rig) -> None:
    intent = await rig.propose((0, 1))
    told = (await rig.get("/calibration")).json()
    assert (told["examined"], told["settled"], told["brier"]) == (1, 0, None)
    await rig.post(f"/deployment-intents/{intent}/starts", PUBLISHER)
    assert (await rig.get("/calibration")).json()["running"] == 1
    await rig.made("/incidents", OPERATOR, incident_body(intent_id=intent))
    told = (await rig.get("/calibration")).json()
    assert (told["settled"], told["harmed"], told["running"]) == (1, 1, 0)
    score = (await rig.get(f"/deployment-intents/{intent}")).json()["risk"]["score"]
    assert float(told["brier"]) == pytest.approx((float(score) / 100 - 1) ** 2)
    assert sum(band["rollouts"] for band in told["bands"]) == 1


async def test_trust_maturity_begins_at_nothing(rig: Rig) -> None:
    told = (await rig.get("/trust-maturity")).json()
    assert (told["level"], told["version"], told["rise"]) == (0, 0, None)
    seen = {"If-Match": '"0"'}
    risen = await rig.post("/trust-maturity/rises", CAB, {"to_level": 1}, headers=seen)
    problem(risen, 409, "maturity-rise-not-proposed")
    declined = await rig.post("/trust-maturity/declines", CAB, {"to_level": 1, "reason": "x"}, headers=seen)
    problem(declined, 409, "maturity-rise-not-proposed")
