"""Routes of incidents."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Response
from pydantic import ConfigDict, Field

from eucora.api.asking import (
    Asked,
    CallerDep,
    HouseDep,
    Id,
    Listing,
    MoverDep,
    PagingDep,
    ReceiptBody,
    Told,
    fresh,
    receipt,
)
from eucora.api.problems import problem_responses
from eucora.api.routes import noun, permits, readers
from eucora.api.words import Line, Prose
from eucora.application import records
from eucora.domain.incident import Attributable, IncidentKind, IncidentUnknown, Severity
from eucora.domain.people import Role

router = noun("incidents")
REFUSALS = problem_responses(400, 404, 409, 412, 413, 415)
COUNT_MAX = 100_000_000


class IncidentAsked(Asked):
    """What went wrong; without ``intent_id`` when no rollout is suspected."""

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
    severity: Severity
    kind: IncidentKind
    attributable: Attributable = Attributable.UNKNOWN
    affected_devices: Annotated[int, Field(ge=-COUNT_MAX, le=COUNT_MAX)]  # the domain says what a wrong one means
    description: Prose


class ClassificationAsked(Asked):
    """How bad it is, what kind, whether the release did it, and why this is said anew."""

    severity: Severity
    kind: IncidentKind
    attributable: Attributable
    reason: Prose


class ResolutionAsked(Asked):
    """Why it happened."""

    root_cause: Prose


class IncidentBody(Told):
    """One incident. ``reason``: of the latest reclassification."""

    id: str
    version: int
    status: str
    intent_id: str
    application_id: str
    severity: Severity
    kind: IncidentKind
    attributable: Attributable
    affected_devices: int
    description: str
    reported_by: str
    reported_at: datetime
    reclassified_by: str
    reason: str
    root_cause: str
    resolved_by: str
    resolved_at: datetime | None


@router.post("", status_code=201, responses=problem_responses(400, 409, 413, 415))
@permits(Role.ENDPOINT_OPERATOR, Role.SECURITY_REVIEWER)
async def report_incident(body: IncidentAsked, response: Response, house: HouseDep, caller: CallerDep) -> ReceiptBody:
    """Put an incident on record; a P1, or a security incident that the release caused, halts its rollout."""
    request = records.IncidentRequest(
        intent_id="" if body.intent_id is None else str(body.intent_id),
        application_id=body.application_id,
        severity=body.severity,
        kind=body.kind,
        attributable=body.attributable,
        affected_devices=body.affected_devices,
        description=body.description,
    )
    return await receipt(house, response, await records.report_incident(house.deps.world, caller, request))


@router.get("", dependencies=[fresh("incidents")])
@readers()
async def list_incidents(
    house: HouseDep,
    page: PagingDep,
    status: Literal["open", "resolved"] | None = None,
    intent_id: str | None = None,
    application: str | None = None,
    severity: Severity | None = None,
) -> Listing[IncidentBody]:
    """Incidents, newest first."""
    found = await house.reads.incidents.page(
        status=status,
        intent_id=intent_id,
        application=application,
        severity=severity,
        after=page.after,
        limit=page.limit,
    )
    items = [IncidentBody.model_validate(view) for view in found.items]
    return Listing(items=items, next_cursor=page.next(found.next))


@router.get("/{incident_id}", dependencies=[fresh("incidents")], responses=problem_responses(404))
@readers()
async def get_incident(house: HouseDep, response: Response, incident_id: Id) -> IncidentBody:
    """One incident, with its version as ETag."""
    view = await house.reads.incidents.get(str(incident_id))
    if view is None:
        raise IncidentUnknown
    response.headers["ETag"] = f'"{view.version}"'
    return IncidentBody.model_validate(view)


@router.post("/{incident_id}/classifications", status_code=201, responses=REFUSALS)
@permits(Role.ENDPOINT_OPERATOR, Role.SECURITY_REVIEWER)
async def reclassify_incident(
    incident_id: Id, body: ClassificationAsked, response: Response, house: HouseDep, caller: MoverDep
) -> ReceiptBody:
    """Say anew how bad it is; a security incident is reclassified by a security reviewer."""
    written = await records.reclassify_incident(
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
@permits(Role.ENDPOINT_OPERATOR, Role.SECURITY_REVIEWER)
async def resolve_incident(
    incident_id: Id, body: ResolutionAsked, response: Response, house: HouseDep, caller: MoverDep
) -> ReceiptBody:
    """Close the incident with its root cause."""
    written = await records.resolve_incident(house.deps.world, caller, str(incident_id), body.root_cause)
    return await receipt(house, response, written)
