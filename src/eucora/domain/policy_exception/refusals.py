"""What a policy exception refuses, each with a sentence that says what to do about it."""

from datetime import datetime, timedelta
from typing import Final

from eucora.domain.errors import DomainError, RefusedOnRecord
from eucora.domain.exception_types import ExceptionKind, ExceptionStatus
from eucora.domain.policy_exception.events import Capacity, ExceptionDecisionRefused, ExceptionExpired, Question

_DAY: Final = timedelta(days=1)


def _words(value: str) -> str:
    return value.replace("_", " ")


class ExceptionUnknown(DomainError):
    """The stream is empty: no exception was asked for under this id."""

    def __init__(self) -> None:
        super().__init__("No exception was asked for under this id; request one.")


class ExceptionIdTaken(DomainError):
    """The id belongs to an exception with another content."""

    def __init__(self, exception_id: str) -> None:
        super().__init__(
            f"Exception {exception_id} was asked for with other content; request one under a new id.",
            exception_id=exception_id,
        )


class TitleMissing(DomainError):
    """An exception without a name."""

    def __init__(self) -> None:
        super().__init__("Give the exception a title that people recognise it by.")


class JustificationMissing(DomainError):
    """An exception that says nothing about why it is needed."""

    def __init__(self) -> None:
        super().__init__("Justify the exception: say why the rule cannot be kept, and what waits for it.")


class ControlMissing(DomainError):
    """An exception without a compensating control."""

    def __init__(self) -> None:
        super().__init__("Name at least one compensating control: what lowers the risk while the rule is waived.")


class OwnerMissing(DomainError):
    """An exception that nobody answers for."""

    def __init__(self) -> None:
        super().__init__("Name the owner: the person who answers for the controls until the exception ends.")


class SubjectMissing(DomainError):
    """An exception that waives nothing in particular, and so everything."""

    def __init__(self, kind: ExceptionKind) -> None:
        super().__init__(f"Name what is waived: an exception of kind {_words(kind)} needs its subjects.", kind=kind)


class SubjectInvalid(DomainError):
    """A subject is not in the words of its kind, so that nothing could ever match it."""

    def __init__(self, kind: ExceptionKind, subject: str, wanted: str) -> None:
        super().__init__(
            f"{subject[:80]!r} could never match: a subject of kind {_words(kind)} is {wanted}.",
            kind=kind,
            subject=subject,
        )


class OverrideIncomplete(DomainError):
    """A gate override that does not say which ring of which intent it is for."""

    def __init__(self, missing: tuple[str, ...]) -> None:
        super().__init__(
            f"A gate override is for one ring of one intent: name {' and '.join(missing)}.", missing=list(missing)
        )


class RingNotExpected(DomainError):
    """A ring on an exception that no ring matters to."""

    def __init__(self, kind: ExceptionKind) -> None:
        super().__init__(
            f"Only a gate override names a ring; leave it out of an exception of kind {_words(kind)}.", kind=kind
        )


class ExpiryInPast(DomainError):
    """The exception would be over before it begins."""

    def __init__(self, expires_at: datetime) -> None:
        super().__init__(
            f"{expires_at.isoformat()} is over already; name an expiry in the future.",
            expires_at=expires_at.isoformat(),
        )


class ExpiryTooLong(DomainError):
    """The exception would hold longer than the policy allows."""

    def __init__(self, expires_at: datetime, latest: datetime, max_s: int) -> None:
        super().__init__(
            f"An exception holds for {timedelta(seconds=max_s) / _DAY:g} days at the most, so until"
            f" {latest.isoformat()}; name an earlier expiry, and ask for the extension when it comes to that.",
            expires_at=expires_at.isoformat(),
            latest=latest.isoformat(),
        )


class KindMayNotChange(DomainError):
    """Another kind is another exception: other people decide it."""

    def __init__(self, kind: ExceptionKind) -> None:
        super().__init__(
            f"This exception is of kind {_words(kind)} and stays so; request a new one for the other kind.", kind=kind
        )


class ChangesNotRequested(DomainError):
    """Terms change only when a decider asked for it."""

    def __init__(self, status: ExceptionStatus) -> None:
        super().__init__(
            f"The exception is {_words(status)}, and nobody asked for changes; request a new one for other terms.",
            exception_status=status,
        )


class _DecisionRefusal(RefusedOnRecord):
    """Base of the refusals that are recorded as ExceptionDecisionRefused with ``rule``."""

    rule: str
    sentence: str

    def __init__(self, question: Question, capacity: Capacity, by: str, at: datetime) -> None:
        record = ExceptionDecisionRefused(question, capacity, self.rule, by, at)
        super().__init__(self.sentence, record=record, person=by)


class AskerMayNotDecide(_DecisionRefusal):
    """Separation of duties: whoever asked for the exception, its amendment or its extension never decides on it."""

    rule = "asker"
    sentence = "You asked for this exception and may not decide on it; leave the decision to somebody else."


class OwnerMayNotDecide(_DecisionRefusal):
    """Separation of duties: who answers for the controls does not judge whether they suffice."""

    rule = "owner"
    sentence = "You own this exception and may not decide whether its controls suffice; leave it to somebody else."


class InvolvedMayNotDecide(_DecisionRefusal):
    """Separation of duties: who asked for, packaged or published a release gives it no exception."""

    rule = "involved"
    sentence = (
        "You asked for, packaged or published a release that this exception is for and may not decide on it; leave the"
        " decision to somebody who has no part in the release."
    )


class SecondPersonNeeded(_DecisionRefusal):
    """Separation of duties: the security reviewer's and CAB's decision come from two people."""

    rule = "decided_already"
    sentence = "You decided on this in another capacity; the second decision must come from a different person."


class AlreadyDecided(DomainError):
    """The decision of this capacity, or of this person, is given."""

    def __init__(self, capacity: Capacity, missing: tuple[Capacity, ...]) -> None:
        waits = (
            f"what is missing is the {' and the '.join(_words(one) for one in missing)}'s" if missing else "it stands"
        )
        super().__init__(
            f"The {_words(capacity)}'s decision on this was given already; {waits}.",
            capacity=capacity,
            missing=list(missing),
        )


class CapacityNotNeeded(DomainError):
    """The exception is not of those that this capacity decides."""

    def __init__(self, capacity: Capacity, needs: tuple[Capacity, ...]) -> None:
        super().__init__(
            f"The {_words(capacity)} is not asked here; it is for the {' and the '.join(_words(n) for n in needs)}.",
            capacity=capacity,
            needs=list(needs),
        )


class ExceptionNotOpen(DomainError):
    """There is nothing to decide on any more, or not now."""

    def __init__(self, status: ExceptionStatus) -> None:
        way = "wait until it was amended" if status is ExceptionStatus.CHANGES_REQUESTED else "request a new one"
        super().__init__(
            f"This exception is {_words(status)} and is not decided on; {way} where a decision is needed.",
            exception_status=status,
        )


class ExceptionOver(RefusedOnRecord):
    """A decision came when the time was up; that the exception expired goes on record with it."""

    def __init__(self, record: ExceptionExpired, expires_at: datetime) -> None:
        super().__init__(
            f"The time of this exception was up at {expires_at.isoformat()}; request a new one.",
            record=record,
            expires_at=expires_at.isoformat(),
        )


class ExceptionNotInForce(DomainError):
    """Only what is in force can be extended or revoked."""

    def __init__(self, status: ExceptionStatus) -> None:
        super().__init__(
            f"This exception is {_words(status)}; only one in force is extended or revoked.", exception_status=status
        )


class ExtensionPending(DomainError):
    """An extension was asked for and is not decided."""

    def __init__(self, until: datetime) -> None:
        super().__init__(
            f"An extension until {until.isoformat()} waits for its decision; wait for it.", until=until.isoformat()
        )


class ExtensionsUsedUp(DomainError):
    """The exception was extended as often as the policy allows."""

    def __init__(self, extensions_max: int) -> None:
        times = "once" if extensions_max == 1 else f"{extensions_max} times"
        super().__init__(
            f"An exception is extended {times} at the most; mend the cause, or request a new exception.",
            extensions_max=extensions_max,
        )


class ExtensionTooLong(DomainError):
    """The extension is longer than the policy allows."""

    def __init__(self, until: datetime, latest: datetime, max_s: int) -> None:
        super().__init__(
            f"An extension adds {timedelta(seconds=max_s) / _DAY:g} days at the most, so until {latest.isoformat()};"
            " name an earlier end.",
            until=until.isoformat(),
            latest=latest.isoformat(),
        )


class ExtensionNotLater(DomainError):
    """The extension would end no later than the exception does anyway."""

    def __init__(self, until: datetime, expires_at: datetime) -> None:
        super().__init__(
            f"The exception holds until {expires_at.isoformat()} anyway; name a later end, or revoke it.",
            until=until.isoformat(),
            expires_at=expires_at.isoformat(),
        )


class ExtensionNotRequested(DomainError):
    """There is no extension to decide on."""

    def __init__(self) -> None:
        super().__init__("No extension waits for a decision; the asker has to request one first.")
