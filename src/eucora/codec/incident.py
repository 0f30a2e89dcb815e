"""Stored names of the events of an incident."""

from typing import Final

from eucora.domain import incident

STORED_AS: Final[dict[type, tuple[str, int]]] = {
    incident.IncidentReported: ("incident.reported", 1),
    incident.IncidentReclassified: ("incident.reclassified", 1),
    incident.IncidentReclassificationRefused: ("incident.reclassification-refused", 1),
    incident.IncidentBlastRadiusAssessed: ("incident.blast-radius-assessed", 1),
    incident.RolloutsCalledToStop: ("incident.rollouts-called-to-stop", 1),
    incident.RollbackProposed: ("incident.rollback-proposed", 1),
    incident.IncidentNoted: ("incident.noted", 1),
    incident.IncidentReminded: ("incident.reminded", 1),
    incident.IncidentResolved: ("incident.resolved", 1),
    incident.IncidentReopened: ("incident.reopened", 1),
}
