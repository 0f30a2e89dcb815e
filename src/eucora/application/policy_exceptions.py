"""Use cases: ask for a policy exception, amend it, decide on it, extend it, revoke it."""

from dataclasses import dataclass
from datetime import datetime

from eucora.application.carry_out import carry_out
from eucora.application.exception_conflicts import involved_in
from eucora.application.execute import load
from eucora.application.policies import governance_for
from eucora.application.world import Caller, Receipt, World, require
from eucora.domain import deployment_intent as intents
from eucora.domain import policy_exception as ex
from eucora.domain.deployment_intent.events import DeploymentIntentProposed
from eucora.domain.errors import DomainError
from eucora.domain.exception_types import ExceptionKind
from eucora.domain.people import Role, Scope
from eucora.domain.policy_exception import Capacity, Decision, Question
from eucora.domain.rings import Ring


class ExceptionForUnknownIntent(DomainError):
    """The exception is for an intent that nobody proposed."""

    def __init__(self, intent_id: str) -> None:
        super().__init__(
            f"No deployment intent {intent_id} was proposed; name one that was, or the application.",
            intent_id=intent_id,
        )


class ExceptionForOtherApplication(DomainError):
    """The exception names an intent and an application that the intent does not deploy."""

    def __init__(self, application_id: str, deployed: str) -> None:
        super().__init__(
            f"The intent deploys {deployed} and not {application_id}; leave the application out, or name the other"
            " intent.",
            application_id=application_id,
            deployed=deployed,
        )


@dataclass(frozen=True, slots=True)
class ExceptionRequest:
    """What is asked for; see :class:`eucora.domain.policy_exception.Terms`. The score is looked up, never told."""

    kind: ExceptionKind
    title: str
    justification: str
    controls: tuple[str, ...]
    owner: str
    subjects: tuple[str, ...]
    expires_at: datetime
    intent_id: str = ""
    application_id: str = ""
    ring: Ring | None = None


ROLES = {
    Capacity.SECURITY_REVIEWER: Role.SECURITY_REVIEWER,
    Capacity.CAB_APPROVER: Role.CAB_APPROVER,
}


async def request_exception(world: World, caller: Caller, request: ExceptionRequest) -> Receipt:
    """Ask for an exception. A packaging engineer may; for a gate override also the publisher who is held up.

    Raises:
        RoleMissing, ExceptionForUnknownIntent, ExceptionForOtherApplication, and what the decider refuses.
    """
    proposed = await _proposed(world, caller, request.intent_id)
    _require_asker(caller, "request_policy_exception", request.kind, _where(request, proposed))
    exception_id, terms = str(world.ids.new()), _terms(request, proposed)
    # An intent keeps the policy that it was proposed under, also where its exceptions are concerned.
    policy = (proposed.governance if proposed else None) or await governance_for(world)
    command = ex.RequestException(exception_id, terms, policy.exceptions, caller.person.id, world.clock.now())
    return await _run(world, caller, exception_id, command, terms.intent_id)


async def amend_exception(world: World, caller: Caller, exception_id: str, request: ExceptionRequest) -> Receipt:
    """Ask again with other terms, after changes were requested."""
    proposed = await _proposed(world, caller, request.intent_id)
    _require_asker(caller, "amend_policy_exception", request.kind, _where(request, proposed))
    terms = _terms(request, proposed)
    command = ex.AmendException(terms, caller.person.id, world.clock.now())
    return await _run(world, caller, exception_id, command, terms.intent_id)


async def decide_exception(
    world: World,
    caller: Caller,
    exception_id: str,
    *,
    question: Question,
    capacity: Capacity,
    decision: Decision,
    reason: str,
) -> Receipt:
    """Decide on the exception or on its extension, in one capacity."""
    require(caller.person, f"decide_policy_{question}", ROLES[capacity])
    involved = await involved_in(world, (await load(world.store, ex.DECIDER, exception_id)).terms)
    command = ex.DecideException(question, capacity, decision, reason, caller.person.id, world.clock.now(), involved)
    return await _run(world, caller, exception_id, command)


async def request_extension(
    world: World, caller: Caller, exception_id: str, *, until: datetime, reason: str
) -> Receipt:
    """Ask that the exception hold longer; decided like the exception itself."""
    terms = (await load(world.store, ex.DECIDER, exception_id)).terms
    if terms is None:
        raise ex.ExceptionUnknown
    _require_asker(caller, "request_exception_extension", terms.kind)
    command = ex.RequestExtension(until, reason, caller.person.id, world.clock.now())
    return await _run(world, caller, exception_id, command)


async def revoke_exception(world: World, caller: Caller, exception_id: str, reason: str) -> Receipt:
    """Take the exception back; what needs it is held before its next promotion."""
    require(caller.person, "revoke_policy_exception", *ROLES.values())
    command = ex.RevokeException(reason, caller.person.id, world.clock.now())
    return await _run(world, caller, exception_id, command)


def _require_asker(caller: Caller, operation: str, kind: ExceptionKind, scope: Scope | None = None) -> None:
    also = (Role.PUBLISHER,) if kind is ExceptionKind.GATE_OVERRIDE else ()
    require(caller.person, operation, Role.PACKAGING_ENGINEER, *also, scope=scope)


def _where(request: ExceptionRequest, proposed: DeploymentIntentProposed | None) -> Scope | None:
    """The scope that the asker must have a role for: of what names no intent, everything; an override must name one."""
    if proposed is not None:
        return proposed.scope
    return None if request.kind is ExceptionKind.GATE_OVERRIDE else Scope()


async def _proposed(world: World, caller: Caller, intent_id: str) -> DeploymentIntentProposed | None:
    """The intent that an exception names; None: it names none.

    Raises:
        ExceptionForUnknownIntent: there is none, or none that the caller may see.
    """
    if not intent_id:
        return None
    proposed = (await load(world.store, intents.DECIDER, intent_id)).proposed
    if proposed is None or not caller.person.sees(proposed.scope):
        raise ExceptionForUnknownIntent(intent_id)
    return proposed


def _terms(request: ExceptionRequest, proposed: DeploymentIntentProposed | None) -> ex.Terms:
    """The terms, with what the intent says of itself: its application and its score."""
    application, score = request.application_id.strip(), None
    if proposed is not None:
        deployed, score = proposed.release.application.application_id, proposed.risk.score
        if application not in ("", deployed):
            raise ExceptionForOtherApplication(application, deployed)
        application = deployed
    return ex.Terms(
        kind=request.kind,
        title=request.title,
        justification=request.justification,
        controls=request.controls,
        owner=request.owner,
        subjects=request.subjects,
        expires_at=request.expires_at,
        intent_id=request.intent_id,
        application_id=application,
        ring=request.ring,
        score=score,
    )


async def _run(
    world: World, caller: Caller, exception_id: str, command: ex.Command, intent_id: str | None = None
) -> Receipt:
    if intent_id is None:
        # So that what is decided stands in the timeline of the intent.
        terms = (await load(world.store, ex.DECIDER, exception_id)).terms
        intent_id = terms.intent_id if terms else ""
    now = world.clock.now()
    return await carry_out(world, caller, ex.DECIDER, exception_id, command, at=now, intent_id=intent_id)
