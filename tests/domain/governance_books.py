"""What the reference model keeps of the log: one book a stream, written from the events' own words.

Nothing here calls the rules under test. A book says what has happened; :mod:`governance_model` says what may.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from governance_cast import APP, CVE, PLANNED, TARGET_WORDS, Setup
from governance_gates import reported

from eucora.domain import break_glass as bg
from eucora.domain import cab_delegation as dg
from eucora.domain import cab_review as cab
from eucora.domain import change_window as cw
from eucora.domain import incident as inc
from eucora.domain import policy_exception as ex
from eucora.domain.conditions import Condition, ConditionKind
from eucora.domain.deployment_intent import events as e
from eucora.domain.exception_types import ExceptionKind
from eucora.domain.planes import Plane
from eucora.domain.rings import Measurement, Ring
from eucora.domain.risk_types import BlastRadiusClass as Radius

CLASSES_ALWAYS = (Radius.CRITICAL_INFRASTRUCTURE, Radius.BUSINESS_CRITICAL)
QUORUM = {
    Radius.CRITICAL_INFRASTRUCTURE: 3,
    Radius.BUSINESS_CRITICAL: 2,
    Radius.PRODUCTIVITY_TOOLS: 1,
    Radius.NON_CRITICAL: 1,
}
TRUSTED = {
    Radius.BUSINESS_CRITICAL: (0, 5, 10, 20, 20),
    Radius.PRODUCTIVITY_TOOLS: (0, 20, 30, 45, 50),
    Radius.NON_CRITICAL: (0, 30, 50, 65, 75),
}


def cab_from(setup: Setup, score: Decimal) -> Ring | None:
    """The first ring that needs CAB, by sections 2, 3 and 5; None: automated approval suffices."""
    subject, governance = setup.subject, setup.governance
    asked: list[Ring] = [Ring.CANARY] if subject.privileged else []
    if governance.version == "earned":
        trusted = TRUSTED.get(subject.radius, (0,) * 5)[setup.maturity]
        asked += [Ring.CANARY] if trusted == 0 or score > trusted else []
    else:
        asked += [Ring.CANARY] if subject.radius in CLASSES_ALWAYS else []
        asked += [Ring.PILOT] if score > 50 else []
    barred = subject.privileged or subject.radius in CLASSES_ALWAYS
    listed = governance.version == "listed" and setup.kind is e.ChangeKind.STANDARD and score <= 70
    asked = [] if listed and not barred else asked
    return min([*asked, *([Ring.CANARY] if subject.crosses else [])], default=None)


@dataclass
class Yes:
    """An approval. ``review`` empty: the automated one. ``ring`` None: every ring."""

    review: str
    ring: Ring | None
    binding: str
    at: datetime
    until: datetime
    conditions: tuple[Condition, ...] = ()
    void: bool = False

    def values(self, kind: ConditionKind) -> list[str]:
        return [one.value for one in self.conditions if one.kind is kind]


@dataclass(frozen=True)
class Basis:
    """What an approval rests on."""

    score: Decimal
    devices: int
    critical: frozenset[str]
    lapsed: frozenset[str]


@dataclass
class RingBook:
    cohorts: dict[Plane, int] = field(default_factory=dict)
    frozen_at: datetime | None = None
    measured: Measurement | None = None
    measured_at: datetime | None = None
    covered: timedelta = timedelta()

    def covered_by(self, setup: Setup, at: datetime) -> timedelta:
        """How long enough devices had reported: a reading holds until the next one, from the freeze on."""
        before, since = self.measured, self.measured_at
        if before is None or since is None or self.frozen_at is None or not reported(setup.policy, before.counts):
            return self.covered
        return self.covered + max(timedelta(), at - max(since, self.frozen_at))


@dataclass
class IntentBook:
    """One deployment. ``phase`` is the word of its last movement."""

    setup: Setup
    phase: str = "unknown"
    requester: str = ""
    binding: str = ""
    score: Decimal = Decimal(0)
    cab_from: Ring | None = None
    yes: list[Yes] = field(default_factory=list)
    basis: Basis | None = None
    shown: dict[str, Basis] = field(default_factory=dict)  # what a review's voters are shown
    asked: dict[str, Ring | None] = field(default_factory=dict)
    open_review: str = ""
    rejected: bool = False
    changed: bool = False  # the grounds changed, and CAB has not decided since
    ring: Ring | None = None
    rings: dict[Ring, RingBook] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)
    rehearsal: str = ""
    called_at: datetime | None = None  # when an incident last called it to halt, while it is halted for one
    published: set[tuple[Ring, Plane]] = field(default_factory=set)
    rollback_measured: bool = False
    movers: list[str] = field(default_factory=list)
    halted_at: datetime | None = None  # of the last halt by an incident
    asked_at: dict[str, datetime] = field(default_factory=dict)
    outdated: set[str] = field(default_factory=set)  # reviews that were asked before the grounds changed

    @property
    def needs(self) -> set[tuple[ExceptionKind, str]]:
        """What must be waived all the time."""
        vulnerable, crosses = self.setup.subject.vulnerable, self.setup.subject.crosses
        needs = {(ExceptionKind.VULNERABILITY, CVE)} if vulnerable else set()
        return needs | ({(ExceptionKind.CROSS_BOUNDARY, TARGET_WORDS)} if crosses else set())

    @property
    def needs_cab_from(self) -> Ring | None:
        return Ring.CANARY if self.changed else self.cab_from

    @property
    def per_ring(self) -> bool:
        return self.setup.governance.approval_per_ring and self.cab_from is not None

    @property
    def next(self) -> Ring | None:
        return None if self.ring is None or self.ring >= self.setup.last else Ring(self.ring + 1)

    @property
    def devices(self) -> int:
        """Frozen where they are, as planned elsewhere."""
        return sum(
            self.rings[ring].cohorts.get(plane, PLANNED) if ring in self.rings else PLANNED
            for ring in list(Ring)[: self.setup.last + 1]
            for plane in self.setup.planes
        )

    def approval(self, ring: Ring) -> Yes | None:
        """The newest that covers the ring, unless something voided it; nothing older comes to life again."""
        newest = next((one for one in reversed(self.yes) if one.ring in (None, ring)), None)
        return None if newest is None or newest.void else newest

    @property
    def latest(self) -> Yes | None:
        return next((one for one in reversed(self.yes) if not one.void), None)

    @property
    def decided(self) -> bool:
        """Whether CAB, asked after the incident's halt, said yes after its last call."""
        called, halted = self.called_at, self.halted_at
        return any(
            bool(one.review and not one.void and called and halted)
            and one.at > called
            and self.asked_at[one.review] > halted
            for one in self.yes
        )

    def void(self, review: str | None = None) -> None:
        for one in self.yes:
            one.void = one.void or review is None or one.review in ("", review)

    def approve(self, yes: Yes) -> None:
        """A later answer takes the place of an earlier one on the same rings."""
        if yes.review in self.outdated:
            self.open_review = ""  # void as it is given
            return
        self.yes = [one for one in self.yes if yes.ring is not None and one.ring not in (None, yes.ring)]
        self.yes.append(yes)
        if yes.review:
            self.open_review, self.changed = "", False
            self.basis = self.shown.get(yes.review, self.basis)


@dataclass
class ReviewBook:
    opened: cab.CabReviewOpened
    due_at: datetime
    votes: list[cab.CabVoteCast] = field(default_factory=list)
    outcome: cab.Outcome | None = None
    decided: cab.CabReviewDecided | None = None
    events: int = 1
    visible: int = 1  # number of the last event that voters must know
    revoked: bool = False
    debt_due_at: datetime | None = None
    judged: bool = False


@dataclass
class ExceptionBook:
    terms: ex.Terms
    asked: list[str]
    status: str = "requested"
    given: list[ex.ExceptionDecisionGiven] = field(default_factory=list)
    extension: ex.ExceptionExtensionRequested | None = None
    extended: int = 0

    @property
    def needed(self) -> set[ex.Capacity]:
        """Section 7, and section 6 for the override of a gate. Without an intent nobody knows the score: CAB, too."""
        wide = (ExceptionKind.CROSS_BOUNDARY, ExceptionKind.PRIVILEGED_TOOLING, ExceptionKind.GATE_OVERRIDE)
        cab_too = self.terms.kind in wide or self.terms.score is None or self.terms.score > 50
        return {ex.Capacity.SECURITY_REVIEWER} | ({ex.Capacity.CAB_APPROVER} if cab_too else set())

    def in_force(self, at: datetime) -> bool:
        return self.status == "approved" and at < self.terms.expires_at

    def about(self, intent_id: str) -> bool:
        return self.terms.intent_id in ("", intent_id) and self.terms.application_id == APP


@dataclass
class IncidentBook:
    intent_id: str
    version: str
    severity: inc.IncidentSeverity
    kind: inc.IncidentKind
    attributable: inc.Attributable
    open: bool = True

    def about(self, intent_id: str, version: str) -> bool:
        return self.intent_id == intent_id or self.version == version or (not self.intent_id and not self.version)

    @property
    def severe(self) -> bool:
        caused = self.attributable is not inc.Attributable.NO
        return self.open and caused and self.severity in (inc.IncidentSeverity.P1, inc.IncidentSeverity.P2)

    @property
    def security(self) -> bool:
        caused = self.attributable is inc.Attributable.YES
        return self.open and caused and self.kind is inc.IncidentKind.SECURITY

    @property
    def halts(self) -> bool:
        """P1, or a security incident that the release caused; one that it did not cause halts nothing."""
        innocent = self.attributable is inc.Attributable.NO
        return self.open and not innocent and (self.severity is inc.IncidentSeverity.P1 or self.security)


@dataclass
class WindowBook:
    made: cw.ChangeWindowCreated
    start: datetime
    end: datetime
    cancelled: bool = False

    def binds(self, purpose: cw.ChangePurpose) -> bool:
        about = not self.made.applications or APP in self.made.applications
        here = self.made.scope.business_unit in ("*", "emea")
        return about and here and not self.cancelled and purpose not in self.made.exempt

    def holds(self, at: datetime) -> bool:
        return self.start <= at < self.end


@dataclass
class SessionBook:
    by: str
    asked_at: datetime
    duration: timedelta
    pair: tuple[str, ...] = ()
    until: datetime | None = None
    closed_at: datetime | None = None
    lapsed: bool = False
    expired: bool = False
    reviewed: bool = False

    def open(self, at: datetime) -> bool:
        return self.until is not None and self.closed_at is None and at < self.until

    def owes(self, at: datetime) -> bool:
        """Over for 24 hours, and nobody reviewed it."""
        end = self.closed_at or self.until
        return end is not None and not self.reviewed and at >= end + timedelta(hours=24)


@dataclass
class LoanBook:
    granted: dg.CabVoteDelegated
    ended: bool = False

    def holds(self, at: datetime) -> bool:
        return not self.ended and self.granted.starts_at <= at < self.granted.ends_at


def session_of(event: bg.BreakGlassRequested) -> SessionBook:
    return SessionBook(event.by, event.at, timedelta(seconds=event.duration_s))
