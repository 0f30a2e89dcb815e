"""Words of incidents, and the rules on what one does to which rollouts."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from eucora.domain.planes import Plane, SiteClass


class IncidentSeverity(StrEnum):
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


class Response(StrEnum):
    """What an open incident does to the rollouts of its release."""

    HALT = "halt"
    PAUSE = "pause"
    WATCH = "watch"
    RECORD = "record"


@dataclass(frozen=True, slots=True)
class AffectedDevices:
    """How many devices of one plane and site class are hit, or may be."""

    plane: Plane
    site_class: SiteClass
    devices: int


@dataclass(frozen=True, slots=True)
class Rollout:
    """One deployment intent, as an incident sees it.

    ``under_way``: running, paused or halted. ``reached``: its release may be on devices; not so before the start, and
    no longer once it is, or is being, rolled back.
    """

    intent_id: str
    application_id: str
    app_version: str
    evidence_pack: str  # digest
    under_way: bool
    reached: bool


def response(severity: IncidentSeverity, kind: IncidentKind, attributable: Attributable) -> Response:
    """What the incident does to the rollouts of its release.

    P1 halts, whatever its cause is held to be, and so does a security incident that the release caused. Any other that
    the release is known not to have caused stops nothing; of the rest P2 pauses, P3 is watched, P4 is recorded.
    """
    if severity is IncidentSeverity.P1 or (kind is IncidentKind.SECURITY and attributable is Attributable.YES):
        return Response.HALT
    if attributable is Attributable.NO:
        return Response.RECORD
    if severity is IncidentSeverity.P2:
        return Response.PAUSE
    return Response.WATCH if severity is IncidentSeverity.P3 else Response.RECORD


def concerned(
    intent_id: str, application_id: str, app_version: str, rollouts: Iterable[Rollout]
) -> tuple[Rollout, ...]:
    """The rollouts that an incident is about, of those known: their release may be on devices.

    One that names a rollout is about every rollout of its release: the same version of the same application, or the
    same evidence pack; also those that are complete, for their devices have the release. One that names a version is
    about the rollouts of that. One that names neither is about whatever of the application is under way.
    """
    known = tuple(rollouts)
    named = next((one for one in known if one.intent_id == intent_id), None)
    if intent_id and named is None:
        return ()
    if named is not None:
        application_id, app_version = named.application_id, named.app_version
    pack = None if named is None else named.evidence_pack
    return tuple(
        one
        for one in known
        if (one.application_id == application_id or one.evidence_pack == pack)
        and (one.under_way or (one.reached and bool(app_version)))
        and (not app_version or one.app_version == app_version or one.evidence_pack == pack)
    )


_STOPPED_FOR: Final = "incident "


def stop_reason(incident_id: str) -> str:
    """The reason that a rollout stopped by the incident carries."""
    return f"{_STOPPED_FOR}{incident_id}"


def incident_of(reason: str) -> str | None:
    """The incident in a reason of :func:`stop_reason`; None when the reason is another."""
    found = reason.removeprefix(_STOPPED_FOR)
    return found if found != reason and found and " " not in found else None
