"""Sentences of the timeline about drift."""

from eucora.domain import drift as d
from eucora.domain.deployment_intent.events import SERVICE
from eucora.domain.drift_compare import Finding


def of_drift(event: object) -> str:
    """What happened about drift; empty for another event."""
    match event:
        case d.DriftFound(finding=finding):
            return f"Drift ({event.severity}) found on {finding.plane}: {_told(finding)}"
        case d.DriftCleared():
            return f"Drift {event.finding_id} is gone"
        case d.DriftRemediationRequested(number=number, by=by):
            who = "automatically" if by == SERVICE else "by a person"
            return f"Try {number} to put drift {event.finding_id} right, asked for {who}"
        case d.DriftRemediationFailed(number=number):
            return f"Try {number} to put drift {event.finding_id} right failed: {event.detail}"
        case d.DriftEscalated(tries=tries):
            return f"Drift {event.finding_id} waits for a person, after {tries} tries in vain"
        case d.DriftAccepted():
            return f"Drift {event.finding_id} was accepted: {event.reason}"
    return ""


def _told(finding: Finding) -> str:
    where = f" for group {finding.group}" if finding.group else ""
    return f"{finding.kind.replace('_', ' ')}{where}, {finding.expected} was decided and {finding.found} is there"
