"""CAB delegation: a CAB member lends his vote to another person for a time. Stream: ``cab_delegation-<id>``.

The vote stays the delegator's: who casts it does so in his name, once, and lends it to nobody else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from eucora.domain.decider import Decider
from eucora.domain.errors import DomainError
from eucora.domain.governance_types import ReviewRules
from eucora.domain.reasons import require_reason

AHEAD_MAX: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Delegated:
    """A delegation that has not ended, as other decisions see it: from ``starts_at`` on, until before ``ends_at``."""

    delegation_id: str
    delegator: str
    delegate: str
    starts_at: datetime
    ends_at: datetime

    def in_force(self, at: datetime) -> bool:
        return self.starts_at <= at < self.ends_at


@dataclass(frozen=True, slots=True)
class DelegateVote:
    """Lend one's vote. ``others``: delegations that have not ended and name the delegator or the delegate.

    ``held_until``: when the delegator ceases to hold it himself; None: no end is known here.
    """

    delegation_id: str
    delegator: str
    delegate: str
    starts_at: datetime
    ends_at: datetime
    reason: str
    at: datetime
    rules: ReviewRules = field(default_factory=ReviewRules)
    others: tuple[Delegated, ...] = ()
    held_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class RevokeDelegation:
    """Take a vote back. ``as_admin``: by a platform admin, for a delegator who cannot."""

    by: str
    reason: str
    at: datetime
    as_admin: bool = False


@dataclass(frozen=True, slots=True)
class ExpireDelegation:
    """Its time is over (asked by a job; before that it does nothing)."""

    at: datetime


Command = DelegateVote | RevokeDelegation | ExpireDelegation


@dataclass(frozen=True, slots=True)
class CabVoteDelegated:
    delegation_id: str
    delegator: str
    delegate: str
    starts_at: datetime
    ends_at: datetime
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CabDelegationRevoked:
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CabDelegationExpired:
    at: datetime


Event = CabVoteDelegated | CabDelegationRevoked | CabDelegationExpired


class DelegationUnknown(DomainError):
    """The stream is empty: nothing was delegated under this id."""

    def __init__(self) -> None:
        super().__init__("No vote was delegated under this id; list the delegations and name one of them.")


class DelegationIdTaken(DomainError):
    """The id belongs to another delegation."""

    def __init__(self, delegation_id: str) -> None:
        super().__init__(
            f"Delegation {delegation_id} stands with other content; delegate under a new id.",
            delegation_id=delegation_id,
        )


class DelegateMissing(DomainError):
    """Nobody is named, or the delegator himself."""

    def __init__(self) -> None:
        super().__init__("Name another person as the delegate, by the id that stands beside people's deeds.")


class DelegationTimesInvalid(DomainError):
    """The times contradict each other, lie in the past, or lend the vote for too long."""

    def __init__(self, problem: str, starts_at: datetime, ends_at: datetime) -> None:
        super().__init__(
            f"Correct the times of the delegation: {problem}.",
            problem=problem,
            starts_at=starts_at.isoformat(),
            ends_at=ends_at.isoformat(),
        )


class DelegateMayNotDelegate(DomainError):
    """No chains: who votes for another at that time lends his own vote to nobody."""

    def __init__(self, other: Delegated) -> None:
        super().__init__(
            f"You vote for {other.delegator} under delegation {other.delegation_id} at that time, and a delegate does "
            "not delegate further; lay that delegation down first.",
            delegation_id=other.delegation_id,
            delegator=other.delegator,
        )


class DelegateHasDelegated(DomainError):
    """No chains: who lends his own vote at that time cannot look after another's."""

    def __init__(self, other: Delegated) -> None:
        super().__init__(
            f"{other.delegator} has delegated his own vote at that time (delegation {other.delegation_id}) "
            "and can look after no other; name somebody else.",
            delegation_id=other.delegation_id,
            delegate=other.delegator,
        )


class DelegationNeedsPerson(DomainError):
    """A vote that was lent with a stolen token would stay lent after the token's revocation."""

    def __init__(self) -> None:
        super().__init__("A service token lends no vote; sign in and delegate it yourself.")


class DelegationNotYours(DomainError):
    """Only the two people of a delegation, or a platform admin, end it."""

    def __init__(self) -> None:
        super().__init__("This delegation is between other people; ask one of them, or a platform admin, to end it.")


class DelegationOver(DomainError):
    """The delegation is revoked or expired."""

    def __init__(self, ended: str) -> None:
        super().__init__(f"This delegation is {ended} already; there is nothing to take back.", ended=ended)


@dataclass(frozen=True, slots=True)
class CabDelegation:
    """``ended``: revoked or expired; empty while it has not."""

    granted: CabVoteDelegated | None = None
    ended: str = ""

    def lends(self, delegate: str, at: datetime) -> bool:
        """Whether ``delegate`` may vote under it at ``at``."""
        granted = self.granted
        return (
            granted is not None
            and not self.ended
            and granted.delegate == delegate
            and granted.starts_at <= at < granted.ends_at
        )


def decide(state: CabDelegation, command: Command) -> Sequence[Event]:
    """Events the command leads to; none when they are already on record.

    Raises:
        DelegationUnknown, DelegationIdTaken, DelegationOver: the command does not fit what is on record.
        DelegateMissing, DelegationTimesInvalid, DelegateMayNotDelegate, DelegateHasDelegated, ReasonMissing: what was
            asked for is refused.
        DelegationNotYours: a revocation by a stranger.
    """
    if isinstance(command, DelegateVote):
        return _delegate(state, command)
    granted = state.granted
    if granted is None:
        raise DelegationUnknown
    match command:
        case RevokeDelegation(by=by, reason=reason, at=at):
            if by not in (granted.delegator, granted.delegate) and not command.as_admin:
                raise DelegationNotYours
            if state.ended == "revoked":
                return []
            if state.ended or at >= granted.ends_at:
                raise DelegationOver("expired")
            return [CabDelegationRevoked(by, require_reason(reason, "a revocation"), at)]
        case ExpireDelegation(at=at):
            return [CabDelegationExpired(at)] if not state.ended and at >= granted.ends_at else []


def _delegate(state: CabDelegation, command: DelegateVote) -> Sequence[Event]:
    event = CabVoteDelegated(
        delegation_id=command.delegation_id,
        delegator=command.delegator,
        delegate=command.delegate.strip(),
        starts_at=command.starts_at,
        ends_at=command.ends_at,
        reason=require_reason(command.reason, "a delegation"),
        at=command.at,
    )
    if state.granted is not None:
        if replace(event, at=state.granted.at) == state.granted:
            return []
        raise DelegationIdTaken(command.delegation_id)
    if event.delegate in ("", event.delegator):
        raise DelegateMissing
    if (problem := _times_problem(event, command.rules, command.held_until)) is not None:
        raise DelegationTimesInvalid(problem, event.starts_at, event.ends_at)
    for other in command.others:
        if other.starts_at < event.ends_at and event.starts_at < other.ends_at:
            if other.delegate == event.delegator:
                raise DelegateMayNotDelegate(other)
            if other.delegator == event.delegate:
                raise DelegateHasDelegated(other)
    return [event]


def _times_problem(event: CabVoteDelegated, rules: ReviewRules, held_until: datetime | None) -> str | None:
    if event.starts_at < event.at:
        return "it begins in the past"
    if event.starts_at > event.at + AHEAD_MAX:
        return f"it begins more than {AHEAD_MAX.days} days ahead"
    if event.ends_at <= event.starts_at:
        return "it ends before it begins"
    longest = timedelta(seconds=rules.delegation_max_s)
    if event.ends_at > event.starts_at + longest:
        return f"it holds for longer than the policy allows ({longest})"
    if held_until is not None and event.ends_at > held_until:
        return f"it holds for longer than the delegator's own vote, which ends {held_until.isoformat()}"
    return None


def evolve(state: CabDelegation, event: Event) -> CabDelegation:
    """State after the event. Never refuses: the event has happened."""
    match event:
        case CabVoteDelegated():
            return CabDelegation(granted=event)
        case CabDelegationRevoked():
            return replace(state, ended="revoked")
        case CabDelegationExpired():
            return replace(state, ended="expired")


DECIDER: Final[Decider[CabDelegation, Command, Event]] = Decider(
    noun="cab_delegation", initial=CabDelegation(), decide=decide, evolve=evolve
)
