"""What a deployment intent refuses, each with a sentence that says what to do about it."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from eucora.domain.deployment_intent.events import PublishRefused
from eucora.domain.errors import DomainError, RefusedOnRecord
from eucora.domain.gate_types import GateResult
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring


class IntentUnknown(DomainError):
    """The stream is empty: nothing was proposed under this id."""

    def __init__(self) -> None:
        super().__init__("No deployment intent was proposed under this id; propose it first.")


class IntentIdTaken(DomainError):
    """The id belongs to an intent with other content."""

    def __init__(self, intent_id: str) -> None:
        super().__init__(
            f"Intent {intent_id} was proposed with other content, and an intent never changes; propose a new one.",
            intent_id=intent_id,
        )


class EvidenceIncomplete(DomainError):
    """The evidence pack lacks something that is required."""

    def __init__(self, missing: Sequence[str]) -> None:
        listed = ", ".join(missing)
        super().__init__(
            f"The evidence pack is incomplete; assemble one that also holds: {listed}.", missing=list(missing)
        )


class CriticalVulnerability(DomainError):
    """A critical vulnerability without an approved exception blocks the release."""

    def __init__(self, critical: int) -> None:
        super().__init__(
            f"The scan holds critical vulnerabilities without an approved exception ({critical}); "
            "update the component, or have a security reviewer approve an exception and assemble the pack again.",
            critical=critical,
        )


class RingPlanInvalid(DomainError):
    """The ring plan cannot be carried out as it is written."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(f"Correct the ring plan: {'; '.join(problems)}.", problems=list(problems))


class PolicyLacksRing(DomainError):
    """The gate policy has no rule for a ring of the plan."""

    def __init__(self, version: str, rings: Sequence[Ring]) -> None:
        names = [ring.name.lower() for ring in rings]
        super().__init__(
            f"Gate policy {version} has no rule for: {', '.join(names)}; "
            "use a policy that covers the plan, or leave these rings out.",
            policy=version,
            rings=names,
        )


class IllegalTransition(DomainError):
    """The intent is in a status in which the command means nothing."""

    def __init__(self, status: str, command: str, way_out: str) -> None:
        told = status.replace("_", " ")
        super().__init__(f"The intent is {told}, so you cannot {command}: {way_out}.", status=status, command=command)


class RolloutNotMoving(DomainError):
    """A promotion was asked for while the rollout is paused or halted."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(
            f"The rollout is {status} ({reason}); resume it before you promote.", status=status, reason=reason
        )


class ReviewAlreadyOpen(DomainError):
    """CAB has a review of this intent before it."""

    def __init__(self, review_id: str) -> None:
        super().__init__(
            f"Review {review_id} is open for this intent; wait for its end, or withdraw it.", review_id=review_id
        )


class AlreadyApproved(DomainError):
    """An approval of this content is valid now, so a review would decide nothing."""

    def __init__(self, expires_at: datetime) -> None:
        super().__init__(
            f"This content is approved until {expires_at.isoformat()}; no further review is needed.",
            expires_at=expires_at.isoformat(),
        )


class ReviewNotRequested(DomainError):
    """A decision or a revocation names a review that this intent never asked for."""

    def __init__(self, review_id: str) -> None:
        super().__init__(
            f"Review {review_id} does not belong to this intent; name the review that it asked for.",
            review_id=review_id,
        )


class ApprovalBoundElsewhere(DomainError):
    """The approval names other content than the intent's."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(
            "The approval names other content than this intent holds, so it is void; ask CAB to review what stands "
            "here now.",
            expected=expected,
            found=found,
        )


class _PublishRefusal(RefusedOnRecord):
    """Base of the refusals that are recorded as PublishRefused with ``code``."""

    code: str

    def __init__(self, message: str, person: str, at: datetime) -> None:
        record = PublishRefused(person=person, code=self.code, reason=message, at=at)
        super().__init__(message, record=record, person=person)


class RequesterMayNotPublish(_PublishRefusal):
    """Separation of duties: who asked for the deployment does not publish it."""

    code = "requester_may_not_publish"

    def __init__(self, person: str, at: datetime) -> None:
        super().__init__(
            "Who requested a deployment may not publish it; ask another publisher whose scope covers it.", person, at
        )


class PackagerMayNotPublish(_PublishRefusal):
    """Separation of duties: who registered an artifact or assembled the evidence does not publish it."""

    code = "packager_may_not_publish"

    def __init__(self, person: str, at: datetime) -> None:
        super().__init__(
            "Who packaged a release may not publish it; ask another publisher whose scope covers it.", person, at
        )


class VoterMayNotPublish(_PublishRefusal):
    """Separation of duties: who voted on an approval of the intent does not publish it."""

    code = "voter_may_not_publish"

    def __init__(self, person: str, at: datetime) -> None:
        super().__init__(
            "Who voted on the approval of a release may not publish it; ask another publisher whose scope covers it.",
            person,
            at,
        )


class OutsidePublisherScope(_PublishRefusal):
    """The publisher's scope does not cover the intent's target scope."""

    code = "outside_publisher_scope"

    def __init__(self, person: str, at: datetime) -> None:
        super().__init__(
            "The target of this deployment lies outside your scope; ask a publisher whose scope covers it.", person, at
        )


class RingOutOfOrder(DomainError):
    """The ring asked for is not the next one of the plan."""

    def __init__(self, current: Ring, asked: Ring, following: Ring | None) -> None:
        way_out = (
            f"promote to ring {following} ({following.name.lower()})" if following is not None else "no ring is left"
        )
        super().__init__(
            f"The rollout is in ring {current} ({current.name.lower()}) and cannot go to ring {asked}: {way_out}.",
            current=int(current),
            asked=int(asked),
            next=None if following is None else int(following),
        )


class RingNotOpen(DomainError):
    """A fact about a ring that the rollout has not opened."""

    def __init__(self, ring: Ring) -> None:
        super().__init__(
            f"Ring {ring} ({ring.name.lower()}) is not open, so nothing can be recorded for it.", ring=int(ring)
        )


class PlaneNotInPlan(DomainError):
    """A fact about a plane that the intent does not target, at all or in ``ring``."""

    def __init__(self, plane: Plane, ring: Ring | None = None) -> None:
        where = "The ring plan" if ring is None else f"Ring {ring} ({ring.name.lower()}) of the plan"
        super().__init__(f"{where} has no target on {plane}; nothing can be recorded for it.", plane=str(plane))


class EmptyCohort(DomainError):
    """The groups of a ring resolved to no device at all on a plane."""

    def __init__(self, ring: Ring, plane: Plane) -> None:
        super().__init__(
            f"The groups of ring {ring} ({ring.name.lower()}) hold no device on {plane}; put devices into them, then "
            "try again.",
            ring=int(ring),
            plane=str(plane),
        )


class ApprovalMissing(DomainError):
    """The ring needs an approval, and there is none: not asked for, not decided yet, or revoked."""

    def __init__(self, ring: Ring, problem: str) -> None:
        super().__init__(problem, ring=int(ring))


class ApprovalExpired(DomainError):
    """The approval that the ring needs is over."""

    def __init__(self, ring: Ring, problem: str) -> None:
        super().__init__(problem, ring=int(ring))


class RingBeyondApproval(DomainError):
    """The approval holds only up to an earlier ring."""

    def __init__(self, ring: Ring, problem: str) -> None:
        super().__init__(problem, ring=int(ring))


class ConditionNotAcknowledged(DomainError):
    """CAB put a condition in words on its approval, and the publisher did not say that he read it."""

    def __init__(self, conditions: Sequence[str]) -> None:
        super().__init__(
            f"CAB approved under conditions that you must acknowledge in the promotion: {'; '.join(conditions)}.",
            conditions=list(conditions),
        )


class ApprovalEndless(DomainError):
    """An approval without an end."""

    def __init__(self, review_id: str) -> None:
        super().__init__(
            f"The approval of review {review_id} names no expiry; every approval expires.", review_id=review_id
        )


class AutomationNotAllowed(DomainError):
    """The policy wants a person for the promotion out of this ring."""

    def __init__(self, ring: Ring, policy: str) -> None:
        super().__init__(
            f"Gate policy {policy} does not let this caller promote automatically out of ring {ring} "
            f"({ring.name.lower()}); a publisher must promote it.",
            ring=int(ring),
            policy=policy,
        )


class GateNotMet(DomainError):
    """At least one gate of the ring being left did not pass."""

    def __init__(self, ring: Ring, gates: Sequence[GateResult]) -> None:
        told = "; ".join(f"{gate.gate} {gate.verdict}: {gate.reason}" for gate in gates)
        super().__init__(
            f"Ring {ring} ({ring.name.lower()}) may not be left yet: {told}.", ring=int(ring), gates=_told(gates)
        )


class SoakNotOver(DomainError):
    """Every gate passed but the soak."""

    def __init__(self, ring: Ring, gate: GateResult) -> None:
        super().__init__(
            f"Every other gate of ring {ring} ({ring.name.lower()}) passed; wait for its soak to end: {gate.reason}.",
            ring=int(ring),
            gates=_told([gate]),
        )


class RehearsalOnlyInLab(DomainError):
    """A rollback is rehearsed in the lab ring, before the release reaches anybody."""

    def __init__(self, ring: Ring) -> None:
        super().__init__(
            f"The rollout is in ring {ring} ({ring.name.lower()}); a rollback is rehearsed in the lab ring only.",
            ring=int(ring),
        )


class CohortNotFrozen(DomainError):
    """The devices of the ring are not known yet on every plane, so it cannot be judged, left or rehearsed on.

    ``missing``: the planes that lack them, each with the reason as far as it is known (else empty).
    """

    def __init__(self, ring: Ring, missing: Mapping[Plane, str]) -> None:
        told = " and ".join(f"{plane} ({reason})" if reason else str(plane) for plane, reason in missing.items())
        super().__init__(
            f"The devices of ring {ring} ({ring.name.lower()}) are not resolved yet on {told}; wait until the plane "
            "answers, repair its groups or its connection if it does not, then try again.",
            ring=int(ring),
            planes=[str(plane) for plane in missing],
        )


class RingNotMeasured(DomainError):
    """Nobody has read the ring yet, so its gates cannot be judged."""

    def __init__(self, ring: Ring) -> None:
        super().__init__(
            f"Ring {ring} ({ring.name.lower()}) has not been measured; wait for its first reading, then try again.",
            ring=int(ring),
        )


class RollbackNotMeasured(DomainError):
    """Nobody knows how many devices would be given up."""

    def __init__(self) -> None:
        super().__init__("The rollback has not been measured yet; wait for its first reading, then give up the tail.")


class ResumeNotSafe(DomainError):
    """What halted the rollout still holds."""

    def __init__(self, problems: Sequence[str], gates: Sequence[GateResult] = ()) -> None:
        super().__init__(
            f"Resuming would run into the same trouble: {'; '.join(problems)}. Repair it, roll back, or abort.",
            problems=list(problems),
            gates=_told(gates),
        )


class CabMustDecide(DomainError):
    """An incident halted the rollout; only an approval given after it lets it go on."""

    def __init__(self, halted_at: datetime) -> None:
        super().__init__(
            f"An incident halted this rollout at {halted_at.isoformat()}; ask CAB for a review, and resume once it "
            "approved.",
            halted_at=halted_at.isoformat(),
        )


class RefusedByCab(DomainError):
    """CAB rejected the release; it may be aborted or rolled back, and nothing else."""

    def __init__(self, review_id: str) -> None:
        super().__init__(
            f"CAB rejected this release in review {review_id}; roll it back or abort it, and propose a new intent.",
            review_id=review_id,
        )


def _told(gates: Sequence[GateResult]) -> list[dict[str, str]]:
    """Gate results, JSON-ready."""
    return [
        {
            "gate": gate.gate,
            "verdict": str(gate.verdict),
            "value": gate.value,
            "threshold": gate.threshold,
            "reason": gate.reason,
        }
        for gate in gates
    ]
