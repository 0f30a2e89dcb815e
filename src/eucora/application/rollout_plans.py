"""What a rollout will do: of an intent that stands, or of one that somebody thinks about."""

from collections.abc import Sequence

from eucora.application.deployment_intents import IntentRequest, measure_now, proposal_of
from eucora.application.execute import load
from eucora.application.grounds import grounds_of
from eucora.application.planes import PlaneError
from eucora.application.shares import Groups, devices_in
from eucora.application.world import Caller, World, require
from eucora.domain.deployment_intent.decide import DECIDER
from eucora.domain.deployment_intent.events import DeploymentIntentProposed
from eucora.domain.deployment_intent.refusals import IntentUnknown
from eucora.domain.deployment_intent.state import DeploymentIntent, IntentStatus
from eucora.domain.people import Role
from eucora.domain.rollout_plan import Former, RolloutPlan, Slot, held_by, plan


async def plan_of(world: World, caller: Caller, intent_id: str, candidates: Sequence[str]) -> RolloutPlan:
    """The plan of an intent as it stands now; groups of rings that are not frozen are counted on their planes.

    ``candidates``: intents of the same application, the newest first. Raises IntentUnknown.
    """
    state = await load(world.store, DECIDER, intent_id)
    if state.proposed is None:
        raise IntentUnknown
    counted = await _counted(world, caller, state, state.proposed)
    return await _plan(world, state, state.proposed, candidates, counted)


async def preview(world: World, caller: Caller, request: IntentRequest, candidates: Sequence[str]) -> RolloutPlan:
    """The plan that a proposal would have. Nothing is stored; refused as the proposal itself would be."""
    require(caller.person, "preview_rollout_plan", Role.PACKAGING_ENGINEER, scope=request.scope)
    proposal = await proposal_of(world, caller, request, str(world.ids.new()))
    state = DECIDER.fold(DECIDER.decide(DECIDER.initial, proposal))
    if state.proposed is None:
        raise AssertionError("a proposal that is not refused is proposed")
    targets = [(spec.ring, target) for spec in proposal.ring_plan.rings for target in spec.targets]
    # counted for the proposal just now
    counted = {(ring, target.plane, target.group): target.devices for ring, target in targets}
    return await _plan(world, state, state.proposed, candidates, counted)


async def _plan(
    world: World,
    state: DeploymentIntent,
    proposed: DeploymentIntentProposed,
    candidates: Sequence[str],
    counted: dict[Slot, int],
) -> RolloutPlan:
    now = world.clock.now()
    return plan(
        state,
        proposed,
        await grounds_of(world, state, now),
        now,
        former=await _former(world, proposed.intent_id, candidates),
        counted=counted,
        measurement=await measure_now(world, state, state.ring),
    )


async def _former(world: World, intent_id: str, candidates: Sequence[str]) -> Former | None:
    """The newest other rollout of the application that still offers its release to somebody."""
    for candidate in candidates:
        if candidate == intent_id:
            continue
        state = await load(world.store, DECIDER, candidate)
        offers = held_by(state)
        if state.proposed is None or not offers or state.status is IntentStatus.ROLLED_BACK:
            continue
        return Former(candidate, state.proposed.release.application.version, state.proposed.risk, offers)
    return None


async def _counted(
    world: World, caller: Caller, state: DeploymentIntent, proposed: DeploymentIntentProposed
) -> dict[Slot, int]:
    """Devices in the groups of rings that are not frozen; a group whose plane does not answer is left out."""
    counted: dict[Slot, int] = {}
    groups, application = Groups(caller.correlation_id), proposed.release.application.application_id
    for spec in proposed.ring_plan.rings:
        progress = state.rings.get(spec.ring)
        if progress is not None and progress.frozen_at is not None:
            continue
        for target in spec.targets:
            port = world.planes.get(target.plane)
            try:
                if port is not None:
                    excluded = [await groups.of(port, one) for one in target.excluded]
                    devices = devices_in(await groups.of(port, target.group), application, target.share, excluded)
                    counted[spec.ring, target.plane, target.group] = len(devices)
            except PlaneError:
                continue  # the plan says of such a group that its devices are not known
    return counted
