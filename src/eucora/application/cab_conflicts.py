"""Who has a part in a release, and so may not vote on it; and who voted on it, and so may not publish it."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Final

from eucora.application.execute import folded, load
from eucora.application.ports import History
from eucora.application.world import World
from eucora.domain import cab_review, policy_exception
from eucora.domain.cab_review import Ineligible
from eucora.domain.deployment_intent import DECIDER as INTENT
from eucora.domain.deployment_intent.events import SERVICE, RingPromoted, RolloutResumed, RolloutStarted
from eucora.domain.deployment_intent.state import DeploymentIntent
from eucora.domain.exception_needs import ExceptionNeed
from eucora.domain.exception_types import ExceptionFact, ExceptionStatus

# An exception that was denied or is over gives the release nothing, and its asker no part in it.
_LIVE: Final = frozenset({ExceptionStatus.REQUESTED, ExceptionStatus.CHANGES_REQUESTED, ExceptionStatus.APPROVED})

PUBLISHING: Final = RolloutStarted | RingPromoted | RolloutResumed  # who did one of these published the release


async def conflicts_now(world: World, intent_id: str, at: datetime) -> tuple[Ineligible, ...]:
    """Publishers who moved the rollout, and askers of live exceptions that name it or that it rests on."""
    return await conflicts_in(world, await world.store.read(INTENT.stream(intent_id)), at)


async def conflicts_in(world: World, history: History, at: datetime) -> tuple[Ineligible, ...]:
    """The same by an intent's stream as it was read, for who asserts beside his append that it still stands so."""
    moved = [event.by for event in history.events if isinstance(event, PUBLISHING)]
    asked = [person async for person in _askers(world, folded(INTENT, history), at)]
    return (
        *(Ineligible(person, "publisher") for person in dict.fromkeys(moved) if person != SERVICE),
        *(Ineligible(person, "requested_exception") for person in dict.fromkeys(asked)),
    )


async def reviews_of(world: World, intent: DeploymentIntent) -> tuple[History, ...]:
    """The streams of the intent's reviews, open or decided. A publisher's move rests on them: see ``voters_in``."""
    return tuple([await world.store.read(cab_review.DECIDER.stream(review_id)) for review_id in intent.reviews])


def voters_in(reviews: Sequence[History]) -> tuple[str, ...]:
    """Who voted in the reviews, and on whose behalf; each person once."""
    voters: dict[str, None] = {}
    for review in reviews:
        for vote in folded(cab_review.DECIDER, review).votes:
            voters |= dict.fromkeys(filter(None, (vote.voter, vote.on_behalf_of)))
    return tuple(voters)


async def _askers(world: World, intent: DeploymentIntent, at: datetime) -> AsyncIterator[str]:
    if intent.proposed is None:
        return
    intent_id, application = intent.proposed.intent_id, intent.proposed.release.application.application_id
    for fact in (await world.facts.grounds(intent, at)).exceptions:
        if fact.status not in _LIVE:
            continue
        state = await load(world.store, policy_exception.DECIDER, fact.exception_id)
        if state.terms is None:
            continue
        # One that names no release may hold for any; its asker has a part in those that rest on it.
        anywhere = not state.terms.intent_id and not state.terms.application_id and _met_by(intent.proposed.needs, fact)
        if anywhere or state.terms.intent_id == intent_id or state.terms.application_id == application:
            for person in state.askers:
                yield person


def _met_by(needs: Sequence[ExceptionNeed], fact: ExceptionFact) -> bool:
    """Whether something that the release needs waived is, or would be, waived by the exception."""
    return any(need.kind is fact.kind and not {*need.subjects}.isdisjoint(fact.subjects) for need in needs)
