"""One sentence for every event that a timeline shows. Persons are ids here; who reads puts the names in."""

from eucora.domain.deployment_intent import events as e
from eucora.domain.gate_types import Verdict
from eucora.domain.rings import Measurement, Ring
from eucora.projections import cab_sentences
from eucora.projections.connector_sentences import of_connector
from eucora.projections.drift_sentences import of_drift
from eucora.projections.evidence_sentences import of_evidence
from eucora.projections.exception_summaries import of_break_glass, of_exception
from eucora.projections.incident_sentences import of_change_window, of_incident
from eucora.projections.role_mapping_sentences import of_role_mapping


def summary(event: object) -> str:
    """What happened, in one sentence without a full stop; empty for an event that is not known here."""
    for part in _SENTENCES:
        if said := part(event):
            return said
    return ""


def _approval(event: object) -> str:
    match event:
        case e.DeploymentIntentProposed(release=release, risk=risk, route=route):
            app = release.application
            last = event.ring_plan.last.name.lower()
            way = (
                "automated approval suffices" if route.cab_from_ring is None else f"CAB from ring {route.cab_from_ring}"
            )
            blocked = ", blocked by a critical vulnerability" if risk.blocked else ""
            return f"{app.name} {app.version} was proposed up to ring {last}: risk {risk.score}{blocked}, {way}"
        case e.AutomatedApprovalGranted():
            return f"Approved without CAB: {event.reason}"
        case e.CabReviewRequested():
            return f"CAB review {event.review_id} was requested"
        case e.CabApprovalRecorded():
            under = f" under {_many(len(event.conditions), 'condition')}" if event.conditions else ""
            return f"CAB approved{under}, until {event.expires_at:%Y-%m-%d %H:%M} UTC"
        case e.CabRefusalRecorded():
            return f"CAB review ended without approval: {event.outcome.replace('_', ' ')}"
        case e.ApprovalRevoked():
            return f"The approval was revoked: {event.reason}"
        case e.ApprovalGroundsChanged():
            return f"CAB must decide again, since what approvals rested on changed: {'; '.join(event.reasons)}"
        case e.PublishRefused():
            return f"A publish was refused ({event.code}): {event.reason}"
    return ""


def _rollout(event: object) -> str:
    match event:
        case e.RolloutStarted():
            return "The rollout started in the lab ring"
        case e.RingPromoted():
            how = "automatically" if event.automatic else "by a publisher"
            return f"Promoted {how} from {_name(event.from_ring)} to {_name(event.to_ring)}"
        case e.CohortFrozen():
            devices = sum(count.devices for count in event.counts)
            kept = f", {_many(len(event.kept), 'share')} kept in groups of our own" if event.kept else ""
            frozen = f"The device list of {_name(event.ring)} on {event.plane} was frozen"
            return f"{frozen}: {_many(devices, 'device')}{kept}"
        case e.KeptGroupRemade():
            what = f"The group of our own for the share of {event.group} in {_name(event.ring)} on {event.plane}"
            return f"{what} was gone; {event.ref} holds its devices now"
        case e.CohortRefused():
            what = _name(event.ring).capitalize()
            return f"{what} could not be opened on {event.plane}: group {event.group} {event.reason}"
        case e.RingMeasured():
            return f"{_name(event.ring).capitalize()} measured: {_measured(event.measurement)}"
        case e.GateRunCompleted(run=run):
            because = ", ".join(result.gate for result in run.results if result.verdict is run.verdict)
            which = "" if run.verdict is Verdict.PASSED else f" ({because})"
            return f"Gates of {_name(run.ring)}: {run.verdict}{which}"
        case e.RollbackRehearsalStarted():
            return "A rehearsal of the rollback started in the lab ring"
        case e.RollbackRehearsed():
            return (
                f"The rehearsed rollback {_passed(event.passed)}: {event.reverted} of {event.devices} devices came back"
            )
        case e.DeploymentCompleted():
            return "The deployment is complete: the last ring passed its gates"
    return ""


def _plane(event: object) -> str:
    match event:
        case e.ContentPublished():
            return f"Content {event.content[:12]} is on {event.plane} as {event.ref}"
        case e.ContentMismatchFound():
            found, approved = event.found[:12], event.expected[:12]
            return f"Nothing was sent to {event.plane}: content {found} is not the approved {approved}"
        case e.GroupAssigned():
            what = "Install for choice" if event.offer == "available" else event.offer.capitalize()
            return f"{what} offered to group {event.group} on {event.plane} ({_name(event.ring)})"
        case e.OffersWithdrawn():
            return f"Offers withdrawn on {event.plane} from {_many(len(event.groups), 'group')}"
        case e.PlaneOperationFailed():
            what = event.operation.replace("_", " ").capitalize()
            return f"{what} on {event.plane} gave up after {event.attempts} attempts: {event.detail}"
        case e.PlaneApprovalAwaited():
            what = event.operation.replace("_", " ").capitalize()
            return f"{what} on {event.plane} waits for a second administrator there{_code(event.code)}"
        case e.PlaneApprovalSettled():
            what, by = event.operation.replace("_", " ").capitalize(), f" by {event.by}" if event.by else ""
            verb = event.outcome if event.outcome == "expired" else f"was {event.outcome}"
            return f"{what} on {event.plane} {verb} there{by}{_code(event.code)}{_because(event.reason)}"
    return ""


def _stop(event: object) -> str:
    match event:
        case e.RolloutPaused():
            return f"Paused: {event.reason}"
        case e.RolloutHalted():
            return f"Halted in {_name(event.ring)} ({event.trigger.replace('_', ' ')}): {event.reason}"
        case e.RolloutResumed():
            return f"Resumed: {event.reason}"
        case e.RolloutAborted():
            return f"Aborted: {event.reason}"
        case e.RollbackStarted():
            back = f" to version {event.to_version}" if event.to_version else ""
            return f"Rollback{back} started: {event.reason}"
        case e.PreviousReleaseOffered():
            return f"The previous release offered to group {event.group} on {event.plane} ({_name(event.ring)})"
        case e.RollbackMeasured():
            return f"Rollback: {event.reverted} devices came back, {event.remaining} remain"
        case e.RollbackCompleted():
            rest = f", {event.remaining} were given up" if event.remaining else ""
            return f"Rollback complete: {event.reverted} devices came back{rest}"
    return ""


def _name(ring: Ring) -> str:
    return f"ring {int(ring)} ({ring.name.lower()})"


def _measured(measurement: Measurement) -> str:
    counts = measurement.counts
    targeted, installed = sum(count.targeted for count in counts), sum(count.installed for count in counts)
    failed, unknown = sum(count.failed for count in counts), sum(count.unknown for count in counts)
    return f"{installed} of {targeted} installed, {failed} failed, {unknown} unknown"


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _code(code: str) -> str:
    return f" (request {code})" if code else ""


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def _passed(passed: bool) -> str:
    return "passed" if passed else "failed"


_SENTENCES = (
    _approval,
    _rollout,
    _plane,
    _stop,
    cab_sentences.sentence,
    of_evidence,
    of_incident,
    of_change_window,
    of_exception,
    of_break_glass,
    of_drift,
    of_connector,
    of_role_mapping,
)
