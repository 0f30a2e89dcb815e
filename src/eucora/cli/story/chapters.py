"""The chapters, in order. The story is true when every wait ends and every refusal comes as it should."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from eucora.cli.story import acts, incident, proof
from eucora.cli.story.materials import Material, foreign_scan
from eucora.cli.story.shapes import Intent
from eucora.cli.story.stage import Stage
from eucora.client import Failed
from eucora.domain.rings import Ring

DESK = "Tell the service desk the day before the pilot"
MACROS_OFF = "Ship it with macros from the internet turned off"


@dataclass(frozen=True, slots=True)
class Plot:
    """The applications: one for a machine to approve, one that CAB may see late, one that it must see at once."""

    low: Material
    high: Material
    critical: Material


@dataclass(slots=True)
class Handed:
    """What chapter 1 leaves behind: pack and registered digests by plane, each by application id."""

    packs: dict[str, str] = field(default_factory=dict)
    digests: dict[str, Mapping[str, str]] = field(default_factory=dict)


async def tell(stage: Stage, plot: Plot) -> None:
    """The whole story. Raises Failed at the first thing that does not hold."""
    before = (await proof.page(stage, limit=1)).head
    handed = Handed()
    async with stage.chapter("1", "Artifacts and evidence"):
        await _evidence(stage, plot, handed)
    async with stage.chapter("2", "A gate policy, proposed by one person and activated by another"):
        await _policy(stage)
    async with stage.chapter("3", f"{plot.low.inputs.name}: low risk, approved by the rules"):
        low = await _low(stage, plot.low, handed)
    title = f"{plot.high.inputs.name} and {plot.critical.inputs.name}: CAB decides, while the pilot before fills up"
    async with stage.chapter("4", title):
        await _side_by_side(stage, plot, handed, low)
    async with stage.chapter("5", f"An incident stops every rollout of {plot.low.inputs.name} at once"):
        await incident.tell(stage, plot.low, handed.packs[plot.low.application_id])
    async with stage.chapter("6", "What is on record, and what the vendors hold"):
        await _proofs(stage, plot, handed, before)


async def _evidence(stage: Stage, plot: Plot, handed: Handed) -> None:
    for material in (plot.low, plot.high, plot.critical):
        # The colleague who packaged the Mac side of the VPN client also sits on CAB, which matters in chapter 4.
        registrars = {"jamf": "cleo.both"} if material is plot.critical else {}
        digests = await acts.hand_in(stage, material, registrars=registrars)
        evidence = await acts.documents(stage, material)
        body = acts.pack_request(material, digests, evidence)
        if material is plot.low:
            await _wrong_scan(stage, body)
        handed.packs[material.application_id] = await acts.assemble(stage, body)
        handed.digests[material.application_id] = digests


async def _wrong_scan(stage: Stage, body: Mapping[str, Any]) -> None:
    """A pack with the scan of another product is refused, and the log does not grow by it."""
    piet = stage["piet.packager"]
    foreign = await piet.upload("/evidence-documents", foreign_scan(stage.scratch), kind="scan")
    right = [one for one in body["documents"] if one["kind"] != "scan"]
    wrong = [*right, {"kind": "scan", "sha256": foreign.body["sha256"]}]
    head = (await proof.page(stage, limit=1)).head
    await stage.refused(
        "piet.packager",
        "a pack with the scan of another product",
        "scan-of-another-artifact",
        call=piet.post("/evidence-packs", {**body, "documents": wrong}),
    )
    if (await proof.page(stage, limit=1)).head != head:
        raise Failed("the refused pack left an event")


async def _policy(stage: Stage) -> None:
    policy = acts.demo_policy()
    reason = "Soak and time to compliance in seconds, because the simulated devices live that fast."
    await stage["ada.platform"].post("/gate-policies", {"policy": policy, "reason": reason})
    stage.say("ada.platform", f"proposed gate policy {acts.POLICY}: soak of {acts.SOAK_S} s, thresholds as in 1.0")
    await stage["carla.cab"].decide(f"/gate-policies/{acts.POLICY}", "activations")
    stage.say("carla.cab", f"activated gate policy {acts.POLICY}")


async def _low(stage: Stage, material: Material, handed: Handed) -> Intent:
    """Up to the pilot, which takes its time; the intent."""
    intent = await acts.propose(stage, material, handed.packs[material.application_id])
    if (intent.approval.status, intent.approval.source) != ("approved", "automated"):
        raise Failed(f"{intent.title} was to be approved by the rules: {'; '.join(intent.route.reasons)}")
    await acts.start(stage, intent)
    await stage.refused(
        "petra.publisher",
        "a promotion before the rollback was rehearsed",
        "gate-not-met",
        call=acts.promote(stage, intent, Ring.CANARY),
    )
    await acts.rehearse(stage, intent)
    await acts.promote(stage, intent, Ring.CANARY)
    return await stage.until(intent.id, "the policy has promoted it to the pilot", lambda now: now.ring == Ring.PILOT)


async def _side_by_side(stage: Stage, plot: Plot, handed: Handed, low: Intent) -> None:
    """No application waits for another."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(acts.complete(stage, low))
            group.create_task(_canary_first(stage, plot.high, handed))
            group.create_task(_board_first(stage, plot.critical, handed))
    except* Failed as failures:
        raise failures.exceptions[0] from None


async def _canary_first(stage: Stage, material: Material, handed: Handed) -> None:
    """A score above 50 and no critical class: canary may run before CAB decides, and ring 2 may not."""
    intent = await acts.propose(stage, material, handed.packs[material.application_id])
    _require_route(intent, from_ring=Ring.PILOT)
    review_id = await acts.submit(stage, intent)
    await acts.start(stage, intent)
    await acts.rehearse(stage, intent)
    await acts.promote(stage, intent, Ring.CANARY)
    await stage.until(
        intent.id, "canary passed all but the approval", lambda now: acts.passed_but_for(now, 1, {"approval"})
    )
    await stage.refused(
        "petra.publisher",
        f"{intent.title}: a promotion to ring 2 before CAB has decided",
        "approval-missing",
        call=acts.promote(stage, intent, Ring.PILOT),
    )
    conditions = [("min_success_rate", "0.97"), ("text", MACROS_OFF)]
    await acts.vote(stage, "carla.cab", review_id, "canary ran clean", conditions)
    await acts.decided(stage, intent, review_id)
    await stage.refused(
        "petra.publisher",
        f"{intent.title}: a promotion without reading CAB's condition",
        "condition-not-acknowledged",
        call=acts.promote(stage, intent, Ring.PILOT),
    )
    await acts.promote(stage, intent, Ring.PILOT, [MACROS_OFF])
    await acts.complete(stage, intent)


async def _board_first(stage: Stage, material: Material, handed: Handed) -> None:
    """A VPN client is critical infrastructure: CAB decides before the first ring beyond the lab, three votes."""
    intent = await acts.propose(stage, material, handed.packs[material.application_id])
    _require_route(intent, from_ring=Ring.CANARY)
    review_id = await acts.submit(stage, intent)
    await stage.refused(
        "piet.packager",
        f"{intent.title}: a vote by the packager",
        "role-missing",
        call=acts.vote(stage, "piet.packager", review_id, "it is mine, and it is good"),
    )
    await stage.refused(
        "cleo.both",
        f"{intent.title}: a vote by the CAB member who registered the Mac package",
        "artifact-registrar-may-not-vote",
        call=acts.vote(stage, "cleo.both", review_id, "I packaged it myself"),
        on_record=True,
    )
    await acts.start(stage, intent)
    await acts.rehearse(stage, intent)
    await stage.refused(
        "petra.publisher",
        f"{intent.title}: a promotion before CAB has decided",
        "approval-missing",
        call=acts.promote(stage, intent, Ring.CANARY),
    )
    await _three_votes(stage, intent, review_id)
    review = await acts.decided(stage, intent, review_id)
    if [refused.rule for refused in review.refused_votes] != ["registered_artifact"]:
        raise Failed(f"{intent.title}: the refused vote is not on record")
    await acts.promote(stage, intent, Ring.CANARY, [DESK])
    await acts.complete(stage, intent)


async def _three_votes(stage: Stage, intent: Intent, review_id: str) -> None:
    """Two look at the same moment; the second has to look again, because the first has voted meanwhile."""
    stale = await stage["chen.cab"].etag(f"/cab-reviews/{review_id}")
    await acts.vote(stage, "carla.cab", review_id, "rollback rehearsed in the lab", [("text", DESK)])
    await stage.refused(
        "chen.cab",
        f"{intent.title}: a vote on what the review showed before Carla's",
        "review-changed",
        call=acts.vote(stage, "chen.cab", review_id, "evidence complete", saw=stale),
    )
    await acts.vote(stage, "chen.cab", review_id, "evidence complete", [("max_ring", "2")])
    await acts.vote(stage, "cyrus.cab", review_id, "findings are known", [("min_success_rate", "0.97")])


def _require_route(intent: Intent, *, from_ring: Ring) -> None:
    if intent.route.cab_from_ring != int(from_ring):
        raise Failed(f"{intent.title} was to need CAB from ring {from_ring:d}: {'; '.join(intent.route.reasons)}")


async def _proofs(stage: Stage, plot: Plot, handed: Handed, before: int) -> None:
    materials = [plot.low, plot.high, plot.critical]
    order = [material.title for material in materials]
    stage.findings.intents.sort(key=lambda intent: order.index(intent.title))  # they completed in any order
    await proof.read_back(stage, materials, handed.digests)
    await proof.read_feed(stage, before)
