"""The jobs of drift: look at what a plane holds of an intent, and put right what may be put right."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from eucora.application.execute import execute, load
from eucora.application.held_requests import PlaneAwaitingApproval
from eucora.application.planes import (
    Assignment,
    Inspection,
    Offer,
    PlaneError,
    PlaneUnavailable,
    Withdrawal,
)
from eucora.application.ports import Context
from eucora.application.react import react
from eucora.application.react_drift import every_s, rules_of
from eucora.application.shares import gather_again, look_into_kept
from eucora.application.tasks import Task, Work, removal_command
from eucora.domain import drift
from eucora.domain.deployment_intent.commands import RecordKeptGroupRemade
from eucora.domain.deployment_intent.decide import DECIDER
from eucora.domain.deployment_intent.events import SERVICE
from eucora.domain.deployment_intent.state import IntentStatus
from eucora.domain.drift_compare import (
    Actual,
    ActualGroup,
    Desired,
    DesiredOffer,
    Finding,
    Remedy,
    compare,
    desired_of,
    to_assign,
)

HOLDING: Final = frozenset({IntentStatus.ROLLING_OUT, IntentStatus.COMPLETED})
STOPPED: Final = frozenset({IntentStatus.PAUSED, IntentStatus.HALTED})
LOOK_AGAIN: Final = timedelta(minutes=1)
RARELY: Final = 24  # how many times more rarely an intent is looked at whose release a later one has replaced


async def inspect_drift(task: Task) -> Work:
    """Compare the plane with what was decided, and come back. It is over with the intent, but for a completed one.

    While the rollout stands still its offers are taken back, and nothing is compared. A release that a later one
    replaced holds nothing; it may come back, when that one is rolled back to it.
    """
    pause = timedelta(seconds=every_s(task.proposed))
    again_at = task.world.clock.now() + pause
    if task.state.status in STOPPED:
        return Work(again_at=again_at)
    desired = await _desired(task)
    if desired is None:
        # What was open is closed: where nothing is decided, nothing can differ.
        await _record(task, _inspected(task, ()))
        over = task.state.status not in HOLDING
        return Work() if over else Work(again_at=task.world.clock.now() + RARELY * pause)
    try:
        seen = await _inspect(task, desired)
    except PlaneUnavailable:  # the connector logged it
        return Work(again_at=again_at)
    # Others may have written meanwhile: what was read fits neither what was decided before nor what is decided now.
    state = await load(task.world.store, DECIDER, task.intent_id)
    if await _desired(replace(task, state=state)) != desired:
        return Work(again_at=task.world.clock.now() + LOOK_AGAIN)
    await _record(task, _inspected(task, compare(desired, seen)))
    return Work(again_at=again_at)


async def remediate_drift(task: Task) -> Work:
    """Put one finding right, as far as it is still there and still not what was decided; then look again at once.

    A try that the plane does not take is on record; the next one is due at a later look, or a person asks for it.
    """
    finding_id, number = task.payload["finding_id"], task.payload["number"]
    known = (await load(task.world.store, drift.DECIDER, task.intent_id)).open.get(finding_id)
    desired = await _desired(task)
    if known is None or desired is None:
        return Work()
    try:
        desired = await _put_right(task, desired, known.finding)
        seen = await _inspect(task, desired)
    except PlaneAwaitingApproval:
        raise  # it is under way
    except PlaneError as error:
        failed = drift.RecordRemediationFailed(finding_id, number, error.detail, task.world.clock.now())
        await _record(task, failed)
        return Work()
    await _record(task, _inspected(task, compare(desired, seen)))
    return Work()


async def _desired(task: Task) -> Desired | None:
    """What the intent is to hold on the job's plane; None: nothing, because it is over or a later release took over."""
    if task.state.status not in HOLDING:
        return None
    brought_back: set[str] = set()
    rollouts = await task.world.facts.rollouts_of(task.proposed.release.application.application_id)
    ids = [rollout.intent_id for rollout in rollouts]
    for intent_id in ids[ids.index(task.intent_id) + 1 :] if task.intent_id in ids else ():
        later = await load(task.world.store, DECIDER, intent_id)
        holds = any(plane is task.plane for _, plane in later.published)
        if later.status is IntentStatus.COMPLETED and holds:
            return None
        started = later.rollback_started
        if started is not None and started.to_intent == task.intent_id:
            brought_back |= {group for _, plane, group in later.previous_offers if plane is task.plane}
    return desired_of(task.state, task.plane, frozenset(brought_back))


async def _inspect(task: Task, desired: Desired) -> Actual:
    seen = await task.port.inspect(task.key, task.name, task.version, correlation_id=task.correlation_id)
    return _actual(seen, await look_into_kept(task, desired) if seen.ref == desired.ref else ())


def _inspected(task: Task, findings: tuple[Finding, ...]) -> drift.RecordInspection:
    return drift.RecordInspection(
        intent_id=task.intent_id,
        plane=task.plane,
        findings=findings,
        privileged=task.proposed.release.application.privileged_tooling,
        rules=rules_of(task.proposed),
        every_s=every_s(task.proposed),
        at=task.world.clock.now(),
    )


async def _put_right(task: Task, desired: Desired, finding: Finding) -> Desired:
    """Make the decided offer stand, or take one back that nobody decided. Everything else is left as it is.

    What is desired from here on comes back: a group that was made again has another name on the plane.
    """
    if finding.remedy is Remedy.GATHER:
        return await _gathered_again(task, desired, finding.group)
    for wanted in to_assign(desired, finding):
        await task.port.assign(await _assignment(task, desired, wanted), correlation_id=task.correlation_id)
    decided = {*desired.undecided, *(offer.group for offer in desired.offers)}
    if finding.remedy is Remedy.WITHDRAW and finding.group not in decided:
        withdrawal = Withdrawal(task.key, desired.ref, task.name, task.version, [finding.group])
        await task.port.withdraw(withdrawal, correlation_id=task.correlation_id)
    return desired


async def _assignment(task: Task, desired: Desired, wanted: DesiredOffer) -> Assignment:
    return Assignment(
        key=task.key,
        ref=desired.ref,
        name=task.name,
        version=task.version,
        group=wanted.group,
        offer=Offer(wanted.offer),
        uninstall_command=await removal_command(task),
        excluded=sorted(desired.excluded),
    )


async def _gathered_again(task: Task, desired: Desired, group: str) -> Desired:
    """Its frozen devices and no others, whatever the share would choose by now.

    The new group is on record before it is offered anything, together with the offer that it takes over: a worker that
    is killed in between leaves a missing offer, which the next look finds.
    """
    kept = next((one for one in desired.kept if one.ref == group), None)
    if kept is None or (ref := await gather_again(task, kept)) is None or ref == group:
        return desired
    command = RecordKeptGroupRemade(kept.ring, task.plane, kept.source, ref, task.world.clock.now())
    context = Context(SERVICE, task.correlation_id, intent_id=task.intent_id)
    await execute(
        task.world.store, DECIDER, task.intent_id, command,
        context=context, at=task.world.clock.now(), react=react,
    )  # fmt: skip
    state = await load(task.world.store, DECIDER, task.intent_id)
    anew = await _desired(replace(task, state=state))
    if anew is None:
        return desired
    # first, because a plane takes no list of groups of which one is gone
    free = [one.group for one in desired.offers if (one.group, one.offer) == (group, Offer.AVAILABLE)]
    withdrawal = Withdrawal(task.key, desired.ref, task.name, task.version, [group], free)
    await task.port.withdraw(withdrawal, correlation_id=task.correlation_id)
    for offer in anew.offers:
        if offer.group == ref:
            await task.port.assign(await _assignment(task, anew, offer), correlation_id=task.correlation_id)
    return anew


def _actual(seen: Inspection, kept: Sequence[ActualGroup]) -> Actual:
    offers = tuple((group, offer.value) for group, offer in seen.groups)
    wide, excluded = tuple(seen.wide), tuple(seen.excluded)
    return Actual(seen.ref, seen.version, seen.content_version, offers, wide, excluded, tuple(kept))


async def _record(task: Task, command: drift.Command) -> None:
    await execute(
        task.world.store, drift.DECIDER, task.intent_id, command,
        context=Context(SERVICE, task.correlation_id, intent_id=task.intent_id),
        at=task.world.clock.now(), react=react,
    )  # fmt: skip


TASKS = {"inspect_drift": inspect_drift, "remediate_drift": remediate_drift}
