"""Problem rows of incidents that the first ones did not need."""

from typing import Final

from eucora.api.problems import Row
from eucora.application import incidents
from eucora.domain import incident
from eucora.domain.errors import DomainError

ROWS: Final[dict[type[DomainError], Row]] = {
    incident.IncidentNotResolved: Row(409, "incident-not-resolved", "The incident is open"),
    incident.ReporterMayNotClear: Row(403, "reporter-may-not-clear", "Who reported the incident may not clear it"),
    incident.NoteMissing: Row(422, "note-missing", "The note is empty", "#/text"),
    incident.AffectedDevicesRepeated: Row(422, "affected-devices-repeated", "Devices are counted twice", "#/devices"),
    incidents.RolloutUnknown: Row(422, "rollout-unknown", "The incident names an unknown rollout", "#/intent_id"),
    incidents.RolloutOfAnotherApplication: Row(
        422, "rollout-of-another-application", "The rollout is of another application", "#/application_id"
    ),
    incidents.ApplicationUnknown: Row(
        422, "application-unknown", "The incident names an unknown application", "#/application_id"
    ),
    incidents.DevicesUncounted: Row(
        422, "devices-uncounted", "The devices cannot be counted without a rollout", "#/affected_devices"
    ),
}
