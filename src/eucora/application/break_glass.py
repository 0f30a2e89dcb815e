"""Use cases: request, confirm, close and review a break-glass session, and act in one.

Break-glass lends the rights of a publisher and a platform admin, inside a scope and for a time. It lifts no separation
of duties: who packaged a release, or asked for it, may not publish it in a session either; these rules bind persons.
"""

from dataclasses import dataclass, replace

from eucora.application.carry_out import carry_out
from eucora.application.execute import load
from eucora.application.policies import governance_for
from eucora.application.ports import Clock, EventStore
from eucora.application.world import Caller, Receipt, World, require
from eucora.domain import break_glass as bg
from eucora.domain.people import Person, Scope


@dataclass(frozen=True, slots=True)
class BreakGlassRequest:
    """``duration_s`` None: the default of the policy."""

    reason_code: bg.ReasonCode
    text: str
    scope: Scope
    duration_s: int | None = None


async def effective(store: EventStore, clock: Clock, person: Person, session_id: str) -> Person:
    """The person with what the session lends him now. What he does goes with ``Caller.break_glass``, and is marked.

    Raises:
        BreakGlassNeedsPerson: he came by a service token.
        BreakGlassNotOpen: there is no such session, a second person did not confirm it yet, or it is over.
        NotAnActivator: it was opened by others.
    """
    _in_person(person)
    session = await load(store, bg.DECIDER, session_id)
    return replace(person, lent=session.lends(person.id, clock.now()))


async def request_break_glass(world: World, caller: Caller, request: BreakGlassRequest) -> Receipt:
    """The first activation: says what for, where and how long. Nothing is lent before a second person confirms."""
    require(_own(caller.person), "request_break_glass", *bg.ACTIVATING, scope=request.scope)
    now, session_id = world.clock.now(), str(world.ids.new())
    command = bg.RequestBreakGlass(
        session_id=session_id,
        reason_code=request.reason_code,
        text=request.text,
        scope=request.scope,
        duration_s=request.duration_s,
        limits=(await governance_for(world)).break_glass,
        overdue_debts=await world.facts.overdue_debts(now),
        by=caller.person.id,
        at=now,
    )
    return await _run(world, caller, session_id, command)


async def confirm_break_glass(world: World, caller: Caller, session_id: str) -> Receipt:
    """The second activation, by a different person: the session is open from now on."""
    require(_own(caller.person), "confirm_break_glass", *bg.ACTIVATING)
    now = world.clock.now()
    command = bg.ConfirmBreakGlass(await world.facts.overdue_debts(now), caller.person.id, now)
    return await _run(world, caller, session_id, command)


async def close_break_glass(world: World, caller: Caller, session_id: str, note: str) -> Receipt:
    """End the session before its time; the review is due from now."""
    require(_own(caller.person), "close_break_glass", *bg.ACTIVATING)
    return await _run(world, caller, session_id, bg.CloseBreakGlass(note, caller.person.id, world.clock.now()))


async def review_break_glass(world: World, caller: Caller, session_id: str, findings: str) -> Receipt:
    """Pay the debt: somebody who did not activate the session says what he found."""
    require(_own(caller.person), "review_break_glass", *bg.REVIEWING)
    return await _run(world, caller, session_id, bg.ReviewBreakGlass(findings, caller.person.id, world.clock.now()))


def _own(person: Person) -> Person:
    """The person with his own rights only: what a session lends is not good for opening or judging sessions."""
    _in_person(person)
    return replace(person, lent=())


def _in_person(person: Person) -> None:
    """Raises BreakGlassNeedsPerson: a service token bears the name of its issuer, who is not at the keyboard."""
    if person.credential:
        raise bg.BreakGlassNeedsPerson


async def _run(world: World, caller: Caller, session_id: str, command: bg.Command) -> Receipt:
    return await carry_out(world, caller, bg.DECIDER, session_id, command, at=world.clock.now())
