"""Routes that tell what a rollout will do before it does it."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, TypeVar

from eucora.api.asking import ActingDep, HouseDep, Id, Told, fresh
from eucora.api.deployment_intents import IntentAsked
from eucora.api.house import House
from eucora.api.problems import problem_responses
from eucora.api.routes import Where, noun, permits, readers
from eucora.api.shares import ShareTold
from eucora.application.execute import load
from eucora.application.rollout_plans import plan_of, preview
from eucora.domain import evidence_pack
from eucora.domain.deployment_intent.refusals import IntentUnknown
from eucora.domain.people import Person, Role
from eucora.domain.planes import Plane
from eucora.domain.rings import OfferAs, Ring
from eucora.domain.rollout_plan import Action, FactorDelta, RolloutPlan

router = noun("deployment-intents")
T = TypeVar("T", bound=Told)
CANDIDATES_MAX: Final = 20  # so many intents of the application are looked through for the former release


class GroupChangeBody(Told):
    """What happens to one group. ``ring`` is null for a removal, ``share`` for the whole group."""

    action: Action
    plane: Plane
    group: str
    ring: Ring | None
    from_version: str
    to_version: str
    share: ShareTold
    offer_as: OfferAs
    excluded: tuple[str, ...]


class RingDevicesBody(Told):
    """Devices of one ring: ``planned`` when it was proposed, and now; null: a plane did not answer.

    ``warning``: the ring is far smaller or larger than such a ring usually is; it is not refused. Empty: it is not.
    """

    ring: Ring
    planned: int
    devices: int | None
    delta: int | None
    frozen: bool
    warning: str


class OverlapBody(Told):
    """Another rollout under way that has devices of this one in its cohorts; no ids: one outside your scopes."""

    intent_id: str
    application_id: str
    devices: int


class RingForecastBody(Told):
    """When a ring can be left: as likely sooner as later, and with 90 % confidence; null: not as things stand."""

    ring: Ring
    p50: datetime | None
    p90: datetime | None
    reason: str


class ForecastBody(Told):
    """When the whole plan is done, and what was assumed. ``too_late``: a freeze comes before ``p90``."""

    rings: tuple[RingForecastBody, ...]
    p50: datetime | None
    p90: datetime | None
    too_late: bool
    warning: str
    assumptions: tuple[str, ...]


class RiskDeltaBody(Told):
    """The score against the former release's, and the factors that made the difference."""

    former_intent: str
    former_version: str
    former_score: Decimal
    score: Decimal
    model_changed: bool
    factors: tuple[FactorDelta, ...]


class PlanBody(Told):
    """What the rollout does: groups, devices by ring, overlaps, forecast, freezes in the way, risk delta."""

    changes: tuple[GroupChangeBody, ...]
    rings: tuple[RingDevicesBody, ...]
    overlaps: tuple[OverlapBody, ...]
    forecast: ForecastBody
    conflicts: tuple[str, ...]
    risk: RiskDeltaBody | None


async def _told(house: House, person: Person, plan: RolloutPlan) -> PlanBody:
    """The plan, in which the rollouts that the person may not see are counted and not named."""
    body = PlanBody.model_validate(plan)
    if person.reach is None:
        return body
    overlaps = [
        one if await _sees(house, person, one.intent_id) else _replaced(one, intent_id="", application_id="")
        for one in body.overlaps
    ]
    risk = body.risk
    if risk is not None and not await _sees(house, person, risk.former_intent):
        risk = _replaced(risk, former_intent="")
    return _replaced(body, overlaps=tuple(overlaps), risk=risk)


async def _sees(house: House, person: Person, intent_id: str) -> bool:
    view = await house.reads.intents.get(intent_id)
    return view is not None and person.sees(view.scope)


def _replaced(body: T, **changes: object) -> T:
    """The body with other values in some of its fields."""
    return body.model_copy(update=changes)


async def _candidates(house: House, application_id: str) -> Sequence[str]:
    page = await house.reads.intents.page(application=application_id, limit=CANDIDATES_MAX)
    return [row.id for row in page.items]


@router.post("/plans", responses=problem_responses(400, 404, 409, 413, 415, 502))
@permits(Role.PACKAGING_ENGINEER, where=Where.ANYWHERE)
async def preview_rollout_plan(body: IntentAsked, house: HouseDep, caller: ActingDep) -> PlanBody:
    """What a proposal would do. Nothing is stored; it is refused as the proposal itself would be."""
    world = house.deps.world
    pack = (await load(world.store, evidence_pack.DECIDER, body.evidence_pack)).assembled
    candidates = await _candidates(house, pack.application.application_id) if pack else ()
    return await _told(house, caller.person, await preview(world, caller, body.to_request(), candidates))


@router.get("/{intent_id}/plan", dependencies=[fresh("intents")], responses=problem_responses(404))
@readers()
async def get_rollout_plan(house: HouseDep, caller: ActingDep, intent_id: Id) -> PlanBody:
    """What the rollout does, as it stands now; the groups of rings that are not frozen are counted on their planes."""
    view = await house.reads.intents.get(str(intent_id))
    if view is None:
        raise IntentUnknown
    candidates = await _candidates(house, view.release.application.application_id)
    plan = await plan_of(house.deps.world, caller, str(intent_id), candidates)
    return await _told(house, caller.person, plan)
