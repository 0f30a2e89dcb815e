"""Every status of a deployment intent, and commands of every class for it: good ones, and ones that ask too much."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import intents as i

from eucora.domain import cab_review as cab
from eucora.domain.decider import Decider
from eucora.domain.deployment_intent import DECIDER as INTENT
from eucora.domain.deployment_intent import commands as c
from eucora.domain.deployment_intent import events as e
from eucora.domain.deployment_intent.events import ChangeKind
from eucora.domain.deployment_intent.plane_approval_events import PlaneApprovalOutcome
from eucora.domain.exception_types import ExceptionFact, ExceptionKind, ExceptionStatus
from eucora.domain.grounds import Grounds
from eucora.domain.people import Scope
from eucora.domain.planes import Plane
from eucora.domain.rings import CohortCount, Ring, RingPlan
from eucora.domain.risk_types import FindingCounts

NOON = i.NOON
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LATE = NOON + 40 * DAY  # approvals, reviews and exceptions are over by then


@dataclass(frozen=True)
class Noun:
    """``histories``: events that lead to each status, by its name. ``commands``: what is asked in every one of them."""

    decider: Decider[Any, Any, Any]
    histories: Mapping[str, Sequence[Any]]
    commands: Sequence[Any]
    union: Any  # of command classes
    events: Any


def intents() -> Noun:
    reached = i.in_lab(i.proposed(i.LOW))
    asked = i.proposed(i.CRITICAL).and_when(i.request())
    condition = i.text("call first")
    under_condition = i.approved(i.proposed(i.CRITICAL), condition, i.max_ring(Ring.CANARY))
    last = i.in_ring(i.proposed(i.LOW, Ring.PILOT), Ring.PILOT)
    waiver = ExceptionFact(
        "ex-1", ExceptionKind.GATE_OVERRIDE, ExceptionStatus.APPROVED, ("rollback_validated",), LATE, Ring.LAB
    )
    unrehearsed = i.proposed(i.LOW).and_when(
        i.start(), i.freeze(Ring.LAB), i.promote(Ring.CANARY, grounds=Grounds(exceptions=(waiver,)))
    )
    published = reached.and_when(c.RecordPublished(Ring.LAB, Plane.INTUNE, "app", "1", i.EXE, NOON))
    voted = asked.and_when(replace(i.decision(asked), voters=(i.PAUL,)))
    rolled = reached.and_when(c.StartRollback(i.PAUL, "crashes", NOON), c.RecordRollback(20, 3, NOON))
    histories = {
        "unknown": (),
        "proposed": i.proposed(i.CRITICAL).history,
        "awaiting_cab": asked.history,
        "approved": i.proposed(i.LOW).history,
        "approved under conditions": under_condition.history,
        "rolling_out": reached.history,
        "rolling_out in a later ring": i.in_ring(i.proposed(i.LOW), Ring.PILOT).history,
        "rolling_out without a cohort": i.proposed(i.LOW).and_when(i.start()).history,
        "rolling_out with CAB ahead": i.in_lab(i.proposed(i.CRITICAL)).history,
        "rolling_out under conditions": i.in_lab(under_condition).history,
        "rolling_out, and approved up to its ring": i.in_ring(
            i.approved(i.proposed(i.CRITICAL), i.max_ring(Ring.CANARY)), Ring.CANARY
        ).history,
        "rolling_out, never rehearsed": unrehearsed.history,
        "rolling_out, and on devices": published.history,
        "approved by a publisher": voted.history,
        "paused": reached.and_when(i.pause()).history,
        "halted": reached.and_when(i.halt()).history,
        "halted by an incident": reached.and_when(i.halt("incident", "incident 1")).history,
        "halted by CAB's no": (
            no := i.in_lab(asked).and_when(i.decision(asked, cab.Outcome.REJECTED, expires_at=None))
        ).history,
        "rolling_back": reached.and_when(c.StartRollback(i.PAUL, "crashes", NOON)).history,
        "aborted": reached.and_when(c.AbortRollout(i.PAUL, "no use", NOON)).history,
        "rolled_back": rolled.and_when(c.GiveUpRollback(i.PAUL, NOON)).history,
        "completed": last.and_when(i.measure(Ring.PILOT)).history,
        "rejected": asked.and_when(i.decision(asked, cab.Outcome.REJECTED, expires_at=None)).history,
    }
    assert no.state.rejected_by == "r-1"
    return Noun(
        INTENT, histories, [*_proposals(), *_approvals(asked.state.binding), *_moves(), *_facts()], c.Command, e.Event
    )


def _proposals() -> list[c.Command]:
    crossing = replace(i.propose(), application_scope=Scope("apac"))
    critical = replace(i.LOW, findings=FindingCounts(critical=1), critical=("CVE-1",))
    short = replace(i.POLICY, rings=i.POLICY.rings[:2])
    return [
        i.propose(),
        replace(i.propose(), change_kind=ChangeKind.EMERGENCY),
        i.propose(replace(i.LOW, missing=("sbom",))),
        i.propose(critical),
        i.propose(ring_plan=RingPlan(())),
        i.propose(policy=short),
        replace(i.propose(), not_in_force=("a clause that is far too long" * 5_000,)),
        replace(i.propose(), scope=Scope("x" * 64_000)),  # no entry of the log is that large
        crossing,
    ]


def _approvals(binding: str) -> list[c.Command]:
    told = c.RecordCabDecision("r-1", cab.Outcome.APPROVED, binding, (), NOON, i.EXPIRY)
    return [
        i.request(),
        i.request("r-2"),
        i.request("r-3", LATE),
        told,
        replace(told, binding="0" * 64),
        replace(told, expires_at=None),
        replace(told, review_id="r-9"),
        *(replace(told, outcome=outcome, expires_at=None) for outcome in list(cab.Outcome)[2:]),
        c.RevokeApproval("r-1", "a flaw", NOON),
        c.RevokeApproval("r-1", " ", NOON),
        c.RevokeApproval("r-9", "a flaw", NOON),
    ]


def _moves() -> list[c.Command]:
    people = (i.PAUL, i.ROSA, i.PAT)
    worse = Grounds(findings=FindingCounts(critical=1), critical_findings=("CVE-9",))
    blind = replace(i.promote(Ring.CANARY), measurement=None)
    return [
        *(i.start(person) for person in people),
        i.start(in_scope=False),
        replace(i.start(), grounds=i.P1),
        replace(i.start(), grounds=worse),
        replace(i.start(), grounds=i.P1),
        replace(i.start(), grounds=worse),
        replace(i.start(), voters=(i.PAUL,)),
        *(i.promote(ring) for ring in Ring),
        *(i.promote(ring, person) for ring in (Ring.CANARY, Ring.DEPARTMENT) for person in people),
        *(i.promote(ring, acknowledged=("call first",)) for ring in (Ring.CANARY, Ring.PILOT)),
        i.promote(Ring.CANARY, in_scope=False),
        i.promote_by_service(Ring.CANARY),
        i.promote(Ring.CANARY, grounds=worse),
        i.promote(Ring.CANARY, grounds=i.P1),
        i.promote(Ring.CANARY, at=NOON + timedelta(seconds=1)),
        i.promote(Ring.CANARY, at=LATE),
        blind,
        *(i.resume(by=person) for person in people),
        i.resume(in_scope=False),
        i.resume(grounds=i.P1),
        replace(i.resume(), measurement=None),
        replace(i.resume(), reason=""),
        i.pause(),
        replace(i.pause(), reason=""),
        i.halt(),
        i.halt(reason=""),
        i.halt("incident", "incident 2"),
        c.AbortRollout(i.PAUL, "no use", NOON),
        c.AbortRollout(i.PAUL, "", NOON),
        c.StartRollback(i.PAUL, "crashes", NOON),
        c.StartRollback(i.PAUL, "", NOON),
        c.StartRollback(i.PAUL, "crashes", NOON, irremovable=(Plane.INTUNE,)),
        c.GiveUpRollback(i.PAUL, NOON),
    ]


def _facts() -> list[c.Command]:
    lab, plane, other = Ring.LAB, Plane.INTUNE, Plane.JAMF
    facts: list[c.Command] = []
    for ring in (lab, Ring.DEPARTMENT):
        for on in (plane, other):
            facts += [
                i.freeze(ring, plane=on),
                c.RecordKeptGroupRemade(ring, on, "group-0", "remade", NOON),
                c.RefuseCohort(ring, on, "group-0", "gone", NOON),
                c.RecordPublished(ring, on, "app", "1", i.EXE, NOON),
                c.RecordContentMismatch(ring, on, i.EXE, "f" * 64, NOON),
                c.RecordAssigned(ring, on, "group-0", "app", "install", NOON),
                c.RecordWithdrawn(on, ("group-0",), NOON),
                c.RecordOperationFailed(ring, on, "publish", "transient", "503", 8, NOON),
                c.AwaitPlaneApproval(ring, on, "publish", "code-1", "queued", NOON),
                c.SettlePlaneApproval(ring, on, "publish", "code-1", PlaneApprovalOutcome.APPROVED, "a", "ok", NOON),
                c.RecordPreviousOffered(ring, on, "group-0", "before", NOON),
            ]
        facts += [i.measure(ring), i.measure(ring, i.reading(10, 10))]
        facts += [c.CheckHaltRule(ring, reading, NOON) for reading in (i.reading(), i.reading(10, 10))]
        facts += [c.CheckHaltRule(ring, i.reading(10, 10), NOON), c.CheckHaltRule(ring, i.reading(), NOON)]
    return [
        *facts,
        c.FreezeCohort(lab, plane, "e" * 64, (CohortCount(plane, i.reading().counts[0].site_class, 0),), NOON),
        *i.rehearse(),
        i.rehearse(1)[1],
        c.RecordRollback(20, 0, NOON),
    ]
