"""The approvals of an intent as a person sees them: where the latest stands, and each that was given."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from eucora.domain.conditions import Condition
from eucora.domain.rings import Ring


class ApprovalStatus(StrEnum):
    """The approval has a status beside the intent's, because canary may run before CAB decides.

    ``void``: what it rested on changed, and CAB has to decide again.
    """

    NONE = "none"
    PENDING = "pending"
    APPROVED = "approved"
    REFUSED = "refused"
    REVOKED = "revoked"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class Approval:
    """``source``: automated or cab, empty before either. ``reason``: why it was granted, refused, revoked or void.

    ``ring``: the only one that it is about, where the policy wants an approval for each.
    """

    status: ApprovalStatus = ApprovalStatus.NONE
    source: str = ""
    review_id: str = ""
    binding: str = ""
    reason: str = ""
    conditions: tuple[Condition, ...] = ()
    at: datetime | None = None
    expires_at: datetime | None = None
    ring: Ring | None = None


def with_new(approvals: tuple[Approval, ...], given: Approval) -> tuple[Approval, ...]:
    """The approvals with another one. One that holds replaces those that held, but for those of other rings."""
    holds, ring = given.status is ApprovalStatus.APPROVED, given.ring
    kept = tuple(
        one
        for one in approvals
        if not holds or one.status is not ApprovalStatus.APPROVED or (ring is not None and one.ring not in (None, ring))
    )
    return (*kept, given)


def ended(
    approvals: tuple[Approval, ...], status: ApprovalStatus, reason: str, at: datetime, *, review: str = ""
) -> tuple[Approval, ...]:
    """The approvals that held are revoked or void from ``at`` on; with ``review``: what it gave, and the automated."""
    return tuple(
        replace(one, status=status, reason=reason, at=at)
        if one.status is ApprovalStatus.APPROVED and (not review or one.review_id in ("", review))
        else one
        for one in approvals
    )
