"""What must hold of the log itself, whatever was decided how: read from the raw events, with no state in between.

Called with every append, at the moment when it is made.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from governance_books import QUORUM, cab_from
from governance_cast import APP, CVE, ERIK, PAT, PUBLISHERS, TARGET_WORDS, Setup
from governance_house import House

from eucora.domain import break_glass as bg
from eucora.domain import cab_delegation as dg
from eucora.domain import cab_review as cab
from eucora.domain import change_window as cw
from eucora.domain import incident as inc
from eucora.domain import policy_exception as ex
from eucora.domain.conditions import ConditionKind
from eucora.domain.deployment_intent import events as e
from eucora.domain.exception_types import ExceptionKind
from eucora.domain.gate_types import GateRun, Verdict
from eucora.domain.rings import Ring

ENDS = (e.RolloutAborted, e.DeploymentCompleted, e.RollbackStarted, e.RollbackCompleted)
FORWARD = (e.RolloutStarted, e.RingPromoted, e.RolloutResumed, e.RolloutPaused, e.RolloutHalted, e.DeploymentCompleted)
MOVES = (e.RolloutStarted, e.RingPromoted, e.RolloutResumed)
STOPS = (e.RolloutPaused, e.RolloutHalted)
SOAK_HOURS = {Ring.LAB: 24, Ring.CANARY: 24, Ring.PILOT: 48, Ring.DEPARTMENT: 72, Ring.GLOBAL: 168}  # section 6


class Raw:
    """Questions to the log as it stands."""

    def __init__(self, house: House) -> None:
        self.house, self.log, self.now = house, house.log, house.now

    def of(self, noun: str, id: str | None = None) -> list[object]:
        return [one.event for one in self.log if one.noun == noun and id in (None, one.id)]

    def streams(self, noun: str) -> list[tuple[str, list[object]]]:
        return [(id, self.of(noun, id)) for id in self.house.ids.get(noun, [])]

    def open_incidents(self, id: str, version: str) -> tuple[int, int]:
        """Open ones about the release: (P1 or P2, security that it caused)."""
        severe = security = 0
        for _, events in self.streams("incident"):
            told, is_open = events[0], True
            assert isinstance(told, inc.IncidentReported)
            said: inc.IncidentReported | inc.IncidentReclassified = told
            for event in events:
                said = event if isinstance(event, inc.IncidentReclassified) else said
                is_open = isinstance(event, inc.IncidentReopened) or (
                    is_open and not isinstance(event, inc.IncidentResolved)
                )
            mine = told.intent_id == id or told.app_version == version or told.intent_id == told.app_version == ""
            if mine and is_open and said.attributable is not inc.Attributable.NO:
                severe += said.severity in (inc.IncidentSeverity.P1, inc.IncidentSeverity.P2)
                security += said.kind is inc.IncidentKind.SECURITY and said.attributable is inc.Attributable.YES
        return severe, security

    def in_force(self, exception_id: str) -> ex.Terms | None:
        """The terms of an exception that holds now: everybody needed said yes to them, and it is not over."""
        terms: ex.Terms | None = None
        asked: set[str] = set()
        yes: dict[ex.Capacity, str] = {}
        until: datetime | None = None
        for event in self.of("policy_exception", exception_id):
            match event:
                case ex.ExceptionRequested() | ex.ExceptionAmended():
                    terms, yes = event.terms, {}
                    asked.add(event.by)
                case ex.ExceptionExtensionRequested():
                    asked_longer = {event.by}
                    asked |= asked_longer
                case ex.ExceptionDecisionGiven(question=ex.Question.EXCEPTION, decision=ex.Decision.APPROVE):
                    assert event.by not in asked, "somebody decided on what he asked for"
                    assert terms is None or event.by != terms.owner
                    yes[event.capacity] = event.by
                case ex.ExceptionApproved(expires_at=until):
                    assert ex.Capacity.SECURITY_REVIEWER in yes
                case ex.ExceptionExtended(expires_at=until):
                    pass
                case ex.ExceptionRevoked() | ex.ExceptionExpired() | ex.ExceptionDenied():
                    until = None
        if terms is None or until is None or self.now >= until:
            return None
        if terms.kind in (ExceptionKind.GATE_OVERRIDE, ExceptionKind.CROSS_BOUNDARY):
            assert len({*yes.values()}) == 2, "an exception that CAB must give, too, by two different people"
        return terms

    def waived(self, kind: ExceptionKind, subject: str, id: str) -> bool:
        found = [self.in_force(exception_id) for exception_id, _ in self.streams("policy_exception")]
        return any(
            one is not None and one.kind is kind and subject in one.subjects and one.intent_id in ("", id)
            for one in found
        )

    def frozen(self, setup: Setup) -> bool:
        """Whether a freeze, or the lack of a change window, closes the calendar for the deployment."""
        exempt = cw.ChangePurpose.SECURITY if setup.purpose is e.Purpose.SECURITY else None
        asked = inside = False
        for _, events in self.streams("change_window"):
            made, times = events[0], None
            assert isinstance(made, cw.ChangeWindowCreated)
            for event in events:
                if isinstance(event, cw.ChangeWindowCreated | cw.ChangeWindowAmended):
                    times = event.times
            over = isinstance(events[-1], cw.ChangeWindowCancelled) or times is None
            if over or made.scope.business_unit == "apac" or (made.applications and APP not in made.applications):
                continue
            assert times is not None
            holds = times.start <= self.now.replace(tzinfo=None) < times.end
            if made.effect is cw.Effect.DENY and holds and exempt not in made.exempt:
                return True
            asked = asked or (made.effect is cw.Effect.ALLOW and exempt not in made.exempt)
            inside = inside or (made.effect is cw.Effect.ALLOW and holds)
        return asked and not inside

    def lent(self, person: str) -> bool:
        """Whether a break-glass session lends the person a publisher's rights now."""
        for _, events in self.streams("break_glass"):
            opened = [one for one in events if isinstance(one, bg.BreakGlassActivated) and person in one.activators]
            closed = any(isinstance(one, bg.BreakGlassClosed) for one in events)
            if opened and not closed and self.now < opened[0].until:
                return True
        return False


def check(house: House, noun: str, id: str, events: Sequence[object]) -> None:
    """Every rule, on what was just appended. ``house.log`` ends with it."""
    raw, before = Raw(house), house.log[: len(house.log) - len(events)]
    for number, event in enumerate(events):
        match event:
            case e.RingPromoted():
                run = events[number - 1]
                assert isinstance(run, e.GateRunCompleted), "promoted without a gate run"
                promoted(raw, id, event, run.run)
            case e.DeploymentCompleted():
                run = events[number - 1]
                assert isinstance(run, e.GateRunCompleted)
                gates_met(raw, id, run.run)
            case e.RolloutStarted(by=by):
                published_by(raw, id, by)
            case e.RolloutResumed(by=by):
                published_by(raw, id, by)
                resumed(raw, id)
            case bg.BreakGlassActivated():
                activated(raw, id, event)
            case cab.CabReviewDecided(outcome=outcome) if outcome in cab.APPROVALS:
                quorum(raw, id)
    if noun == "deployment_intent":
        history = [one.event for one in before if (one.noun, one.id) == (noun, id)]
        order(history, events)
        stands_still(raw, id, history, events)


def order(before: Sequence[object], events: Sequence[object]) -> None:
    """Nothing moves a rollout that stands still, and nothing but a rollback follows the end."""
    ended = any(isinstance(one, ENDS) for one in before)
    stopped = False
    for one in before:
        stopped = isinstance(one, STOPS) or (stopped and not isinstance(one, e.RolloutResumed))
    for event in events:
        assert not (ended and isinstance(event, (*FORWARD, e.CabApprovalRecorded))), f"{type(event)} after the end"
        assert not (stopped and isinstance(event, e.RingPromoted | e.DeploymentCompleted)), "moved while it stood still"
        ended = ended or isinstance(event, ENDS)
        stopped = isinstance(event, STOPS) or (stopped and not isinstance(event, e.RolloutResumed))


def proposal(raw: Raw, id: str) -> e.DeploymentIntentProposed:
    first = raw.of("deployment_intent", id)[0]
    assert isinstance(first, e.DeploymentIntentProposed)
    return first


def published_by(raw: Raw, id: str, by: str) -> None:
    assert by not in (proposal(raw, id).requested_by, PAT, ERIK), "a part in the release, and published it"
    asked = [one.review_id for one in raw.of("deployment_intent", id) if isinstance(one, e.CabReviewRequested)]
    for review_id in asked:
        votes = [one for one in raw.of("cab_review", review_id) if isinstance(one, cab.CabVoteCast)]
        assert all(by not in (one.voter, one.on_behalf_of) for one in votes), "voted on it, and published it"
    assert by in PUBLISHERS or raw.lent(by), "published without the right to"


def promoted(raw: Raw, id: str, event: e.RingPromoted, run: GateRun) -> None:
    """At no time an intent in a ring without what policy asked for."""
    setup = raw.house.setups[id]
    assert event.to_ring == event.from_ring + 1
    assert run.ring is event.from_ring
    if event.automatic:
        assert event.by == e.SERVICE
        assert setup.policy.of(event.from_ring).automatic
    else:
        published_by(raw, id, event.by)
    waived = gates_met(raw, id, run)
    severe, security = raw.open_incidents(id, setup.version)
    assert not severe or "p1_p2_incidents" in waived
    assert not security or "security_incidents" in waived
    assert not raw.frozen(setup) or "change_window" in waived
    assert "exceptions" in waived or exceptions_hold(raw, id, setup)
    approved(raw, id, setup, event)


def exceptions_hold(raw: Raw, id: str, setup: Setup) -> bool:
    vulnerable = not setup.subject.vulnerable or raw.waived(ExceptionKind.VULNERABILITY, CVE, id)
    inside = not setup.subject.crosses or raw.waived(ExceptionKind.CROSS_BOUNDARY, TARGET_WORDS, id)
    return vulnerable and inside


def gates_met(raw: Raw, id: str, run: GateRun) -> set[str]:
    """Every gate passed, or is waived by an override that holds. The gates that were waived."""
    waived = set()
    for result in run.results:
        if result.verdict is Verdict.PASSED:
            continue
        assert result.gate != "approval"
        terms = raw.in_force(result.overridden_by)
        assert terms is not None, f"{result.gate} was neither met nor waived"
        assert terms.kind is ExceptionKind.GATE_OVERRIDE
        assert (terms.intent_id, terms.ring) == (id, run.ring)
        assert result.gate in terms.subjects
        assert terms.controls
        waived.add(result.gate)
    if "soak" not in waived:
        soaked(raw, id, run.ring)
    return waived


def soaked(raw: Raw, id: str, ring: Ring) -> None:
    """From the moment when the last plane's devices were known the whole soak went by, whatever the gate run says."""
    history = raw.of("deployment_intent", id)
    frozen = [one for one in history if isinstance(one, e.CohortFrozen) and one.ring is ring]
    assert {one.plane for one in frozen} == {*raw.house.setups[id].planes}
    assert raw.now - max(one.at for one in frozen) >= timedelta(hours=SOAK_HOURS[ring]), f"left ring {ring} too early"


def approved(raw: Raw, id: str, setup: Setup, event: e.RingPromoted) -> None:
    """The newest approval of the ring: of this content, in time, unrevoked, on grounds that still hold, by a quorum."""
    proposed, given = proposal(raw, id), None
    first, recheck, read = cab_from(setup, proposed.risk.score), False, {*event.acknowledged}
    asked, outdated = set[str](), set[str]()
    for one in raw.of("deployment_intent", id):
        match one:
            case e.AutomatedApprovalGranted():
                given = one
            case e.CabApprovalRecorded(ring=ring):
                if one.review_id in outdated:
                    continue  # asked before the grounds changed
                given, recheck = one if ring in (None, event.to_ring) else given, False
            case e.CabReviewRequested(review_id=review):
                asked.add(review)
            case e.ApprovalGroundsChanged():
                given, recheck, outdated = None, True, {*asked}
            case e.ApprovalRevoked(review_id=review):
                given = None if isinstance(given, e.CabApprovalRecorded) and given.review_id == review else given
            case e.RingPromoted(acknowledged=texts):
                read |= {*texts}
    if not recheck and first is not None and event.to_ring < first:
        return
    assert given is not None, f"ring {event.to_ring} without the approval that policy asks for"
    assert given.binding == proposed.binding.digest
    assert raw.now < given.expires_at
    assert given.expires_at - given.at <= timedelta(days=30)
    if isinstance(given, e.AutomatedApprovalGranted):
        assert first is None, "approved by nobody, and policy asks for CAB"
        return
    told = {one.kind: one.value for one in given.conditions}
    assert event.to_ring <= int(told.get(ConditionKind.MAX_RING, "4"))
    assert {one.value for one in given.conditions if one.kind is ConditionKind.TEXT} <= read
    quorum(raw, given.review_id, told_late=True)


def quorum(raw: Raw, review_id: str, *, told_late: bool = False) -> None:
    """Enough different people said yes, of whom none has a part in the release; a lent vote was lent at that time."""
    events = raw.of("cab_review", review_id)
    opened = events[0]
    assert isinstance(opened, cab.CabReviewOpened)
    proposed, setup = proposal(raw, opened.intent_id), raw.house.setups[opened.intent_id]
    votes = [one for one in events if isinstance(one, cab.CabVoteCast)]
    people = [person for one in votes for person in (one.voter, one.on_behalf_of) if person]
    assert len(people) == len({*people}), "somebody voted twice"
    assert not {*people} & {proposed.requested_by, PAT, ERIK}, "somebody voted on his own release"
    assert all(one.vote is cab.Vote.APPROVE for one in votes)
    wanted = (
        min(2, QUORUM[setup.subject.radius]) if setup.kind is e.ChangeKind.EMERGENCY else QUORUM[setup.subject.radius]
    )
    decided = next(one.at for one in events if isinstance(one, cab.CabReviewDecided))
    moves = [one for one in raw.of("deployment_intent", opened.intent_id) if isinstance(one, MOVES)]
    movers = {one.by for one in moves if one.at <= decided}
    counted = [one for one in votes if not {one.voter, one.on_behalf_of} & movers]
    assert len(counted) >= wanted, f"{len(counted)} votes, and {wanted} are asked for"
    assert opened.binding == proposed.binding.digest
    hours = 24 if setup.kind is e.ChangeKind.EMERGENCY or opened.urgency is cab.Urgency.URGENT else 48
    for one in votes:
        assert opened.at <= one.at < opened.at + timedelta(hours=hours)
        if one.on_behalf_of:
            lent(raw, one)
    if told_late:
        assert not any(isinstance(one, cab.CabApprovalRevoked | cab.CabRetrospectiveOverdue) for one in events)


def lent(raw: Raw, vote: cab.CabVoteCast) -> None:
    granted = raw.of("cab_delegation", vote.delegation_id)[0]
    assert isinstance(granted, dg.CabVoteDelegated)
    assert (granted.delegator, granted.delegate) == (vote.on_behalf_of, vote.voter)
    assert granted.starts_at <= vote.at < granted.ends_at
    assert granted.ends_at - granted.starts_at <= timedelta(days=30)


def resumed(raw: Raw, id: str) -> None:
    """After a halt by an incident CAB said yes, and after any halt nothing open speaks against the release."""
    history = raw.of("deployment_intent", id)
    stop = max(number for number, one in enumerate(history) if isinstance(one, STOPS))
    halted = history[stop]
    if not isinstance(halted, e.RolloutHalted):
        return
    if halted.trigger == "incident":
        assert any(isinstance(one, e.CabApprovalRecorded) for one in history[stop:]), "resumed after P1 without CAB"
    assert not any(isinstance(one, e.CabRefusalRecorded) and one.outcome == "rejected" for one in history)
    waived = raw.waived(ExceptionKind.GATE_OVERRIDE, "p1_p2_incidents", id)
    severe, _ = raw.open_incidents(id, raw.house.setups[id].version)
    assert not severe or waived


def activated(raw: Raw, id: str, event: bg.BreakGlassActivated) -> None:
    """Two people, a bounded time, and no earlier session that waits for its review."""
    asked = raw.of("break_glass", id)[0]
    assert isinstance(asked, bg.BreakGlassRequested)
    assert len({*event.activators}) == 2
    assert asked.by in event.activators
    assert timedelta() < event.until - event.at <= timedelta(hours=4)
    for other, events in raw.streams("break_glass"):
        ends = [one.until for one in events if isinstance(one, bg.BreakGlassActivated) and other != id]
        ends = [one.at for one in events if isinstance(one, bg.BreakGlassClosed)] or ends
        reviewed = any(isinstance(one, bg.BreakGlassReviewed) for one in events)
        assert reviewed or not ends or raw.now < ends[0] + timedelta(hours=24), "an overdue debt"


def stands_still(raw: Raw, id: str, before: Sequence[object], events: Sequence[object]) -> None:
    """A rollout whose approval is taken back, or whose release is rejected, is halted in the same breath."""
    first, ring, moving = cab_from(raw.house.setups[id], proposal(raw, id).risk.score), None, False
    for one in before:
        ring = (
            Ring.LAB if isinstance(one, e.RolloutStarted) else one.to_ring if isinstance(one, e.RingPromoted) else ring
        )
        moving = isinstance(one, e.RolloutStarted | e.RolloutResumed) or (
            moving and not isinstance(one, (*ENDS, e.RolloutHalted))
        )
    about = {one.review_id: one.ring for one in before if isinstance(one, e.CabReviewRequested)}
    for event in events:
        if isinstance(event, e.ApprovalRevoked):
            rests = ring is not None and first is not None and ring >= first and about[event.review_id] in (None, ring)
        else:
            rests = isinstance(event, e.CabRefusalRecorded) and event.outcome == cab.Outcome.REJECTED
        if rests and moving:
            assert any(isinstance(one, e.RolloutHalted) for one in events), "goes on without its approval"
