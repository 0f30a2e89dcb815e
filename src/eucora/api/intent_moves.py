"""Routes of deployment intents that move or stop them: each decision is a resource of its own."""

from typing import Annotated

from fastapi import Response
from pydantic import ConfigDict, Field

from eucora.api.asking import Asked, DeciderDep, HouseDep, Id, MoverDep, ReceiptBody, receipt
from eucora.api.problems import problem_responses
from eucora.api.routes import noun, permits
from eucora.api.words import Prose
from eucora.application import deployment_intents as intents
from eucora.domain.cab_review import Urgency
from eucora.domain.people import Role
from eucora.domain.rings import Ring

router = noun("deployment-intents")
REFUSALS = problem_responses(400, 404, 409, 412, 413, 415)


class SubmissionAsked(Asked):
    """Put the intent before CAB: 48 hours, or 24 with a justification."""

    urgency: Urgency = Urgency.STANDARD
    justification: Prose = ""


class PromotionAsked(Asked):
    """The next ring, and the conditions in words that the publisher read."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"to_ring": 1, "acknowledged": []}]})

    to_ring: Ring
    acknowledged: Annotated[tuple[Prose, ...], Field(max_length=300)] = ()  # what fifteen voters can ask for


class ReasonAsked(Asked):
    """Why; it is recorded with the decision."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "Help desk reports failed sign-ins"}]})

    reason: Prose


class RollbackAsked(ReasonAsked):
    """Why, and what devices shall have afterwards: ``nothing`` of the application, or its ``previous`` release."""

    to: intents.RollbackTo = intents.RollbackTo.NOTHING


@router.post("/{intent_id}/submissions", status_code=201, responses=REFUSALS)
@permits(Role.PACKAGING_ENGINEER)
async def submit_to_cab(
    intent_id: Id, body: SubmissionAsked, response: Response, house: HouseDep, caller: MoverDep
) -> ReceiptBody:
    """Put the intent before CAB. The receipt is the review's."""
    written = await intents.submit_to_cab(
        house.deps.world, caller, str(intent_id), urgency=body.urgency, justification=body.justification
    )
    return await receipt(house, response, written)


@router.post("/{intent_id}/starts", status_code=201, responses=REFUSALS)
@permits(Role.PUBLISHER)
async def start_rollout(intent_id: Id, response: Response, house: HouseDep, caller: MoverDep) -> ReceiptBody:
    """Open the lab ring."""
    return await receipt(house, response, await intents.start(house.deps.world, caller, str(intent_id)))


@router.post("/{intent_id}/promotions", status_code=201, responses=REFUSALS | problem_responses(428))
@permits(Role.PUBLISHER)
async def promote_ring(
    intent_id: Id, body: PromotionAsked, response: Response, house: HouseDep, caller: DeciderDep
) -> ReceiptBody:
    """Leave the open ring for the next one; its gates are evaluated now, on a fresh count."""
    written = await intents.promote(house.deps.world, caller, str(intent_id), body.to_ring, body.acknowledged)
    return await receipt(house, response, written)


@router.post("/{intent_id}/pauses", status_code=201, responses=REFUSALS)
@permits(Role.PUBLISHER, Role.ENDPOINT_OPERATOR)
async def pause_rollout(
    intent_id: Id, body: ReasonAsked, response: Response, house: HouseDep, caller: MoverDep
) -> ReceiptBody:
    """Stop offering for now; a publisher resumes it."""
    return await receipt(house, response, await intents.pause(house.deps.world, caller, str(intent_id), body.reason))


@router.post("/{intent_id}/halts", status_code=201, responses=REFUSALS)
@permits(Role.PUBLISHER, Role.ENDPOINT_OPERATOR, Role.SECURITY_REVIEWER)
async def halt_rollout(
    intent_id: Id, body: ReasonAsked, response: Response, house: HouseDep, caller: MoverDep
) -> ReceiptBody:
    """Stop until somebody decides."""
    return await receipt(house, response, await intents.halt(house.deps.world, caller, str(intent_id), body.reason))


@router.post("/{intent_id}/resumptions", status_code=201, responses=REFUSALS | problem_responses(428))
@permits(Role.PUBLISHER)
async def resume_rollout(
    intent_id: Id, body: ReasonAsked, response: Response, house: HouseDep, caller: DeciderDep
) -> ReceiptBody:
    """Go on after a pause or a halt, on a fresh gate run."""
    return await receipt(house, response, await intents.resume(house.deps.world, caller, str(intent_id), body.reason))


@router.post("/{intent_id}/aborts", status_code=201, responses=REFUSALS)
@permits(Role.PUBLISHER)
async def abort_rollout(
    intent_id: Id, body: ReasonAsked, response: Response, house: HouseDep, caller: MoverDep
) -> ReceiptBody:
    """End the intent for good."""
    return await receipt(house, response, await intents.abort(house.deps.world, caller, str(intent_id), body.reason))


@router.post("/{intent_id}/rollbacks", status_code=201, responses=REFUSALS)
@permits(Role.PUBLISHER)
async def roll_back(
    intent_id: Id, body: RollbackAsked, response: Response, house: HouseDep, caller: MoverDep
) -> ReceiptBody:
    """Take the release off every ring that it reached, and put the one before it back where that is asked for."""
    written = await intents.roll_back(house.deps.world, caller, str(intent_id), body.reason, body.to)
    return await receipt(house, response, written)


@router.post("/{intent_id}/rollback-endings", status_code=201, responses=REFUSALS)
@permits(Role.PUBLISHER)
async def end_rollback(intent_id: Id, response: Response, house: HouseDep, caller: MoverDep) -> ReceiptBody:
    """Stop waiting for the devices that never reported the removal."""
    return await receipt(house, response, await intents.give_up_rollback(house.deps.world, caller, str(intent_id)))


@router.post("/{intent_id}/rehearsals", status_code=201, responses=REFUSALS)
@permits(Role.PUBLISHER, Role.PACKAGING_ENGINEER)
async def rehearse_rollback(intent_id: Id, response: Response, house: HouseDep, caller: MoverDep) -> ReceiptBody:
    """Rehearse the rollback in the lab ring."""
    return await receipt(house, response, await intents.rehearse(house.deps.world, caller, str(intent_id)))
