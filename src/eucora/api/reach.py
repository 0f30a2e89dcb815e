"""What a path names, and the scope that it stands in: asked before anything else, so that no answer tells of more.

Scopes are read off the log and not off a read model: what was just written has its scope at once.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from eucora.application.execute import load
from eucora.application.ports import EventStore
from eucora.domain import break_glass, change_window, deployment_intent, drift, incident, policy_exception
from eucora.domain import cab_review as cab
from eucora.domain.deployment_intent.events import DeploymentIntentProposed
from eucora.domain.deployment_intent.refusals import IntentUnknown
from eucora.domain.errors import DomainError
from eucora.domain.people import Scope

WHOLE: Final = Scope()


@dataclass(frozen=True, slots=True)
class Target:
    """``shown_to_all``: everybody with a role may read it, wherever it stands. ``unknown``: what whoever may not see it
    is told, and whoever names an id that nobody gave away."""

    scope: Scope
    unknown: DomainError
    shown_to_all: bool = False


async def target_of(store: EventStore, params: Mapping[str, Any]) -> Target | None:
    """What the path names; None: its parameters name nothing that stands in a scope.

    Raises:
        DomainError: nothing stands under the id; the noun's own refusal.
    """
    for name, find in SCOPED.items():
        if name in params:
            return await find(store, str(params[name]))
    return None


async def _first(store: EventStore, stream: str) -> object | None:
    events = (await store.read(stream)).events
    return events[0] if events else None


async def _intent_scope(store: EventStore, intent_id: str) -> Scope | None:
    first = await _first(store, deployment_intent.DECIDER.stream(intent_id))
    return first.scope if isinstance(first, DeploymentIntentProposed) else None


def _canonical(id: str, unknown: DomainError) -> str:
    """The id as streams are named by it, however it was spelt in the path."""
    try:
        return str(UUID(id))
    except ValueError:
        raise unknown from None


async def _intent(store: EventStore, id: str) -> Target:
    unknown = IntentUnknown()
    return _found(await _intent_scope(store, _canonical(id, unknown)), unknown)


async def _review(store: EventStore, id: str) -> Target:
    """A review is its intent's."""
    unknown = cab.ReviewUnknown()
    match await _first(store, cab.DECIDER.stream(_canonical(id, unknown))):
        case cab.CabReviewOpened(intent_id=intent_id):
            return _found(await _intent_scope(store, intent_id), unknown)
    raise unknown


async def _incident(store: EventStore, id: str) -> Target:
    """An incident without a rollout is about an application wherever it runs."""
    unknown = incident.IncidentUnknown()
    match await _first(store, incident.DECIDER.stream(_canonical(id, unknown))):
        case incident.IncidentReported(intent_id=""):
            return Target(WHOLE, unknown, shown_to_all=True)
        case incident.IncidentReported(intent_id=intent_id):
            return _found(await _intent_scope(store, intent_id), unknown)
    raise unknown


async def _exception(store: EventStore, id: str) -> Target:
    """An exception without a rollout is for an application, or a subject, wherever it turns up."""
    unknown = policy_exception.ExceptionUnknown()
    terms = (await load(store, policy_exception.DECIDER, _canonical(id, unknown))).terms
    if terms is None:
        raise unknown
    if not terms.intent_id:
        return Target(WHOLE, unknown, shown_to_all=True)
    return _found(await _intent_scope(store, terms.intent_id), unknown)


async def _finding(store: EventStore, id: str) -> Target:
    """A finding is its intent's; its id begins with the intent's."""
    unknown = drift.DriftFindingUnknown(id)
    return _found(await _intent_scope(store, _canonical(id.partition(".")[0], unknown)), unknown)


async def _session(store: EventStore, id: str) -> Target:
    unknown = break_glass.BreakGlassUnknown()
    first = await _first(store, break_glass.DECIDER.stream(_canonical(id, unknown)))
    return _found(first.scope if isinstance(first, break_glass.BreakGlassRequested) else None, unknown)


async def _window(store: EventStore, id: str) -> Target:
    """The calendar is published to everybody; only changing it is a matter of scope."""
    unknown = change_window.ChangeWindowUnknown()
    first = await _first(store, change_window.DECIDER.stream(_canonical(id, unknown)))
    scope = first.scope if isinstance(first, change_window.ChangeWindowCreated) else None
    return _found(scope, unknown, shown_to_all=True)


def _found(scope: Scope | None, unknown: DomainError, *, shown_to_all: bool = False) -> Target:
    if scope is None:
        raise unknown
    return Target(scope, unknown, shown_to_all)


SCOPED: Final[Mapping[str, Callable[[EventStore, str], Awaitable[Target]]]] = {
    "intent_id": _intent,
    "review_id": _review,
    "incident_id": _incident,
    "exception_id": _exception,
    "finding_id": _finding,
    "session_id": _session,
    "window_id": _window,
}
"""Path parameters that name something which stands in a scope."""

INSTALLATION_WIDE: Final = frozenset(
    {"sha256", "pack", "other", "version", "delegation_id", "token_id", "job_id", "trust_id"}
)
"""Path parameters that name something of the whole installation. A route with any other parameter does not start."""
