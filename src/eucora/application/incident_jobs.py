"""The jobs of incidents: stop what is about them, find who else has the release, remind people."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from eucora.application.execute import execute, load
from eucora.application.ports import Context, Lease
from eucora.application.react import react
from eucora.application.world import World
from eucora.domain import incident
from eucora.domain.deployment_intent import commands
from eucora.domain.deployment_intent.decide import DECIDER
from eucora.domain.deployment_intent.events import SERVICE
from eucora.domain.deployment_intent.refusals import IllegalTransition
from eucora.domain.incident import Response, stop_reason

Payload = Mapping[str, Any]


async def stop_for_incident(world: World, payload: Payload, context: Context, lease: Lease) -> bool:
    """Halt or pause a rollout that an incident is about; one that does not run needs no stopping."""
    now, reason = world.clock.now(), stop_reason(payload["incident_id"])
    command: commands.Command = commands.PauseRollout(SERVICE, reason, now)
    if payload["response"] == Response.HALT.value:
        command = commands.HaltRollout("incident", SERVICE, reason, now)
    intent_id: str = payload["intent_id"]
    context = replace(context, intent_id=intent_id)
    try:
        done = await execute(
            world.store, DECIDER, intent_id, command, context=context, at=now, react=react, finishes=lease
        )
    except IllegalTransition:
        return False
    return done.position is not None


async def find_rollouts_of_incident(world: World, payload: Payload, context: Context, lease: Lease) -> bool:
    """Find every rollout of the release, and put on record which are to stop; finding them twice changes nothing.

    The stop is appended by itself and first: it holds whatever becomes of the proposals to take the release off.
    """
    reported = (await load(world.store, incident.DECIDER, payload["incident_id"])).reported
    if reported is None:
        raise AssertionError(f"incident {payload['incident_id']} was never reported, yet a job says so")
    rollouts = await world.facts.rollouts_of(reported.application_id)
    command = incident.StopRollouts(tuple(rollouts), world.clock.now(), proposing=False)
    await execute(
        world.store, incident.DECIDER, payload["incident_id"], command,
        context=context, at=world.clock.now(), react=react,
    )  # fmt: skip
    return await _incident(world, payload["incident_id"], replace(command, proposing=True), context, lease)


async def remind_incident(world: World, payload: Payload, context: Context, lease: Lease) -> bool:
    command = incident.RemindIncident(world.clock.now())
    return await _incident(world, payload["incident_id"], command, context, lease)


async def _incident(world: World, id: str, command: incident.Command, context: Context, lease: Lease) -> bool:
    done = await execute(
        world.store, incident.DECIDER, id, command,
        context=context, at=world.clock.now(), react=react, finishes=lease,
    )  # fmt: skip
    return done.position is not None


JOBS = {
    "stop_for_incident": stop_for_incident,
    "find_rollouts_of_incident": find_rollouts_of_incident,
    "remind_incident": remind_incident,
}
