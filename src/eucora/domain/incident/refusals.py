"""What an incident refuses."""

from datetime import datetime

from eucora.domain.errors import DomainError, RefusedOnRecord
from eucora.domain.incident.events import IncidentReclassificationRefused
from eucora.domain.incident.types import AffectedDevices


class IncidentUnknown(DomainError):
    """The stream is empty: no incident was reported under this id."""

    def __init__(self) -> None:
        super().__init__("No incident was reported under this id; report it first.")


class IncidentIdTaken(DomainError):
    """The id belongs to an incident with another content."""

    def __init__(self, incident_id: str) -> None:
        super().__init__(
            f"Incident {incident_id} was reported with other content; reclassify it, or report under a new id.",
            incident_id=incident_id,
        )


class IncidentClosed(DomainError):
    """A resolved incident stands as it was resolved."""

    def __init__(self) -> None:
        super().__init__("This incident was resolved and does not change any more; reopen it, or report a new one.")


class IncidentNotResolved(DomainError):
    """What is open cannot be reopened."""

    def __init__(self) -> None:
        super().__init__("This incident was never resolved, so it is open as it is; reclassify it, or add a note.")


class ReporterMayNotClear(RefusedOnRecord):
    """Who reported a severe or a security incident does not declare it harmless by himself."""

    def __init__(self, person: str, at: datetime) -> None:
        super().__init__(
            "You reported this incident, so somebody else has to say that the release did not cause it or that it is "
            "less than a P2; ask another person who may reclassify it.",
            record=IncidentReclassificationRefused(person, "reporter_may_not_clear", at),
            person=person,
        )


class RootCauseMissing(DomainError):
    """An incident is not resolved before its cause is known."""

    def __init__(self) -> None:
        super().__init__("Name the root cause: an incident is resolved by knowing why it happened.")


class NoteMissing(DomainError):
    """A note that says nothing."""

    def __init__(self) -> None:
        super().__init__("Write something: an empty note tells nobody anything.")


class AffectedDevicesInvalid(DomainError):
    """A count of devices under zero."""

    def __init__(self, affected_devices: int) -> None:
        super().__init__(
            f"Give the number of affected devices as 0 or more, not {affected_devices}.",
            affected_devices=affected_devices,
        )


class AffectedDevicesRepeated(DomainError):
    """Two counts for one plane and site class."""

    def __init__(self, repeated: AffectedDevices) -> None:
        super().__init__(
            f"The {repeated.site_class} devices of {repeated.plane} are counted twice; give one number for them.",
            plane=str(repeated.plane),
            site_class=str(repeated.site_class),
        )
