"""Problem rows of break-glass sessions."""

from typing import Final

from eucora.api.problems import Row
from eucora.application import service_tokens
from eucora.domain import break_glass as bg
from eucora.domain.errors import DomainError

ROWS: Final[dict[type[DomainError], Row]] = {
    bg.RequesterMayNotConfirm: Row(403, "requester-may-not-confirm", "The second activation needs a second person"),
    bg.ActivatorMayNotReview: Row(403, "activator-may-not-review", "An activator does not review himself"),
    bg.NotAnActivator: Row(403, "not-an-activator", "The break-glass session is for others"),
    bg.BreakGlassNotOpen: Row(403, "break-glass-not-open", "The break-glass session is not open"),
    bg.BreakGlassNeedsPerson: Row(403, "break-glass-needs-person", "A service token takes no part in break-glass"),
    service_tokens.TokenInBreakGlass: Row(403, "token-in-break-glass", "No token is issued in a break-glass session"),
    bg.BreakGlassUnknown: Row(404, "break-glass-unknown", "There is no such break-glass session"),
    bg.DurationInvalid: Row(422, "duration-invalid", "The duration is out of bounds", "#/duration_s"),
    bg.BreakGlassIdTaken: Row(409, "break-glass-id-taken", "The id belongs to another session"),
    bg.DebtOverdue: Row(409, "review-debt-overdue", "An earlier session was not reviewed in time"),
    bg.AlreadyActivated: Row(409, "already-activated", "Two people activated the session already"),
    bg.BreakGlassOver: Row(409, "break-glass-lapsed", "The request was not confirmed in time"),
    bg.NotConfirmable: Row(409, "break-glass-not-confirmable", "The session does not wait for a second activation"),
    bg.NothingToClose: Row(409, "nothing-to-close", "The session is not open"),
    bg.NothingToReview: Row(409, "nothing-to-review", "There is nothing to review"),
    bg.AlreadyReviewed: Row(409, "already-reviewed", "The session was reviewed already"),
}
