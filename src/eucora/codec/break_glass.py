"""Stored names of the events of a break-glass session."""

from typing import Final

from eucora.domain import break_glass as bg

STORED_AS: Final[dict[type, tuple[str, int]]] = {
    bg.BreakGlassRequested: ("break_glass.requested", 1),
    bg.BreakGlassConfirmationRefused: ("break_glass.confirmation-refused", 1),
    bg.BreakGlassActivated: ("break_glass.activated", 1),
    bg.BreakGlassLapsed: ("break_glass.lapsed", 1),
    bg.BreakGlassClosed: ("break_glass.closed", 1),
    bg.BreakGlassExpired: ("break_glass.expired", 1),
    bg.BreakGlassReviewOverdue: ("break_glass.review-overdue", 1),
    bg.BreakGlassReviewRefused: ("break_glass.review-refused", 1),
    bg.BreakGlassReviewed: ("break_glass.reviewed", 1),
}
