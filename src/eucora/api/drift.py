"""Routes of drift findings: what planes hold beside what was decided, and what people do about it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Path, Response
from pydantic import ConfigDict

from eucora.api.asking import (
    Asked,
    HouseDep,
    Listing,
    MoverDep,
    PagingDep,
    ReceiptBody,
    TagDep,
    Told,
    fresh,
    receipt,
)
from eucora.api.preconditions import UNCHANGED
from eucora.api.problems import problem_responses
from eucora.api.routes import noun, permits, readers
from eucora.api.words import Prose
from eucora.application import drift as use
from eucora.domain.drift import DriftFindingUnknown, DriftSeverity
from eucora.domain.drift_compare import DriftKind, Remedy
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring
from eucora.projections.drift import DriftStatus

router = noun("drift-findings")
REFUSALS = problem_responses(400, 404, 409, 412, 413, 415)
_ID = "The intent's id, a dot, and the number of the finding"
FindingId = Annotated[
    str,
    Path(
        pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.[1-9][0-9]{0,8}$",
        description=_ID,
        examples=["0199e5a4-6f00-7000-8000-000000000001.1"],
    ),
]


class AcceptanceAsked(Asked):
    """Why it may stand."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "The service desk keeps a group of its own"}]})

    reason: Prose


class DriftFindingBody(Told):
    """One difference. ``group`` is empty where it is about the whole object.

    ``remedy``: what EUCORA can do about it on the plane; ``none``: a person has to act there, or accept it.
    ``automatic``: it is put right without a person, at most as often as the governance policy says.
    """

    id: str
    version: int
    intent_id: str
    status: DriftStatus
    plane: Plane
    kind: DriftKind
    severity: DriftSeverity
    automatic: bool
    remedy: Remedy
    ring: Ring
    group: str
    expected: str
    found: str
    found_at: datetime
    tries: int
    tried_at: datetime | None
    tried_by: str
    failure: str
    escalated_at: datetime | None
    accepted_by: str
    accepted_at: datetime | None
    accepted_because: str
    cleared_at: datetime | None


@router.get("", dependencies=[fresh("drift_findings")])
@readers()
async def list_drift_findings(
    house: HouseDep,
    page: PagingDep,
    intent_id: UUID | None = None,
    status: DriftStatus | None = None,
    plane: Plane | None = None,
    kind: DriftKind | None = None,
    severity: DriftSeverity | None = None,
) -> Listing[DriftFindingBody]:
    """Drift findings, newest first; those that are gone, too."""
    found = await house.reads.drift_findings.page(
        intent_id=None if intent_id is None else str(intent_id),
        status=status,
        plane=plane,
        kind=kind,
        severity=severity,
        after=page.after,
        limit=page.limit,
        within=page.within,
    )
    items = [DriftFindingBody.model_validate(view) for view in found.items]
    return Listing(items=items, next_cursor=page.next(found.next))


@router.get("/{finding_id}", dependencies=[fresh("drift_findings")], responses=problem_responses(404) | UNCHANGED)
@readers()
async def get_drift_finding(house: HouseDep, tag: TagDep, finding_id: FindingId) -> DriftFindingBody:
    """One drift finding, with its version as ETag."""
    view = await house.reads.drift_findings.get(finding_id)
    if view is None:
        raise DriftFindingUnknown(finding_id)
    tag.of(view.version)
    return DriftFindingBody.model_validate(view)


@router.post("/{finding_id}/remediations", status_code=201, responses=REFUSALS)
@permits(*use.WHO)
async def remediate_drift(finding_id: FindingId, response: Response, house: HouseDep, caller: MoverDep) -> ReceiptBody:
    """Have it put right on the plane: make the decided offer stand, or take back one that nobody decided."""
    return await receipt(house, response, await use.remediate_drift(house.deps.world, caller, finding_id))


@router.post("/{finding_id}/acceptances", status_code=201, responses=REFUSALS)
@permits(*use.WHO)
async def accept_drift(
    finding_id: FindingId, body: AcceptanceAsked, response: Response, house: HouseDep, caller: MoverDep
) -> ReceiptBody:
    """Let it stand, with a reason; it is not put right and not found again while it stays the same."""
    return await receipt(house, response, await use.accept_drift(house.deps.world, caller, finding_id, body.reason))
