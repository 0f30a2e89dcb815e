"""What can be asked of a policy exception."""

from dataclasses import dataclass
from datetime import datetime

from eucora.domain.governance_types import ExceptionLimits
from eucora.domain.policy_exception.events import Capacity, Decision, Question, Terms


@dataclass(frozen=True, slots=True)
class RequestException:
    exception_id: str
    terms: Terms
    limits: ExceptionLimits
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AmendException:
    terms: Terms
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class DecideException:
    """``capacity``: the role that the person decides in; that he holds it is known before.

    ``involved``: who asked for, packaged or published a release that the exception is for, as the log says now.
    """

    question: Question
    capacity: Capacity
    decision: Decision
    reason: str
    by: str
    at: datetime
    involved: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestExtension:
    until: datetime
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RevokeException:
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RemindException:
    """``expires_at``: the expiry that the reminder was made for; after an extension it means nothing any more."""

    expires_at: datetime
    before_s: int
    at: datetime


@dataclass(frozen=True, slots=True)
class ExpireException:
    at: datetime


Command = (
    RequestException
    | AmendException
    | DecideException
    | RequestExtension
    | RevokeException
    | RemindException
    | ExpireException
)
