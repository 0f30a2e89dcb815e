"""State of a policy exception, and how it is decided: who may, who must, how long, and when it ends."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from eucora.domain.decider import Decider
from eucora.domain.exception_types import ExceptionKind, ExceptionStatus
from eucora.domain.governance_types import ExceptionLimits
from eucora.domain.policy_exception.commands import (
    AmendException,
    Command,
    DecideException,
    ExpireException,
    RemindException,
    RequestException,
    RequestExtension,
    RevokeException,
)
from eucora.domain.policy_exception.events import (
    Capacity,
    Decision,
    Event,
    ExceptionAmended,
    ExceptionApproved,
    ExceptionChangesRequested,
    ExceptionDecisionGiven,
    ExceptionDecisionRefused,
    ExceptionDenied,
    ExceptionExpired,
    ExceptionExtended,
    ExceptionExtensionRefused,
    ExceptionExtensionRequested,
    ExceptionReminded,
    ExceptionRequested,
    ExceptionRevoked,
    Question,
    Terms,
)
from eucora.domain.policy_exception.refusals import (
    AlreadyDecided,
    AskerMayNotDecide,
    CapacityNotNeeded,
    ChangesNotRequested,
    ExceptionIdTaken,
    ExceptionNotInForce,
    ExceptionNotOpen,
    ExceptionOver,
    ExceptionUnknown,
    ExtensionNotLater,
    ExtensionNotRequested,
    ExtensionPending,
    ExtensionsUsedUp,
    ExtensionTooLong,
    InvolvedMayNotDecide,
    KindMayNotChange,
    OwnerMayNotDecide,
    SecondPersonNeeded,
)
from eucora.domain.policy_exception.terms import checked
from eucora.domain.reasons import require_reason

CAB_KINDS: Final = frozenset(
    {ExceptionKind.CROSS_BOUNDARY, ExceptionKind.PRIVILEGED_TOOLING, ExceptionKind.GATE_OVERRIDE}
)
UNDECIDED: Final = frozenset({ExceptionStatus.REQUESTED, ExceptionStatus.CHANGES_REQUESTED})


@dataclass(frozen=True, slots=True)
class PolicyException:
    """What decisions need. ``given``: what was decided on the terms, and on the extension, as they stand now."""

    requested: ExceptionRequested | None = None
    terms: Terms | None = None
    needs: tuple[Capacity, ...] = ()
    status: ExceptionStatus = ExceptionStatus.REQUESTED
    askers: tuple[str, ...] = ()
    given: tuple[ExceptionDecisionGiven, ...] = ()
    extension: ExceptionExtensionRequested | None = None  # waits for its decision
    extensions: int = 0
    reminded: tuple[tuple[datetime, int], ...] = ()

    def in_force(self, at: datetime) -> bool:
        """Whether it may be relied on: approved, and its time is not up, whether or not a job has said so yet."""
        return self.status is ExceptionStatus.APPROVED and self.terms is not None and at < self.terms.expires_at


def needed(terms: Terms, limits: ExceptionLimits) -> tuple[Capacity, ...]:
    """Who must approve: a security reviewer always; CAB too for kinds that reach further, and for risky releases.

    A gate override is CAB's to give by the rules of the rings, and an exception by its nature: it needs both. So does
    one that names no intent: it holds for releases that nobody scored yet, and they may be as risky as any.
    """
    risky = terms.score is None or terms.score > limits.cab_above_score
    cab = (Capacity.CAB_APPROVER,) if risky or terms.kind in CAB_KINDS else ()
    return (Capacity.SECURITY_REVIEWER, *cab)


def decide(state: PolicyException, command: Command) -> Sequence[Event]:
    """Events the command leads to; none when they are already on record.

    Raises:
        ExceptionUnknown, ExceptionIdTaken: the command does not fit what is on record.
        TitleMissing, JustificationMissing, ControlMissing, OwnerMissing, SubjectMissing, SubjectInvalid, ExpiryInPast,
        ExpiryTooLong, OverrideIncomplete, RingNotExpected, KindMayNotChange, ChangesNotRequested: about the terms.
        AskerMayNotDecide, OwnerMayNotDecide, InvolvedMayNotDecide, SecondPersonNeeded, ExceptionOver: a decision;
        these go on record.
        CapacityNotNeeded, AlreadyDecided, ExceptionNotOpen, ExtensionNotRequested: a decision that is not asked for.
        ExceptionNotInForce, ExtensionPending, ExtensionsUsedUp, ExtensionTooLong, ExtensionNotLater: what is in force.
        ReasonMissing: a decision, an extension or a revocation says nothing.
    """
    requested, terms = state.requested, state.terms
    if requested is None or terms is None:
        if isinstance(command, RequestException):
            return [_request(command)]
        raise ExceptionUnknown
    match command:
        case RequestException():
            if replace(_request(command), at=requested.at) == requested:
                return []
            raise ExceptionIdTaken(command.exception_id)
        case AmendException():
            return _amend(state, requested, terms, command)
        case DecideException():
            return _decide(state, terms, command)
        case RequestExtension():
            return _ask_longer(state, requested, terms, command)
        case RevokeException(reason=reason, by=by, at=at):
            if state.status is ExceptionStatus.REVOKED:
                return []
            why = require_reason(reason, "a revocation")
            _require_in_force(state, terms, at)
            return [ExceptionRevoked(why, by, at)]
        case RemindException(expires_at=expires_at, before_s=before_s, at=at):
            due = expires_at - timedelta(seconds=before_s) <= at < expires_at == terms.expires_at
            again = (expires_at, before_s) in state.reminded
            wanted = due and not again and state.status is ExceptionStatus.APPROVED
            return [ExceptionReminded(terms.owner, expires_at, before_s, at)] if wanted else []
        case ExpireException(at=at):
            open_still = state.status is ExceptionStatus.APPROVED or state.status in UNDECIDED
            return [_expiry(state, at)] if open_still and at >= terms.expires_at else []


def _request(command: RequestException) -> ExceptionRequested:
    terms = checked(command.terms, command.limits, command.at)
    return ExceptionRequested(
        exception_id=command.exception_id,
        terms=terms,
        needs=needed(terms, command.limits),
        limits=command.limits,
        by=command.by,
        at=command.at,
    )


def _amend(
    state: PolicyException, requested: ExceptionRequested, known: Terms, command: AmendException
) -> Sequence[Event]:
    if state.status is not ExceptionStatus.CHANGES_REQUESTED:
        raise ChangesNotRequested(state.status)
    if command.terms.kind is not known.kind:
        raise KindMayNotChange(known.kind)
    terms = checked(command.terms, requested.limits, command.at)
    return [ExceptionAmended(terms, needed(terms, requested.limits), command.by, command.at)]


def _decide(state: PolicyException, terms: Terms, command: DecideException) -> Sequence[Event]:
    """Who may not decide comes first: that he tried is on record even when there is nothing to decide any more."""
    question, capacity, by = command.question, command.capacity, command.by
    if by in state.askers:
        raise AskerMayNotDecide(question, capacity, by, command.at)
    if by == terms.owner:
        raise OwnerMayNotDecide(question, capacity, by, command.at)
    if by in command.involved:
        raise InvolvedMayNotDecide(question, capacity, by, command.at)
    decision = ExceptionDecisionGiven(
        question, capacity, command.decision, require_reason(command.reason, "a decision"), by, command.at
    )
    if capacity not in state.needs:
        raise CapacityNotNeeded(capacity, state.needs)
    given = [one for one in state.given if one.question is question]
    if any(replace(one, at=decision.at) == decision for one in given):
        return []
    _require_open(state, terms, question, command.at)
    if any(one.by == by and one.capacity is not capacity for one in given):
        raise SecondPersonNeeded(question, capacity, by, command.at)
    have = {one.capacity for one in given}  # only approvals leave a question open
    # A second reviewer adds nothing by approving, but his no counts as much as the first one's.
    if any(one.by == by for one in given) or (capacity in have and command.decision is Decision.APPROVE):
        raise AlreadyDecided(capacity, tuple(one for one in state.needs if one not in have))
    whole = command.decision is Decision.APPROVE and have | {capacity} >= set(state.needs)
    return [decision, *_outcome(state, terms, decision, whole=whole)]


def _require_open(state: PolicyException, terms: Terms, question: Question, at: datetime) -> None:
    wanted = ExceptionStatus.REQUESTED if question is Question.EXCEPTION else ExceptionStatus.APPROVED
    if state.status is not wanted:
        raise ExceptionNotOpen(state.status)
    if question is Question.EXTENSION and state.extension is None:
        raise ExtensionNotRequested
    _require_time(state, terms, at)


def _outcome(state: PolicyException, terms: Terms, last: ExceptionDecisionGiven, *, whole: bool) -> Sequence[Event]:
    """What the decision brings about: nothing while another approval is missing."""
    if last.question is Question.EXTENSION and state.extension is not None:
        if last.decision is not Decision.APPROVE:
            return [ExceptionExtensionRefused(last.decision, last.reason, last.at)]
        return [ExceptionExtended(state.extension.until, last.at)] if whole else []
    match last.decision:
        case Decision.APPROVE:
            return [ExceptionApproved(terms.expires_at, last.at)] if whole else []
        case Decision.DENY:
            return [ExceptionDenied(last.reason, last.at)]
        case Decision.REQUEST_CHANGES:
            return [ExceptionChangesRequested(last.reason, last.at)]


def _ask_longer(
    state: PolicyException, requested: ExceptionRequested, terms: Terms, command: RequestExtension
) -> Sequence[Event]:
    limits, pending = requested.limits, state.extension
    reason = require_reason(command.reason, "an extension")
    if pending is not None and (pending.until, pending.reason, pending.by) == (command.until, reason, command.by):
        return []
    _require_in_force(state, terms, command.at)
    if pending is not None:
        raise ExtensionPending(pending.until)
    if state.extensions >= limits.extensions_max:
        raise ExtensionsUsedUp(limits.extensions_max)
    if command.until <= terms.expires_at:
        raise ExtensionNotLater(command.until, terms.expires_at)
    latest = terms.expires_at + timedelta(seconds=limits.extension_max_s)
    if command.until > latest:
        raise ExtensionTooLong(command.until, latest, limits.extension_max_s)
    return [ExceptionExtensionRequested(command.until, reason, command.by, command.at)]


def _require_in_force(state: PolicyException, terms: Terms, at: datetime) -> None:
    if state.status is not ExceptionStatus.APPROVED:
        raise ExceptionNotInForce(state.status)
    _require_time(state, terms, at)


def _require_time(state: PolicyException, terms: Terms, at: datetime) -> None:
    if at >= terms.expires_at:
        raise ExceptionOver(_expiry(state, at), terms.expires_at)


def _expiry(state: PolicyException, at: datetime) -> ExceptionExpired:
    return ExceptionExpired(decided=state.status is ExceptionStatus.APPROVED, at=at)


def evolve(state: PolicyException, event: Event) -> PolicyException:
    """State after the event. Never refuses: the event has happened."""
    match event:
        case ExceptionRequested(terms=terms, needs=needs, by=by):
            return PolicyException(event, terms, needs, askers=(by,))
        case ExceptionAmended(terms=terms, needs=needs, by=by):
            asked = ExceptionStatus.REQUESTED
            return replace(state, terms=terms, needs=needs, status=asked, askers=_with(state.askers, by), given=())
        case ExceptionDecisionGiven():
            return replace(state, given=(*state.given, event))
        case ExceptionDecisionRefused():
            return state
        case ExceptionApproved():
            return replace(state, status=ExceptionStatus.APPROVED)
        case ExceptionDenied():
            return replace(state, status=ExceptionStatus.DENIED)
        case ExceptionChangesRequested():
            return replace(state, status=ExceptionStatus.CHANGES_REQUESTED)
        case ExceptionExtensionRequested(by=by):
            kept = tuple(one for one in state.given if one.question is Question.EXCEPTION)
            return replace(state, extension=event, askers=_with(state.askers, by), given=kept)
        case ExceptionExtended(expires_at=expires_at):
            longer = state.terms and replace(state.terms, expires_at=expires_at)
            return replace(state, terms=longer, extension=None, extensions=state.extensions + 1)
        case ExceptionExtensionRefused():
            return replace(state, extension=None)
        case ExceptionReminded(expires_at=expires_at, before_s=before_s):
            return replace(state, reminded=(*state.reminded, (expires_at, before_s)))
        case ExceptionExpired():
            return replace(state, status=ExceptionStatus.EXPIRED, extension=None)
        case ExceptionRevoked():
            return replace(state, status=ExceptionStatus.REVOKED, extension=None)


def _with(askers: tuple[str, ...], by: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*askers, by)))


DECIDER: Final[Decider[PolicyException, Command, Event]] = Decider(
    noun="policy_exception", initial=PolicyException(), decide=decide, evolve=evolve
)
