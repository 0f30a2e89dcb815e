"""What can be asked of a CAB review. Times are UTC and handed in."""

from dataclasses import dataclass, field
from datetime import datetime

from eucora.domain.cab_delegation import Delegated
from eucora.domain.cab_review.events import Ineligible, RetrospectiveVerdict, Urgency, Vote
from eucora.domain.conditions import Condition
from eucora.domain.governance_types import ReviewRules
from eucora.domain.rings import Ring
from eucora.domain.risk_types import BlastRadiusClass


@dataclass(frozen=True, slots=True)
class OpenReview:
    """Put one release before CAB. Everything about it is a fact of its deployment intent and of its evidence pack.

    ``change_kind``, ``ring``, ``rules``, ``grounds``, ``changes``, ``declared_scope``, ``precedents`` and
    ``asked_for_changes``: as in CabReviewOpened. For an emergency change the quorum is the rules' own, and the review
    urgent, whatever was asked. ``always``: the policy lets CAB decide every release of the class.
    ``overdue_retrospectives``: emergency changes of the application that nobody reviewed in time.
    """

    review_id: str
    intent_id: str
    binding: str
    application: str
    version: str
    score: str
    blast_radius_class: BlastRadiusClass
    quorum: int
    ineligible: tuple[Ineligible, ...]
    urgency: Urgency
    justification: str  # urgent reviews need one
    by: str
    at: datetime
    change_kind: str = "normal"
    ring: Ring | None = None
    rules: ReviewRules = field(default_factory=ReviewRules)
    grounds: str = ""
    changes: tuple[str, ...] = ()
    overdue_retrospectives: int = 0
    always: bool = False
    declared_scope: str = ""
    precedents: tuple[str, ...] = ()
    asked_for_changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CastVote:
    """Vote. ``saw`` is the stream version that the voter had before his eyes (If-Match).

    ``on_behalf_of`` and ``delegation_id``: as in CabVoteCast. ``lent``: whether the delegation lends the voter that
    vote now, which is a fact of its stream. ``own_lent``: the delegation in force by which he lent his own vote.
    ``ineligible``: who may not vote for what happened after the review was opened (somebody started the rollout).
    """

    voter: str
    vote: Vote
    reason: str
    conditions: tuple[Condition, ...]
    saw: int
    at: datetime
    on_behalf_of: str = ""
    delegation_id: str = ""
    ineligible: tuple[Ineligible, ...] = ()
    lent: bool = True
    own_lent: Delegated | None = None


@dataclass(frozen=True, slots=True)
class WithdrawReview:
    """The requester takes the question back."""

    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ExpireReview:
    """The due time is over (asked by a job; before the due time it does nothing)."""

    at: datetime


@dataclass(frozen=True, slots=True)
class RemindReview:
    """A share of the time that the rules name is over (asked by a job; when nothing is due it does nothing)."""

    at: datetime


@dataclass(frozen=True, slots=True)
class EscalateReview:
    """The time is nearly over (asked by a job; when nothing is due it does nothing)."""

    at: datetime


@dataclass(frozen=True, slots=True)
class RevokeApproval:
    """Take an approval back."""

    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RemindRetrospective:
    """A share of the time for the retrospective is over (asked by a job; when nothing is due it does nothing)."""

    at: datetime


@dataclass(frozen=True, slots=True)
class LapseRetrospective:
    """The time for the retrospective is over (asked by a job; before that it does nothing)."""

    at: datetime


@dataclass(frozen=True, slots=True)
class CloseRetrospective:
    """Judge an emergency change afterwards. ``involved``: who had a part in it after the review was opened."""

    verdict: RetrospectiveVerdict
    findings: str
    by: str
    at: datetime
    involved: tuple[Ineligible, ...] = ()


Command = (
    OpenReview
    | CastVote
    | WithdrawReview
    | ExpireReview
    | RemindReview
    | EscalateReview
    | RevokeApproval
    | RemindRetrospective
    | LapseRetrospective
    | CloseRetrospective
)
