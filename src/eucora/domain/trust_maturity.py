"""Trust maturity: how much automation the installation has earned by weeks without incidents.

Stream: ``trust_maturity-installation``. A rise is proposed by the weekly evaluation and approved by CAB; a spike drops
one level at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from eucora.domain.decider import Decider
from eucora.domain.errors import DomainError
from eucora.domain.governance_types import GovernancePolicy, MaturityLevel
from eucora.domain.reasons import require_reason
from eucora.domain.statistics import percent, percent_of, reaches

INSTALLATION: Final = "installation"  # the one stream: one installation serves one organisation
WEEK: Final = timedelta(weeks=1)
LEVEL_MAX: Final = 4


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """What happened after ``since`` and up to ``until`` (inclusive), by what is known now.

    ``releases``: rollouts that started. ``incidents``: reported ones that count against a release, which are all but
    those known not to be its fault; ``p1`` and ``p2`` are among them, by their severity now.
    """

    since: datetime
    until: datetime
    releases: int = 0
    incidents: int = 0
    p1: int = 0
    p2: int = 0

    @property
    def told(self) -> str:
        """The record in words, with the rate where there is one."""
        rate = f" ({percent_of(self.incidents, self.releases)})" if self.releases else ""
        return f"{self.incidents} incidents in {self.releases} releases{rate}, {self.p1} of them P1, {self.p2} P2"


@dataclass(frozen=True, slots=True)
class EvaluateMaturity:
    """``record`` is that of :func:`window`. ``weekly``: the regular evaluation; else an incident asked for it."""

    policy: GovernancePolicy
    record: TrackRecord
    weekly: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class ApproveRise:
    """``record``: as for an evaluation, so that nobody approves what is no longer earned."""

    to_level: int
    policy: GovernancePolicy
    record: TrackRecord
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class DeclineRise:
    to_level: int
    reason: str
    by: str
    at: datetime


Command = EvaluateMaturity | ApproveRise | DeclineRise


@dataclass(frozen=True, slots=True)
class MaturityEvaluated:
    """The weekly evaluation: what the record was, and what keeps the level from rising (empty: nothing does).

    The first one of all starts the watch at level 0.
    """

    level: int
    policy: str  # version of the governance policy
    record: TrackRecord
    lacks: tuple[str, ...]
    at: datetime
    next_at: datetime


@dataclass(frozen=True, slots=True)
class MaturityRiseProposed:
    from_level: int
    to_level: int
    policy: str
    record: TrackRecord
    at: datetime


@dataclass(frozen=True, slots=True)
class MaturityRaised:
    """CAB approved the rise."""

    from_level: int
    to_level: int
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class MaturityRiseDeclined:
    """CAB declined; the weeks for the rise begin anew."""

    to_level: int
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class MaturityDropped:
    """A spike cost one level at once; nobody is asked."""

    from_level: int
    to_level: int
    policy: str
    reason: str
    record: TrackRecord
    at: datetime


Event = MaturityEvaluated | MaturityRiseProposed | MaturityRaised | MaturityRiseDeclined | MaturityDropped


class RiseNotProposed(DomainError):
    """There is no open proposal to rise to this level."""

    def __init__(self, to_level: int, level: int) -> None:
        super().__init__(
            f"No rise to maturity level {to_level} is proposed; the level is {level}, and the weekly evaluation "
            "proposes a rise when it is earned.",
            to_level=to_level,
            level=level,
        )


class RiseNoLongerEarned(DomainError):
    """Since the proposal something happened that the level does not allow."""

    def __init__(self, to_level: int, lacks: Sequence[str]) -> None:
        super().__init__(
            f"The rise to maturity level {to_level} is no longer earned: {'; '.join(lacks)}; wait for the next weekly "
            "evaluation.",
            to_level=to_level,
            lacks=list(lacks),
        )


@dataclass(frozen=True, slots=True)
class TrustMaturity:
    """``since``: when the weeks that count for the next rise began; None before the first evaluation."""

    level: int = 0
    since: datetime | None = None
    next_at: datetime | None = None
    rise: MaturityRiseProposed | None = None  # waits for CAB


def window(state: TrustMaturity, policy: GovernancePolicy, now: datetime) -> tuple[datetime, datetime]:
    """From when to when the record is asked for: the weeks that the next level asks for, since this one began.

    Without the latter, one P1 would cost a level at every evaluation for weeks. The end is part of it, because an
    incident is evaluated in the moment in which it is reported; the beginning is not, because a drop was judged then.
    """
    since = now if state.since is None else state.since
    return max(since, now - timedelta(weeks=_rule(policy, _aim(state)).weeks)), now


def lacks(state: TrustMaturity, policy: GovernancePolicy, record: TrackRecord, now: datetime) -> tuple[str, ...]:
    """What keeps the level from rising, one sentence each; empty when the rise is earned."""
    if state.level >= LEVEL_MAX:
        return (f"level {LEVEL_MAX} is the highest",)
    rule = _rule(policy, state.level + 1)
    found = []
    ready = now if state.since is None else state.since + timedelta(weeks=rule.weeks)
    if state.since is None or now < ready:
        since = now if state.since is None else state.since
        found.append(f"level {rule.level} asks for {rule.weeks} weeks, and they count since {since:%Y-%m-%d %H:%M} UTC")
    if record.releases == 0:
        found.append("no release started in these weeks: silence proves nothing")
    elif _above(record, rule.incident_rate_max):
        found.append(f"{record.told}: level {rule.level} allows {percent(rule.incident_rate_max)}")
    if record.p1:
        found.append(f"{record.p1} P1 incidents: level {rule.level} allows none")
    if record.p2 > rule.p2_max:
        found.append(f"{record.p2} P2 incidents: level {rule.level} allows {rule.p2_max}")
    return tuple(found)


def spike(state: TrustMaturity, policy: GovernancePolicy, record: TrackRecord) -> str | None:
    """Why the level drops, for people; None while it holds. Level 0 holds: there is nothing to lose.

    An incident without any release in the weeks is above every rate: nothing stands against it.
    """
    if state.level == 0:
        return None
    allowed = _rule(policy, state.level).incident_rate_max
    if record.p1:
        return f"{record.p1} P1 incidents since {record.since:%Y-%m-%d %H:%M} UTC"
    if record.incidents and _above(record, allowed):
        return f"{record.told}: level {state.level} allows {percent(allowed)}"
    return None


def _above(record: TrackRecord, rate_max: Decimal) -> bool:
    """Whether the incident rate is above the maximum, which it may reach."""
    return record.incidents > 0 and not reaches_at_most(record.incidents, record.releases, rate_max)


def reaches_at_most(part: int, whole: int, limit: Decimal) -> bool:
    """Whether ``part / whole <= limit``; a part of nothing is above every limit."""
    return whole > 0 and reaches(whole - part, whole, 1 - limit)


def _aim(state: TrustMaturity) -> int:
    return min(LEVEL_MAX, state.level + 1)


def _rule(policy: GovernancePolicy, level: int) -> MaturityLevel:
    return next(rule for rule in policy.maturity if rule.level == level)


def decide(state: TrustMaturity, command: Command) -> Sequence[Event]:
    """Events the command leads to; none when nothing changes, or a weekly evaluation is not due yet.

    Raises:
        RiseNotProposed, RiseNoLongerEarned, ReasonMissing: about CAB's answer to a proposal.
    """
    match command:
        case EvaluateMaturity():
            return _evaluate(state, command)
        case ApproveRise(to_level=to_level, policy=policy, record=record, by=by, at=at):
            if state.level == to_level:
                return []
            if state.rise is None or state.rise.to_level != to_level:
                raise RiseNotProposed(to_level, state.level)
            if missing := lacks(state, policy, record, at):
                raise RiseNoLongerEarned(to_level, missing)
            return [MaturityRaised(state.level, to_level, by, at)]
        case DeclineRise(to_level=to_level, reason=reason, by=by, at=at):
            if state.rise is None or state.rise.to_level != to_level:
                raise RiseNotProposed(to_level, state.level)
            return [MaturityRiseDeclined(to_level, require_reason(reason, "declining a rise"), by, at)]


def _evaluate(state: TrustMaturity, command: EvaluateMaturity) -> Sequence[Event]:
    policy, record, at = command.policy, command.record, command.at
    if (why := spike(state, policy, record)) is not None:
        dropped = MaturityDropped(state.level, state.level - 1, policy.version, why, record, at)
        # The week's evaluation then speaks of the level that is left, and of weeks that begin now.
        return [dropped, *(_weekly(evolve(state, dropped), command) if command.weekly else ())]
    return _weekly(state, command) if command.weekly else []


def _weekly(state: TrustMaturity, command: EvaluateMaturity) -> Sequence[Event]:
    policy, record, at = command.policy, command.record, command.at
    if state.next_at is not None and at < state.next_at:
        return []
    missing = lacks(state, policy, record, at)
    evaluated = MaturityEvaluated(state.level, policy.version, record, missing, at, at + WEEK)
    if missing or state.rise is not None:
        return [evaluated]
    return [evaluated, MaturityRiseProposed(state.level, state.level + 1, policy.version, record, at)]


def evolve(state: TrustMaturity, event: Event) -> TrustMaturity:
    """State after the event. Never refuses: the event has happened."""
    match event:
        case MaturityEvaluated(at=at, next_at=next_at):
            return replace(state, since=at if state.since is None else state.since, next_at=next_at)
        case MaturityRiseProposed():
            return replace(state, rise=event)
        case MaturityRaised(to_level=level, at=at) | MaturityDropped(to_level=level, at=at):
            return replace(state, level=level, since=at, rise=None)
        case MaturityRiseDeclined(at=at):
            return replace(state, since=at, rise=None)


DECIDER: Final[Decider[TrustMaturity, Command, Event]] = Decider(
    noun="trust_maturity", initial=TrustMaturity(), decide=decide, evolve=evolve
)
