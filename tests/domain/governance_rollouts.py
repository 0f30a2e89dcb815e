"""The rules of the governance machine about rollouts, their devices, and break-glass."""

from governance_cast import ACTIVATORS, CAB, EVERYBODY, PAUL, PIA, PLANNED
from governance_desk import people, rings, some_intent
from governance_fleet import SITE
from governance_gates import halts
from governance_log import Answer
from governance_surroundings import Surroundings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from eucora.domain import break_glass as bg
from eucora.domain.deployment_intent import DECIDER as INTENT
from eucora.domain.deployment_intent import commands as c
from eucora.domain.deployment_intent import events as e
from eucora.domain.deployment_intent.refusals import IllegalTransition, RollbackNotMeasured
from eucora.domain.governance_types import BreakGlassLimits
from eucora.domain.people import Scope
from eucora.domain.planes import Plane
from eucora.domain.reasons import ReasonMissing
from eucora.domain.rings import CohortCount, Measurement, Ring

INTENT_OF = {Plane.INTUNE: "a" * 64, Plane.JAMF: "b" * 64}  # the approved content on each plane
REASONS = st.sampled_from(["it crashes", "it crashes", "it crashes", " "])
started = precondition(lambda self: any(self.intent(id).ring is not None for id in self.house.setups))
session_open = precondition(lambda self: self.model.sessions)


class Rollouts(Surroundings):
    """Every rule is one step: some do one thing, some go a whole stretch of the way as sensible people would."""

    @rule(id=some_intent, by=st.sampled_from([PAUL, PAUL, PIA, *EVERYBODY]))
    def starts(self, id: str, by: str) -> None:
        self.count()
        if self.known(id):
            self.start(id, by)

    def start(self, id: str, by: str) -> None:
        at = self.house.tick()
        in_scope, voters = self.house.in_scope(by), self.house.voters(id)
        command = c.StartRollout(by, in_scope, at, self.house.grounds(id), voters)
        predicted = self.model.start(id, by, at)
        self.expect(predicted, self.house.ask(INTENT, id, command), f"start by {by}")

    @started
    @rule(
        id=some_intent,
        planes=st.sampled_from([tuple(Plane), tuple(Plane), (Plane.INTUNE,)]),
        more=st.sampled_from([0, 0, 0, 4, 5, 20]),
    )
    def planes_work(self, id: str, planes: tuple[Plane, ...], more: int) -> None:
        self.count()
        if self.known(id):
            self.work(id, planes, more)

    def work(self, id: str, planes: tuple[Plane, ...] = tuple(Plane), more: int = 0) -> None:
        """Cohorts are resolved, content is published and offered, or the removal is."""
        book = self.model.intents[id]
        for ring in list(book.rings):
            for plane in [one for one in book.setup.planes if one in planes]:
                if plane not in book.rings[ring].cohorts:
                    self.freeze(id, ring, plane, PLANNED + more)
                if book.phase in ("rolling", "rolling_back"):
                    group, offer = f"{plane}-{ring:d}", "install" if book.phase == "rolling" else "uninstall"
                    content = INTENT_OF[plane]
                    self.fact(id, c.RecordPublished(ring, plane, "app", "1", content, self.house.tick()))
                    self.fact(id, c.RecordAssigned(ring, plane, group, "app", offer, self.house.tick()))

    def freeze(self, id: str, ring: Ring, plane: Plane, devices: int) -> None:
        at = self.house.tick()
        counts = (CohortCount(plane, SITE[plane], devices),)
        answer = self.fact(id, c.FreezeCohort(ring, plane, "e" * 64, counts, at))
        grew = any(isinstance(one, e.ApprovalGroundsChanged) for one in answer.events)
        assert grew is self.model.grows(id, ring, PLANNED, devices)
        self.house.fleet.resolve((id, ring, plane), devices, at)

    def fact(self, id: str, command: c.Command) -> Answer:
        """What a plane reports is never refused where the plane and the ring are in the plan."""
        answer = self.house.ask(INTENT, id, command)
        assert answer.refusal is None
        self.house.deliver()
        return answer

    @started
    @rule(id=some_intent, ring=rings, failures=st.sampled_from([0, 0, 1, 2, 8]), silent=st.sampled_from([0, 0, 1, 6]))
    def devices_finish(self, id: str, ring: Ring, failures: int, silent: int) -> None:
        self.count()
        self.house.fleet.finish(id, ring, failures, silent, self.house.now)

    @started
    @rule(id=some_intent, back=st.booleans())
    def lab_rehearses(self, id: str, back: bool) -> None:
        self.count()
        if self.known(id):
            self.rehearse(id, back=back)

    def rehearse(self, id: str, *, back: bool = True) -> None:
        self.house.ask(INTENT, id, c.StartRehearsal(PAUL, self.house.tick()))
        self.house.ask(INTENT, id, c.RecordRehearsal(PLANNED if back else PLANNED // 2, PLANNED, self.house.tick()))
        self.house.deliver()

    @started
    @rule(id=some_intent, back=st.integers(0, 2), checked=st.booleans())
    def somebody_reads_a_ring(self, id: str, back: int, checked: bool) -> None:
        self.count()
        ring = self.intent(id).ring
        if ring is not None:
            self.measure(id, Ring(max(0, ring - back)), checked=checked)

    def measure(self, id: str, ring: Ring, *, checked: bool = False) -> None:
        measurement, at = self.house.measurement(id, ring), self.house.tick()
        if measurement is None:
            return
        if checked:
            self.check_halt_rule(id, ring, measurement)
            at = self.house.tick()
        command = c.RecordMeasurement(ring, measurement, self.house.grounds(id), at)
        predicted = self.model.measure(id, command)
        answer = self.house.ask(INTENT, id, command)
        if isinstance(predicted, frozenset):
            self.expect(predicted, answer, "measure")
            return
        words = {
            e.ApprovalGroundsChanged: "void",
            e.RolloutHalted: "halt",
            e.RingPromoted: "promote",
            e.DeploymentCompleted: "complete",
        }
        followed = {words[type(one)] for one in answer.events if type(one) in words}
        assert answer.refusal is None
        assert followed == {*predicted} - {"nothing"}, f"a reading of ring {ring}"
        self.house.deliver()

    def check_halt_rule(self, id: str, ring: Ring, measurement: Measurement) -> None:
        """What a worker asks first: the halt stands, whatever becomes of the gates."""
        book = self.model.intents[id]
        rehearsing = book.rehearsal == "running" and ring is Ring.LAB
        moving = book.phase in ("rolling", "paused") and bool(book.rings[ring].cohorts) and not rehearsing
        halting = moving and halts(book.setup.policy, ring, measurement)
        answer = self.house.ask(INTENT, id, c.CheckHaltRule(ring, measurement, self.house.tick()))
        assert any(isinstance(one, e.RolloutHalted) for one in answer.events) is halting

    @started
    @rule(
        id=some_intent,
        by=st.sampled_from([PAUL, PAUL, PIA, *EVERYBODY]),
        to_ring=st.sampled_from([None, None, None, *Ring]),
        automatic=st.sampled_from([False, False, True]),
        read=st.booleans(),
    )
    def promotes(self, id: str, by: str, to_ring: Ring | None, automatic: bool, read: bool) -> None:
        self.count()
        if not self.known(id):
            return
        following = self.model.intents[id].next or Ring.GLOBAL
        person = e.SERVICE if automatic and by is PAUL else by
        self.promote(id, following if to_ring is None else to_ring, person, automatic=automatic, read=read)

    def promote(self, id: str, to_ring: Ring, by: str, *, automatic: bool = False, read: bool = True) -> Answer:
        at, state = self.house.tick(), self.intent(id)
        command = c.PromoteRing(
            to_ring=to_ring,
            by=by,
            automatic=automatic,
            in_scope=self.house.in_scope(by),
            measurement=self.house.measurement(id, state.ring),
            grounds=self.house.grounds(id),
            acknowledged=("call the desk first",) if read else (),
            at=at,
            voters=self.house.voters(id),
        )
        predicted = self.model.promote(id, command)
        return self.expect(predicted, self.house.ask(INTENT, id, command), f"promote {id} to {to_ring} by {by}")

    @started
    @rule(id=some_intent, by=people, reason=REASONS, what=st.sampled_from(["pause", "halt", "halt", "abort"]))
    def stops(self, id: str, by: str, reason: str, what: str) -> None:
        """Nothing but the status, and a reason, stands in the way of stopping."""
        self.count()
        at = self.house.tick()
        commands: dict[str, c.Command] = {
            "pause": c.PauseRollout(by, reason, at),
            "halt": c.HaltRollout("operator", by, reason, at),
            "abort": c.AbortRollout(by, reason, at),
        }
        if self.known(id) and not (what == "abort" and len(reason) < len(by)):
            answer = self.house.ask(INTENT, id, commands[what])
            assert answer.refusal is None or type(answer.refusal) in (IllegalTransition, ReasonMissing)
            self.house.deliver()

    @started
    @rule(id=some_intent, by=st.sampled_from([PAUL, PAUL, PIA, *EVERYBODY]), reason=REASONS)
    def resumes(self, id: str, by: str, reason: str) -> None:
        self.count()
        if self.known(id):
            self.resume(id, by, reason)

    def resume(self, id: str, by: str, reason: str = "repaired") -> None:
        at, state = self.house.tick(), self.intent(id)
        measurement = self.house.measurement(id, state.ring)
        in_scope, voters = self.house.in_scope(by), self.house.voters(id)
        command = c.ResumeRollout(by, reason, measurement, self.house.grounds(id), in_scope, at, voters)
        predicted = self.model.resume(id, command)
        self.expect(predicted, self.house.ask(INTENT, id, command), f"resume {id} by {by}")

    @started
    @rule(id=some_intent, by=people, reason=REASONS, seldom=st.integers(0, 1), irremovable=st.booleans())
    def rolls_back(self, id: str, by: str, reason: str, seldom: int, irremovable: bool) -> None:
        self.count()
        if seldom or not self.known(id):
            return
        planes = (Plane.INTUNE,) if irremovable else ()
        command = c.StartRollback(by, reason, self.house.tick(), irremovable=planes)
        predicted = self.model.rollback(id, command)
        self.expect(predicted, self.house.ask(INTENT, id, command), "roll back")

    @started
    @rule(id=some_intent, remaining=st.sampled_from([0, 0, 7]), give_up=st.booleans())
    def rollback_goes_on(self, id: str, remaining: int, give_up: bool) -> None:
        self.count()
        if not self.known(id):
            return
        self.work(id)
        self.fact(id, c.RecordRollback(PLANNED, remaining, self.house.tick()))
        if give_up:
            answer = self.house.ask(INTENT, id, c.GiveUpRollback(PAUL, self.house.tick()))
            assert answer.refusal is None or type(answer.refusal) in (IllegalTransition, RollbackNotMeasured)

    # Break-glass.

    @rule(by=st.sampled_from(ACTIVATORS), length_s=st.sampled_from([None, None, 3_600, 14_400, 14_401, 0]))
    def asks_for_break_glass(self, by: str, length_s: int | None) -> None:
        self.count()
        self.ask_glass(by, length_s)

    def ask_glass(self, by: str, length_s: int | None = None) -> str:
        id, at = self.new("break_glass"), self.house.tick()
        command = bg.RequestBreakGlass(
            session_id=id,
            reason_code=bg.ReasonCode.INCIDENT,
            text="nobody else is there",
            scope=Scope(),
            duration_s=length_s,
            limits=BreakGlassLimits(),
            overdue_debts=self.house.debts(),
            by=by,
            at=at,
        )
        answer = self.expect(
            self.model.ask_glass(id, command), self.house.ask(bg.DECIDER, id, command), "ask for glass"
        )
        return id if answer.events else ""

    @session_open
    @rule(data=st.data(), by=st.sampled_from(ACTIVATORS))
    def confirms_break_glass(self, data: st.DataObject, by: str) -> None:
        self.count()
        self.confirm_glass(data.draw(st.sampled_from(sorted(self.model.sessions))), by)

    def confirm_glass(self, id: str, by: str) -> None:
        at = self.house.tick()
        command = bg.ConfirmBreakGlass(self.house.debts(), by, at)
        predicted = self.model.confirm_glass(id, by, at)
        self.expect(predicted, self.house.ask(bg.DECIDER, id, command), f"confirm {id} by {by}")

    @session_open
    @rule(data=st.data(), by=st.sampled_from([*ACTIVATORS, *CAB]), what=st.sampled_from(["close", "review", "review"]))
    def ends_break_glass(self, data: st.DataObject, by: str, what: str) -> None:
        self.count()
        id, at = data.draw(st.sampled_from(sorted(self.model.sessions))), self.house.tick()
        book = self.model.sessions[id]
        command: bg.Command = bg.ReviewBreakGlass("as it should be", by, at)
        command = bg.CloseBreakGlass("done", by, at) if what == "close" else command
        answer = self.house.ask(bg.DECIDER, id, command)
        if what == "review" and answer.events:
            assert by not in book.pair
        self.house.deliver()
