"""Who has a part in the releases that an exception is for, and so may not decide on it."""

from collections.abc import Sequence

from eucora.application.cab_conflicts import PUBLISHING
from eucora.application.execute import folded
from eucora.application.world import World
from eucora.domain.deployment_intent import DECIDER as INTENT
from eucora.domain.deployment_intent.events import SERVICE
from eucora.domain.deployment_intent.state import ENDED
from eucora.domain.policy_exception import Terms


async def involved_in(world: World, terms: Terms | None) -> tuple[str, ...]:
    """Persons who asked for, packaged or published what the exception is for, each once.

    One that names an intent: its requester, its packagers, and who started, promoted or resumed it. One that names an
    application only: the requesters and packagers of its intents that are not ended; the others wait for nothing. One
    that names neither is for no release in particular.
    """
    if terms is None:
        return ()
    if terms.intent_id:
        return _once(await _part_in(world, terms.intent_id, publishing=True, ended=True))
    persons: list[str] = []
    for rollout in await world.facts.rollouts_of(terms.application_id) if terms.application_id else ():
        # On devices and not under way: it is ended, and need not be read to know that.
        if rollout.under_way or not rollout.reached:
            persons += await _part_in(world, rollout.intent_id, publishing=False, ended=False)
    return _once(persons)


async def _part_in(world: World, intent_id: str, *, publishing: bool, ended: bool) -> Sequence[str]:
    history = await world.store.read(INTENT.stream(intent_id))
    state = folded(INTENT, history)
    if state.proposed is None or (state.status in ENDED and not ended):
        return ()
    moved = [event.by for event in history.events if isinstance(event, PUBLISHING)] if publishing else []
    return (state.proposed.requested_by, *state.proposed.packagers, *moved)


def _once(persons: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(person for person in persons if person != SERVICE))
