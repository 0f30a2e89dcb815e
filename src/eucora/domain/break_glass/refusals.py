"""What break-glass refuses, each with a sentence that says what to do about it."""

from datetime import datetime, timedelta
from typing import Final

from eucora.domain.break_glass.events import (
    BreakGlassConfirmationRefused,
    BreakGlassLapsed,
    BreakGlassReviewRefused,
    SessionStatus,
)
from eucora.domain.errors import DomainError, RefusedOnRecord

_HOUR: Final = timedelta(hours=1)


class BreakGlassUnknown(DomainError):
    """The stream is empty: nobody asked for a session under this id."""

    def __init__(self) -> None:
        super().__init__("No break-glass session was asked for under this id; request one.")


class BreakGlassIdTaken(DomainError):
    """The id belongs to a session with another content."""

    def __init__(self, session_id: str) -> None:
        super().__init__(
            f"Break-glass session {session_id} was asked for with other content; request one under a new id.",
            session_id=session_id,
        )


class DurationInvalid(DomainError):
    """The session would be longer than allowed, or no time at all."""

    def __init__(self, duration_s: int, max_s: int) -> None:
        super().__init__(
            f"A break-glass session lasts between one second and {timedelta(seconds=max_s) / _HOUR:g} hours; name a"
            " duration in between, and open another one when it does not suffice.",
            duration_s=duration_s,
            max_s=max_s,
        )


class DebtOverdue(DomainError):
    """An earlier session was not reviewed in time; until it is, nothing new is opened."""

    def __init__(self, sessions: tuple[str, ...]) -> None:
        super().__init__(
            f"The review of break-glass session {', '.join(sessions)} is overdue; somebody who did not activate it has"
            " to review it before another one opens.",
            sessions=list(sessions),
        )


class RequesterMayNotConfirm(RefusedOnRecord):
    """Separation of duties: the two activators differ."""

    def __init__(self, record: BreakGlassConfirmationRefused, by: str) -> None:
        super().__init__(
            "You requested this session, and the second activation must come from a different person.",
            record=record,
            person=by,
        )


class AlreadyActivated(DomainError):
    """Two people opened it; a third has nothing to add."""

    def __init__(self) -> None:
        super().__init__("Two people have activated this session already; request one of your own if you need it.")


class BreakGlassOver(RefusedOnRecord):
    """The second activation came too late; that the request lapsed goes on record with it."""

    def __init__(self, record: BreakGlassLapsed, confirm_by: datetime) -> None:
        super().__init__(
            f"This request had to be confirmed before {confirm_by.isoformat()} and has lapsed; request a new one.",
            record=record,
            confirm_by=confirm_by.isoformat(),
        )


class NotConfirmable(DomainError):
    """It is over, one way or the other."""

    def __init__(self, status: SessionStatus) -> None:
        super().__init__(
            f"This break-glass session is {status} and is not opened again; request a new one.", session_status=status
        )


class NothingToClose(DomainError):
    """Only what is open can be closed."""

    def __init__(self, status: SessionStatus) -> None:
        super().__init__(
            f"This break-glass session is {status} and was never open; an unconfirmed request lapses by itself.",
            session_status=status,
        )


class BreakGlassNotOpen(DomainError):
    """The session lends nothing now."""

    def __init__(self) -> None:
        super().__init__(
            "This break-glass session is not open: it was not confirmed by a second person yet, or it is over;"
            " request a new one if you need it."
        )


class NotAnActivator(DomainError):
    """A session serves the two people who opened it, and nobody else."""

    def __init__(self) -> None:
        super().__init__(
            "This break-glass session was opened by others; act with your own roles, or open one with a second person."
        )


class BreakGlassNeedsPerson(DomainError):
    """Two people open a session and act in it; a program that acts for one of them is neither."""

    def __init__(self) -> None:
        super().__init__(
            "A service token neither opens nor uses a break-glass session; sign in yourself and ask again."
        )


class NothingToReview(DomainError):
    """The session never opened, or is not over."""

    def __init__(self, status: SessionStatus) -> None:
        super().__init__(
            f"This break-glass session is {status}; a review follows the end of one that was open.",
            session_status=status,
        )


class ActivatorMayNotReview(RefusedOnRecord):
    """Separation of duties: nobody reviews what he did himself."""

    def __init__(self, record: BreakGlassReviewRefused, by: str) -> None:
        super().__init__(
            "You activated this session and may not review it; leave the review to somebody else.",
            record=record,
            person=by,
        )


class AlreadyReviewed(DomainError):
    """A review stands as it was written."""

    def __init__(self) -> None:
        super().__init__("This session was reviewed already, and a review is not changed; report what you found anew.")
