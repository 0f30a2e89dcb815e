"""The moves that several chapters share: hand in, propose, rehearse, vote, prove."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from pydantic import TypeAdapter

from eucora.cli.story.materials import ROLLOUT_PLAN, Material, install_of
from eucora.cli.story.shapes import Intent, Review
from eucora.cli.story.stage import Stage
from eucora.client import Failed
from eucora.domain.gate_types import GatePolicy, RingRule
from eucora.domain.planes import SiteClass
from eucora.domain.policies import GATE_POLICY_1_0
from eucora.domain.rings import Ring

POLICY: Final = "demo-1"
SOAK_S: Final = 2
SCOPE: Final = {"business_unit": "retail", "boundary": "emea"}  # what petra.publisher may publish to
RINGS: Final = (Ring.LAB, Ring.CANARY, Ring.PILOT)


def demo_policy() -> dict[str, Any]:
    """Version 1.0 in seconds: the thresholds are the same, and so is who may do what, except that a canary that
    passed every gate is left by itself."""

    def rule(given: RingRule) -> RingRule:
        return replace(given, soak_s=SOAK_S, automatic=given.ring is Ring.CANARY)

    policy = replace(
        GATE_POLICY_1_0,
        version=POLICY,
        rings=tuple(rule(given) for given in GATE_POLICY_1_0.rings),
        time_to_compliance_s=tuple((site, 60 * (number + 1)) for number, site in enumerate(SiteClass)),
        # Devices check in every second or two, late ones within ten; nobody asks a device again once it installed.
        reachable_within_s=300,
        measure_every_s=1,
    )
    asked: dict[str, Any] = TypeAdapter(GatePolicy).dump_python(policy, mode="json")
    asked["time_to_compliance_s"] = dict(asked["time_to_compliance_s"])
    return asked


async def hand_in(stage: Stage, material: Material, *, registrars: Mapping[str, str] | None = None) -> dict[str, str]:
    """Register the installers; digest by plane, as the API answered. ``registrars``: who, where it is not Piet."""
    digests = {}
    for plane, path in material.files:
        who = (registrars or {}).get(plane, "piet.packager")
        done = await stage[who].upload("/artifacts", path, file_name=path.name)
        digests[plane] = done.id
        stage.say(who, f"registered {path.name} for {plane}: SHA-256 {done.id[:16]}…")
    return digests


async def documents(stage: Stage, material: Material) -> list[dict[str, str]]:
    """Upload the evidence files."""
    kept, told = [], []
    for kind, path in material.documents:
        done = await stage["piet.packager"].upload("/evidence-documents", path, kind=kind)
        kept.append({"kind": kind, "sha256": str(done.body["sha256"])})
        told.append(str(done.body["summary"]))
    stage.say("piet.packager", f"handed in the evidence of {material.inputs.name}: {'; '.join(told)}")
    return kept


def pack_request(
    material: Material, digests: Mapping[str, str], evidence: Sequence[Mapping[str, str]]
) -> dict[str, Any]:
    """The body of an evidence pack."""
    inputs = material.inputs
    return {
        "application": {
            "application_id": material.application_id,
            "name": inputs.name,
            "version": inputs.version,
            "publisher": inputs.publisher,
            "category": material.category,
            "privileged_tooling": material.privileged_tooling,
        },
        "declared": dict(material.declared),
        "planes": [plane for plane, _ in material.files],
        "installs": [install_of(material, plane, path, digests[plane]) for plane, path in material.files],
        "documents": list(evidence),
        "rollout_plan": ROLLOUT_PLAN,
    }


async def assemble(stage: Stage, body: Mapping[str, Any]) -> str:
    """A complete evidence pack; its digest. Raises Failed when something is missing in it."""
    done = await stage["piet.packager"].post("/evidence-packs", body)
    pack = await stage["piet.packager"].get(f"/evidence-packs/{done.id}")
    if pack["missing"]:
        raise Failed(f"the evidence pack of {body['application']['name']} lacks {', '.join(pack['missing'])}")
    stage.say("piet.packager", f"assembled the evidence pack of {body['application']['name']}: {done.id[:16]}…")
    return done.id


async def propose(stage: Stage, material: Material, pack: str, *, planes: Sequence[str] = ()) -> Intent:
    """A deployment intent for lab, canary and pilot, on ``planes`` or on every one that there is an installer for."""
    planes = planes or [plane for plane, _ in material.files]
    body = {
        "evidence_pack": pack,
        "rings": [
            {
                "ring": int(ring),
                "targets": [{"plane": plane, "group": stage.groups[plane, int(ring)]} for plane in planes],
            }
            for ring in RINGS
        ],
        "scope": SCOPE,
        "gate_policy": POLICY,
        "change_kind": "normal",
    }
    done = await stage["piet.packager"].post("/deployment-intents", body)
    intent = await stage.intent(done.id)
    heaviest = sorted(intent.risk.factors, key=lambda factor: -Decimal(factor.contribution))[:3]
    why = ", ".join(
        f"{factor.contribution} for {factor.name.replace('_', ' ')} ({factor.provenance})" for factor in heaviest
    )
    stage.say("piet.packager", f"proposed {intent.title}: risk score {intent.risk.score}, mostly {why}")
    stage.narrator.say("EUCORA", f"{intent.title}: {'; '.join(intent.route.reasons)}")
    return intent


async def start(stage: Stage, intent: Intent) -> None:
    """Open the lab ring and wait until everybody in it has the release."""
    await stage["petra.publisher"].post(f"/deployment-intents/{intent.id}/starts")
    stage.say("petra.publisher", f"started the rollout of {intent.title} in the lab ring")
    await stage.until(intent.id, "the lab ring has installed it", lambda now: now.rings[0].all_installed)


async def rehearse(stage: Stage, intent: Intent) -> None:
    """Take the release off the lab ring, put it back, and wait for the gates of the ring."""
    await stage["petra.publisher"].post(f"/deployment-intents/{intent.id}/rehearsals")
    stage.say("petra.publisher", f"rehearses the rollback of {intent.title}: the lab ring removes it")
    now = await stage.until(
        intent.id,
        "the rollback is rehearsed",
        lambda now: now.rehearsal is not None and now.rehearsal.passed is not None,
    )
    if now.rehearsal is None or not now.rehearsal.passed:
        raise Failed(f"{intent.title}: the rehearsed rollback did not bring the lab ring back")
    await stage.until(
        intent.id,
        "the lab ring has it again and passed its gates",
        lambda now: now.rings[0].all_installed and passed_but_for(now, 0, {"approval"}),
    )


def passed_but_for(intent: Intent, ring: int, gates: Collection[str] = ()) -> bool:
    """Whether every gate of the latest run passed, those named aside."""
    run = intent.rings[ring].gate_run
    return run is not None and {one.gate for one in run.results if one.verdict != "passed"} <= set(gates)


async def promote(stage: Stage, intent: Intent, to_ring: Ring, acknowledged: Iterable[str] = ()) -> None:
    """Leave the open ring."""
    read = list(acknowledged)
    body = {"to_ring": int(to_ring), "acknowledged": read}
    await stage["petra.publisher"].decide(f"/deployment-intents/{intent.id}", "promotions", body)
    noted = f", having read: {'; '.join(read)}" if read else ""
    stage.say("petra.publisher", f"promoted {intent.title} to {to_ring.name.lower()}{noted}")


async def submit(stage: Stage, intent: Intent) -> str:
    """Put the intent before CAB; the review's id."""
    done = await stage["piet.packager"].post(
        f"/deployment-intents/{intent.id}/submissions", {"urgency": "standard", "justification": ""}
    )
    stage.say("piet.packager", f"submitted {intent.title} to CAB, quorum {intent.route.quorum}")
    return done.id


async def vote(
    stage: Stage, username: str, review_id: str, reason: str, conditions: Sequence[tuple[str, str]] = (), saw: str = ""
) -> None:
    """Approve what the review shows now, or what it showed when ``saw`` was its ETag."""
    path = f"/cab-reviews/{review_id}"
    seen = saw or await stage[username].etag(path)
    given = [{"kind": kind, "value": value} for kind, value in conditions]
    await stage[username].post(
        f"{path}/votes", {"vote": "approve", "reason": reason, "conditions": given}, if_match=seen
    )
    told = "; ".join(f"{kind.replace('_', ' ')}: {value}" for kind, value in conditions)
    stage.say(username, f"approves: {reason}" + (f" (on condition: {told})" if told else ""))


async def complete(stage: Stage, intent: Intent) -> Intent:
    """Wait until the last ring has passed."""
    now = await stage.until(intent.id, "the deployment is complete", lambda now: now.status == "completed")
    stage.findings.intents.append(now)
    return now


async def decided(stage: Stage, intent: Intent, review_id: str) -> Review:
    """The review once the intent knows of its approval."""
    await stage.until(intent.id, "CAB's approval is on record", lambda now: now.approval.status == "approved")
    review = await stage["carla.cab"].read(Review, f"/cab-reviews/{review_id}")
    stage.findings.reviews.append((intent, review))
    return review
