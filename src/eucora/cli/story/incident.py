"""Chapter 5: an incident stops every rollout of a release at once; one is rolled back, the other may go on."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from eucora.cli.story import acts
from eucora.cli.story.materials import Material
from eucora.cli.story.report import Stopped
from eucora.cli.story.shapes import Incident, Intent
from eucora.cli.story.stage import Stage
from eucora.client import Failed
from eucora.domain.rings import Ring

AFFECTED: Final = 7
CAUSE: Final = "A default of the new release clashes with the proxy of one site"


async def tell(stage: Stage, material: Material, pack: str) -> None:
    """Two rollouts of one release, side by side where there are two planes. Raises Failed."""
    planes = [plane for plane, _ in material.files]
    # Up to the pilot, which takes its time: a rollout that is over could not be halted any more.
    north = await acts.propose(stage, material, pack, planes=planes[:1])
    south = await acts.propose(stage, material, pack, planes=planes[-1:])
    await _together(*(_to_canary(stage, intent) for intent in (north, south)))
    incident = await _report(stage, material, north)
    await _together(*(_halted(stage, intent) for intent in (north, south)))
    told = await stage["oskar.operator"].read(Incident, f"/incidents/{incident}")
    stage.narrator.say(
        "EUCORA", f"blast radius of the incident: {told.affected_devices} devices, class {told.blast_radius_class}"
    )
    await stage.refused(
        "petra.publisher",
        f"{south.title}: going on while the incident is open",
        "cab-must-decide",
        call=_resume(stage, south),
    )
    rolled, resumed = await asyncio.gather(_roll_back(stage, north), _go_on(stage, south, incident))
    stage.findings.stopped = Stopped(
        severity=told.severity,
        blast_radius_class=told.blast_radius_class or "",
        affected_devices=told.affected_devices,
        halted=2,
        rolled_back=rolled.status,
        reverted=rolled.rollback.reverted if rolled.rollback else 0,
        remaining=rolled.rollback.remaining if rolled.rollback else None,
        resumed=resumed.status,
    )


async def _together(*doings: Coroutine[Any, Any, None]) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            for doing in doings:
                group.create_task(doing)
    except* Failed as failures:
        raise failures.exceptions[0] from None


async def _to_canary(stage: Stage, intent: Intent) -> None:
    await acts.start(stage, intent)
    await acts.rehearse(stage, intent)
    await acts.promote(stage, intent, Ring.CANARY)


async def _report(stage: Stage, material: Material, intent: Intent) -> str:
    body = {
        "intent_id": intent.id,
        "application_id": material.application_id,
        "severity": "p1",
        "kind": "stability",
        "attributable": "yes",
        "affected_devices": AFFECTED,
        "description": "Sign-in hangs after the update",
    }
    done = await stage["oskar.operator"].post("/incidents", body)
    stage.say("oskar.operator", f"reported a P1 about {intent.title}: sign-in hangs on {AFFECTED} devices")
    return done.id


async def _halted(stage: Stage, intent: Intent) -> None:
    await stage.until(intent.id, "the incident halts it", lambda now: now.status == "halted")


async def _roll_back(stage: Stage, intent: Intent) -> Intent:
    """Off every ring again, until no device is left."""
    await stage["petra.publisher"].post(
        f"/deployment-intents/{intent.id}/rollbacks", {"reason": "sign-in hangs, see the incident"}
    )
    stage.say("petra.publisher", f"rolls {intent.title} back on {' and '.join(intent.planes)}")
    done = await stage.until(
        intent.id,
        "the rollback is over",
        lambda now: now.status == "rolled_back",
        on_the_way=("halted", "rolling_back"),
    )
    if done.rollback is None or done.rollback.remaining != 0:
        raise Failed(f"{intent.title}: the rollback ended with devices left")
    return done


async def _resume(stage: Stage, intent: Intent) -> None:
    reason = {"reason": "the cause is known and not here"}
    await stage["petra.publisher"].decide(f"/deployment-intents/{intent.id}", "resumptions", reason)


async def _go_on(stage: Stage, intent: Intent, incident: str) -> Intent:
    """Root cause, CAB's second yes, a fresh gate run, and on to the end."""
    await stage["oskar.operator"].post(f"/incidents/{incident}/resolutions", {"root_cause": CAUSE})
    stage.say("oskar.operator", f"resolved the incident: {CAUSE}")
    review = await acts.submit(stage, intent)
    await acts.vote(stage, "carla.cab", review, "cause known, these devices are not concerned")
    await stage.until(
        intent.id,
        "CAB's second approval is on record",
        lambda now: now.approval.source == "cab",
        on_the_way=("halted",),
    )
    await _resume(stage, intent)
    stage.say("petra.publisher", f"resumed {intent.title}, on a fresh gate run")
    return await stage.until(intent.id, "the deployment is complete", lambda now: now.status == "completed")
