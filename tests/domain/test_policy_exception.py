"""Policy exception: its terms, who decides, how long it holds, the one extension, reminders, expiry, revocation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import get_args

import pytest
from given import Given, given

from eucora.domain import policy_exception as ex
from eucora.domain.errors import DomainError
from eucora.domain.exception_types import ExceptionKind, ExceptionStatus
from eucora.domain.governance_types import ExceptionLimits
from eucora.domain.policy_exception import DECIDER, Capacity, Decision, Question
from eucora.domain.reasons import ReasonMissing
from eucora.domain.rings import Ring

Known = Given[ex.PolicyException, ex.Command, ex.Event]

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
END = NOON + 30 * DAY
LIMITS = ExceptionLimits()
PIET, OLA, SANA, SVEN, CARLA, CHEN = (f"idp|{name}" for name in ("piet", "ola", "sana", "sven", "carla", "chen"))
SECURITY, CAB = Capacity.SECURITY_REVIEWER, Capacity.CAB_APPROVER
DIGEST = "ab" * 32

TERMS = ex.Terms(
    kind=ExceptionKind.VULNERABILITY,
    title="zlib in the tunnel client",
    justification="the fix ships next month",
    controls=("the listener is closed by the host firewall",),
    owner=OLA,
    subjects=("CVE-2026-1",),
    expires_at=END,
    intent_id="i-1",
    application_id="edge-tunnel",
    score=Decimal("12.5"),
)
SUBJECTS = {
    ExceptionKind.VULNERABILITY: ("CVE-2026-1",),
    ExceptionKind.UNSIGNED_PACKAGE: (DIGEST,),
    ExceptionKind.CROSS_BOUNDARY: ("retail/emea/*",),
    ExceptionKind.GATE_OVERRIDE: ("success_rate",),
    ExceptionKind.PRIVILEGED_TOOLING: ("edge-tunnel",),
}


def terms_of(kind: ExceptionKind, score: Decimal | None = TERMS.score) -> ex.Terms:
    ring = Ring.CANARY if kind is ExceptionKind.GATE_OVERRIDE else None
    intent_id = "" if score is None else TERMS.intent_id
    return replace(TERMS, kind=kind, subjects=SUBJECTS[kind], ring=ring, intent_id=intent_id, score=score)


def ask(terms: ex.Terms = TERMS, at: datetime = NOON) -> ex.RequestException:
    return ex.RequestException("ex-1", terms, LIMITS, PIET, at)


def decide(
    by: str = SANA,
    capacity: Capacity = SECURITY,
    decision: Decision = Decision.APPROVE,
    *,
    question: Question = Question.EXCEPTION,
    reason: str = "the control holds",
    at: datetime = NOON,
) -> ex.DecideException:
    return ex.DecideException(question, capacity, decision, reason, by, at)


def longer(days: float = 90, *, by: str = PIET, at: datetime = NOON + DAY) -> ex.RequestExtension:
    return ex.RequestExtension(END + days * DAY, "the vendor is late", by, at)


NOTHING = given(DECIDER)
ASKED = NOTHING.and_when(ask())
APPROVED = ASKED.and_when(decide())
BOTH_NEEDED = NOTHING.and_when(ask(terms_of(ExceptionKind.CROSS_BOUNDARY)))
LONGER = APPROVED.and_when(longer())
EXTENDED = LONGER.and_when(decide(question=Question.EXTENSION))
DENIED = ASKED.and_when(decide(decision=Decision.DENY))
SENT_BACK = ASKED.and_when(decide(decision=Decision.REQUEST_CHANGES))
REVOKE = ex.RevokeException("exploited in the wild", SANA, NOON + DAY)


@dataclass(frozen=True)
class Case:
    """A rule at one of its edges. ``refusal`` None: the command leads to events."""

    known: Known
    command: ex.Command
    refusal: type[DomainError] | None = None


def asked_until(end: datetime) -> ex.RequestException:
    return ask(replace(TERMS, expires_at=end))


RULES: dict[str, Case] = {
    "7.expiry now": Case(NOTHING, asked_until(NOON), ex.ExpiryInPast),
    "7.expiry in one second": Case(NOTHING, asked_until(NOON + SECOND)),
    "7.expiry 90 d - 1 s": Case(NOTHING, asked_until(NOON + 90 * DAY - SECOND)),
    "7.expiry 90 d": Case(NOTHING, asked_until(NOON + 90 * DAY)),
    "7.expiry 90 d + 1 s": Case(NOTHING, asked_until(NOON + 90 * DAY + SECOND), ex.ExpiryTooLong),
    "7.title": Case(NOTHING, ask(replace(TERMS, title=" ")), ex.TitleMissing),
    "7.justification": Case(NOTHING, ask(replace(TERMS, justification="\n")), ex.JustificationMissing),
    "7.no control": Case(NOTHING, ask(replace(TERMS, controls=())), ex.ControlMissing),
    "7.blank control": Case(NOTHING, ask(replace(TERMS, controls=(" ", ""))), ex.ControlMissing),
    "7.owner": Case(NOTHING, ask(replace(TERMS, owner="")), ex.OwnerMissing),
    "7.no subject": Case(NOTHING, ask(replace(TERMS, subjects=(" ",))), ex.SubjectMissing),
    "7.digest": Case(NOTHING, ask(replace(terms_of(ExceptionKind.UNSIGNED_PACKAGE), subjects=(DIGEST.upper(),))),
                     ex.SubjectInvalid),
    "7.scope": Case(NOTHING, ask(replace(terms_of(ExceptionKind.CROSS_BOUNDARY), subjects=("retail/emea",))),
                    ex.SubjectInvalid),
    "7.gate": Case(NOTHING, ask(replace(terms_of(ExceptionKind.GATE_OVERRIDE), subjects=("Success rate",))),
                   ex.SubjectInvalid),
    **{
        f"7.gate {gate}": Case(NOTHING, ask(replace(terms_of(ExceptionKind.GATE_OVERRIDE), subjects=("soak", gate))),
                               refused)
        for gate, refused in (("approval", ex.SubjectInvalid), ("bogus_gate", ex.SubjectInvalid), ("overlap", None))
    },
    "7.override without ring": Case(NOTHING, ask(replace(terms_of(ExceptionKind.GATE_OVERRIDE), ring=None)),
                                    ex.OverrideIncomplete),
    "7.override without intent": Case(NOTHING, ask(replace(terms_of(ExceptionKind.GATE_OVERRIDE), intent_id="")),
                                      ex.OverrideIncomplete),
    "7.ring without override": Case(NOTHING, ask(replace(TERMS, ring=Ring.LAB)), ex.RingNotExpected),
    "7.asker decides": Case(ASKED, decide(PIET), ex.AskerMayNotDecide),
    "7.owner decides": Case(ASKED, decide(OLA), ex.OwnerMayNotDecide),
    "7.requester of the release decides": Case(ASKED, replace(decide(SANA), involved=(SVEN, SANA)),
                                              ex.InvolvedMayNotDecide),
    "7.requester of another release decides": Case(ASKED, replace(decide(SANA), involved=(SVEN,))),
    "7.publisher of the release decides on its extension": Case(
        LONGER, replace(decide(SANA, question=Question.EXTENSION), involved=(SANA,)), ex.InvolvedMayNotDecide
    ),
    "7.another decides": Case(ASKED, decide(SANA)),
    "7.decision without reason": Case(ASKED, decide(reason=" "), ReasonMissing),
    "7.cab where nobody asked": Case(ASKED, decide(CARLA, CAB), ex.CapacityNotNeeded),
    "7.decision 1 s before the end": Case(ASKED, decide(at=END - SECOND)),
    "7.decision at the end": Case(ASKED, decide(at=END), ex.ExceptionOver),
    "7.decision on a denied one": Case(DENIED, decide(SVEN), ex.ExceptionNotOpen),
    "7.decision on one sent back": Case(SENT_BACK, decide(SVEN), ex.ExceptionNotOpen),
    "7.amended unasked": Case(ASKED, ex.AmendException(TERMS, PIET, NOON), ex.ChangesNotRequested),
    "7.amended to another kind": Case(
        SENT_BACK, ex.AmendException(terms_of(ExceptionKind.CROSS_BOUNDARY), PIET, NOON), ex.KindMayNotChange
    ),
    "7.amended for too long": Case(
        SENT_BACK, ex.AmendException(replace(TERMS, expires_at=NOON + 91 * DAY), PIET, NOON), ex.ExpiryTooLong
    ),
    "7.extension 90 d - 1 s": Case(APPROVED, replace(longer(), until=END + 90 * DAY - SECOND)),
    "7.extension 90 d": Case(APPROVED, longer(90)),
    "7.extension 90 d + 1 s": Case(APPROVED, replace(longer(), until=END + 90 * DAY + SECOND), ex.ExtensionTooLong),
    "7.extension by nothing": Case(APPROVED, longer(0), ex.ExtensionNotLater),
    "7.extension without reason": Case(APPROVED, replace(longer(), reason=""), ReasonMissing),
    "7.extension of a request": Case(ASKED, longer(), ex.ExceptionNotInForce),
    "7.extension 1 s before the end": Case(APPROVED, longer(at=END - SECOND)),
    "7.extension at the end": Case(APPROVED, longer(at=END), ex.ExceptionOver),
    "7.extension while one waits": Case(LONGER, longer(30), ex.ExtensionPending),
    "7.second extension": Case(EXTENDED, longer(99), ex.ExtensionsUsedUp),
    "7.extension decided by its asker": Case(
        APPROVED.and_when(longer(by=SVEN)), decide(SVEN, question=Question.EXTENSION), ex.AskerMayNotDecide
    ),
    "7.extension that nobody asked for": Case(
        APPROVED, decide(question=Question.EXTENSION), ex.ExtensionNotRequested
    ),
    "7.revocation without reason": Case(APPROVED, replace(REVOKE, reason=" "), ReasonMissing),
    "7.revocation of a request": Case(ASKED, REVOKE, ex.ExceptionNotInForce),
    "7.revocation": Case(APPROVED, REVOKE),
    "7.revocation at the end": Case(APPROVED, replace(REVOKE, at=END), ex.ExceptionOver),
    "7.nothing on record": Case(NOTHING, decide(), ex.ExceptionUnknown),
    "7.the id is taken": Case(ASKED, ask(replace(TERMS, title="other")), ex.ExceptionIdTaken),
}  # fmt: skip


@pytest.mark.parametrize("case", RULES.values(), ids=RULES)
def test_the_rule_at_its_edge(case: Case) -> None:
    if case.refusal is None:
        assert case.known.when(case.command).events()
    else:
        case.known.when(case.command).then_refuses(case.refusal)


def test_a_request_is_kept_without_blanks_and_repeats() -> None:
    untidy = replace(TERMS, title=" zlib in the tunnel client ", subjects=("CVE-2026-1 ", "", "CVE-2026-1"))
    NOTHING.when(ask(untidy)).then(ex.ExceptionRequested("ex-1", TERMS, (SECURITY,), LIMITS, PIET, NOON))
    ASKED.when(ask(at=NOON + SECOND)).then()


@pytest.mark.parametrize(
    ("kind", "score", "needs"),
    [
        (ExceptionKind.VULNERABILITY, None, [SECURITY, CAB]),
        (ExceptionKind.UNSIGNED_PACKAGE, None, [SECURITY, CAB]),
        (ExceptionKind.UNSIGNED_PACKAGE, Decimal("50.0"), [SECURITY]),
        (ExceptionKind.CROSS_BOUNDARY, None, [SECURITY, CAB]),
        (ExceptionKind.CROSS_BOUNDARY, Decimal("0.0"), [SECURITY, CAB]),
        (ExceptionKind.PRIVILEGED_TOOLING, None, [SECURITY, CAB]),
        (ExceptionKind.GATE_OVERRIDE, Decimal("0.0"), [SECURITY, CAB]),
        (ExceptionKind.VULNERABILITY, Decimal("49.9"), [SECURITY]),
        (ExceptionKind.VULNERABILITY, Decimal("50.0"), [SECURITY]),
        (ExceptionKind.VULNERABILITY, Decimal("50.1"), [SECURITY, CAB]),
    ],
)
def test_who_must_approve(kind: ExceptionKind, score: Decimal | None, needs: Sequence[Capacity]) -> None:
    known = NOTHING.and_when(ask(terms_of(kind, score)))
    assert list(known.state.needs) == needs
    people = [decide(SANA, SECURITY), decide(CARLA, CAB)][: len(needs)]
    for approval in people[:-1]:
        known = known.and_when(approval)
        assert known.state.status is ExceptionStatus.REQUESTED
    assert known.and_when(people[-1]).state.status is ExceptionStatus.APPROVED


def test_an_approval_brings_the_exception_into_force_until_its_end() -> None:
    given_by_sana = ex.ExceptionDecisionGiven(
        Question.EXCEPTION, SECURITY, Decision.APPROVE, "the control holds", SANA, NOON
    )
    ASKED.when(decide()).then(given_by_sana, ex.ExceptionApproved(END, NOON))
    assert APPROVED.state.in_force(END - SECOND)
    assert not APPROVED.state.in_force(END)
    assert not ASKED.state.in_force(NOON)


def test_one_person_does_not_give_both_decisions() -> None:
    half = BOTH_NEEDED.and_when(decide(SANA, SECURITY))
    refused = half.when(decide(SANA, CAB)).then_refuses(ex.SecondPersonNeeded)
    assert refused.record == ex.ExceptionDecisionRefused(Question.EXCEPTION, CAB, "decided_already", SANA, NOON)
    assert half.and_when(decide(CARLA, CAB)).state.status is ExceptionStatus.APPROVED


def test_the_same_capacity_does_not_count_twice() -> None:
    half = BOTH_NEEDED.and_when(decide(CARLA, CAB))
    assert half.when(decide(CHEN, CAB)).then_refuses(ex.AlreadyDecided).facts["missing"] == ["security_reviewer"]
    half.when(decide(CARLA, CAB, reason="again")).then_refuses(ex.AlreadyDecided)
    half.when(decide(CARLA, CAB)).then()


def test_a_no_ends_it_whoever_says_it_while_it_is_open() -> None:
    half = BOTH_NEEDED.and_when(decide(CARLA, CAB))
    for by, capacity in ((SANA, SECURITY), (CHEN, CAB)):
        no = half.and_when(decide(by, capacity, Decision.DENY, reason="no control would do"))
        assert no.state.status is ExceptionStatus.DENIED
        assert no.history[-1] == ex.ExceptionDenied("no control would do", NOON)


def test_that_somebody_with_a_part_in_the_release_tried_is_on_record() -> None:
    refused = DENIED.when(replace(decide(SVEN), involved=(SVEN,))).then_refuses(ex.InvolvedMayNotDecide)
    assert refused.record == ex.ExceptionDecisionRefused(Question.EXCEPTION, SECURITY, "involved", SVEN, NOON)


def test_who_may_not_decide_is_on_record_even_when_it_is_over() -> None:
    refused = DENIED.when(decide(PIET)).then_refuses(ex.AskerMayNotDecide)
    assert refused.record == ex.ExceptionDecisionRefused(Question.EXCEPTION, SECURITY, "asker", PIET, NOON)


def test_amended_terms_are_decided_anew_and_their_author_is_an_asker_too() -> None:
    amended = SENT_BACK.and_when(ex.AmendException(replace(TERMS, title="zlib, narrower"), SVEN, NOON + DAY))
    assert amended.state.status is ExceptionStatus.REQUESTED
    for asker in (PIET, SVEN):
        amended.when(decide(asker, at=NOON + DAY)).then_refuses(ex.AskerMayNotDecide)
    assert amended.and_when(decide(SANA, at=NOON + DAY)).state.status is ExceptionStatus.APPROVED


def test_an_approval_of_earlier_terms_does_not_count_for_the_amended_ones() -> None:
    half = BOTH_NEEDED.and_when(decide(CARLA, CAB), decide(SANA, SECURITY, Decision.REQUEST_CHANGES))
    assert half.state.status is ExceptionStatus.CHANGES_REQUESTED
    anew = half.and_when(ex.AmendException(terms_of(ExceptionKind.CROSS_BOUNDARY), PIET, NOON), decide(SANA, SECURITY))
    assert anew.state.status is ExceptionStatus.REQUESTED
    assert anew.and_when(decide(CARLA, CAB)).state.status is ExceptionStatus.APPROVED


def test_an_extension_is_decided_by_everybody_who_decides_the_exception() -> None:
    held = BOTH_NEEDED.and_when(decide(SANA, SECURITY), decide(CARLA, CAB), longer(60))
    assert held.state.in_force(END - SECOND)
    half = held.and_when(decide(CARLA, CAB, question=Question.EXTENSION))
    assert not half.state.in_force(END)
    whole = half.and_when(decide(SANA, SECURITY, question=Question.EXTENSION))
    assert whole.history[-1] == ex.ExceptionExtended(END + 60 * DAY, NOON)
    assert whole.state.in_force(END + 60 * DAY - SECOND)
    assert not whole.state.in_force(END + 60 * DAY)


@pytest.mark.parametrize("decision", [Decision.DENY, Decision.REQUEST_CHANGES])
def test_a_refused_extension_leaves_the_old_end_and_may_be_asked_for_again(decision: Decision) -> None:
    refused = LONGER.and_when(decide(decision=decision, question=Question.EXTENSION))
    assert refused.state.in_force(END - SECOND)
    assert not refused.state.in_force(END)
    again = refused.and_when(longer(30), decide(question=Question.EXTENSION, reason="now it is justified"))
    assert again.state.in_force(END + 30 * DAY - SECOND)


def test_an_extension_asked_for_twice_is_one() -> None:
    LONGER.when(longer(at=NOON + 2 * DAY)).then()


@pytest.mark.parametrize("days", [14, 7, 1])
def test_a_reminder_comes_once_at_its_time_and_never_for_an_end_that_moved(days: int) -> None:
    before_s, due = days * 86_400, END - days * DAY
    remind = ex.RemindException(END, before_s, due)
    APPROVED.when(replace(remind, at=due - SECOND)).then()
    reminded = ex.ExceptionReminded(OLA, END, before_s, due)
    APPROVED.when(remind).then(reminded)
    APPROVED.and_when(remind).when(replace(remind, at=due + SECOND)).then()
    ASKED.when(remind).then()
    LONGER.and_when(decide(question=Question.EXTENSION)).when(remind).then()
    APPROVED.when(replace(remind, at=END)).then()


@pytest.mark.parametrize(("known", "decided"), [(APPROVED, True), (ASKED, False), (SENT_BACK, False), (LONGER, True)])
def test_it_expires_at_its_end_and_not_before(known: Known, decided: bool) -> None:
    known.when(ex.ExpireException(END - SECOND)).then()
    known.when(ex.ExpireException(END)).then(ex.ExceptionExpired(decided, END))
    over = known.and_when(ex.ExpireException(END))
    assert over.state.status is ExceptionStatus.EXPIRED
    over.when(ex.ExpireException(END + DAY)).then()


def test_an_extended_exception_does_not_expire_at_its_old_end() -> None:
    LONGER.and_when(decide(question=Question.EXTENSION)).when(ex.ExpireException(END)).then()


def test_a_decision_that_comes_too_late_puts_the_expiry_on_record() -> None:
    assert ASKED.when(decide(at=END)).then_refuses(ex.ExceptionOver).record == ex.ExceptionExpired(False, END)
    late = LONGER.when(decide(question=Question.EXTENSION, at=END)).then_refuses(ex.ExceptionOver)
    assert late.record == ex.ExceptionExpired(True, END)


def test_a_revocation_ends_it_at_once_and_once() -> None:
    revoked = LONGER.and_when(REVOKE)
    assert revoked.state.status is ExceptionStatus.REVOKED
    assert not revoked.state.in_force(NOON + DAY)
    revoked.when(REVOKE).then()
    revoked.when(ex.ExpireException(END)).then()
    revoked.when(decide(question=Question.EXTENSION)).then_refuses(ex.ExceptionNotOpen)


def test_every_event_came_up_here() -> None:
    """What the rules above lead to, taken together, is every event that there is; refusals bring theirs along."""
    seen: set[type] = {ex.ExceptionDecisionRefused}
    for known in (
        LONGER.and_when(decide(question=Question.EXTENSION)),
        LONGER.and_when(decide(decision=Decision.DENY, question=Question.EXTENSION)),
        SENT_BACK.and_when(ex.AmendException(TERMS, PIET, NOON)),
        APPROVED.and_when(ex.RemindException(END, 86_400, END - DAY), ex.ExpireException(END)),
        APPROVED.and_when(REVOKE),
        DENIED,
    ):
        seen |= {type(event) for event in known.history}
    assert seen == set(get_args(ex.Event))
