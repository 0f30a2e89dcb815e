"""Why an intent is not moving, on facts of this moment."""

from dataclasses import dataclass

from eucora.application.deployment_intents import measure_now
from eucora.application.execute import load
from eucora.application.grounds import grounds_of
from eucora.application.rollback_tasks import removal_of
from eucora.application.world import World
from eucora.domain import cab_review
from eucora.domain.blockers import Blocker, OpenReview, RehearsalSoFar, blockers
from eucora.domain.cab_review import Vote
from eucora.domain.deployment_intent.decide import DECIDER
from eucora.domain.deployment_intent.refusals import IntentUnknown
from eucora.domain.deployment_intent.state import DeploymentIntent, Rehearsal
from eucora.domain.rings import Ring


@dataclass(frozen=True, slots=True)
class Explained:
    """An intent as it stands, and what is in its way."""

    state: DeploymentIntent
    blockers: tuple[Blocker, ...]


async def explain(world: World, intent_id: str) -> Explained:
    """What stands between the intent and its next step now; the open ring is counted afresh. Raises IntentUnknown."""
    state, now = await load(world.store, DECIDER, intent_id), world.clock.now()
    if state.proposed is None:
        raise IntentUnknown
    grounds = await grounds_of(world, state, now)
    measurement = await measure_now(world, state, state.ring)
    review = await _open_review(world, state.open_review)
    rehearsal = await _rehearsal(world, state, intent_id)
    found = blockers(state, grounds, now, measurement=measurement, review=review, rehearsal=rehearsal)
    return Explained(state, found)


async def _rehearsal(world: World, state: DeploymentIntent, intent_id: str) -> RehearsalSoFar | None:
    if state.rehearsal is not Rehearsal.RUNNING or (progress := state.rings.get(Ring.LAB)) is None:
        return None
    seen = await world.devices.reverted(intent_id, [Ring.LAB], removal_of(state))
    devices = sum(count.devices for cohort in progress.cohorts.values() for count in cohort.counts)
    return RehearsalSoFar(seen.reverted, seen.remaining, devices)


async def _open_review(world: World, review_id: str | None) -> OpenReview | None:
    if review_id is None:
        return None
    review = await load(world.store, cab_review.DECIDER, review_id)
    opened = review.opened
    if opened is None or review.outcome is not None:
        return None
    votes = sum(vote.vote is Vote.APPROVE for vote in review.votes)
    return OpenReview(review_id, votes, opened.quorum, opened.due_at)
