"""The half of the reference model that is about rollouts: who moves one, and when.

A prediction is the set of every refusal whose reason holds; where it is empty the command is carried out. Which of
several reasons is told first is not predicted. ``None``: the command is on record already, or came too late to matter,
and changes nothing.
"""

from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import TypeAlias

from governance_books import IntentBook
from governance_cast import ERIK, PAT, PUBLISHERS
from governance_gates import Situation, halts, unmet
from governance_ledger import Ledger

from eucora.domain import change_window as cw
from eucora.domain.conditions import ConditionKind
from eucora.domain.deployment_intent import commands as c
from eucora.domain.deployment_intent import events as e
from eucora.domain.deployment_intent import grounds_refusals, refusals, rollback_refusals
from eucora.domain.errors import DomainError
from eucora.domain.exception_types import ExceptionKind
from eucora.domain.reasons import ReasonMissing
from eucora.domain.rings import Measurement, Ring

Reasons: TypeAlias = frozenset[type[DomainError]]
Prediction: TypeAlias = Reasons | None
ALLOWED: Reasons = frozenset()
UNDER_WAY = ("rolling", "paused", "halted")
OVER = ("aborted", "rolled_back", "completed", "rejected")
HARM = {"success_rate", "failure_budget", "security_incidents", "p1_p2_incidents", "condition_min_success_rate"}
TIERS = (25, 50, 75)


class RolloutModel(Ledger):
    """Predictions, from the ledger alone."""

    # Section 1 and 6: who moves a rollout, and when.

    def publisher(self, book: IntentBook, person: str, at: datetime) -> set[type[DomainError]]:
        lent = any(person in one.pair and one.open(at) for one in self.sessions.values())
        found: set[type[DomainError]] = set()
        if person == book.requester:
            found.add(refusals.RequesterMayNotPublish)
        if person in (PAT, ERIK):
            found.add(refusals.PackagerMayNotPublish)
        if person in self.voters(book):
            found.add(refusals.VoterMayNotPublish)
        if person not in PUBLISHERS and not lent:
            found.add(refusals.OutsidePublisherScope)
        return found

    def voters(self, book: IntentBook) -> set[str]:
        """Whoever voted on it, or had another vote for him, in whatever review."""
        votes = [vote for review in book.asked for vote in self.reviews[review].votes]
        return {person for one in votes for person in (one.voter, one.on_behalf_of) if person}

    def start(self, id: str, by: str, at: datetime) -> Prediction:
        book = self.intents[id]
        if book.ring is not None:
            return None
        ended: set[type[DomainError]] = {refusals.IllegalTransition} if book.phase in OVER else set()
        about = [one for one in self.incidents.values() if one.about(id, book.setup.version)]
        if any(one.severe or one.security for one in about):
            ended.add(grounds_refusals.IncidentOpen)
        scan = self.scans[id]
        found = {*book.setup.pack.critical, *scan.critical} if scan.critical else set()
        if found - self.waived(ExceptionKind.VULNERABILITY, id, at):
            ended.add(refusals.CriticalVulnerability)
        return frozenset(self.publisher(book, by, at) | ended)

    def approval(self, book: IntentBook, ring: Ring, at: datetime) -> set[type[DomainError]]:
        """The lab needs none. Where CAB is asked for from a ring on, the rings before it need none either."""
        first = book.needs_cab_from
        if ring is Ring.LAB or (first is not None and ring < first):
            return set()
        yes = book.approval(ring)
        if yes is None:
            return {refusals.ApprovalMissing}
        found: set[type[DomainError]] = set()
        if yes.binding != book.binding:
            found.add(refusals.ApprovalBoundElsewhere)
        if at >= yes.until:
            found.add(refusals.ApprovalExpired)
        if any(ring > int(text) for text in yes.values(ConditionKind.MAX_RING)):
            found.add(refusals.RingBeyondApproval)
        return found

    def stale(self, id: str, at: datetime) -> bool:
        """New critical finding, score over a tier, more than 10 % more devices, a needed exception over."""
        before, now = self.intents[id].basis, self.basis(id, at)
        assert before is not None
        crossed = any(before.score <= tier < now.score for tier in TIERS)
        grew = now.devices * 10 > before.devices * 11
        return bool(now.critical - before.critical) or crossed or grew or bool(now.lapsed - before.lapsed)

    def overrides(self, id: str, ring: Ring, at: datetime) -> set[str]:
        return {
            gate
            for one in self.exceptions.values()
            if one.terms.kind is ExceptionKind.GATE_OVERRIDE
            and one.about(id)
            and one.terms.ring is ring
            and one.in_force(at)
            for gate in one.terms.subjects
            if gate != "approval"
        }

    def calendar_open(self, book: IntentBook, at: datetime) -> bool:
        security = book.setup.purpose is e.Purpose.SECURITY
        purpose = cw.ChangePurpose.SECURITY if security else cw.ChangePurpose.ROLLOUT
        binding = [one for one in self.windows.values() if one.binds(purpose)]
        if any(one.made.effect is cw.Effect.DENY and one.holds(at) for one in binding):
            return False
        allowing = [one for one in binding if one.made.effect is cw.Effect.ALLOW]
        # An allowing window is good for everybody while it holds, also for whom it does not bind.
        held = [one for one in self.windows.values() if one.binds(cw.ChangePurpose.ROLLOUT) and one.holds(at)]
        return not allowing or any(one.made.effect is cw.Effect.ALLOW for one in held)

    def unmet(self, id: str, ring: Ring, measurement: Measurement, at: datetime, *, void: bool = False) -> set[str]:
        """Gates of the ring that are neither met nor waived; ``void``: as if its approvals were gone."""
        book = self.intents[id]
        progress, opens = book.rings[ring], None if ring >= book.setup.last else Ring(ring + 1)
        assert progress.frozen_at is not None
        yes = book.latest if opens is None else book.approval(opens)
        yes = None if void else yes
        elapsed, covered = at - progress.frozen_at, progress.covered_by(book.setup, at)
        about = [one for one in self.incidents.values() if one.about(id, book.setup.version)]
        others = [
            one for other, one in self.intents.items() if other != id and one.phase in (*UNDER_WAY, "rolling_back")
        ]
        situation = Situation(
            ring=ring,
            opens=opens,
            elapsed=elapsed,
            soaked=covered if book.setup.policy.soak_needs_coverage else elapsed,
            now=at,
            rehearsed=book.rehearsal == "passed",
            conditions=tuple(one for one in yes.conditions if one.kind is not ConditionKind.TEXT) if yes else (),
            severe=sum(one.severe for one in about),
            security=sum(one.security for one in about),
            approved=opens is None or (not void and not self.approval(book, opens, at)),
            excepted=not self.lapsed(id, at),
            calendar_open=self.calendar_open(book, at),
            others=bool(others),
        )
        return unmet(book.setup.policy, measurement, situation) - self.overrides(id, ring, at)

    def unread(self, book: IntentBook, ring: Ring | None) -> set[str]:
        yes = book.latest if ring is None else book.approval(ring)
        return {*(yes.values(ConditionKind.TEXT) if yes else ())} - book.read

    def promote(self, id: str, command: c.PromoteRing) -> Prediction:
        book, at, to_ring = self.intents[id], command.at, command.to_ring
        if book.ring is None:
            return frozenset({refusals.IllegalTransition})
        found: set[type[DomainError]] = set() if command.automatic else self.publisher(book, command.by, at)
        if command.automatic and not (command.by == e.SERVICE and book.setup.policy.of(book.ring).automatic):
            found.add(refusals.AutomationNotAllowed)
        if to_ring <= book.ring:
            repeat = to_ring == book.ring and to_ring > Ring.LAB
            return frozenset(found or {refusals.RingOutOfOrder}) if found or not repeat else None
        if book.phase in ("paused", "halted"):
            found.add(refusals.RolloutNotMoving)
        elif book.phase != "rolling":
            found.add(refusals.IllegalTransition)
        if to_ring is not book.next:
            found.add(refusals.RingOutOfOrder)
        if self.stale(id, at):
            found.add(grounds_refusals.GroundsChanged)
        found |= self.approval(book, to_ring, at)
        if self.unread(book, book.next) - {*command.acknowledged}:
            found.add(refusals.ConditionNotAcknowledged)
        if book.rings[book.ring].frozen_at is None:
            found.add(refusals.CohortNotFrozen)
        elif command.measurement is None:
            found.add(refusals.RingNotMeasured)
        elif missing := self.unmet(id, book.ring, command.measurement, at) - {"approval"}:
            found.add(refusals.SoakNotOver if missing == {"soak"} else refusals.GateNotMet)
        return frozenset(found)

    def measure(self, id: str, command: c.RecordMeasurement) -> Reasons | AbstractSet[str]:
        """Refusals, or what follows from the reading: void, halt, promote, complete."""
        book, ring, at = self.intents[id], command.ring, command.at
        if ring not in book.rings:
            return frozenset({refusals.RingNotOpen})
        if not book.rings[ring].cohorts:
            return frozenset({refusals.CohortNotFrozen})
        rehearsing = book.rehearsal == "running" and ring is Ring.LAB
        if book.phase not in UNDER_WAY or rehearsing:
            return {"nothing"}
        moving, follows = book.phase in ("rolling", "paused"), {"nothing"}
        if moving and halts(book.setup.policy, ring, command.measurement):
            follows.add("halt")
        if ring is not book.ring:
            return follows
        if moving and self.stale(id, at):
            follows.add("void")
        if "halt" in follows or book.phase != "rolling" or book.rings[ring].frozen_at is None:
            return follows
        if self.unmet(id, ring, command.measurement, at, void="void" in follows):
            return follows
        if book.next is None:
            return follows | {"complete"}
        automatic = book.setup.policy.of(ring).automatic and not (
            "void" not in follows and self.unread(book, book.next)
        )
        return follows | {"promote"} if automatic else follows

    def grows(self, id: str, ring: Ring, planned: int, devices: int) -> bool:
        return ring is not Ring.LAB and devices * 10 > planned * 11

    # Sections 8 and 9: stopping, going on, going back.

    def resume(self, id: str, command: c.ResumeRollout) -> Prediction:
        book, at = self.intents[id], command.at
        if book.ring is None or book.phase not in UNDER_WAY:
            return frozenset({refusals.IllegalTransition})
        if book.phase == "rolling":
            return None
        found = self.publisher(book, command.by, at)
        if not command.reason.strip():
            found.add(ReasonMissing)
        return frozenset(found | self._remedy(id, book, command))

    def _remedy(self, id: str, book: IntentBook, command: c.ResumeRollout) -> set[type[DomainError]]:
        assert book.ring is not None
        at, progress, found = command.at, book.rings[book.ring], set[type[DomainError]]()
        if progress.cohorts and command.measurement is None:
            found.add(refusals.RingNotMeasured)
        if book.rejected:
            found.add(refusals.RefusedByCab)
        if book.phase == "halted" and book.called_at is not None and not book.decided:
            found.add(refusals.CabMustDecide)
        found |= self.approval(book, book.ring, at)
        if (stale := self.stale(id, at)) and book.ring is not Ring.LAB:
            found.add(grounds_refusals.GroundsChanged)
        about = [one for one in self.incidents.values() if one.about(id, book.setup.version)]
        harmed = command.measurement is not None and halts(book.setup.policy, book.ring, command.measurement)
        if command.measurement is not None and progress.frozen_at is not None:
            missing = self.unmet(id, book.ring, command.measurement, at, void=stale) & HARM
            # Success that can still be reached is no harm.
            for gate, minimum in self._rates(book):
                if gate in missing and not self._out_of_reach(command.measurement, minimum):
                    missing.discard(gate)
            harmful = bool(missing)
        else:
            harmful = harmed or any(one.severe or one.security for one in about)
        return found | ({refusals.ResumeNotSafe} if harmful else set())

    def _rates(self, book: IntentBook) -> list[tuple[str, float]]:
        assert book.ring is not None
        yes = book.latest if book.next is None else book.approval(book.next)
        asked = [float(text) for text in yes.values(ConditionKind.MIN_SUCCESS_RATE)] if yes else []
        rates = [("success_rate", float(book.setup.policy.of(book.ring).success_min))]
        return rates + ([("condition_min_success_rate", max(asked))] if asked else [])

    def _out_of_reach(self, measurement: Measurement, minimum: float) -> bool:
        failed = sum(one.failed for one in measurement.counts)
        base = sum(one.targeted - one.exempt for one in measurement.counts)
        return (base - failed) < round(base * minimum, 9)

    def rollback(self, id: str, command: c.StartRollback) -> Prediction:
        """Nothing but the status stands in the way: no gate, no window, no approval."""
        book = self.intents[id]
        if book.phase in ("rolling_back", "rolled_back"):
            return None
        if book.ring is None or book.phase not in (*UNDER_WAY, "aborted", "completed"):
            return frozenset({refusals.IllegalTransition})
        found: set[type[DomainError]] = set() if command.reason.strip() else {ReasonMissing}
        if any(plane in command.irremovable for _, plane in book.published):
            found.add(rollback_refusals.RollbackImpossible)
        return frozenset(found)

    def called(self, id: str, at: datetime) -> None:
        """An incident calls the rollout to halt, again or for the first time."""
        book = self.intents[id]
        if book.phase in UNDER_WAY:
            book.called_at = at
