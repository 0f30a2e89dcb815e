"""What a decision on a running intent rests on beside the intent itself, as it stands at that moment."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from eucora.domain.exception_types import ExceptionFact
from eucora.domain.gate_types import IncidentFacts
from eucora.domain.risk_types import FindingCounts, History


@dataclass(frozen=True, slots=True)
class CalendarState:
    """Whether a scope may be changed now. ``next_open`` and ``next_close`` are None when nothing is planned.

    ``reason`` and ``next_close_reason`` are sentences for people; empty where there is nothing to say.
    """

    open: bool = True
    reason: str = ""
    next_open: datetime | None = None
    next_close: datetime | None = None
    next_close_reason: str = ""


@dataclass(frozen=True, slots=True)
class Overlap:
    """Another rollout under way that has devices of ours in its cohorts."""

    intent_id: str
    application_id: str
    devices: int


@dataclass(frozen=True, slots=True)
class Grounds:
    """Facts from other streams. ``findings``: by the newest scan of the same SBOM; None: none newer than the pack's.

    ``exceptions``: all that name the intent or its release, in whatever status. ``history`` and ``devices``: as a new
    proposal would be scored with them now; None where nobody looked. ``score`` likewise, by the model of the proposal.
    ``break_glass``: the session it is done in. ``precedents``: what was decided about the release in other intents
    and speaks against it, a clause each; None where nobody looked.
    """

    incidents: IncidentFacts = field(default_factory=IncidentFacts)
    exceptions: tuple[ExceptionFact, ...] = ()
    calendar: CalendarState = CalendarState()
    overlaps: tuple[Overlap, ...] = ()
    findings: FindingCounts | None = None
    critical_findings: tuple[str, ...] = ()  # ids of the critical ones among ``findings``
    history: History | None = None
    devices: int | None = None
    break_glass: str = ""
    score: Decimal | None = None
    precedents: tuple[str, ...] | None = None
