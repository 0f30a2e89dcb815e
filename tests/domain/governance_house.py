"""A house in memory: the streams of one application, wired together as the use cases do it.

No database and no clock. Facts that a decision needs of another stream are gathered here.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from governance_cast import APP, HOME, NOON, PUBLISHERS, TARGET
from governance_log import Answer, Log

from eucora.domain import break_glass as bg
from eucora.domain import cab_delegation as dg
from eucora.domain import cab_review as cab
from eucora.domain import calendar, incident
from eucora.domain import change_window as cw
from eucora.domain import policy_exception as ex
from eucora.domain.binding import digest_of
from eucora.domain.deployment_intent import DECIDER as INTENT
from eucora.domain.deployment_intent import commands as c
from eucora.domain.deployment_intent import events as e
from eucora.domain.deployment_intent.grounds import changes_since, devices_of
from eucora.domain.deployment_intent.state import ENDED, UNDER_WAY, IntentStatus
from eucora.domain.errors import DomainError
from eucora.domain.exception_types import ExceptionFact, ExceptionKind, ExceptionStatus
from eucora.domain.gate_types import IncidentFacts
from eucora.domain.grounds import Grounds, Overlap
from eucora.domain.rings import Measurement, Ring
from eucora.domain.risk_types import FindingCounts, History

LIVE = (ExceptionStatus.REQUESTED, ExceptionStatus.CHANGES_REQUESTED, ExceptionStatus.APPROVED)
MOVES = e.RolloutStarted | e.RingPromoted | e.RolloutResumed
SHARED = 10  # devices that two rollouts under way at once have in common
PURPOSES = {e.Purpose.REGULAR: cw.ChangePurpose.ROLLOUT, e.Purpose.SECURITY: cw.ChangePurpose.SECURITY}


@dataclass
class House(Log):
    """Everything that is asked of more than one stream."""

    # What decisions are told of the other streams.

    def exceptions(self, intent_id: str = "") -> tuple[ExceptionFact, ...]:
        """Those that name the intent, or no intent at all."""
        return tuple(
            ExceptionFact(id, one.terms.kind, one.status, one.terms.subjects, one.terms.expires_at, one.terms.ring)
            for id, one in self.all(ex.DECIDER)
            if one.terms is not None and one.terms.intent_id in ("", intent_id)
        )

    def incidents(self, intent_id: str) -> IncidentFacts:
        security = severe = 0
        for _, one in self.all(incident.DECIDER):
            told = one.reported
            if told is None or one.resolved:
                continue
            of_application = not told.app_version and not told.intent_id
            of_release = told.intent_id == intent_id or told.app_version == self.setups[intent_id].version
            if not of_release and not of_application:
                continue
            caused = one.attributable is incident.Attributable.YES
            security += one.kind is incident.IncidentKind.SECURITY and caused
            innocent = one.attributable is incident.Attributable.NO
            severe += one.severity in (incident.IncidentSeverity.P1, incident.IncidentSeverity.P2) and not innocent
        return IncidentFacts(security, severe)

    def entries(self) -> list[calendar.Entry]:
        entries = []
        for id, one in self.all(cw.DECIDER):
            made, times = one.created, one.times
            if made is None or times is None or one.cancelled:
                continue
            span = cw.Span(times.start.replace(tzinfo=NOON.tzinfo), times.end.replace(tzinfo=NOON.tzinfo))
            entries.append(
                calendar.Entry(
                    id, made.effect, made.name, made.reason, made.scope, made.applications, made.exempt, (span,)
                )
            )
        return entries

    def grounds(self, intent_id: str) -> Grounds:
        """As :func:`eucora.application.grounds.grounds_of` gathers them."""
        state, setup, scan = self.intent(intent_id), self.setups[intent_id], self.scans[intent_id]
        proposed = state.proposed
        if proposed is None:
            return Grounds()
        others = [
            Overlap(id, APP, SHARED)
            for id, other in self.all(INTENT)
            if id != intent_id and other.ring is not None and other.status in UNDER_WAY | {IntentStatus.ROLLING_BACK}
        ]
        critical = (*setup.pack.critical, *scan.critical)
        return Grounds(
            incidents=self.incidents(intent_id),
            exceptions=self.exceptions(intent_id),
            calendar=calendar.evaluate(self.entries(), TARGET, APP, PURPOSES[setup.purpose], self.now),
            overlaps=tuple(others),
            findings=FindingCounts(critical=len(critical)) if scan.critical else None,
            critical_findings=critical if scan.critical else (),
            devices=devices_of(state, proposed),
            score=proposed.risk.score + scan.drift,
        )

    def measurement(self, intent_id: str, ring: Ring | None) -> Measurement | None:
        cohorts = {} if ring is None else self.fleet.of(intent_id, ring)
        return Measurement(tuple(one.counts(plane) for plane, one in sorted(cohorts.items()))) if cohorts else None

    def lent_to(self, person: str) -> list[str]:
        """The break-glass sessions that lend him something now."""
        found = []
        for id, one in self.all(bg.DECIDER):
            try:
                found += [id] if one.lends(person, self.now) else []
            except DomainError:
                continue
        return found

    def in_scope(self, person: str) -> bool:
        return person in PUBLISHERS or bool(self.lent_to(person))

    def debts(self) -> tuple[str, ...]:
        """Sessions that are over, also where no job has said so yet, and whose review is overdue."""
        owed = []
        for id, one in self.all(bg.DECIDER):
            due_at = one.review_due_at
            if due_at is None and one.until is not None and one.requested is not None:
                due_at = one.until + timedelta(seconds=one.requested.limits.review_due_s)
            if one.reviewed is None and due_at is not None and due_at <= self.now:
                owed.append(id)
        return tuple(owed)

    def delegations(self, *persons: str) -> tuple[dg.Delegated, ...]:
        return tuple(
            dg.Delegated(id, one.granted.delegator, one.granted.delegate, one.granted.starts_at, one.granted.ends_at)
            for id, one in self.all(dg.DECIDER)
            if one.granted is not None and not one.ended and {one.granted.delegator, one.granted.delegate} & {*persons}
        )

    def conflicts(self, intent_id: str) -> tuple[cab.Ineligible, ...]:
        """Who came to have a part in the release since it was proposed."""
        mine = [entry.event for entry in self.log if (entry.noun, entry.id) == (INTENT.noun, intent_id)]
        moved = [one.by for one in mine if isinstance(one, MOVES) and one.by != e.SERVICE]
        about = {fact.exception_id for fact in self.exceptions(intent_id) if fact.status in LIVE}
        asked = [
            person
            for id, one in self.all(ex.DECIDER)
            if id in about and one.terms and (one.terms.intent_id == intent_id or one.terms.application_id == APP)
            for person in one.askers
        ]
        return (
            *(cab.Ineligible(person, "publisher") for person in dict.fromkeys(moved)),
            *(cab.Ineligible(person, "requested_exception") for person in dict.fromkeys(asked)),
        )

    def voters(self, intent_id: str) -> tuple[str, ...]:
        """Who voted in any review of the intent, and on whose behalf."""
        votes = [vote for id in self.intent(intent_id).reviews for vote in self.state(cab.DECIDER, id).votes]
        return tuple(dict.fromkeys(person for one in votes for person in (one.voter, one.on_behalf_of) if person))

    def involved(self, terms: ex.Terms) -> tuple[str, ...]:
        """Who asked for, packaged or published what an exception is for."""
        found: list[str] = []
        for id, state in self.all(INTENT):
            proposed, named = state.proposed, terms.intent_id == id
            if proposed is None or not (named or (not terms.intent_id and state.status not in ENDED)):
                continue
            mine = [entry.event for entry in self.log if (entry.noun, entry.id) == (INTENT.noun, id)]
            found += [proposed.requested_by, *proposed.packagers]
            found += [one.by for one in mine if named and isinstance(one, MOVES) and one.by != e.SERVICE]
        return tuple(dict.fromkeys(found))

    # Commands that need more than one stream.

    def proposal(self, intent_id: str, by: str) -> c.ProposeIntent:
        setup = self.setups[intent_id]
        return c.ProposeIntent(
            intent_id=intent_id,
            pack=setup.pack,
            ring_plan=setup.plan,
            scope=TARGET,
            change_kind=setup.kind,
            policy=setup.policy,
            history=History(),
            by=by,
            at=self.tick(),
            governance=setup.governance,
            maturity=setup.maturity,
            purpose=setup.purpose,
            exceptions=self.exceptions(),
            application_scope=HOME if setup.subject.crosses else None,
        )

    def submit(self, intent_id: str, review_id: str, by: str, urgency: cab.Urgency, justification: str) -> Answer:
        """One append to both streams, or to neither."""
        at, state = self.tick(), self.intent(intent_id)
        grounds = self.grounds(intent_id)
        try:
            requested = INTENT.decide(state, c.RequestCabReview(review_id, by, at, grounds))
            proposed, asked = state.proposed, INTENT.fold(requested, state).asked
            assert proposed is not None
            assert asked is not None
            changes = changes_since(state, proposed, grounds, at)
            opening = cab.OpenReview(
                review_id=review_id,
                intent_id=intent_id,
                binding=proposed.binding.digest,
                application=APP,
                version=self.setups[intent_id].version,
                score=str(proposed.risk.score),
                blast_radius_class=proposed.risk.blast_radius_class,
                quorum=proposed.route.quorum,
                ineligible=cab.ineligible_persons(
                    proposed.requested_by, self.setups[intent_id].pack.assembled_by, proposed.packagers
                ),
                urgency=urgency,
                justification=justification,
                by=by,
                at=at,
                change_kind=proposed.change_kind,
                ring=asked.ring,
                rules=self.setups[intent_id].governance.review,
                grounds=digest_of((proposed.binding.digest, asked.ring, asked.basis, changes)),
                changes=changes,
                overdue_retrospectives=self.overdue_retrospectives(),
            )
            opened = cab.DECIDER.decide(cab.DECIDER.initial, opening)
        except DomainError as refusal:
            return Answer(refusal=refusal)
        self._append(cab.DECIDER, review_id, opened)
        self._append(INTENT, intent_id, requested)
        return Answer((*opened, *requested))

    def overdue_retrospectives(self) -> int:
        debts = [one.retrospective for _, one in self.all(cab.DECIDER)]
        return sum(1 for one in debts if one and one.closed is None and (one.overdue or one.due_at <= self.now))

    def override(self, intent_id: str, ring: Ring, gate: str, owner: str, until: datetime) -> ex.Terms:
        return self.terms(ExceptionKind.GATE_OVERRIDE, (gate,), owner, until, intent_id, ring)

    def terms(
        self,
        kind: ExceptionKind,
        subjects: tuple[str, ...],
        owner: str,
        until: datetime,
        intent_id: str = "",
        ring: Ring | None = None,
    ) -> ex.Terms:
        proposed = self.intent(intent_id).proposed if intent_id else None
        score = proposed.risk.score if proposed else None
        return ex.Terms(
            kind, "a waiver", "no fix yet", ("watched",), owner, subjects, until, intent_id, APP, ring, score
        )
