"""Every rule of CAB reviews with its worked boundaries: one short of it, at it, and beyond it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import pytest
from cab_people import (
    ANN,
    BEN,
    CLEO,
    DAN,
    DUE,
    EMERGENCY,
    ERIK,
    EVE,
    NOON,
    OPEN,
    PAT,
    PAUL,
    ROSA,
    SOON,
    TICK,
    URGENT,
    lent,
    opened,
    vote,
)
from given import given
from rules_section_5 import SECTION_5

from eucora.domain import cab_delegation as d
from eucora.domain import cab_review as cab
from eucora.domain.cab_review import DECIDER, Outcome, RetrospectiveVerdict, Vote
from eucora.domain.conditions import Condition, ConditionKind
from eucora.domain.errors import DomainError
from eucora.domain.governance_types import GOVERNANCE_1_0, ReviewRules, StandardChange
from eucora.domain.reasons import ReasonMissing
from eucora.domain.rings import Ring
from eucora.domain.risk_types import ApplicationProfile, BlastRadiusClass, Category, RiskAssessment
from eucora.domain.routing import route

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OK = cab.CabVoteCast  # the vote was cast and nothing was decided yet
ONE = replace(OPEN, quorum=1)
DEBT = SOON + timedelta(hours=72)  # when the retrospective of an emergency change that was approved SOON is due


@dataclass(frozen=True)
class Row:
    """One worked case: ``actual`` is computed from the domain, ``expected`` was worked out by hand."""

    told: str
    actual: Callable[[], object]
    expected: object


def after(opening: cab.OpenReview, before: Sequence[cab.Command], command: cab.Command) -> object:
    """What ``command`` leads to: the outcome of the review, else the last event's class, a refusal's, or None."""
    try:
        review = given(DECIDER).and_when(opening, *before)
        events = review.when(command).events()
    except DomainError as refusal:
        return type(refusal)
    for event in events:
        if isinstance(event, cab.CabReviewDecided):
            return event.outcome
    return type(events[-1]) if events else None


def row(
    told: str,
    command: cab.Command,
    expected: object,
    *,
    before: Sequence[cab.Command] = (),
    opening: cab.OpenReview = OPEN,
) -> Row:
    return Row(told, lambda: after(opening, before, command), expected)


def approvals(count: int) -> list[cab.CastVote]:
    return [vote(f"idp|voter-{number}", saw=number) for number in range(1, count + 1)]


def quorum(radius: BlastRadiusClass, needed: int) -> tuple[Row, ...]:
    """The policy's quorum of a class: one vote short, at it, and one more, which comes too late to matter."""
    opening = replace(OPEN, blast_radius_class=radius, quorum=GOVERNANCE_1_0.quorum_of(radius))
    return counted(opening, needed)


def counted(opening: cab.OpenReview, needed: int) -> tuple[Row, ...]:
    *before, last = approvals(needed)
    short: object = OK if needed > 1 else None
    first = Row(
        f"{needed - 1} of {needed}",
        lambda: after(opening, approvals(needed - 2), before[-1]) if needed > 1 else opened(opening).state.outcome,
        short,
    )
    too_many = vote("idp|voter-late", saw=needed + 2)
    return (
        first,
        row(f"{needed} of {needed}", last, Outcome.APPROVED, before=before, opening=opening),
        row(f"{needed} and one more", too_many, cab.ReviewEnded, before=approvals(needed), opening=opening),
    )


def clock(opening: cab.OpenReview, span: timedelta) -> tuple[Row, ...]:
    """A vote a moment before, at and after the due time, and the expiry beside it."""
    due = opening.at + span
    return (
        row("a vote a moment before", vote(ANN, at=due - TICK), OK, opening=opening),
        row("a vote at the due time", vote(ANN, at=due), cab.ReviewExpired, opening=opening),
        row("a vote a moment after", vote(ANN, at=due + TICK), cab.ReviewExpired, opening=opening),
        row("expiry a moment before", cab.ExpireReview(due - TICK), None, opening=opening),
        row("expiry at the due time", cab.ExpireReview(due), Outcome.EXPIRED, opening=opening),
        row("expiry a moment after", cab.ExpireReview(due + TICK), Outcome.EXPIRED, opening=opening),
    )


def reminder(share: timedelta, *before: cab.Command) -> tuple[Row, ...]:
    at = NOON + share
    return (
        row("a moment before", cab.RemindReview(at - TICK), None, before=before),
        row("at it", cab.RemindReview(at), cab.CabReviewReminded, before=before),
        row("a moment after", cab.RemindReview(at + TICK), cab.CabReviewReminded, before=before),
        row("told already", cab.RemindReview(at + TICK), None, before=[*before, cab.RemindReview(at)]),
        row("decided meanwhile", cab.RemindReview(at), None, before=[*before, vote(ANN, Vote.REJECT)]),
    )


def conditional(kind: ConditionKind, value: str, expected: object, told: str, ring: Ring | None = None) -> Row:
    command = vote(ANN, Vote.APPROVE, Condition(kind, value))
    return row(told, command, expected, opening=replace(ONE, ring=ring))


WITH, INVALID = Outcome.APPROVED_WITH_CONDITIONS, cab.ConditionInvalid


def involved(person: str, refusal: type[DomainError]) -> tuple[Row, ...]:
    """Open, decided, and through another: never; and the next person may."""
    over = [vote(ANN, Vote.REJECT)]
    return (
        row("in person", vote(person), refusal),
        row("when the review is over", vote(person), refusal, before=over),
        row("by a delegate", lent(ANN, person), refusal),
        row("as a delegate", lent(person, ANN), refusal),
        row("somebody else", vote(ANN), OK),
    )


def delegate(begin: datetime, end: datetime, at: datetime) -> object:
    """Whether a delegation lends BEN the vote at ``at``."""
    state = d.DECIDER.fold([d.CabVoteDelegated("d-1", ANN, BEN, begin, end, "leave", NOON)])
    return state.lends(BEN, at)


def lending(span: timedelta, *others: d.Delegated, rules: ReviewRules | None = None) -> object:
    """The refusal of a delegation of ANN's vote to BEN over ``span`` from now, None when it stands."""
    command = d.DelegateVote("d-1", ANN, BEN, NOON, NOON + span, "leave", NOON, rules or ReviewRules(), others)
    try:
        d.DECIDER.decide(d.DECIDER.initial, command)
    except DomainError as refusal:
        return type(refusal)
    return None


def other(delegator: str, delegate: str, begins: timedelta) -> d.Delegated:
    return d.Delegated("d-2", delegator, delegate, NOON + begins, NOON + begins + DAY)


def valid_for(rules: ReviewRules, span: timedelta) -> object:
    """Whether an approval that was given SOON is in force ``span`` later."""
    decided = opened(replace(ONE, rules=rules)).when(vote(ANN)).events()[-1]
    assert isinstance(decided, cab.CabReviewDecided)
    assert decided.approval_expires_at is not None
    return SOON + span < decided.approval_expires_at


def due_of(opening: cab.OpenReview) -> object:
    state = opened(opening).state
    assert state.opened is not None
    return state.opened.due_at - state.opened.at


def judged(by: str) -> cab.CloseRetrospective:
    return cab.CloseRetrospective(RetrospectiveVerdict.JUSTIFIED, "the attack was real", by, SOON + HOUR)


def afterwards(told: str, command: cab.Command, expected: object, *before: cab.Command) -> Row:
    return row(told, command, expected, before=[vote(ANN), *before], opening=EMERGENCY)


def cab_needed(score: str, change_kind: str) -> object:
    """The first ring that needs CAB, under a policy that pre-approves the application's standard changes up to 60."""
    policy = replace(GOVERNANCE_1_0, standard_changes=(StandardChange("notes", Decimal(60), "monthly patch"),))
    profile = ApplicationProfile("notes", "Notes", "2.0", "Example", Category.UTILITY)
    risk = RiskAssessment("1.0", Decimal(score), (), BlastRadiusClass.NON_CRITICAL, "utility", blocked=False)
    return route(profile, risk, policy, change_kind=change_kind).cab_from_ring


REVOKE = cab.RevokeApproval(CLEO, "a flaw was found", SOON + HOUR)
MONITOR_LAST = SOON + 90 * DAY

RULES: Final[dict[str, tuple[Row, ...]]] = {
    "5.state.approved": counted(OPEN, 2),
    "5.state.approved_with_conditions": (
        conditional(ConditionKind.TEXT, "tell the help desk", WITH, "with one"),
        row("without", vote(ANN), Outcome.APPROVED, opening=ONE),
        row(
            "of an earlier vote",
            vote(BEN, saw=2),
            WITH,
            before=[vote(ANN, Vote.APPROVE, Condition(ConditionKind.MAX_RING, "2"))],
        ),
    ),
    "5.state.rejected": (row("by one", vote(ANN, Vote.REJECT), Outcome.REJECTED),),
    "5.state.changes_requested": (row("by one", vote(ANN, Vote.REQUEST_CHANGES), Outcome.CHANGES_REQUESTED),),
    "5.state.withdrawn": (
        row("while open", cab.WithdrawReview(ROSA, "a new version", SOON), Outcome.WITHDRAWN),
        row(
            "after a decision", cab.WithdrawReview(ROSA, "late", SOON), cab.ReviewEnded, before=[vote(ANN, Vote.REJECT)]
        ),
    ),
    "5.state.expired": (
        row("without a quorum", cab.ExpireReview(DUE), Outcome.EXPIRED, before=[vote(ANN)]),
        row("after a decision", cab.ExpireReview(DUE), None, before=approvals(2)),
    ),
    "5.state.revoked": (
        row("an open review", REVOKE, cab.NotApproved),
        row("an approval", REVOKE, cab.CabApprovalRevoked, before=approvals(2)),
        row("twice", REVOKE, None, before=[*approvals(2), REVOKE]),
        row("a rejection", REVOKE, cab.NotApproved, before=[vote(ANN, Vote.REJECT)]),
    ),
    "5.vote.reason": (
        row("none", vote(ANN, reason=""), ReasonMissing),
        row("white space", vote(ANN, reason=" \n"), ReasonMissing),
        row("one letter", vote(ANN, reason="y"), OK),
    ),
    "5.reject.any": (
        row("the first vote", vote(ANN, Vote.REJECT), Outcome.REJECTED),
        row("the last vote", vote(CLEO, Vote.REJECT, saw=2), Outcome.REJECTED, before=approvals(1)),
        row("by who may not vote", vote(ROSA, Vote.REJECT), cab.RequesterMayNotVote),
        row("after the quorum", vote(CLEO, Vote.REJECT, saw=4), cab.ReviewEnded, before=approvals(2)),
    ),
    "5.quorum.critical_infrastructure": quorum(BlastRadiusClass.CRITICAL_INFRASTRUCTURE, 3),
    "5.quorum.business_critical": quorum(BlastRadiusClass.BUSINESS_CRITICAL, 2),
    "5.quorum.productivity_tools": quorum(BlastRadiusClass.PRODUCTIVITY_TOOLS, 1),
    "5.quorum.non_critical": quorum(BlastRadiusClass.NON_CRITICAL, 1),
    "5.quorum.emergency": (
        row("one vote", vote(ANN), Outcome.APPROVED, opening=EMERGENCY),
        *(
            line
            for told, opening in (
                ("business critical", replace(EMERGENCY, blast_radius_class=BlastRadiusClass.BUSINESS_CRITICAL)),
                ("infrastructure", replace(EMERGENCY, blast_radius_class=BlastRadiusClass.CRITICAL_INFRASTRUCTURE)),
                ("always CAB by the policy", replace(EMERGENCY, always=True)),
            )
            for line in (
                row(f"{told}, one vote", vote(ANN), OK, opening=opening),
                row(f"{told}, two votes", vote(BEN, saw=2), Outcome.APPROVED, before=[vote(ANN)], opening=opening),
            )
        ),
        row(
            "the policy's two, one vote",
            vote(ANN),
            OK,
            opening=replace(EMERGENCY, rules=ReviewRules(emergency_quorum=2), quorum=1),
        ),
        row(
            "the policy's two, two votes",
            vote(BEN, saw=2),
            Outcome.APPROVED,
            before=[vote(ANN)],
            opening=replace(EMERGENCY, rules=ReviewRules(emergency_quorum=2), quorum=1),
        ),
    ),
    "5.quorum.bounds": tuple(
        Row(f"a quorum of {size}", lambda size=size: after(replace(OPEN, quorum=size), [], vote(ANN)), expected)
        for size, expected in [(0, cab.QuorumInvalid), (1, Outcome.APPROVED), (15, OK), (16, cab.QuorumInvalid)]
    ),
    "5.clock.standard": (*clock(OPEN, 48 * HOUR), Row("48 hours", lambda: due_of(OPEN), 48 * HOUR)),
    "5.clock.urgent": (*clock(URGENT, 24 * HOUR), Row("24 hours", lambda: due_of(URGENT), 24 * HOUR)),
    "5.clock.reminder_half": reminder(24 * HOUR),
    "5.clock.reminder_three_quarters": reminder(36 * HOUR, cab.RemindReview(NOON + 24 * HOUR)),
    "5.clock.escalation": (
        row("a moment before nine tenths", cab.EscalateReview(NOON + 43.2 * HOUR - TICK), None),
        row("at nine tenths", cab.EscalateReview(NOON + 43.2 * HOUR), cab.CabReviewEscalated),
        row("a moment after", cab.EscalateReview(NOON + 43.2 * HOUR + TICK), cab.CabReviewEscalated),
        row("told already", cab.EscalateReview(DUE - TICK), None, before=[cab.EscalateReview(NOON + 43.2 * HOUR)]),
        row("when it is due anyway", cab.EscalateReview(DUE), None),
        row("decided meanwhile", cab.EscalateReview(DUE - TICK), None, before=approvals(2)),
    ),
    "5.urgent.justification": (
        row("none", vote(ANN), ReasonMissing, opening=replace(URGENT, justification="")),
        row("white space", vote(ANN), ReasonMissing, opening=replace(URGENT, justification=" ")),
        row("some", vote(ANN), OK, opening=URGENT),
        row("none, standard", vote(ANN), OK),
    ),
    "5.expiry.approval": (
        Row("a moment before 30 days", lambda: valid_for(ReviewRules(), 30 * DAY - TICK), True),
        Row("at 30 days", lambda: valid_for(ReviewRules(), 30 * DAY), False),
        Row("a moment after", lambda: valid_for(ReviewRules(), 30 * DAY + TICK), False),
        Row("a policy's one day", lambda: valid_for(ReviewRules(approval_valid_s=86_400), DAY - TICK), True),
        Row("a policy's one day, at it", lambda: valid_for(ReviewRules(approval_valid_s=86_400), DAY), False),
    ),
    "5.condition.max_ring": (
        conditional(ConditionKind.MAX_RING, "-1", INVALID, "below the rings"),
        conditional(ConditionKind.MAX_RING, "0", WITH, "the lowest"),
        conditional(ConditionKind.MAX_RING, "4", WITH, "the highest"),
        conditional(ConditionKind.MAX_RING, "5", INVALID, "above the rings"),
        conditional(ConditionKind.MAX_RING, "2", INVALID, "before the ring asked for", Ring.DEPARTMENT),
        conditional(ConditionKind.MAX_RING, "3", WITH, "the ring asked for", Ring.DEPARTMENT),
        conditional(ConditionKind.MAX_RING, "4", WITH, "beyond the ring asked for", Ring.DEPARTMENT),
    ),
    "5.condition.min_soak_hours": (
        conditional(ConditionKind.MIN_SOAK_HOURS, "-1", INVALID, "negative"),
        conditional(ConditionKind.MIN_SOAK_HOURS, "0", WITH, "none"),
        conditional(ConditionKind.MIN_SOAK_HOURS, "2159.999", WITH, "just under 90 days"),
        conditional(ConditionKind.MIN_SOAK_HOURS, "2160", WITH, "90 days"),
        conditional(ConditionKind.MIN_SOAK_HOURS, "2160.001", INVALID, "just over 90 days"),
    ),
    "5.condition.min_success_rate": (
        conditional(ConditionKind.MIN_SUCCESS_RATE, "0.999", WITH, "just under all"),
        conditional(ConditionKind.MIN_SUCCESS_RATE, "1", WITH, "all"),
        conditional(ConditionKind.MIN_SUCCESS_RATE, "1.001", INVALID, "more than all"),
    ),
    "5.condition.monitor_until": (
        conditional(ConditionKind.MONITOR_UNTIL, (SOON - TICK).isoformat(), INVALID, "a moment ago"),
        conditional(ConditionKind.MONITOR_UNTIL, SOON.isoformat(), INVALID, "now"),
        conditional(ConditionKind.MONITOR_UNTIL, (SOON + TICK).isoformat(), WITH, "in a moment"),
        conditional(ConditionKind.MONITOR_UNTIL, (MONITOR_LAST - TICK).isoformat(), WITH, "just under 90 days"),
        conditional(ConditionKind.MONITOR_UNTIL, MONITOR_LAST.isoformat(), WITH, "90 days"),
        conditional(ConditionKind.MONITOR_UNTIL, (MONITOR_LAST + TICK).isoformat(), INVALID, "just over 90 days"),
    ),
    "5.condition.text": (
        conditional(ConditionKind.TEXT, " ", INVALID, "empty"),
        conditional(ConditionKind.TEXT, "not on Fridays", WITH, "a text"),
        row(
            "with a rejection",
            vote(ANN, Vote.REJECT, Condition(ConditionKind.TEXT, "not on Fridays")),
            cab.ConditionsWithoutApproval,
        ),
    ),
    "5.ring.own_approval": tuple(
        Row(
            f"asked about {ring}",
            lambda ring=ring: [
                event.ring
                for event in opened(replace(ONE, ring=ring)).when(vote(ANN)).events()
                if isinstance(event, cab.CabReviewDecided)
            ],
            [ring],
        )
        for ring in (None, Ring.CANARY, Ring.PILOT, Ring.GLOBAL)
    ),
    "5.kind.standard": (
        Row("under the policy's limit", lambda: cab_needed("59.9", "standard"), None),
        Row("at the limit", lambda: cab_needed("60", "standard"), None),
        Row("above the limit", lambda: cab_needed("60.1", "standard"), 2),
        Row("the same as a normal change", lambda: cab_needed("59.9", "normal"), 2),
    ),
    "5.kind.normal": (
        row("leaves no debt", judged(DAN), cab.RetrospectiveNotDue, before=approvals(2)),
        Row("has the standard time", lambda: due_of(OPEN), 48 * HOUR),
        row("needs the quorum of its class", vote(ANN), OK),
    ),
    "5.kind.emergency": (
        Row("is urgent, whatever was asked", lambda: due_of(EMERGENCY), 24 * HOUR),
        row("needs a justification", vote(ANN), ReasonMissing, opening=replace(EMERGENCY, justification="")),
        Row(
            "leaves a debt",
            lambda: type(opened(EMERGENCY).when(vote(ANN)).events()[-1]),
            cab.CabRetrospectiveOpened,
        ),
        Row(
            "leaves none when it is rejected",
            lambda: type(opened(EMERGENCY).when(vote(ANN, Vote.REJECT)).events()[-1]),
            cab.CabReviewDecided,
        ),
    ),
    "5.seen.changed": (
        row("the version before", vote(BEN, saw=1), cab.ReviewChanged, before=[vote(ANN)]),
        row("the version that stands", vote(BEN, saw=2), Outcome.APPROVED, before=[vote(ANN)]),
        row("a version to come", vote(BEN, saw=3), cab.ReviewChanged, before=[vote(ANN)]),
        row("before a reminder", vote(ANN, saw=1), OK, before=[cab.RemindReview(NOON + 24 * HOUR)]),
    ),
    "5.seen.grounds": tuple(
        Row(
            f"the digest {digest[:4]!r}",
            lambda digest=digest: [
                event.grounds
                for event in opened(replace(ONE, grounds=digest)).when(vote(ANN)).events()
                if isinstance(event, cab.CabVoteCast)
            ],
            [digest],
        )
        for digest in ("", "d" * 64, "e" * 64)
    ),
    "5.conflict.requester": involved(ROSA, cab.RequesterMayNotVote),
    "5.conflict.assembled_evidence": involved(PAT, cab.EvidenceAssemblerMayNotVote),
    "5.conflict.registered_artifact": involved(ERIK, cab.ArtifactRegistrarMayNotVote),
    "5.conflict.publisher": (
        *involved(PAUL, cab.PublisherMayNotVote),
        row(
            "who started it since",
            vote(DAN, ineligible=(cab.Ineligible(DAN, "publisher"),)),
            cab.PublisherMayNotVote,
        ),
    ),
    "5.conflict.requested_exception": involved(EVE, cab.ExceptionRequesterMayNotVote),
    "5.conflict.delegation": (
        row("neither has a part", lent(ANN, BEN), OK),
        row("the delegate has", lent(ROSA, BEN), cab.RequesterMayNotVote),
        row("the delegator has", lent(ANN, ROSA), cab.RequesterMayNotVote),
        row(
            "by a rule that is not known here",
            vote(DAN, ineligible=(cab.Ineligible(DAN, "financed_it"),)),
            cab.InvolvedMayNotVote,
        ),
    ),
    "5.once.voter": (
        row("the same vote again", vote(ANN), None, before=[vote(ANN)]),
        row("another vote", vote(ANN, Vote.REJECT, saw=2), cab.AlreadyVoted, before=[vote(ANN)]),
        row("another person", vote(BEN, saw=2), Outcome.APPROVED, before=[vote(ANN)]),
    ),
    "5.once.delegator": (
        row("after the delegate", vote(BEN, saw=2), cab.DelegatorVoteUsed, before=[lent(ANN, BEN)]),
        row("the delegate after him", lent(ANN, BEN, saw=2), cab.DelegatorVoteUsed, before=[vote(BEN)]),
        row("a second delegate", lent(CLEO, BEN, saw=2), cab.DelegatorVoteUsed, before=[lent(ANN, BEN)]),
        row("the same again", lent(ANN, BEN), None, before=[lent(ANN, BEN)]),
    ),
    "5.once.delegate": (
        row("for himself too", vote(ANN, saw=2), cab.DelegateVotedAlready, before=[lent(ANN, BEN)]),
        row("for another too", lent(ANN, CLEO, saw=2), cab.DelegateVotedAlready, before=[lent(ANN, BEN)]),
        row("after his own vote", lent(ANN, BEN, saw=2), cab.DelegateVotedAlready, before=[vote(ANN)]),
        row("two pairs are two votes", lent(CLEO, DAN, saw=2), Outcome.APPROVED, before=[lent(ANN, BEN)]),
    ),
    "5.delegation.begin": (
        Row("a moment before", lambda: delegate(SOON, DUE, SOON - TICK), False),
        Row("at its begin", lambda: delegate(SOON, DUE, SOON), True),
        Row("a moment after", lambda: delegate(SOON, DUE, SOON + TICK), True),
    ),
    "5.delegation.end": (
        Row("a moment before", lambda: delegate(SOON, DUE, DUE - TICK), True),
        Row("at its end", lambda: delegate(SOON, DUE, DUE), False),
        Row("a moment after", lambda: delegate(SOON, DUE, DUE + TICK), False),
    ),
    "5.delegation.length": (
        Row("a moment under the policy's", lambda: lending(30 * DAY - TICK), None),
        Row("the policy's", lambda: lending(30 * DAY), None),
        Row("a moment over", lambda: lending(30 * DAY + TICK), d.DelegationTimesInvalid),
        Row("none at all", lambda: lending(timedelta(0)), d.DelegationTimesInvalid),
        Row(
            "another policy's",
            lambda: lending(HOUR + TICK, rules=ReviewRules(delegation_max_s=3600)),
            d.DelegationTimesInvalid,
        ),
    ),
    "5.delegation.chain": (
        Row("a delegate at that time", lambda: lending(DAY, other(CLEO, ANN, HOUR)), d.DelegateMayNotDelegate),
        Row("to who has delegated", lambda: lending(DAY, other(BEN, CLEO, HOUR)), d.DelegateHasDelegated),
        Row(
            "a delegate until its last moment",
            lambda: lending(DAY, other(CLEO, ANN, DAY - TICK)),
            d.DelegateMayNotDelegate,
        ),
        Row("a delegate from then on", lambda: lending(DAY, other(CLEO, ANN, DAY)), None),
        Row("a delegate until now", lambda: lending(DAY, other(CLEO, ANN, -DAY)), None),
        Row("a second delegate", lambda: lending(DAY, other(ANN, CLEO, HOUR)), None),
    ),
    "5.retrospective.reminder": (
        afterwards("a moment before the half", cab.RemindRetrospective(SOON + 36 * HOUR - TICK), None),
        afterwards("at the half", cab.RemindRetrospective(SOON + 36 * HOUR), cab.CabRetrospectiveReminded),
        afterwards("a moment after", cab.RemindRetrospective(SOON + 36 * HOUR + TICK), cab.CabRetrospectiveReminded),
        afterwards("closed meanwhile", cab.RemindRetrospective(SOON + 36 * HOUR), None, judged(DAN)),
    ),
    "5.retrospective.due": (
        afterwards("a moment before 72 hours", cab.LapseRetrospective(DEBT - TICK), None),
        afterwards("at 72 hours", cab.LapseRetrospective(DEBT), cab.CabRetrospectiveOverdue),
        afterwards("a moment after", cab.LapseRetrospective(DEBT + TICK), cab.CabRetrospectiveOverdue),
        afterwards("told already", cab.LapseRetrospective(DEBT + TICK), None, cab.LapseRetrospective(DEBT)),
        afterwards("closed meanwhile", cab.LapseRetrospective(DEBT), None, judged(DAN)),
        afterwards("paid late", judged(DAN), cab.CabRetrospectiveClosed, cab.LapseRetrospective(DEBT)),
    ),
    "5.retrospective.blocks": (
        row("no debt", vote(ANN), Outcome.APPROVED, opening=EMERGENCY),
        row("one overdue", vote(ANN), cab.RetrospectiveOverdue, opening=replace(EMERGENCY, overdue_retrospectives=1)),
        row("two overdue", vote(ANN), cab.RetrospectiveOverdue, opening=replace(EMERGENCY, overdue_retrospectives=2)),
        row("a normal change", vote(ANN), OK, opening=replace(OPEN, overdue_retrospectives=1)),
    ),
    "5.retrospective.judge": (
        afterwards("a voter", judged(ANN), cab.VoterMayNotJudge),
        afterwards("the requester", judged(ROSA), cab.RequesterMayNotJudge),
        afterwards("who assembled the evidence", judged(PAT), cab.InvolvedMayNotJudge),
        afterwards("who registered an artifact", judged(ERIK), cab.InvolvedMayNotJudge),
        afterwards("who published it before", judged(PAUL), cab.InvolvedMayNotJudge),
        afterwards("who asked for an exception", judged(EVE), cab.InvolvedMayNotJudge),
        afterwards(
            "who published it since",
            replace(judged(DAN), involved=(cab.Ineligible(DAN, "publisher"),)),
            cab.InvolvedMayNotJudge,
        ),
        afterwards("somebody else", judged(DAN), cab.CabRetrospectiveClosed),
        afterwards("the same again", judged(DAN), None, judged(DAN)),
        afterwards("another verdict", judged(CLEO), cab.RetrospectiveClosed, judged(DAN)),
        row("the delegator of a voter", judged(BEN), cab.VoterMayNotJudge, before=[lent(ANN, BEN)], opening=EMERGENCY),
        row("before an approval", judged(DAN), cab.RetrospectiveNotDue, opening=EMERGENCY),
    ),
}

CASES = [pytest.param(one, id=f"{rule}: {one.told}") for rule, rows in RULES.items() for one in rows]


@pytest.mark.parametrize("one", CASES)
def test_the_worked_case(one: Row) -> None:
    assert one.actual() == one.expected


def test_no_rule_is_without_its_cases_and_no_case_without_its_rule() -> None:
    assert set(RULES) == SECTION_5


def test_around_each_clock_and_quorum_there_are_three_boundaries() -> None:
    bounded = [rule for rule in RULES if rule.split(".")[1] in ("clock", "quorum", "expiry", "condition", "delegation")]
    assert len(bounded) > 15
    assert [rule for rule in bounded if len(RULES[rule]) < 3] == []
