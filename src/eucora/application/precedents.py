"""What was decided about a release before, looked up in the streams of its earlier intents and of their reviews.

Which intents those are is asked of a read model that has caught up; what was said stands in the streams themselves, and
so also what CAB said after an intent had ended.
"""

from collections.abc import Collection
from dataclasses import replace

from eucora.application.world import World
from eucora.domain import cab_review, precedents
from eucora.domain.deployment_intent import DECIDER as INTENT
from eucora.domain.deployment_intent.events import CabReviewRequested, DeploymentIntentProposed
from eucora.domain.evidence_pack import EvidencePackAssembled
from eucora.domain.precedents import Fact, Happened, Precedents


async def precedents_of(world: World, pack: EvidencePackAssembled) -> Precedents:
    """The precedents of whatever is proposed with ``pack``.

    They are those of every intent of the same application with the same pack, an artifact or file in common, or the
    same version.
    """
    application = pack.application
    files = {digest for install in pack.installs for digest in (install.artifact, install.content)}
    intents = await world.facts.intents_of_release(application.application_id, application.version, pack.pack, files)
    return await _standing(world, intents)


async def precedents_against(world: World, proposed: DeploymentIntentProposed) -> tuple[str, ...]:
    """The clauses that weigh on an intent which was proposed, and perhaps approved, before they came to be."""
    release = proposed.release
    application, files = (
        release.application,
        {one for file in release.artifacts for one in (file.artifact, file.content)},
    )
    intents = await world.facts.intents_of_release(
        application.application_id, application.version, release.evidence_pack, files
    )
    if {*intents} <= {proposed.intent_id}:
        return ()  # the usual case, and this is asked at every reading
    return (await _standing(world, intents)).against(proposed.intent_id)


async def _standing(world: World, intents: Collection[str]) -> Precedents:
    facts = [replace(fact, intent_id=one) for one in intents for fact in await _facts(world, one)]
    return precedents.standing(facts)


async def _facts(world: World, intent_id: str) -> Collection[Fact]:
    events = await _happened(world, INTENT.stream(intent_id))
    found = precedents.of_intent(intent_id, events)
    for one in events:
        if isinstance(one.event, CabReviewRequested):
            found += precedents.of_review(await _happened(world, cab_review.DECIDER.stream(one.event.review_id)))
    return found


async def _happened(world: World, stream: str) -> list[Happened]:
    return [Happened(recorded.position, recorded.event) for recorded in await world.store.read_recorded(stream)]
