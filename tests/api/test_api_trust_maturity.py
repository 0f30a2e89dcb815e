"""Trust maturity over weeks: jobs that call themselves again, a rise that CAB approves, a spike that costs it."""

from typing import Any

import pytest
from api_rig import ADMIN, APPLICATION, AUDITOR, CAB, DECLARED, OPERATOR, PUBLISHER, Rig, id_of, incident_body, problem

from eucora.application.ports import Context
from eucora.application.upkeep import UPKEEP

WHAT_IF = {
    "application": APPLICATION,
    "declared": DECLARED,
    "signatures": ["present"],
    "devices": 30,
    "history": {},
}


async def work(rig: Rig) -> int:
    """Run the evaluations that are due, as a worker does; other jobs are dropped. How many evaluations ran."""
    queue, ran = rig.app.state.house.deps.jobs, 0
    while jobs := await queue.claim(100, rig.clock.now()):
        for job in jobs:
            if job.kind == "evaluate_maturity":
                context = Context("eucora|service", job.correlation_id, job.causation_id, job.intent_id)
                if await UPKEEP[job.kind](rig.world, job.payload, context, job.lease):
                    ran += 1
                    continue
                ran += 1
            await queue.done(job.lease)
    return ran


async def weeks(rig: Rig, count: int) -> None:
    """Let weeks pass, each with its evaluation."""
    for _ in range(count):
        rig.later(weeks=1, seconds=1)
        assert await work(rig) == 1


async def live_by_trust(rig: Rig, version: str = "trust") -> None:
    policy = {"version": version, "mode": "trust_maturity"}
    await rig.made("/governance-policies", ADMIN, {"policy": policy, "reason": "automation is to be earned"})
    await rig.made(f"/governance-policies/{version}/activations", CAB, headers={"If-Match": '"1"'})


async def release(rig: Rig) -> str:
    """A rollout that started."""
    intent = await rig.propose((0, 1))
    assert (await rig.post(f"/deployment-intents/{intent}/starts", PUBLISHER)).status_code == 201
    return intent


async def told(rig: Rig) -> Any:
    return (await rig.get("/trust-maturity")).json()


@pytest.fixture
async def level_1(rig: Rig) -> Rig:
    await live_by_trust(rig)
    await work(rig)
    await weeks(rig, 1)
    await release(rig)
    await weeks(rig, 3)
    await rig.made("/trust-maturity/rises", CAB, {"to_level": 1}, headers=await rig.seen("/trust-maturity"))
    rig.later(hours=1)
    return rig


async def test_nothing_is_watched_before_a_policy_lives_by_trust(rig: Rig) -> None:
    await release(rig)
    assert await work(rig) == 0
    assert (await told(rig))["evaluated_at"] is None


async def test_a_level_is_earned_by_weeks_and_approved_by_cab(rig: Rig) -> None:
    await live_by_trust(rig)
    assert await work(rig) == 1
    begun = await told(rig)
    assert (begun["level"], begun["policy"], len(begun["lacks"])) == (0, "trust", 2)
    await weeks(rig, 1)
    await release(rig)
    await weeks(rig, 2)
    waiting = await told(rig)
    assert (waiting["rise"], waiting["record"]["releases"]) == (None, 1)
    assert waiting["lacks"][0].startswith("level 1 asks for 4 weeks")
    await weeks(rig, 1)
    earned = await told(rig)
    assert (earned["level"], earned["rise"]["to_level"], earned["lacks"]) == (0, 1, [])
    problem(await rig.post("/trust-maturity/rises", ADMIN, {"to_level": 1}), 403, "role-missing")
    stale = await rig.post("/trust-maturity/rises", CAB, {"to_level": 1}, headers={"If-Match": '"1"'})
    problem(stale, 412, "version-mismatch")
    await rig.made("/trust-maturity/rises", CAB, {"to_level": 1}, headers=await rig.seen("/trust-maturity"))
    risen = await told(rig)
    assert (risen["level"], risen["rise"], risen["changes"][0]["by"]) == (1, None, id_of(CAB))


async def test_what_was_earned_automates_and_what_was_lost_does_not(level_1: Rig) -> None:
    rig = level_1
    route = (await rig.ask("POST", "/risk-assessments", AUDITOR, key="", json=WHAT_IF)).json()
    assert (route["maturity"], route["route"]["mode"], route["route"]["cab_from_ring"]) == (1, "trust_maturity", None)
    intent = await release(rig)
    await rig.made("/incidents", OPERATOR, incident_body(intent_id=intent, severity="p1"))
    assert await work(rig) == 1
    lost = await told(rig)
    assert (lost["level"], lost["changes"][0]["by"]) == (0, "")
    assert lost["changes"][0]["reason"].startswith("1 P1 incidents since")
    route = (await rig.ask("POST", "/risk-assessments", AUDITOR, key="", json=WHAT_IF)).json()
    assert (route["maturity"], route["route"]["cab_from_ring"]) == (0, 1)
    timeline = (await rig.get(f"/deployment-intents/{intent}/timeline")).json()
    assert not [one for one in timeline["items"] if one["type"].startswith("trust_maturity.")]


async def test_an_incident_that_the_release_did_not_cause_costs_nothing(level_1: Rig) -> None:
    rig = level_1
    body = incident_body(intent_id=await release(rig), severity="p1", attributable="no")
    await rig.made("/incidents", OPERATOR, body)
    assert await work(rig) == 1
    assert (await told(rig))["level"] == 1


async def test_a_rise_is_refused_when_an_incident_came_between(rig: Rig) -> None:
    await live_by_trust(rig)
    await work(rig)
    await weeks(rig, 1)
    intent = await release(rig)
    await weeks(rig, 3)
    await rig.made("/incidents", OPERATOR, incident_body(intent_id=intent, severity="p1"))
    rig.later(seconds=1)
    seen = await rig.seen("/trust-maturity")
    answer = await rig.post("/trust-maturity/rises", CAB, {"to_level": 1}, headers=seen)
    lacks = problem(answer, 409, "maturity-rise-no-longer-earned")["lacks"]
    assert "1 P1 incidents: level 1 allows none" in lacks
    body = {"to_level": 1, "reason": "a P1 came between"}
    await rig.made("/trust-maturity/declines", CAB, body, headers=seen)
    assert (await told(rig))["rise"] is None


async def test_a_second_policy_starts_no_second_watch(rig: Rig) -> None:
    await live_by_trust(rig)
    assert await work(rig) == 1
    rig.later(days=1)
    await live_by_trust(rig, "trust-2")
    assert await work(rig) == 1  # it asks in vain: no evaluation is due
    before = (await told(rig))["version"]
    rig.later(weeks=1, seconds=1)
    assert await work(rig) == 1
    assert (await told(rig))["version"] == before + 1
