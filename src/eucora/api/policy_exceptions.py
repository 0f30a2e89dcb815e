"""Routes of policy exceptions: ask, amend, decide, extend, revoke, and see when they end."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from pydantic import ConfigDict, Field

from eucora.api.asking import (
    Asked,
    CallerDep,
    DeciderDep,
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
from eucora.api.house import House
from eucora.api.intent_moves import ReasonAsked
from eucora.api.problems import problem_responses
from eucora.api.routes import Where, noun, permits, readers
from eucora.api.words import Line, Moment, Prose
from eucora.application import policy_exceptions as cases
from eucora.application.world import Caller, Receipt
from eucora.domain.exception_types import ExceptionKind, ExceptionStatus
from eucora.domain.people import Role
from eucora.domain.policy_exception import (
    Capacity,
    Decision,
    ExceptionDecisionGiven,
    ExceptionUnknown,
    Question,
)
from eucora.domain.rings import Ring
from eucora.projections.policy_exceptions import ExtensionView, PolicyExceptionView

router = noun("policy-exceptions")
REFUSALS = problem_responses(400, 404, 409, 412, 413, 415)
CONTROLS_MAX, SUBJECTS_MAX = 20, 500


class ExceptionAsked(Asked):
    """What is waived, why, under which controls, whose it is, and until when.

    ``subjects`` in the words of the kind: vulnerability ids, SHA-256 digests of artifacts, scopes as
    ``business_unit/boundary/site``, gate names, or application ids. ``owner`` is a person's id as it stands in events.
    A gate override names its ``ring`` and its ``intent_id``.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "vulnerability",
                    "title": "zlib in the tunnel client",
                    "justification": "The vendor ships the fix next month",
                    "controls": ["The listener is blocked by the host firewall"],
                    "owner": "https://idp.example|5f0c",
                    "subjects": ["CVE-2026-1234"],
                    "expires_at": "2026-04-30T12:00:00Z",
                    "application_id": "edge-tunnel",
                }
            ]
        }
    )

    kind: ExceptionKind
    title: Line
    justification: Prose
    controls: Annotated[tuple[Prose, ...], Field(max_length=CONTROLS_MAX)]
    owner: Line
    subjects: Annotated[tuple[Line, ...], Field(max_length=SUBJECTS_MAX)]
    expires_at: Moment
    intent_id: UUID | None = None
    application_id: Line = ""
    ring: Ring | None = None

    def to_request(self) -> cases.ExceptionRequest:
        return cases.ExceptionRequest(
            kind=self.kind,
            title=self.title,
            justification=self.justification,
            controls=self.controls,
            owner=self.owner,
            subjects=self.subjects,
            expires_at=self.expires_at,
            intent_id="" if self.intent_id is None else str(self.intent_id),
            application_id=self.application_id,
            ring=self.ring,
        )


class ExceptionDecisionAsked(Asked):
    """A decision, as what it is given, and why."""

    capacity: Capacity
    decision: Decision
    reason: Prose


class ExtensionAsked(Asked):
    """Until when the exception shall hold instead, and why."""

    until: Moment
    reason: Prose


class ExceptionBody(Told):
    """One exception. ``in_force``: it may be relied on now. ``expires_in_s``: 0 when its time is up."""

    id: str
    version: int
    status: ExceptionStatus
    in_force: bool
    kind: ExceptionKind
    title: str
    justification: str
    controls: tuple[str, ...]
    owner: str
    subjects: tuple[str, ...]
    intent_id: str
    application_id: str
    ring: Ring | None
    score: Decimal | None
    needs: tuple[Capacity, ...]
    requested_by: str
    requested_at: datetime
    expires_at: datetime
    expires_in_s: int
    amended_by: str
    amended_at: datetime | None
    decisions: tuple[ExceptionDecisionGiven, ...]
    refused_decisions: int
    approved_at: datetime | None
    extension: ExtensionView | None
    extensions: int
    reminded_at: datetime | None
    reason: str
    revoked_by: str
    ended_at: datetime | None

    @classmethod
    def of(cls, view: PolicyExceptionView, now: datetime) -> "ExceptionBody":
        """The view as it is to be read at ``now``."""
        left_s = max(0, int((view.expires_at - now).total_seconds()))
        shown = {name: getattr(view, name) for name in cls.model_fields if hasattr(view, name)}
        return cls(**shown, in_force=view.fact.in_force(now), expires_in_s=left_s)


@router.post("", status_code=201, responses=problem_responses(400, 409, 413, 415))
@permits(Role.PACKAGING_ENGINEER, Role.PUBLISHER, where=Where.ANYWHERE)
async def request_policy_exception(
    body: ExceptionAsked, response: Response, house: HouseDep, caller: CallerDep
) -> ReceiptBody:
    """Ask for an exception; a publisher may ask for a gate override only."""
    return await receipt(house, response, await cases.request_exception(house.deps.world, caller, body.to_request()))


@router.get("", dependencies=[fresh("policy_exceptions")])
@readers()
async def list_policy_exceptions(
    house: HouseDep,
    page: PagingDep,
    status: ExceptionStatus | None = None,
    kind: ExceptionKind | None = None,
    intent_id: UUID | None = None,
    expiring_before: Annotated[
        Moment | None, Query(description="Approved ones that end before this time (ISO 8601 with an offset).")
    ] = None,
) -> Listing[ExceptionBody]:
    """Exceptions, newest first."""
    found = await house.reads.policy_exceptions.page(
        status=status,
        kind=kind,
        intent_id=None if intent_id is None else str(intent_id),
        expiring_before=expiring_before,
        after=page.after,
        limit=page.limit,
        within=page.within,
    )
    now = house.deps.world.clock.now()
    return Listing(items=[ExceptionBody.of(view, now) for view in found.items], next_cursor=page.next(found.next))


@router.get("/{exception_id}", dependencies=[fresh("policy_exceptions")], responses=problem_responses(404))
@readers()
async def get_policy_exception(house: HouseDep, response: Response, exception_id: Id) -> ExceptionBody:
    """One exception with its owner, controls, decisions and the time that is left; its version is the ETag."""
    view = await house.reads.policy_exceptions.get(str(exception_id))
    if view is None:
        raise ExceptionUnknown
    response.headers["ETag"] = f'"{view.version}"'
    return ExceptionBody.of(view, house.deps.world.clock.now())


@router.post("/{exception_id}/amendments", status_code=201, responses=REFUSALS)
@permits(Role.PACKAGING_ENGINEER, Role.PUBLISHER)
async def amend_policy_exception(
    exception_id: Id, body: ExceptionAsked, response: Response, house: HouseDep, caller: MoverDep
) -> ReceiptBody:
    """Ask again with other terms, after changes were requested; all decisions are given anew."""
    written = await cases.amend_exception(house.deps.world, caller, str(exception_id), body.to_request())
    return await receipt(house, response, written)


@router.post("/{exception_id}/decisions", status_code=201, responses=REFUSALS | problem_responses(428))
@permits(Role.SECURITY_REVIEWER, Role.CAB_APPROVER)
async def decide_policy_exception(
    exception_id: Id,
    body: ExceptionDecisionAsked,
    response: Response,
    house: HouseDep,
    caller: DeciderDep,
) -> ReceiptBody:
    """Approve, deny, or request changes, on the terms that you saw: If-Match names their version."""
    return await receipt(house, response, await _decided(house, caller, exception_id, Question.EXCEPTION, body))


@router.post("/{exception_id}/extensions", status_code=201, responses=REFUSALS)
@permits(Role.PACKAGING_ENGINEER, Role.PUBLISHER)
async def request_exception_extension(
    exception_id: Id, body: ExtensionAsked, response: Response, house: HouseDep, caller: MoverDep
) -> ReceiptBody:
    """Ask that the exception hold longer, once; it is decided like the exception itself."""
    written = await cases.request_extension(
        house.deps.world, caller, str(exception_id), until=body.until, reason=body.reason
    )
    return await receipt(house, response, written)


@router.post("/{exception_id}/extension-decisions", status_code=201, responses=REFUSALS | problem_responses(428))
@permits(Role.SECURITY_REVIEWER, Role.CAB_APPROVER)
async def decide_exception_extension(
    exception_id: Id,
    body: ExceptionDecisionAsked,
    response: Response,
    house: HouseDep,
    caller: DeciderDep,
) -> ReceiptBody:
    """Grant or refuse the extension that you saw; until it is granted the old end holds."""
    return await receipt(house, response, await _decided(house, caller, exception_id, Question.EXTENSION, body))


@router.post("/{exception_id}/revocations", status_code=201, responses=REFUSALS)
@permits(Role.SECURITY_REVIEWER, Role.CAB_APPROVER)
async def revoke_policy_exception(
    exception_id: Id, body: ReasonAsked, response: Response, house: HouseDep, caller: MoverDep
) -> ReceiptBody:
    """Take the exception back; what needs it is held before its next promotion."""
    written = await cases.revoke_exception(house.deps.world, caller, str(exception_id), body.reason)
    return await receipt(house, response, written)


async def _decided(
    house: House, caller: Caller, exception_id: UUID, question: Question, body: ExceptionDecisionAsked
) -> Receipt:
    return await cases.decide_exception(
        house.deps.world,
        caller,
        str(exception_id),
        question=question,
        capacity=body.capacity,
        decision=body.decision,
        reason=body.reason,
    )
