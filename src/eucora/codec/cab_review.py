"""Stored names of the events of a CAB review."""

from typing import Final

from eucora.domain import cab_review

STORED_AS: Final[dict[type, tuple[str, int]]] = {
    cab_review.CabReviewOpened: ("cab_review.opened", 1),
    cab_review.CabVoteCast: ("cab_review.vote-cast", 1),
    cab_review.CabVoteRefused: ("cab_review.vote-refused", 1),
    cab_review.CabReviewDecided: ("cab_review.decided", 1),
    cab_review.CabReviewReminded: ("cab_review.reminded", 1),
    cab_review.CabReviewEscalated: ("cab_review.escalated", 1),
    cab_review.CabApprovalRevoked: ("cab_review.approval-revoked", 1),
    cab_review.CabRetrospectiveOpened: ("cab_review.retrospective-opened", 1),
    cab_review.CabRetrospectiveReminded: ("cab_review.retrospective-reminded", 1),
    cab_review.CabRetrospectiveOverdue: ("cab_review.retrospective-overdue", 1),
    cab_review.CabRetrospectiveRefused: ("cab_review.retrospective-refused", 1),
    cab_review.CabRetrospectiveClosed: ("cab_review.retrospective-closed", 1),
}
