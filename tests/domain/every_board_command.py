"""The same for what people decide: CAB reviews, lent votes, policy exceptions."""

from dataclasses import replace
from decimal import Decimal

import cab_people as board
from every_intent_command import DAY, LATE, NOON, Noun
from given import given

from eucora.domain import cab_delegation as dg
from eucora.domain import cab_review as cab
from eucora.domain import policy_exception as ex
from eucora.domain.conditions import Condition, ConditionKind
from eucora.domain.exception_types import ExceptionKind
from eucora.domain.governance_types import ExceptionLimits
from eucora.domain.rings import Ring


def reviews() -> Noun:
    story = board.opened()
    yes = story.and_when(board.vote(board.ANN), board.vote(board.BEN, saw=2))
    words = Condition(ConditionKind.TEXT, "call first")
    urgent = board.opened(board.EMERGENCY)
    owed = urgent.and_when(board.vote(board.ANN))
    late = board.NOON + 10 * DAY
    judge = cab.CloseRetrospective(cab.RetrospectiveVerdict.JUSTIFIED, "it was right", board.DAN, board.SOON)
    lapsed = owed.and_when(cab.LapseRetrospective(late))
    histories = {
        "unknown": (),
        "open": story.history,
        "open, with a vote": story.and_when(board.vote(board.ANN)).history,
        "open, with a lent vote": story.and_when(board.lent(board.DAN, board.ANN)).history,
        "approved": yes.history,
        "approved_with_conditions": story.and_when(
            board.vote(board.ANN, cab.Vote.APPROVE, words), board.vote(board.BEN, saw=2)
        ).history,
        "rejected": story.and_when(board.vote(board.ANN, cab.Vote.REJECT)).history,
        "changes_requested": story.and_when(board.vote(board.ANN, cab.Vote.REQUEST_CHANGES)).history,
        "withdrawn": story.and_when(cab.WithdrawReview(board.ROSA, "a new version", board.SOON)).history,
        "expired": story.and_when(cab.ExpireReview(late)).history,
        "revoked": yes.and_when(cab.RevokeApproval(board.BEN, "a flaw", board.SOON)).history,
        "approved in an emergency": owed.history,
        "retrospective overdue": lapsed.history,
        "retrospective closed": owed.and_when(judge).history,
    }
    votes = [
        board.vote(person, kind, saw=saw)
        for person in (board.ANN, board.BEN, board.DAN, board.ROSA, board.PAT, board.ERIK, board.PAUL, board.EVE)
        for kind, saw in ((cab.Vote.APPROVE, 1), (cab.Vote.REJECT, 2), (cab.Vote.APPROVE, 3))
    ]
    commands: list[cab.Command] = [
        board.OPEN,
        replace(board.OPEN, intent_id="i-9"),
        replace(board.OPEN, quorum=0),
        replace(board.OPEN, urgency=cab.Urgency.URGENT),
        replace(board.EMERGENCY, overdue_retrospectives=1),
        *votes,
        board.vote(board.CLEO, at=late),
        board.vote(board.CLEO, reason=" "),
        board.vote(board.CLEO, saw=9),
        board.vote(board.CLEO, cab.Vote.REJECT, words),
        board.vote(board.CLEO, cab.Vote.APPROVE, Condition(ConditionKind.MAX_RING, "9")),
        board.vote(board.CLEO, cab.Vote.APPROVE, replace(words, value="w" * cab.TEXTS_MAX)),
        board.vote(board.CLEO, ineligible=(cab.Ineligible(board.CLEO, "a later rule"),)),
        replace(board.lent(board.DAN, board.CLEO), lent=False),
        replace(board.lent(board.DAN, board.CLEO), own_lent=dg.Delegated("d-9", board.DAN, board.BEN, NOON, LATE)),
        board.lent(board.CLEO, board.ANN),
        board.lent(board.ANN, board.CLEO),
        board.lent(board.DAN, board.CLEO, saw=2),
        cab.WithdrawReview(board.ROSA, "a new version", board.SOON),
        cab.WithdrawReview(board.ROSA, "", board.SOON),
        cab.RevokeApproval(board.BEN, "a flaw", board.SOON),
        *(kind(at) for kind in (cab.ExpireReview, cab.RemindReview, cab.EscalateReview) for at in (board.SOON, late)),
        *(kind(at) for kind in (cab.RemindRetrospective, cab.LapseRetrospective) for at in (board.SOON, late)),
        *(replace(judge, by=by) for by in (board.DAN, board.ANN, board.ROSA, board.CLEO)),
        replace(judge, findings=" "),
        replace(judge, involved=(cab.Ineligible(board.DAN, "publisher"),)),
    ]
    return Noun(cab.DECIDER, histories, commands, cab.Command, cab.Event)


def delegations() -> Noun:
    give = dg.DelegateVote("d-1", board.ANN, board.BEN, NOON, NOON + DAY, "leave", NOON)
    granted = given(dg.DECIDER).and_when(give)
    histories = {
        "unknown": (),
        "granted": granted.history,
        "revoked": granted.and_when(dg.RevokeDelegation(board.ANN, "back", NOON)).history,
        "expired": granted.and_when(dg.ExpireDelegation(LATE)).history,
    }
    other = dg.Delegated("d-0", board.BEN, board.CLEO, NOON, LATE)
    commands: list[dg.Command] = [
        give,
        replace(give, reason="travel"),
        replace(give, delegate=board.ANN),
        replace(give, ends_at=NOON - DAY),
        replace(give, others=(other,)),
        replace(give, delegator=board.CLEO, others=(other,)),
        replace(give, reason=""),
        dg.RevokeDelegation(board.ANN, "back", NOON),
        dg.RevokeDelegation(board.DAN, "back", NOON),
        dg.RevokeDelegation(board.ANN, "back", LATE),
        dg.ExpireDelegation(NOON),
        dg.ExpireDelegation(LATE),
    ]
    return Noun(dg.DECIDER, histories, commands, dg.Command, dg.Event)


def exceptions() -> Noun:
    limits = ExceptionLimits()
    terms = ex.Terms(
        ExceptionKind.VULNERABILITY, "t", "j", ("c",), "owen", ("CVE-1",), NOON + 20 * DAY, application_id="the-app"
    )
    ask = ex.RequestException("ex-1", terms, limits, "ada", NOON)
    reviewer, approver = ex.Capacity.SECURITY_REVIEWER, ex.Capacity.CAB_APPROVER
    yes = ex.DecideException(ex.Question.EXCEPTION, reviewer, ex.Decision.APPROVE, "fine", "sec", NOON)
    also = replace(yes, capacity=approver, by="ann")
    longer = ex.RequestExtension(NOON + 40 * DAY, "no fix yet", "ada", NOON)
    asked = given(ex.DECIDER).and_when(ask)
    in_force = asked.and_when(yes, also)
    extending = in_force.and_when(longer)
    agreed = (replace(yes, question=ex.Question.EXTENSION), replace(also, question=ex.Question.EXTENSION))
    scored = given(ex.DECIDER).and_when(replace(ask, terms=replace(terms, intent_id="i-1", score=Decimal(20))))
    histories = {
        "unknown": (),
        "requested": asked.history,
        "requested, of a low score": scored.history,
        "requested, half decided": asked.and_when(yes).history,
        "approved": in_force.history,
        "approved, to be extended": extending.history,
        "approved, extended": extending.and_when(*agreed).history,
        "denied": asked.and_when(replace(yes, decision=ex.Decision.DENY)).history,
        "changes_requested": asked.and_when(replace(yes, decision=ex.Decision.REQUEST_CHANGES)).history,
        "expired": in_force.and_when(ex.ExpireException(LATE)).history,
        "revoked": in_force.and_when(ex.RevokeException("exploited", "sec", NOON)).history,
    }
    override = replace(terms, kind=ExceptionKind.GATE_OVERRIDE, subjects=("soak",), ring=Ring.LAB, intent_id="i-1")
    bad = [
        replace(terms, title=" "),
        replace(terms, justification=""),
        replace(terms, controls=()),
        replace(terms, owner=""),
        replace(terms, subjects=()),
        replace(terms, expires_at=NOON),
        replace(terms, expires_at=NOON + 91 * DAY),
        replace(terms, ring=Ring.LAB),
        replace(override, ring=None),
        replace(override, subjects=("No Gate",)),
    ]
    commands: list[ex.Command] = [
        ask,
        *(replace(ask, terms=one) for one in (override, *bad)),
        *(ex.AmendException(one, "ada", NOON) for one in (terms, override, *bad)),
        *(
            replace(yes, question=question, decision=decision, capacity=capacity, by=by)
            for question in ex.Question
            for decision in ex.Decision
            for capacity in ex.Capacity
            for by in ("ada", "owen", "sec", "ann", "sid")
        ),
        replace(yes, reason=""),
        replace(yes, involved=("sec",)),
        replace(yes, at=LATE, by="sid"),
        replace(yes, at=LATE, question=ex.Question.EXTENSION),
        longer,
        *(replace(longer, until=NOON + days * DAY) for days in (5, 50, 200)),
        replace(longer, reason=""),
        replace(longer, at=LATE),
        ex.RevokeException("exploited", "sec", NOON),
        ex.RevokeException("", "sec", NOON),
        ex.RevokeException("exploited", "sec", LATE),
        ex.RemindException(terms.expires_at, 86_400, terms.expires_at - DAY),
        ex.ExpireException(NOON),
        ex.ExpireException(LATE),
    ]
    return Noun(ex.DECIDER, histories, commands, ex.Command, ex.Event)
