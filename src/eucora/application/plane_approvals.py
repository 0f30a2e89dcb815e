"""A job whose change a plane's own administrators must approve: on record once, asked after, and told when over.

The connector keeps the request and completes it (see :mod:`eucora.application.held_requests`); here it becomes part of
the intent's story.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from eucora.application.execute import execute
from eucora.application.held_requests import HeldRequests, HoldsBack, PlaneAwaitingApproval, Purpose
from eucora.application.planes import PlaneForbidden
from eucora.application.ports import Context
from eucora.application.react import react
from eucora.application.tasks import Task
from eucora.domain.deployment_intent.decide import DECIDER
from eucora.domain.deployment_intent.plane_approval_commands import AwaitPlaneApproval, SettlePlaneApproval
from eucora.domain.deployment_intent.plane_approval_events import PlaneApprovalAwaited, PlaneApprovalOutcome
from eucora.domain.deployment_intent.state import IntentStatus
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring

POLL_FIRST_S: Final = 60.0
POLL_MAX_S: Final = 900.0
_POLLS: Final = "approval_polls"  # in the job's payload: the code that it waits for, and how often it looked
_CODE: Final = "approval_code"


def purpose_of(task: Task, kind: str) -> Purpose:
    """What the plane's administrator is told that the change is for."""
    ring = _ring(task)
    return Purpose(task.intent_id, kind, f"ring {ring:d} ({ring.name.lower()})")


def asked_after(
    payload: Mapping[str, Any], waiting: PlaneAwaitingApproval, now: datetime
) -> tuple[datetime, dict[str, object]]:
    """When to look again, and what the payload says of it: in a minute, each time twice as late, up to 15 minutes."""
    before = payload.get(_POLLS, 0) if payload.get(_CODE) == waiting.code else 0
    times = min(int(before), 10) if waiting.code else 0  # what waits behind another request is not to miss its end
    pause = min(POLL_FIRST_S * 2.0**times, POLL_MAX_S)
    return now + timedelta(seconds=pause), {_CODE: waiting.code, _POLLS: int(before) + 1}


async def look_first(task: Task, kind: str) -> None:
    """Spare a publication that waits the reading of its content, which may be large, as long as nobody decided.

    Raises:
        PlaneAwaitingApproval: the request that it waits for is undecided.
        PlaneError: as the plane says; what it may not tell is left to the publication itself.
    """
    code = task.payload.get(_CODE)
    if not code or kind != "publish" or task.state.status is not IntentStatus.ROLLING_OUT:
        return
    port = task.port
    if not isinstance(port, HoldsBack):
        return
    try:
        waiting = await port.undecided(code, correlation_id=task.correlation_id)
    except PlaneForbidden:
        return
    if waiting is not None:
        raise waiting


async def put_on_record(task: Task, kind: str, waiting: PlaneAwaitingApproval, context: Context) -> None:
    """What was done before, and that the change waits; said once for each request of the plane."""
    now = task.world.clock.now()
    for fact in waiting.done:
        await execute(task.world.store, DECIDER, task.intent_id, fact, context=context, at=now, react=react)
    plane = Plane(task.payload.get("plane", waiting.plane))  # one connection may serve two of them
    command = AwaitPlaneApproval(_ring(task), plane, kind, waiting.code, waiting.detail, now, waiting.expires_at)
    await execute(task.world.store, DECIDER, task.intent_id, command, context=context, at=now, react=react)


async def settle(
    task: Task, kind: str, context: Context, *, waiting: PlaneAwaitingApproval | None = None, ended: bool = False
) -> None:
    """Put on record what became of the requests that the intent awaits on the job's plane, with who decided.

    ``waiting``: why the job stopped now. ``ended``: it did all that is wanted of it by now; what it still waited for is
    not, and is taken back.
    """
    held, plane = task.world.held, task.payload.get("plane")
    if held is None or plane is None or not task.state.awaiting:
        return
    awaited = [one for (where, _), one in task.state.awaiting.items() if where is Plane(plane)]
    if ended:
        await _abandon(task, held, [one for one in awaited if one.code and _is_of(task, kind, one)])
    over = {row.code: row for row in await held.ended([one.code for one in awaited if one.code])}
    now = task.world.clock.now()
    for one in awaited:
        row = over.get(one.code) if one.code else None
        if row is not None and row.outcome is not None:
            outcome, by, reason = row.outcome, row.decided_by, row.reason
        elif _free_again(task, kind, one, waiting):
            outcome, by, reason = PlaneApprovalOutcome.CANCELLED, "", "the plane does not hold the object any more"
        else:
            continue
        command = SettlePlaneApproval(one.ring, one.plane, one.operation, one.code, outcome, by, reason, now)
        await execute(task.world.store, DECIDER, task.intent_id, command, context=context, at=now, react=react)


def _free_again(task: Task, kind: str, one: PlaneApprovalAwaited, waiting: PlaneAwaitingApproval | None) -> bool:
    """Whether this job got past what had no code."""
    return not one.code and _is_of(task, kind, one) and (waiting is None or bool(waiting.code))


def _is_of(task: Task, kind: str, one: PlaneApprovalAwaited) -> bool:
    """Whether it is this job that waited for it."""
    return (one.ring, one.operation) == (_ring(task), kind)


async def _abandon(task: Task, held: HeldRequests, awaited: Sequence[PlaneApprovalAwaited]) -> None:
    port = task.port
    for one in awaited:
        now = task.world.clock.now()
        # one that was sent as approved is done, or was: its answer was lost, and the job found nothing left to do
        gone = await held.carried_out(one.code, now) or await held.abandon(
            one.code, "the change is not wanted any more", now
        )
        if gone and isinstance(port, HoldsBack):
            await port.take_back(one.code, correlation_id=task.correlation_id)


def _ring(task: Task) -> Ring:
    return Ring(task.payload.get("ring", task.state.ring or Ring.LAB))
