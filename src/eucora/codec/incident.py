"""Stored names of the events of an incident."""

from typing import Final

from eucora.domain import incident

STORED_AS: Final[dict[type, tuple[str, int]]] = {
    incident.IncidentReported: ("incident.reported", 1),
    incident.IncidentReclassified: ("incident.reclassified", 1),
    incident.IncidentResolved: ("incident.resolved", 1),
}
