"""Audit access: what an auditor looked at, or took away, is on record itself. Stream: ``audit_access-<id>``."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from eucora.domain.decider import Decider


@dataclass(frozen=True, slots=True)
class RecordEvidenceRead:
    """Fields as in EvidenceRead."""

    pack: str
    document: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RecordLogExport:
    """Fields as in LogExported."""

    after: int
    by: str
    at: datetime


Command = RecordEvidenceRead | RecordLogExport


@dataclass(frozen=True, slots=True)
class EvidenceRead:
    """An auditor fetched a document of an evidence pack; both by their SHA-256."""

    pack: str
    document: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class LogExported:
    """Somebody fetches the log, and began after position ``after``; -1: from the beginning."""

    after: int
    by: str
    at: datetime


Event = EvidenceRead | LogExported


@dataclass(frozen=True, slots=True)
class AuditAccess:
    recorded: Event | None = None


def decide(state: AuditAccess, command: Command) -> Sequence[Event]:
    """The access, once; of the log, again where it goes further back than what is on record.

    Nothing is refused: who may look was decided before.
    """
    match command, state.recorded:
        case RecordEvidenceRead(pack=pack, document=document, by=by, at=at), None:
            return [EvidenceRead(pack, document, by, at)]
        case RecordLogExport(after=after, by=by, at=at), None:
            return [LogExported(after, by, at)]
        case RecordLogExport(after=after, by=by, at=at), LogExported(after=earliest) if after < earliest:
            return [LogExported(after, by, at)]
        case _:
            return []


def evolve(state: AuditAccess, event: Event) -> AuditAccess:
    """State after the event."""
    return AuditAccess(recorded=event)


DECIDER: Final[Decider[AuditAccess, Command, Event]] = Decider(
    noun="audit_access", initial=AuditAccess(), decide=decide, evolve=evolve
)
