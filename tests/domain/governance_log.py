"""The log of the house in memory, and its workers: what follows from an event is a job that waits for its time.

While the workers are down nothing follows at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar, cast

from governance_cast import APP, NOON, Setup
from governance_fleet import Fleet

from eucora.application.ports import NewJob
from eucora.application.react_break_glass import of_break_glass
from eucora.application.react_cab_review import of_delegation, of_review
from eucora.application.react_incident import of_incident
from eucora.application.react_policy_exception import of_policy_exception
from eucora.domain import break_glass as bg
from eucora.domain import cab_delegation as dg
from eucora.domain import cab_review as cab
from eucora.domain import incident
from eucora.domain import policy_exception as ex
from eucora.domain.decider import Decider
from eucora.domain.deployment_intent import DECIDER as INTENT
from eucora.domain.deployment_intent import commands as c
from eucora.domain.deployment_intent import events as e
from eucora.domain.deployment_intent.refusals import IllegalTransition
from eucora.domain.deployment_intent.state import LEFT_BEHIND, UNDER_WAY, DeploymentIntent
from eucora.domain.errors import DomainError, RefusedOnRecord

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E")

MOMENT = timedelta(seconds=1)


@dataclass(frozen=True)
class Entry:
    """One event of the house's log."""

    noun: str
    id: str
    event: object


@dataclass(frozen=True)
class Answer:
    """What a command led to: events, or a refusal, or neither where it was on record."""

    events: tuple[object, ...] = ()
    refusal: DomainError | None = None


@dataclass
class Scan:
    """What is known of a release beside its evidence: a newer scan, and how far the score moved."""

    critical: tuple[str, ...] = ()
    drift: Decimal = Decimal(0)


@dataclass
class Log:
    """``watch`` sees every append before anything follows from it, ``called`` every call of an incident to halt."""

    watch: Callable[[str, str, Sequence[object]], None]
    called: Callable[[str, datetime], None]
    now: datetime = NOON
    log: list[Entry] = field(default_factory=list)
    states: dict[tuple[str, str], object] = field(default_factory=dict)
    ids: dict[str, list[str]] = field(default_factory=dict)
    jobs: list[NewJob] = field(default_factory=list)
    setups: dict[str, Setup] = field(default_factory=dict)
    scans: dict[str, Scan] = field(default_factory=dict)
    fleet: Fleet = field(default_factory=Fleet)
    workers_up: bool = True

    def tick(self) -> datetime:
        """The next moment: no two commands share one."""
        self.now += MOMENT
        return self.now

    def state(self, decider: Decider[S, C, E], id: str) -> S:
        return cast("S", self.states.get((decider.noun, id), decider.initial))

    def all(self, decider: Decider[S, C, E]) -> list[tuple[str, S]]:
        return [(id, self.state(decider, id)) for id in self.ids.get(decider.noun, [])]

    def intent(self, id: str) -> DeploymentIntent:
        return self.state(INTENT, id)

    def ask(self, decider: Decider[S, C, E], id: str, command: C) -> Answer:
        """Decide, and append what comes of it; a refusal that belongs on record is appended as well."""
        try:
            events = tuple(decider.decide(self.state(decider, id), command))
        except RefusedOnRecord as refusal:
            self._append(decider, id, cast("tuple[E, ...]", (refusal.record,)))
            return Answer(refusal=refusal)
        except DomainError as refusal:
            return Answer(refusal=refusal)
        self._append(decider, id, events)
        return Answer(events)

    def _append(self, decider: Decider[S, C, E], id: str, events: Sequence[E]) -> None:
        if not events:
            return
        if (decider.noun, id) not in self.states:
            self.ids.setdefault(decider.noun, []).append(id)
        self.log += [Entry(decider.noun, id, event) for event in events]
        state = decider.fold(events, self.state(decider, id))
        self.states[decider.noun, id] = state
        self.watch(decider.noun, id, events)
        for event in events:
            known = {job.dedupe_key for job in self.jobs} - {None}
            self.jobs += [job for job in self._follows(state, event) if job.dedupe_key not in known]
        if isinstance(state, cab.CabReview):
            self._tell_at_once(events)

    def _tell_at_once(self, events: Sequence[object]) -> None:
        """What CAB says against a release is on record for its intent with the review: no worker is waited for."""
        against = any(isinstance(one, cab.CabReviewDecided) and one.outcome is cab.Outcome.REJECTED for one in events)
        kinds = {"revoke_approval"} | ({"record_cab_decision"} if against else set())
        for job in [one for one in self.jobs if one.kind in kinds]:
            self.jobs.remove(job)
            self._run(job.kind, job.payload)

    def _follows(self, state: object, event: object) -> Sequence[NewJob]:
        match state:
            case cab.CabReview():
                return list(of_review(state, event, self.now))
            case dg.CabDelegation():
                return list(of_delegation(state, event))
            case incident.Incident():
                return list(of_incident(state, event, self.now))
            case ex.PolicyException():
                return list(of_policy_exception(state, event, self.now))
            case bg.BreakGlass():
                return list(of_break_glass(state, event))
            case DeploymentIntent(open_review=str() as review) if isinstance(event, e.ApprovalGroundsChanged):
                return [NewJob("withdraw_stale_review", {"review_id": review}, self.now)]
            case DeploymentIntent(open_review=str() as review) if isinstance(event, e.RolloutHalted):
                after_incident = event.trigger == "incident"  # its voters were shown nothing of it
                return [NewJob("withdraw_stale_review", {"review_id": review}, self.now)] if after_incident else []
        return []

    # What workers do.

    def deliver(self) -> None:
        """Every job whose time has come, the urgent ones first; what follows from it, too."""
        while self.workers_up and (due := [job for job in self.jobs if job.run_at <= self.now]):
            job = min(due, key=lambda one: (one.priority, one.run_at))
            self.jobs.remove(job)
            self._run(job.kind, job.payload)

    def _run(self, kind: str, payload: Any) -> None:
        at, id = self.tick(), str(next(iter(payload.values())))
        match kind:
            case "record_cab_decision":
                self.ask(INTENT, payload["intent_id"], self.decision(payload["review_id"]))
            case "revoke_approval":
                self.ask(INTENT, payload["intent_id"], self.decision(payload["review_id"]))
                revoked = c.RevokeApproval(payload["review_id"], payload["reason"], at)
                self.ask(INTENT, payload["intent_id"], revoked)
            case "withdraw_stale_review":
                self.ask(cab.DECIDER, id, cab.WithdrawReview(e.SERVICE, "what it asks about changed", at))
            case "stop_for_incident":
                if payload["response"] == incident.Response.HALT.value:
                    self.called(payload["intent_id"], at)
                answer = self.ask(INTENT, payload["intent_id"], self.stop(payload["incident_id"], payload["response"]))
                assert answer.refusal is None or type(answer.refusal) is IllegalTransition
            case "find_rollouts_of_incident":
                command = incident.StopRollouts(tuple(self.rollouts()), at, proposing=False)
                self.ask(incident.DECIDER, id, command)
                self.ask(incident.DECIDER, id, replace(command, proposing=True))
            case "remind_incident":
                self.ask(incident.DECIDER, id, incident.RemindIncident(at))
            case "remind_exception":
                until = datetime.fromisoformat(payload["expires_at"])
                self.ask(ex.DECIDER, id, ex.RemindException(until, payload["before_s"], at))
            case _:
                self._lapse(kind, id, at)

    def _lapse(self, kind: str, id: str, at: datetime) -> None:
        reviews = {
            "remind_review": cab.RemindReview,
            "escalate_review": cab.EscalateReview,
            "expire_review": cab.ExpireReview,
            "remind_retrospective": cab.RemindRetrospective,
            "lapse_retrospective": cab.LapseRetrospective,
        }
        sessions = {
            "lapse_break_glass": bg.LapseBreakGlass,
            "expire_break_glass": bg.ExpireBreakGlass,
            "mark_break_glass_overdue": bg.MarkReviewOverdue,
        }
        if kind in reviews:
            answer = self.ask(cab.DECIDER, id, reviews[kind](at))
        elif kind in sessions:
            answer = self.ask(bg.DECIDER, id, sessions[kind](at))
        elif kind == "expire_exception":
            answer = self.ask(ex.DECIDER, id, ex.ExpireException(at))
        elif kind == "expire_delegation":
            answer = self.ask(dg.DECIDER, id, dg.ExpireDelegation(at))
        else:
            raise AssertionError(f"no worker knows the job {kind}")
        assert answer.refusal is None, "a job that is due is never refused"

    def decision(self, review_id: str) -> c.RecordCabDecision:
        """What the intent is told of a review's end."""
        of_review = [entry.event for entry in self.log if (entry.noun, entry.id) == ("cab_review", review_id)]
        opened = next(one for one in of_review if isinstance(one, cab.CabReviewOpened))
        decided = next(one for one in of_review if isinstance(one, cab.CabReviewDecided))
        conditions = decided.conditions if decided.outcome in cab.APPROVALS else ()
        votes = [one for one in of_review if isinstance(one, cab.CabVoteCast)]
        voters = dict.fromkeys(person for one in votes for person in (one.voter, one.on_behalf_of) if person)
        return c.RecordCabDecision(
            review_id=review_id,
            outcome=decided.outcome,
            binding=opened.binding,
            conditions=conditions,
            at=decided.at,
            expires_at=decided.approval_expires_at,
            voters=tuple(voters),
        )

    def stop(self, incident_id: str, response: str) -> c.Command:
        reason = incident.stop_reason(incident_id)
        if response == incident.Response.HALT.value:
            return c.HaltRollout("incident", e.SERVICE, reason, self.now)
        return c.PauseRollout(e.SERVICE, reason, self.now)

    def rollouts(self) -> list[incident.Rollout]:
        found = []
        for id, state in self.all(INTENT):
            setup, started = self.setups[id], state.ring is not None
            found.append(
                incident.Rollout(
                    intent_id=id,
                    application_id=APP,
                    app_version=setup.version,
                    evidence_pack=setup.pack.pack,
                    under_way=started and state.status in UNDER_WAY,
                    reached=started and state.status in UNDER_WAY | LEFT_BEHIND,
                )
            )
        return found
