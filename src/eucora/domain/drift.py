"""Drift: what planes hold beside what was decided, from its finding until it is gone. Stream: ``drift-<intent id>``."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from eucora.domain.decider import Decider
from eucora.domain.deployment_intent.events import SERVICE
from eucora.domain.drift_compare import DriftKind, Finding, Remedy
from eucora.domain.errors import DomainError
from eucora.domain.governance_types import DriftRules
from eucora.domain.planes import Plane
from eucora.domain.reasons import require_reason

# Whatever ring it is in: the devices may get something that nobody approved, or nothing at all.
_GRAVE: Final = frozenset(
    {DriftKind.MISSING_APP, DriftKind.WRONG_VERSION, DriftKind.CHANGED_CONTENT, DriftKind.FOREIGN_MEMBERS}
)


class DriftSeverity(StrEnum):
    LOW = "low"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class RecordInspection:
    """A plane was compared; ``findings`` is all that differs there now. ``every_s``: seconds between two looks."""

    intent_id: str
    plane: Plane
    findings: tuple[Finding, ...]
    privileged: bool
    rules: DriftRules
    every_s: int
    at: datetime


@dataclass(frozen=True, slots=True)
class RemediateDrift:
    """A person wants a finding put right on the plane."""

    finding_id: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AcceptDrift:
    """A person lets a finding stand."""

    finding_id: str
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RecordRemediationFailed:
    """The plane did not take try ``number``."""

    finding_id: str
    number: int
    detail: str
    at: datetime


Command = RecordInspection | RemediateDrift | AcceptDrift | RecordRemediationFailed


@dataclass(frozen=True, slots=True)
class DriftFound:
    """A difference that was not there at the last look. ``automatic``: it is put right without a person."""

    finding_id: str
    intent_id: str
    finding: Finding
    severity: DriftSeverity
    automatic: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class DriftCleared:
    """The difference is gone, whoever saw to it."""

    finding_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class DriftRemediationRequested:
    """Try ``number`` to put it right. ``next_at``: when the next automatic one is due; None: a person asked."""

    finding_id: str
    number: int
    by: str
    at: datetime
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DriftRemediationFailed:
    finding_id: str
    number: int
    detail: str
    at: datetime


@dataclass(frozen=True, slots=True)
class DriftEscalated:
    """The automatic tries did not help; from here on it waits for a person."""

    finding_id: str
    tries: int
    at: datetime


@dataclass(frozen=True, slots=True)
class DriftAccepted:
    finding_id: str
    reason: str
    by: str
    at: datetime


Event = DriftFound | DriftCleared | DriftRemediationRequested | DriftRemediationFailed | DriftEscalated | DriftAccepted


@dataclass(frozen=True, slots=True)
class OpenFinding:
    """``asked``: how many tries there were, ``tries``: those of them that nobody asked for."""

    id: str
    finding: Finding
    automatic: bool
    asked: int = 0
    tries: int = 0
    next_at: datetime | None = None
    escalated: bool = False
    accepted: DriftAccepted | None = None


@dataclass(frozen=True, slots=True)
class Drift:
    """``count``: findings so far; ``open``: those that are there now, by id."""

    intent_id: str = ""
    count: int = 0
    open: Mapping[str, OpenFinding] = field(default_factory=dict)


class DriftFindingUnknown(DomainError):
    def __init__(self, finding_id: str) -> None:
        super().__init__(
            f"There is no drift finding {finding_id}; the list of findings names those that there are.",
            finding_id=finding_id,
        )


class DriftFindingCleared(DomainError):
    """What was found is not there any more."""

    def __init__(self, finding_id: str) -> None:
        super().__init__(
            f"Finding {finding_id} is gone by now, so there is nothing to put right or to accept.",
            finding_id=finding_id,
        )


class DriftNotRemediable(DomainError):
    """Putting it right would touch content, or what others own."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(
            f"EUCORA does not put {finding.kind.replace('_', ' ')} right by itself, because that would touch content or"
            f" what others own on {finding.plane}. Put it right there, accept it with a reason, or roll the release"
            " back.",
            kind=finding.kind.value,
            plane=str(finding.plane),
        )


def finding_id(intent_id: str, number: int) -> str:
    """The id of an intent's ``number``-th finding, from 1: it names the intent, so it can be found by itself."""
    return f"{intent_id}.{number}"


def intent_of(finding_id: str) -> str:
    """The intent that a finding is about; the whole text where it is no such id."""
    return finding_id.rpartition(".")[0] or finding_id


def severity_of(finding: Finding, rules: DriftRules, *, privileged: bool) -> DriftSeverity:
    """High for privileged tooling, for rings beyond those that may be put right automatically, and for content."""
    high = privileged or finding.ring > rules.automatic_up_to or finding.kind in _GRAVE
    return DriftSeverity.HIGH if high else DriftSeverity.LOW


def decide(state: Drift, command: Command) -> Sequence[Event]:
    """Events the command leads to; none when they are already on record.

    Raises:
        DriftFindingUnknown, DriftFindingCleared, DriftNotRemediable, ReasonMissing.
    """
    match command:
        case RecordInspection():
            return list(_inspected(state, command))
        case RemediateDrift(finding_id=id, by=by, at=at):
            known = _open(state, id)
            if known.finding.remedy is Remedy.NONE:
                raise DriftNotRemediable(known.finding)
            return [DriftRemediationRequested(id, known.asked + 1, by, at)]
        case AcceptDrift(finding_id=id, reason=reason, by=by, at=at):
            accepted = DriftAccepted(id, require_reason(reason, "an acceptance"), by, at)
            return [] if _open(state, id).accepted is not None else [accepted]
        case RecordRemediationFailed(finding_id=id, number=number, detail=detail, at=at):
            return [DriftRemediationFailed(id, number, detail, at)] if id in state.open else []


def _open(state: Drift, id: str) -> OpenFinding:
    if id in state.open:
        return state.open[id]
    number = id.rpartition(".")[2]
    if number.isdecimal() and 0 < int(number) <= state.count and id == finding_id(state.intent_id, int(number)):
        raise DriftFindingCleared(id)
    raise DriftFindingUnknown(id)


def _inspected(state: Drift, command: RecordInspection) -> Iterator[Event]:
    """Each finding once, its end once, and what is due for those that are put right without a person."""
    there = {finding.key for finding in command.findings}
    before = {known.finding.key: known for known in state.open.values() if known.finding.plane is command.plane}
    for key, known in before.items():
        if key not in there:
            yield DriftCleared(known.id, command.at)
        elif known.automatic and known.accepted is None and not known.escalated:
            yield from _due(known, command)
    number = state.count
    for finding in command.findings:
        if finding.key in before:
            continue
        number += 1
        id = finding_id(command.intent_id, number)
        severity = severity_of(finding, command.rules, privileged=command.privileged)
        automatic = severity is DriftSeverity.LOW and finding.remedy is not Remedy.NONE and command.rules.tries_max > 0
        yield DriftFound(id, command.intent_id, finding, severity, automatic, command.at)
        if automatic:
            yield _request(id, 1, 1, command)


def _due(known: OpenFinding, command: RecordInspection) -> Iterator[Event]:
    if known.next_at is not None and command.at < known.next_at:
        return
    if known.tries >= command.rules.tries_max:
        yield DriftEscalated(known.id, known.tries, command.at)
    else:
        yield _request(known.id, known.asked + 1, known.tries + 1, command)


def _request(id: str, number: int, tries: int, command: RecordInspection) -> DriftRemediationRequested:
    """An automatic try; the pause after it doubles: 1, 2, 4 … times the time between two looks."""
    pause = timedelta(seconds=command.every_s * 2 ** (tries - 1))
    return DriftRemediationRequested(id, number, SERVICE, command.at, command.at + pause)


def evolve(state: Drift, event: Event) -> Drift:
    """State after the event. Never refuses: the event has happened."""
    match event:
        case DriftFound(finding_id=id, intent_id=intent_id, finding=finding, automatic=automatic):
            known = OpenFinding(id, finding, automatic)
            return Drift(intent_id, state.count + 1, {**state.open, id: known})
        case DriftCleared(finding_id=id):
            return replace(state, open={key: known for key, known in state.open.items() if key != id})
        case DriftRemediationRequested(finding_id=id, number=number, next_at=next_at):
            known = replace(state.open[id], asked=number)
            if next_at is not None:
                known = replace(known, tries=known.tries + 1, next_at=next_at)
            return _with(state, known)
        case DriftEscalated(finding_id=id):
            return _with(state, replace(state.open[id], escalated=True))
        case DriftAccepted(finding_id=id):
            return _with(state, replace(state.open[id], accepted=event))
        case DriftRemediationFailed():
            return state  # kept for the record


def _with(state: Drift, known: OpenFinding) -> Drift:
    return replace(state, open={**state.open, known.id: known})


DECIDER: Final[Decider[Drift, Command, Event]] = Decider(noun="drift", initial=Drift(), decide=decide, evolve=evolve)
