"""Routes of deployment intents: propose one, and read where it stands."""

from functools import reduce
from typing import Annotated, Literal

from fastapi import Query, Response
from pydantic import ConfigDict, Field

from eucora.api.asking import (
    Asked,
    CallerDep,
    HouseDep,
    Id,
    Listing,
    PagingDep,
    ReceiptBody,
    TagDep,
    fresh,
    receipt,
)
from eucora.api.intent_answers import (
    BlockersBody,
    DeviceBody,
    IntentDetail,
    IntentLine,
    OperationBody,
    TimelineBody,
    blockers_of,
)
from eucora.api.preconditions import UNCHANGED
from eucora.api.problems import problem_responses
from eucora.api.routes import Where, noun, permits, readers
from eucora.api.shares import ShareAsked
from eucora.api.words import Digest, Line, Moment, Version
from eucora.application.deployment_intents import IntentRequest, TargetRequest, propose
from eucora.application.explain import explain
from eucora.domain.deployment_intent import DECIDER
from eucora.domain.deployment_intent.events import ChangeKind, Purpose
from eucora.domain.deployment_intent.refusals import IntentUnknown
from eucora.domain.deployment_intent.state import IntentStatus
from eucora.domain.people import ANY, Role, Scope
from eucora.domain.planes import InstallState, Plane, SiteClass
from eucora.domain.rings import OfferAs, Ring
from eucora.projections.intent_view import evolve

router = noun("deployment-intents")
EXCLUDED_MAX = 20  # groups that one target may leave out


class TargetAsked(Asked):
    """One group of one plane, by the plane's own id of it, or a share of its devices."""

    plane: Plane
    group: Line
    site_class: SiteClass = SiteClass.ONLINE
    critical: bool = False
    share: Annotated[
        ShareAsked | None,
        Field(description="Null: the whole group. A group in several rings needs a share in each; they do not overlap"),
    ] = None
    offer_as: Annotated[
        OfferAs,
        Field(
            description="available: people install it themselves, from Company Portal or Self Service, and only"
            " their attempts are judged; neither for the lab nor on intune_macos"
        ),
    ] = OfferAs.REQUIRED
    excluded: Annotated[
        tuple[Line, ...],
        Field(
            max_length=EXCLUDED_MAX,
            description="Groups of the plane whose devices stay out of it, by its own ids;"
            " the same ones for every target of the plane",
        ),
    ] = ()

    def to_request(self) -> TargetRequest:
        share = None if self.share is None else self.share.share
        place = (self.plane, self.group, self.site_class, self.critical)
        return TargetRequest(*place, share, self.offer_as, self.excluded)


class RingAsked(Asked):
    """The targets of one ring."""

    ring: Ring
    targets: Annotated[list[TargetAsked], Field(max_length=100)]


class ScopeAsked(Asked):
    """Where it applies; ``*`` is every one."""

    business_unit: Line = ANY
    boundary: Line = ANY
    site: Line = ANY

    def to_scope(self) -> Scope:
        return Scope(self.business_unit, self.boundary, self.site)


class RolloutAsked(Asked):
    """To whom a release shall be rolled out, why, and under which policies."""

    rings: Annotated[list[RingAsked], Field(max_length=5)]
    scope: ScopeAsked
    gate_policy: Annotated[
        Version | None, Field(description="Null: the version in force; CAB sees whatever names another one")
    ] = None
    risk_model: Annotated[Version | None, Field(description="Null: the version in force")] = None
    governance_policy: Annotated[Version | None, Field(description="Null: the version in force")] = None
    change_kind: ChangeKind = ChangeKind.NORMAL
    purpose: Annotated[Purpose, Field(description="Freezes may let security fixes pass")] = Purpose.REGULAR
    application_scope: Annotated[
        ScopeAsked | None, Field(description="Where the application belongs; a target outside it needs an exception")
    ] = None


class IntentAsked(RolloutAsked):
    """What shall be rolled out, to whom, why, and under which policies."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "evidence_pack": "9f86d081884c7d65" * 4,
                    "rings": [
                        {"ring": 0, "targets": [{"plane": "intune", "group": "5f1c2a8e-6f00-4000-8000-000000000000"}]},
                        {"ring": 1, "targets": [{"plane": "intune", "group": "5f1c2a8e-6f00-4000-8000-000000000001"}]},
                    ],
                    "scope": {"business_unit": "retail", "boundary": "emea"},
                    "change_kind": "normal",
                }
            ]
        }
    )

    evidence_pack: Digest

    def to_request(self) -> IntentRequest:
        rings = tuple((one.ring, tuple(target.to_request() for target in one.targets)) for one in self.rings)
        home = self.application_scope
        return IntentRequest(
            evidence_pack=self.evidence_pack,
            rings=rings,
            scope=self.scope.to_scope(),
            gate_policy=self.gate_policy,
            change_kind=self.change_kind,
            purpose=self.purpose,
            risk_model=self.risk_model,
            governance_policy=self.governance_policy,
            application_scope=None if home is None else home.to_scope(),
        )


@router.post("", status_code=201, responses=problem_responses(400, 404, 409, 413, 415, 502))
@permits(Role.PACKAGING_ENGINEER, where=Where.ANYWHERE)
async def propose_deployment_intent(
    body: IntentAsked, response: Response, house: HouseDep, caller: CallerDep
) -> ReceiptBody:
    """Propose a release for rollout: its devices are counted, it is scored, and routed to who must approve it."""
    return await receipt(house, response, await propose(house.deps.world, caller, body.to_request()))


@router.get("", dependencies=[fresh("intents")])
@readers()
async def list_deployment_intents(
    house: HouseDep,
    page: PagingDep,
    status: IntentStatus | None = None,
    application: Annotated[Line | None, Query(description="The application's id")] = None,
    plane: Plane | None = None,
) -> Listing[IntentLine]:
    """Deployment intents, newest first."""
    found = await house.reads.intents.page(
        status=status, application=application, plane=plane, after=page.after, limit=page.limit, within=page.within
    )
    items = [IntentLine.model_validate(row) for row in found.items]
    return Listing(items=items, next_cursor=page.next(found.next))


@router.get("/{intent_id}", dependencies=[fresh("intents")], responses=problem_responses(404) | UNCHANGED)
@readers()
async def get_deployment_intent(
    house: HouseDep,
    tag: TagDep,
    intent_id: Id,
    as_of: Annotated[
        Annotated[int, Field(ge=0, le=2**53)] | Moment | None,
        Field(union_mode="left_to_right"),
        Query(description="A position of the log, or a time: the intent as it stood then; such an answer has no ETag"),
    ] = None,
) -> IntentDetail:
    """One intent as it stands, with its version as ETag; or, with ``as_of``, as it stood then."""
    if as_of is not None:
        then = await house.deps.world.store.read_recorded(DECIDER.stream(str(intent_id)), as_of=as_of)
        view = reduce(evolve, then, None)
    else:
        view = await house.reads.intents.get(str(intent_id))
    if view is None:
        raise IntentUnknown
    if as_of is None:
        tag.of(view.version)
    return IntentDetail.model_validate(view)


@router.get("/{intent_id}/timeline", dependencies=[fresh("timeline")])
@readers()
async def get_timeline(house: HouseDep, page: PagingDep, intent_id: Id) -> Listing[TimelineBody]:
    """What happened around the intent, oldest first, each in a sentence."""
    found = await house.reads.timeline.page(str(intent_id), after=page.after, limit=page.limit)
    items = [TimelineBody.model_validate(entry) for entry in found.items]
    return Listing(items=items, next_cursor=page.next(found.next))


@router.get("/{intent_id}/devices")
@readers()
async def list_devices(
    house: HouseDep,
    page: PagingDep,
    intent_id: Id,
    ring: Ring,
    plane: Plane | None = None,
    state: InstallState | None = None,
) -> Listing[DeviceBody]:
    """The devices of a ring's frozen cohort, with the plane's latest word on each; ``unknown`` where there is none."""
    found = await house.reads.installs.page(
        str(intent_id), ring, plane=plane, state=state, after=page.after, limit=page.limit
    )
    items = [DeviceBody.model_validate(device) for device in found.items]
    return Listing(items=items, next_cursor=page.next(found.next))


@router.get("/{intent_id}/operations", dependencies=[fresh("operations")])
@readers()
async def list_plane_operations(
    house: HouseDep,
    page: PagingDep,
    intent_id: Id,
    plane: Plane | None = None,
    outcome: Literal["done", "failed", "mismatch", "awaiting_approval"] | None = None,
) -> Listing[OperationBody]:
    """What was done on the planes for the intent, newest first."""
    found = await house.reads.operations.page(
        intent_id=str(intent_id), plane=plane, outcome=outcome, after=page.after, limit=page.limit
    )
    items = [OperationBody.model_validate(one) for one in found.items]
    return Listing(items=items, next_cursor=page.next(found.next))


@router.get("/{intent_id}/blockers", responses=problem_responses(404))
@readers()
async def get_blockers(house: HouseDep, intent_id: Id) -> BlockersBody:
    """Why it is not moving: each condition with its value, threshold and source, and who can do something about it."""
    return blockers_of(await explain(house.deps.world, str(intent_id)))
