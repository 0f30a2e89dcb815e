"""What follows from drift: the tries to put it right, and the looks at what an intent holds."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from eucora.application.ports import NewJob
from eucora.application.priorities import UPKEEP
from eucora.domain.deployment_intent.events import DeploymentIntentProposed
from eucora.domain.drift import Drift, DriftRemediationRequested
from eucora.domain.governance_types import GOVERNANCE_1_0, DriftRules
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring
from eucora.domain.risk_types import BlastRadiusClass


def of_drift(state: Drift, event: object) -> Sequence[NewJob]:
    """Jobs for an event of the drift of one intent; ``state`` is its state after the event."""
    if not isinstance(event, DriftRemediationRequested) or event.finding_id not in state.open:
        return []
    finding = state.open[event.finding_id].finding
    payload = _payload(state.intent_id, finding.plane, finding.ring)
    payload |= {"finding_id": event.finding_id, "number": event.number}
    # The lock is that of everything that writes for the intent on the plane.
    lock_key, key = f"{state.intent_id}:{finding.plane}", f"remediate_drift:{event.finding_id}:{event.number}"
    return [NewJob("remediate_drift", payload, event.at, lock_key, key, UPKEEP)]


def inspection(proposed: DeploymentIntentProposed, plane: Plane, at: datetime) -> NewJob:
    """The next look at what the plane holds of the intent; one waits at a time, and each arranges the next.

    Looking has a lock of its own, because a halt must not wait for it.
    """
    id, due = proposed.intent_id, at + timedelta(seconds=every_s(proposed))
    key = f"inspect_drift:{id}:{plane}"
    return NewJob("inspect_drift", _payload(id, plane, Ring.LAB), due, f"{id}:{plane}:inspect_drift", key, UPKEEP)


def rules_of(proposed: DeploymentIntentProposed) -> DriftRules:
    """Of the governance policy that the intent is judged by."""
    return (proposed.governance or GOVERNANCE_1_0).drift


def every_s(proposed: DeploymentIntentProposed) -> int:
    """Seconds between two looks."""
    rules, critical = rules_of(proposed), BlastRadiusClass.CRITICAL_INFRASTRUCTURE
    return rules.critical_every_s if proposed.risk.blast_radius_class is critical else rules.every_s


def _payload(intent_id: str, plane: Plane, ring: Ring) -> dict[str, object]:
    return {"intent_id": intent_id, "ring": int(ring), "plane": plane.value, "offer": "install"}
