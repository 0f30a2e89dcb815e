"""Routes of incidents."""

from collections import Counter
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Response
from pydantic import BeforeValidator, ConfigDict, Field

from eucora.api.asking import (
    Asked,
    CallerDep,
    HouseDep,
    Id,
    Listing,
    MoverDep,
    PagingDep,
    PersonDep,
    ReceiptBody,
    Told,
    fresh,
    receipt,
)
from eucora.api.house import House
from eucora.api.problems import problem_responses
from eucora.api.routes import Where, noun, permits, readers
from eucora.api.words import Line, Prose
from eucora.application import incidents as use
from eucora.application.incidents import IncidentRequest
from eucora.domain.deployment_intent.state import IntentStatus
from eucora.domain.incident import AffectedDevices, Attributable, IncidentKind, IncidentSeverity, IncidentUnknown
from eucora.domain.incident import Response as Answer
from eucora.domain.people import Person
from eucora.domain.planes import InstallState, Plane, SiteClass
from eucora.domain.rings import Ring
from eucora.domain.risk_types import BlastRadiusClass
from eucora.projections.incidents import IncidentView

router = noun("incidents")
REFUSALS = problem_responses(400, 404, 409, 412, 413, 415)
COUNT_MAX = 100_000_000
# A device that the release is not for is not waited for.
_SETTLED = frozenset({InstallState.INSTALLED, InstallState.FAILED, InstallState.NOT_APPLICABLE})


class DevicesAsked(Asked):
    """How many devices of one plane and site class are hit."""

    plane: Plane
    site_class: SiteClass = SiteClass.ONLINE
    devices: Annotated[int, Field(ge=-COUNT_MAX, le=COUNT_MAX)]

    def to_devices(self) -> AffectedDevices:
        return AffectedDevices(self.plane, self.site_class, self.devices)


class IncidentAsked(Asked):
    """What went wrong; without ``intent_id`` when no rollout is suspected.

    ``affected_devices`` may be left out where a rollout is named: those that have its release are counted then.
    ``app_version``: of the application, where no rollout is named; without it, all of its rollouts are meant.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "application_id": "edge-tunnel",
                    "severity": "p2",
                    "kind": "stability",
                    "attributable": "unknown",
                    "affected_devices": 14,
                    "description": "The client stops after sleep",
                }
            ]
        }
    )

    intent_id: UUID | None = None
    application_id: Line
    severity: IncidentSeverity
    kind: IncidentKind
    attributable: Attributable = Attributable.UNKNOWN
    # The domain says what a wrong one means.
    affected_devices: Annotated[int | None, Field(ge=-COUNT_MAX, le=COUNT_MAX)] = None
    description: Prose
    app_version: Line = ""
    devices: Annotated[tuple[DevicesAsked, ...], Field(max_length=50)] = ()


class ClassificationAsked(Asked):
    """How bad it is, what kind, whether the release did it, and why this is said anew."""

    severity: IncidentSeverity
    kind: IncidentKind
    attributable: Attributable
    reason: Prose


class ResolutionAsked(Asked):
    """Why it happened, and what was done about it."""

    root_cause: Prose
    corrective_action: Prose = ""


class NoteAsked(Asked):
    """An entry of the communication log."""

    text: Prose


class AssessmentAsked(Asked):
    """Who is hit; ``devices`` left out: those that have the release of the rollout are counted."""

    devices: Annotated[list[DevicesAsked] | None, Field(max_length=50)] = None
    blast_radius_class: BlastRadiusClass | None = None


class ReopeningAsked(Asked):
    """Why it is not over."""

    reason: Prose


class DevicesBody(Told):
    """Devices of one plane and site class."""

    plane: Plane
    site_class: SiteClass
    devices: int


class NoteBody(Told):
    """An entry of the communication log."""

    text: str
    by: str
    at: datetime


class StopBody(Told):
    """A rollout that stood still because of it; ``latency_ms``: from what called for that to the halt or pause.

    The clocks of two replicas may differ by more than it took; then it is 0.
    """

    intent_id: str
    response: Answer
    at: datetime
    latency_ms: Annotated[int, BeforeValidator(lambda ms: max(0, ms))]


class IncidentBody(Told):
    """One incident. ``reason``: of the latest reclassification; ``response``: what it does to rollouts."""

    id: str
    version: int
    status: str
    intent_id: str
    application_id: str
    app_version: str
    severity: IncidentSeverity
    kind: IncidentKind
    attributable: Attributable
    response: Answer
    affected_devices: int
    blast_radius_class: BlastRadiusClass | None
    description: str
    reported_by: str
    reported_at: datetime
    reclassified_by: str
    reason: str
    root_cause: str
    corrective_action: str
    resolved_by: str
    resolved_at: datetime | None
    reopened_by: str
    reopened_at: datetime | None
    reopened_because: str
    reminded_at: datetime | None


class RingHit(Told):
    """One ring that the release reached on one plane. ``pending``: neither installed nor failed, and not exempt."""

    ring: Ring
    plane: Plane
    installed: int
    failed: int
    pending: int


class RolloutHit(Told):
    """A rollout of the release. ``rollback_suggested``: proposed, and neither done nor under way."""

    intent_id: str
    app_version: str
    status: IntentStatus
    ring: Ring | None
    rollback_suggested: bool
    rings: list[RingHit]


class IncidentDetail(IncidentBody):
    """One incident with the rollouts that it is about. ``devices``: who is hit, as counted at ``devices_at``.

    ``pending_devices``: of those rollouts, devices that neither installed nor failed, and may yet get the release.
    """

    devices: list[DevicesBody]
    devices_at: datetime | None
    stops: list[StopBody]
    rollback_reason: str
    rollouts: list[RolloutHit]
    pending_devices: int
    notes: list[NoteBody]


@router.post("", status_code=201, responses=problem_responses(400, 409, 413, 415))
@permits(*use.WHO, where=Where.ANYWHERE)
async def report_incident(body: IncidentAsked, response: Response, house: HouseDep, caller: CallerDep) -> ReceiptBody:
    """Put an incident on record; a P1, or a security incident that the release caused, halts all of its rollouts."""
    request = IncidentRequest(
        intent_id="" if body.intent_id is None else str(body.intent_id),
        application_id=body.application_id,
        severity=body.severity,
        kind=body.kind,
        attributable=body.attributable,
        affected_devices=body.affected_devices,
        description=body.description,
        app_version=body.app_version,
        devices=tuple(one.to_devices() for one in body.devices),
    )
    return await receipt(house, response, await use.report_incident(house.deps.world, caller, request))


@router.get("", dependencies=[fresh("incidents")])
@readers()
async def list_incidents(
    house: HouseDep,
    page: PagingDep,
    status: Literal["open", "resolved"] | None = None,
    intent_id: UUID | None = None,
    application: Line | None = None,
    severity: IncidentSeverity | None = None,
) -> Listing[IncidentBody]:
    """Incidents, newest first."""
    found = await house.reads.incidents.page(
        status=status,
        intent_id=None if intent_id is None else str(intent_id),
        application=application,
        severity=severity,
        after=page.after,
        limit=page.limit,
        within=page.within,
    )
    items = [IncidentBody.model_validate(view) for view in found.items]
    return Listing(items=items, next_cursor=page.next(found.next))


@router.get("/{incident_id}", dependencies=[fresh("incidents", "intents")], responses=problem_responses(404))
@readers()
async def get_incident(house: HouseDep, response: Response, person: PersonDep, incident_id: Id) -> IncidentDetail:
    """One incident with its rollouts, ring by ring, its notes and how fast it stopped them; its version as ETag.

    Of the rollouts, those inside your scopes are told.
    """
    view = await house.reads.incidents.get(str(incident_id))
    if view is None:
        raise IncidentUnknown
    response.headers["ETag"] = f'"{view.version}"'
    rollouts = [found for id in view.intents if (found := await _rollout(house, person, view, id)) is not None]
    seen = {one.intent_id for one in rollouts}
    return IncidentDetail(
        **IncidentBody.model_validate(view).model_dump(),
        devices=[DevicesBody.model_validate(one) for one in view.devices],
        devices_at=view.devices_at,
        stops=[StopBody.model_validate(one) for one in view.stops if person.reach is None or one.intent_id in seen],
        rollback_reason=view.rollback_reason,
        rollouts=rollouts,
        pending_devices=sum(hit.pending for rollout in rollouts for hit in rollout.rings),
        notes=[NoteBody.model_validate(one) for one in view.notes],
    )


async def _rollout(house: House, person: Person, incident: IncidentView, intent_id: str) -> RolloutHit | None:
    intent = await house.reads.intents.get(intent_id)
    if intent is None or not person.sees(intent.scope):
        return None
    states: dict[tuple[Ring, Plane], Counter[InstallState]] = {}
    for count in await house.reads.installs.counts(intent_id):
        states.setdefault((count.ring, count.plane), Counter())[count.state] += count.devices
    done = intent.status in (IntentStatus.ROLLING_BACK, IntentStatus.ROLLED_BACK)
    return RolloutHit(
        intent_id=intent_id,
        app_version=intent.release.application.version,
        status=intent.status,
        ring=intent.ring,
        rollback_suggested=intent_id in incident.rollback_proposed and not done,
        rings=[
            RingHit(
                ring=ring,
                plane=plane,
                installed=seen[InstallState.INSTALLED],
                failed=seen[InstallState.FAILED],
                pending=sum(devices for state, devices in seen.items() if state not in _SETTLED),
            )
            for (ring, plane), seen in sorted(states.items())
        ],
    )


@router.post("/{incident_id}/classifications", status_code=201, responses=REFUSALS)
@permits(*use.WHO)
async def reclassify_incident(
    incident_id: Id, body: ClassificationAsked, response: Response, house: HouseDep, caller: MoverDep
) -> ReceiptBody:
    """Say anew how bad it is; a security incident is reclassified by a security reviewer."""
    written = await use.reclassify_incident(
        house.deps.world,
        caller,
        str(incident_id),
        severity=body.severity,
        kind=body.kind,
        attributable=body.attributable,
        reason=body.reason,
    )
    return await receipt(house, response, written)


@router.post("/{incident_id}/resolutions", status_code=201, responses=REFUSALS)
@permits(*use.WHO)
async def resolve_incident(
    incident_id: Id, body: ResolutionAsked, response: Response, house: HouseDep, caller: MoverDep
) -> ReceiptBody:
    """Close the incident with its root cause."""
    written = await use.resolve_incident(
        house.deps.world, caller, str(incident_id), body.root_cause, body.corrective_action
    )
    return await receipt(house, response, written)


@router.post("/{incident_id}/reopenings", status_code=201, responses=REFUSALS)
@permits(*use.WHO)
async def reopen_incident(
    incident_id: Id, body: ReopeningAsked, response: Response, house: HouseDep, caller: MoverDep
) -> ReceiptBody:
    """Open a resolved incident again; it stops the rollouts of its release as on the first day."""
    written = await use.reopen_incident(house.deps.world, caller, str(incident_id), body.reason)
    return await receipt(house, response, written)


@router.post("/{incident_id}/notes", status_code=201, responses=REFUSALS)
@permits(*use.NOTE_TAKERS, where=Where.SEEN)
async def add_incident_note(
    incident_id: Id, body: NoteAsked, response: Response, house: HouseDep, caller: MoverDep
) -> ReceiptBody:
    """Add to the communication log, also after the resolution."""
    return await receipt(house, response, await use.add_note(house.deps.world, caller, str(incident_id), body.text))


@router.post("/{incident_id}/assessments", status_code=201, responses=REFUSALS)
@permits(*use.WHO)
async def assess_blast_radius(
    incident_id: Id, body: AssessmentAsked, response: Response, house: HouseDep, caller: MoverDep
) -> ReceiptBody:
    """Say anew who is hit, or have it counted from the installs."""
    devices = None if body.devices is None else tuple(one.to_devices() for one in body.devices)
    written = await use.assess_blast_radius(
        house.deps.world, caller, str(incident_id), devices=devices, blast_radius_class=body.blast_radius_class
    )
    return await receipt(house, response, written)
