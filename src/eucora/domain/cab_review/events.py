"""What happened in a CAB review."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from eucora.domain.conditions import Condition
from eucora.domain.governance_types import ReviewRules
from eucora.domain.rings import Ring
from eucora.domain.risk_types import BlastRadiusClass

EMERGENCY = "emergency"  # the change kind that is approved in haste and reviewed in retrospect


class Vote(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"
    REQUEST_CHANGES = "request_changes"


class Outcome(StrEnum):
    """How a review ends; ``revoked`` can follow an approval."""

    APPROVED = "approved"
    APPROVED_WITH_CONDITIONS = "approved_with_conditions"
    REJECTED = "rejected"
    CHANGES_REQUESTED = "changes_requested"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    REVOKED = "revoked"


class Urgency(StrEnum):
    """How long people have: the standard time, or the shorter one with a justification (the policy's clocks)."""

    STANDARD = "standard"
    URGENT = "urgent"


class RetrospectiveVerdict(StrEnum):
    """What people think of an emergency change afterwards."""

    JUSTIFIED = "justified"
    NOT_JUSTIFIED = "not_justified"


@dataclass(frozen=True, slots=True)
class Ineligible:
    """A person who may not vote, and the rule that says so (a key of ``VOTE_REFUSALS``)."""

    person: str
    rule: str


@dataclass(frozen=True, slots=True)
class CabReviewOpened:
    """One release is before CAB. ``binding``: digest of what is voted on; ``grounds``: of everything a voter is shown.

    ``ring``: the one that is asked for; None: every ring that needs CAB. ``rules``: the clocks that were in force when
    it was opened, so that a later policy changes nothing here. ``changes``: sentences, since the intent's last review.
    ``declared_scope``: where the application belongs by the requester's word; empty: a version that did not keep it.
    ``precedents``: clauses, what was decided about the release before. ``asked_for_changes``: who did so in a review of
    the same binding; unless each of them says yes now, one more vote than the quorum is needed.
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
    justification: str
    opened_by: str
    at: datetime
    due_at: datetime
    change_kind: str = "normal"
    ring: Ring | None = None
    rules: ReviewRules = field(default_factory=ReviewRules)
    grounds: str = ""
    changes: tuple[str, ...] = ()
    declared_scope: str = ""
    precedents: tuple[str, ...] = ()
    asked_for_changes: tuple[str, ...] = ()

    @property
    def requesters(self) -> frozenset[str]:
        """Who proposed the release, and who put it before CAB."""
        return frozenset({self.opened_by, *(one.person for one in self.ineligible if one.rule == "requester")})


@dataclass(frozen=True, slots=True)
class CabVoteCast:
    """A vote with its reason. ``saw`` is the review version that the voter had before his eyes (If-Match).

    ``on_behalf_of``: the CAB member whose vote this is, when ``voter`` cast it under ``delegation_id``; else empty.
    ``grounds``: digest of everything that the voter was shown.
    """

    voter: str
    vote: Vote
    reason: str
    conditions: tuple[Condition, ...]
    saw: int
    at: datetime
    on_behalf_of: str = ""
    delegation_id: str = ""
    grounds: str = ""


@dataclass(frozen=True, slots=True)
class CabVoteRefused:
    """A person who may not vote on this review tried to; on record."""

    voter: str
    rule: str
    at: datetime
    on_behalf_of: str = ""


@dataclass(frozen=True, slots=True)
class CabReviewDecided:
    """The review ended. ``approval_expires_at`` is set for approvals; conditions are those of every approving vote.

    ``ring``: the one that was asked about; None: every ring that needs CAB.
    """

    outcome: Outcome
    conditions: tuple[Condition, ...]
    reason: str
    at: datetime
    approval_expires_at: datetime | None = None
    ring: Ring | None = None


@dataclass(frozen=True, slots=True)
class CabReviewReminded:
    """A share of the time that the rules name is over, and the quorum is not there."""

    due_at: datetime
    votes: int
    at: datetime


@dataclass(frozen=True, slots=True)
class CabReviewEscalated:
    """The time is nearly over and the quorum is not there. ``to``: the roles that are told."""

    to: tuple[str, ...]
    votes: int
    quorum: int
    due_at: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class CabApprovalRevoked:
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CabRetrospectiveOpened:
    """An emergency change was approved; until ``due_at`` people say whether it was right."""

    due_at: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class CabRetrospectiveReminded:
    due_at: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class CabRetrospectiveOverdue:
    """Nobody reviewed the emergency change in time; no other one of its application is put before CAB until then."""

    due_at: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class CabRetrospectiveRefused:
    """A person who had a part in the emergency change tried to judge it; on record."""

    person: str
    rule: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CabRetrospectiveClosed:
    """The emergency change was judged. ``by`` neither voted for it nor asked for it."""

    verdict: RetrospectiveVerdict
    findings: str
    by: str
    at: datetime


Event = (
    CabReviewOpened
    | CabVoteCast
    | CabVoteRefused
    | CabReviewDecided
    | CabReviewReminded
    | CabReviewEscalated
    | CabApprovalRevoked
    | CabRetrospectiveOpened
    | CabRetrospectiveReminded
    | CabRetrospectiveOverdue
    | CabRetrospectiveRefused
    | CabRetrospectiveClosed
)
