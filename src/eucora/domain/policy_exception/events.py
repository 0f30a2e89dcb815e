"""What happened to a policy exception."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from eucora.domain.exception_types import ExceptionKind
from eucora.domain.governance_types import ExceptionLimits
from eucora.domain.rings import Ring


class Capacity(StrEnum):
    """As what somebody decides. The words are those of the roles."""

    SECURITY_REVIEWER = "security_reviewer"
    CAB_APPROVER = "cab_approver"


class Decision(StrEnum):
    APPROVE = "approve"
    DENY = "deny"
    REQUEST_CHANGES = "request_changes"


class Question(StrEnum):
    """What is decided: the exception itself, or that it shall hold longer."""

    EXCEPTION = "exception"
    EXTENSION = "extension"


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked for.

    ``subjects``: what is waived, in the words of the kind (see :class:`eucora.domain.exception_types.ExceptionFact`).
    ``owner``: the person who answers for the controls. ``intent_id`` and ``application_id`` say what it is for; both
    empty: whatever bears one of the subjects. ``score``: of the intent's release when it was asked, None without one.
    """

    kind: ExceptionKind
    title: str
    justification: str
    controls: tuple[str, ...]
    owner: str
    subjects: tuple[str, ...]
    expires_at: datetime
    intent_id: str = ""
    application_id: str = ""
    ring: Ring | None = None
    score: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ExceptionRequested:
    """``needs``: who must approve, one different person for each. ``limits`` hold for it to its end."""

    exception_id: str
    terms: Terms
    needs: tuple[Capacity, ...]
    limits: ExceptionLimits
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ExceptionAmended:
    """Asked again with other terms, after changes were requested; what was decided before counts no more."""

    terms: Terms
    needs: tuple[Capacity, ...]
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ExceptionDecisionGiven:
    """What one person decided. The outcome, when this brought it about, follows as an event of its own."""

    question: Question
    capacity: Capacity
    decision: Decision
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ExceptionDecisionRefused:
    """A person who may not decide tried to. ``rule``: asker, owner, involved, decided_already."""

    question: Question
    capacity: Capacity
    rule: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ExceptionApproved:
    expires_at: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class ExceptionDenied:
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ExceptionChangesRequested:
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ExceptionExtensionRequested:
    until: datetime
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ExceptionExtended:
    expires_at: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class ExceptionExtensionRefused:
    """Denied, or sent back: either way it may be asked for again, and until then the old expiry holds."""

    decision: Decision
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ExceptionReminded:
    """``before_s``: which of the reminders this is, in seconds before the expiry."""

    owner: str
    expires_at: datetime
    before_s: int
    at: datetime


@dataclass(frozen=True, slots=True)
class ExceptionExpired:
    """``decided``: it was in force until now. Otherwise its time ran out before it was approved."""

    decided: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class ExceptionRevoked:
    reason: str
    by: str
    at: datetime


Event = (
    ExceptionRequested
    | ExceptionAmended
    | ExceptionDecisionGiven
    | ExceptionDecisionRefused
    | ExceptionApproved
    | ExceptionDenied
    | ExceptionChangesRequested
    | ExceptionExtensionRequested
    | ExceptionExtended
    | ExceptionExtensionRefused
    | ExceptionReminded
    | ExceptionExpired
    | ExceptionRevoked
)
