"""Incident: something went wrong in production, perhaps because of a release. Stream: ``incident-<id>``."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Severity(StrEnum):
    P1 = "p1"
    P2 = "p2"
    P3 = "p3"
    P4 = "p4"


class IncidentKind(StrEnum):
    SECURITY = "security"
    STABILITY = "stability"
    PERFORMANCE = "performance"
    OTHER = "other"


class Attributable(StrEnum):
    """Whether the release caused it."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class IncidentReported:
    incident_id: str
    intent_id: str  # the rollout it is about; empty when none is known
    application_id: str
    severity: Severity
    kind: IncidentKind
    attributable: Attributable
    affected_devices: int
    description: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class IncidentReclassified:
    severity: Severity
    kind: IncidentKind
    attributable: Attributable
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class IncidentResolved:
    root_cause: str
    by: str
    at: datetime


Event = IncidentReported | IncidentReclassified | IncidentResolved
