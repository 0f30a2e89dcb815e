"""What CAB says against a release: on record for the review and for the intent that rests on it, in one append.

Were the intent told by a job alone, a promotion could pass in between, on an approval that is revoked already, or of a
release that CAB rejected. With one append it cannot: either the promotion is on record first, or it finds the intent's
stream moved and decides again.
"""

from collections.abc import Sequence

from eucora.application.execute import Beside, folded
from eucora.application.ports import Write
from eucora.application.react import react
from eucora.application.world import World
from eucora.domain import cab_review
from eucora.domain.cab_review import APPROVALS, CabReview, CabReviewDecided, Outcome
from eucora.domain.deployment_intent import DECIDER as INTENT
from eucora.domain.deployment_intent import commands
from eucora.domain.deployment_intent.events import Event
from eucora.domain.errors import DomainError


async def told_with(world: World, review: CabReview, events: Sequence[object]) -> Beside:
    """What the review's ``events`` mean for its intent, which may not learn of a rejection or a revocation later.

    Nothing where they are neither, where the intent knows it, and where it refuses to hear of it: CAB's word stands
    whatever the intent says, and the job that follows from it brings such a refusal to people.
    """
    against = any(isinstance(event, CabReviewDecided) and event.outcome is Outcome.REJECTED for event in events)
    reasons = [reason for event in events if (reason := cab_review.taken_back(event)) is not None]
    if review.opened is None or not (against or reasons):
        return Beside()
    now, review_id = world.clock.now(), review.opened.review_id
    history = await world.store.read(INTENT.stream(review.opened.intent_id))
    # The decision goes first, if it is not on record yet: else it would be recorded after its own revocation.
    says: list[commands.Command] = [await decision_of(world, review_id, events)]
    says += [commands.RevokeApproval(review_id, reason, now) for reason in reasons]
    state, told = folded(INTENT, history), list[Event]()
    try:
        for command in says:
            new = INTENT.decide(state, command)
            state, told = INTENT.fold(new, state), [*told, *new]
    except DomainError:
        return Beside()
    if not told:
        return Beside()
    return Beside([Write(history.stream, history.version, told)], react(state, told, now))


async def decision_of(world: World, review_id: str, beside: Sequence[object] = ()) -> commands.RecordCabDecision:
    """How a review that was decided ended, as its intent records it. ``beside``: events that are about to be added."""
    history = await world.store.read(cab_review.DECIDER.stream(review_id))
    decided = opened = None
    voters: dict[str, None] = {}
    for event in (*history.events, *beside):
        if isinstance(event, cab_review.CabReviewOpened):
            opened = event
        elif isinstance(event, cab_review.CabVoteCast):
            voters |= dict.fromkeys(filter(None, (event.voter, event.on_behalf_of)))
        elif isinstance(event, cab_review.CabReviewDecided):
            decided = event
    if opened is None or decided is None:
        raise AssertionError(f"review {review_id} has no decision, yet somebody is to be told of it")
    return commands.RecordCabDecision(
        review_id=opened.review_id,
        outcome=decided.outcome,
        binding=opened.binding,
        conditions=decided.conditions if decided.outcome in APPROVALS else (),
        at=decided.at,
        expires_at=decided.approval_expires_at,
        voters=tuple(voters),
    )
