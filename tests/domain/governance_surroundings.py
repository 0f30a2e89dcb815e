"""The rules of the governance machine about what surrounds a rollout: exceptions, incidents, windows, news."""

from decimal import Decimal

from governance_cast import (
    ANN,
    APP,
    CAB,
    CVE,
    DAY,
    EVE,
    HOUR,
    NEW_CVE,
    OPS,
    OWEN,
    PAUL,
    ROSA,
    SEC,
    TARGET_WORDS,
)
from governance_desk import Desk, people, some_intent
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from eucora.domain import change_window as cw
from eucora.domain import incident as inc
from eucora.domain import policy_exception as ex
from eucora.domain.exception_types import ExceptionKind
from eucora.domain.governance_types import ExceptionLimits
from eucora.domain.people import Scope
from eucora.domain.rings import Ring

GATES = ["success_rate", "soak", "change_window", "time_to_compliance", "p1_p2_incidents"]
SEVERITIES = [inc.IncidentSeverity.P1, inc.IncidentSeverity.P2, inc.IncidentSeverity.P3]


class Surroundings(Desk):
    """Each rule is one step."""

    # Exceptions.

    @rule(
        by=st.sampled_from([EVE, EVE, ROSA, ANN, PAUL]),
        owner=st.sampled_from([OWEN, OWEN, OWEN, SEC]),
        days=st.sampled_from([2, 30, 90, 91, 0]),
        what=st.sampled_from(["cve", "new cve", "border", "gate", "gate"]),
        gate=st.sampled_from(GATES),
        id=some_intent,
    )
    def asks_for_an_exception(self, by: str, owner: str, days: int, what: str, gate: str, id: str) -> None:
        self.count()
        self.request_exception(by, owner, days, what, gate, id)

    def request_exception(self, by: str, owner: str, days: int, what: str, gate: str = "", id: str = "i-1") -> str:
        at, until = self.house.tick(), self.house.now + days * DAY
        terms = {
            "cve": self.house.terms(ExceptionKind.VULNERABILITY, (CVE,), owner, until),
            "new cve": self.house.terms(ExceptionKind.VULNERABILITY, (NEW_CVE,), owner, until),
            "border": self.house.terms(ExceptionKind.CROSS_BOUNDARY, (TARGET_WORDS,), owner, until),
        }.get(what) or self.house.override(id, self.intent(id).ring or Ring.LAB, gate, owner, until)
        exception_id = self.new("policy_exception")
        command = ex.RequestException(exception_id, terms, ExceptionLimits(), by, at)
        answer = self.house.ask(ex.DECIDER, exception_id, command)
        assert bool(answer.events) is (0 < days <= 90), "an expiry in the past, or too far ahead"
        self.house.deliver()
        return exception_id if answer.events else ""

    @precondition(lambda self: self.model.exceptions)
    @rule(
        data=st.data(),
        by=st.sampled_from([SEC, SEC, "idp|sid", *CAB, EVE, OWEN]),
        capacity=st.sampled_from(list(ex.Capacity)),
        decision=st.sampled_from([*[ex.Decision.APPROVE] * 6, ex.Decision.DENY, ex.Decision.REQUEST_CHANGES]),
        question=st.sampled_from([ex.Question.EXCEPTION, ex.Question.EXCEPTION, ex.Question.EXTENSION]),
    )
    def decides(
        self, data: st.DataObject, by: str, capacity: ex.Capacity, decision: ex.Decision, question: ex.Question
    ) -> None:
        self.count()
        id = data.draw(st.sampled_from(sorted(self.model.exceptions)))
        self.decide(id, by, capacity, decision, question)

    def decide(
        self,
        id: str,
        by: str,
        capacity: ex.Capacity,
        decision: ex.Decision = ex.Decision.APPROVE,
        question: ex.Question = ex.Question.EXCEPTION,
    ) -> None:
        involved = self.house.involved(self.model.exceptions[id].terms)
        command = ex.DecideException(question, capacity, decision, "considered", by, self.house.tick(), involved)
        predicted = self.model.decide(id, command)
        self.expect(predicted, self.house.ask(ex.DECIDER, id, command), f"decide by {by}")

    @precondition(lambda self: self.model.exceptions)
    @rule(data=st.data(), by=people, what=st.sampled_from(["amend", "longer", "longer", "revoke"]))
    def exceptions_change(self, data: st.DataObject, by: str, what: str) -> None:
        self.count()
        id, at = data.draw(st.sampled_from(sorted(self.model.exceptions))), self.house.tick()
        terms = self.model.exceptions[id].terms
        commands: dict[str, ex.Command] = {
            "amend": ex.AmendException(ex.Terms(**{**_fields(terms), "expires_at": at + 20 * DAY}), by, at),
            "longer": ex.RequestExtension(terms.expires_at + 30 * DAY, "no fix yet", by, at),
            "revoke": ex.RevokeException("exploited", by, at),
        }
        self.house.ask(ex.DECIDER, id, commands[what])
        self.house.deliver()

    @rule(what=st.sampled_from(["cve", "border", "gate", "new cve"]), gate=st.sampled_from(GATES), id=some_intent)
    def an_exception_is_given(self, what: str, gate: str, id: str) -> None:
        self.count()
        self.give_exception(what, gate, id)

    def give_exception(self, what: str, gate: str = "", id: str = "i-1") -> None:
        if exception_id := self.request_exception(EVE, OWEN, 30, what, gate, id):
            self.decide(exception_id, SEC, ex.Capacity.SECURITY_REVIEWER)
            self.decide(exception_id, ANN, ex.Capacity.CAB_APPROVER)

    # Incidents, windows, news.

    @rule(
        severity=st.sampled_from(SEVERITIES),
        kind=st.sampled_from([inc.IncidentKind.STABILITY, inc.IncidentKind.SECURITY]),
        caused=st.sampled_from([inc.Attributable.UNKNOWN, inc.Attributable.YES, inc.Attributable.NO]),
        about=st.sampled_from(["i-1", "i-1", "i-2", "version", "application"]),
    )
    def an_incident(
        self, severity: inc.IncidentSeverity, kind: inc.IncidentKind, caused: inc.Attributable, about: str
    ) -> None:
        self.count()
        id, known = self.new("incident"), about in self.model.intents
        version = self.house.setups[about].version if known else "1.0" if about == "version" else ""
        command = inc.ReportIncident(
            id,
            about if known else "",
            "the-app",
            severity,
            kind,
            caused,
            3,
            "it crashes",
            OPS,
            self.house.tick(),
            version,
        )
        self.tell_incident(id, command)

    @precondition(lambda self: self.model.incidents)
    @rule(
        data=st.data(),
        what=st.sampled_from(["resolve", "resolve", "resolve", "reopen", "worse", "milder"]),
    )
    def an_incident_changes(self, data: st.DataObject, what: str) -> None:
        self.count()
        id, at = data.draw(st.sampled_from(sorted(self.model.incidents))), self.house.tick()
        book = self.model.incidents[id]
        severity = inc.IncidentSeverity.P1 if what == "worse" else inc.IncidentSeverity.P3
        commands: dict[str, inc.Command] = {
            "resolve": inc.ResolveIncident("a bad driver", OPS, at),
            "reopen": inc.ReopenIncident("it is back", OPS, at),
            "worse": inc.ReclassifyIncident(severity, book.kind, book.attributable, "seen again", OPS, at),
            "milder": inc.ReclassifyIncident(severity, book.kind, book.attributable, "few hit", OPS, at),
        }
        self.tell_incident(id, commands[what])

    def report(
        self,
        id: str,
        intent_id: str,
        said: tuple[inc.IncidentSeverity, inc.IncidentKind, inc.Attributable],
        version: str,
    ) -> None:
        at = self.house.tick()
        self.tell_incident(
            id, inc.ReportIncident(id, intent_id, APP, *said, 3, "it crashes", OPS, at, app_version=version)
        )

    def tell_incident(self, id: str, command: inc.Command) -> None:
        self.house.ask(inc.DECIDER, id, command)
        self.house.deliver()

    @rule(
        effect=st.sampled_from([cw.Effect.DENY, cw.Effect.DENY, cw.Effect.ALLOW]),
        begin=st.sampled_from([0, 1, 48]),
        hours=st.sampled_from([4, 48, 400]),
        where=st.sampled_from(["*", "emea", "apac"]),
        exempt=st.sampled_from([(), (), (cw.ChangePurpose.SECURITY,)]),
        apps=st.sampled_from([(), (), ("the-app",), ("another",)]),
    )
    def a_window(
        self,
        effect: cw.Effect,
        begin: int,
        hours: int,
        where: str,
        exempt: tuple[cw.ChangePurpose, ...],
        apps: tuple[str, ...],
    ) -> None:
        self.count()
        self.set_window(effect, begin, hours, where, exempt, apps)

    def set_window(
        self,
        effect: cw.Effect,
        begin: int,
        hours: int,
        where: str = "emea",
        exempt: tuple[cw.ChangePurpose, ...] = (),
        apps: tuple[str, ...] = (),
    ) -> None:
        at, id = self.house.tick(), self.new("change_window")
        first = cw.Span(at + begin * HOUR, at + (begin + hours) * HOUR)
        times = cw.WindowTimes(first.start.replace(tzinfo=None), first.end.replace(tzinfo=None))
        command = cw.CreateChangeWindow(
            id, effect, "a window", "month end", Scope(where), apps, times, first, exempt, ANN, at
        )
        assert self.house.ask(cw.DECIDER, id, command).events

    @precondition(lambda self: self.model.windows)
    @rule(data=st.data())
    def a_window_is_cancelled(self, data: st.DataObject) -> None:
        self.count()
        id = data.draw(st.sampled_from(sorted(self.model.windows)))
        self.house.ask(cw.DECIDER, id, cw.CancelChangeWindow("not needed", ANN, self.house.tick()))

    @rule(id=some_intent, what=st.sampled_from(["cve", "score", "nothing", "nothing"]), more=st.sampled_from([4, 30]))
    def something_new_is_known(self, id: str, what: str, more: int) -> None:
        self.count()
        scan = self.house.scans[id]
        if what == "cve":
            scan.critical = (NEW_CVE,)
        if what == "score":
            scan.drift += Decimal(more)


def _fields(terms: ex.Terms) -> dict[str, object]:
    return {name: getattr(terms, name) for name in terms.__dataclass_fields__}
