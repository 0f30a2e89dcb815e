"""The jobs that take a release off, put the previous one back, and see how far that came."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from eucora.application.devices import Removal
from eucora.application.execute import load
from eucora.application.held_requests import so_far
from eucora.application.planes import Assignment, Offer, Watch, Withdrawal
from eucora.application.shares import gather_having
from eucora.application.tasks import Task, Work
from eucora.domain.deployment_intent import commands
from eucora.domain.deployment_intent.decide import DECIDER
from eucora.domain.deployment_intent.events import RollbackTarget
from eucora.domain.deployment_intent.state import DeploymentIntent, IntentStatus, Rehearsal
from eucora.domain.rings import OfferAs, Ring, RingTarget
from eucora.domain.statistics import reaches


def removal_of(state: DeploymentIntent) -> Removal | None:
    """What the running rollback, or else the latest rehearsal, asks of devices; None: nothing was asked yet."""
    if (started := state.rollback_started) is not None:
        coming_back = frozenset((target.ring, target.plane) for target in started.targets)
        return Removal(started.at, coming_back, started.irremovable)
    return None if state.rehearsal_started_at is None else Removal(state.rehearsal_started_at)


async def check_rehearsal(task: Task) -> Work:
    """See whether the lab ring is free of the release again.

    Measured against the whole cohort: a device that never had the release proves nothing about its removal, so a plane
    that has not installed yet cannot make a rehearsal pass.
    """
    progress = task.state.rings.get(Ring.LAB)
    if task.state.rehearsal is not Rehearsal.RUNNING or progress is None:
        return Work()
    seen = await task.world.devices.reverted(task.intent_id, [Ring.LAB], removal_of(task.state))
    devices = sum(count.devices for cohort in progress.cohorts.values() for count in cohort.counts)
    started = task.state.rehearsal_started_at
    limit = max((seconds for _, seconds in task.proposed.policy.time_to_compliance_s), default=0)
    late = started is not None and task.world.clock.now() >= started + timedelta(seconds=limit)
    proved = seen.remaining == 0 and reaches(seen.reverted, devices, task.proposed.policy.rehearsal_min)
    if not proved and not late:
        return Work(again_at=task.soon())
    return Work([commands.RecordRehearsal(seen.reverted, devices, task.world.clock.now())])


async def check_rollback(task: Task) -> Work:
    """Count the devices that still have the release, or lack the previous one where it comes back."""
    if task.state.status is not IntentStatus.ROLLING_BACK:
        return Work()
    seen = await task.world.devices.reverted(task.intent_id, [*task.state.rings], removal_of(task.state))
    command = commands.RecordRollback(seen.reverted, seen.remaining, task.world.clock.now())
    return Work([command], again_at=task.soon())  # the end of the rollback ends this, too


def chosen_only(task: Task, target: RingTarget) -> bool:
    """Whether the job takes off what only those have who chose it: the others keep what they had, and are not asked."""
    return target.offer_as is OfferAs.AVAILABLE and task.offer is Offer.UNINSTALL


async def remove_where_taken(task: Task, target: RingTarget, removal: Assignment) -> None:
    """Take an available offer back from ``removal.group``, and require its removal of the devices that took it.

    They are in a group of our own: a removal command would run on every device of the target's group, and there take
    off what people had before. Who installed it at the last moment is found by a later look, and asked then.
    """
    groups, release = [removal.group], (removal.key, removal.ref, removal.name, removal.version)
    await task.port.withdraw(Withdrawal(*release, groups, groups), correlation_id=task.correlation_id)
    took = await gather_having(task, target)
    if took is not None:
        await task.port.assign(replace(removal, group=took), correlation_id=task.correlation_id)


async def restore(task: Task) -> Work:
    """Offer the previous release to the ring's groups on one plane, to be looked at anew by every device.

    Of an available target, to those who took the release, as they turn up. Who stays out of the previous release is
    what its own plan says: others had it, and keep it.
    """
    target = _target(task)
    if target is None or (task.ring, task.plane) not in task.state.published:
        return Work()  # what the release did not reach still has what it had
    excluded = await _left_out_before(task)
    done: list[commands.Command] = []
    free = False
    for aim, group in task.places:
        groups = [group]
        if aim.offer_as is OfferAs.AVAILABLE:
            free = True
            with so_far(done):
                took = await gather_having(task, aim)
            groups = [] if took is None else [took]
        for one in groups:
            if (task.ring, task.plane, one) in task.state.previous_offers:
                continue  # to make it anew once more would begin with taking it back
            wanted = Assignment(
                key=_key(task, target),
                ref=target.ref,
                name=task.name,
                version=target.version,
                group=one,
                offer=Offer.INSTALL,
                anew=task.intent_id,
                excluded=excluded,
            )
            with so_far(done):
                await task.port.assign(wanted, correlation_id=task.correlation_id)
            done.append(commands.RecordPreviousOffered(task.ring, task.plane, one, target.ref, task.world.clock.now()))
    return Work(done, again_at=task.soon() if free else None)


async def observe_restored(task: Task) -> Work:
    """Ask the plane who of those that had the release has the previous one again."""
    target, started = _target(task), task.state.rollback_started
    if target is None or started is None:
        return Work()
    devices = await task.world.devices.awaited_back(task.intent_id, task.ring, task.plane)
    if devices:
        watch = Watch(
            key=_key(task, target),
            ref=target.ref,
            name=task.name,
            version=target.version,
            offer=Offer.INSTALL,
            devices=devices,
            since=started.at,
            anew=task.intent_id,
        )
        async for batch in task.port.observe(watch, correlation_id=task.correlation_id):
            await task.world.devices.restored(task.intent_id, task.ring, task.plane, batch, asked_at=started.at)
    return Work(again_at=task.soon())


def _target(task: Task) -> RollbackTarget | None:
    """What comes back in the job's ring on its plane, while the rollback runs."""
    started = task.state.rollback_started
    if started is None or task.state.status is not IntentStatus.ROLLING_BACK:
        return None
    wanted = (task.ring, task.plane)
    return next((target for target in started.targets if (target.ring, target.plane) == wanted), None)


async def _left_out_before(task: Task) -> Sequence[str]:
    """The groups on the job's plane that the previous release's own plan leaves out."""
    started = task.state.rollback_started
    previous = (await load(task.world.store, DECIDER, started.to_intent)).proposed if started else None
    targets = [target for spec in previous.ring_plan.rings for target in spec.targets] if previous else []
    return sorted({group for target in targets if target.plane is task.plane for group in target.excluded})


def _key(task: Task, target: RollbackTarget) -> str:
    """The key under which the previous release's own rollout published it."""
    started = task.state.rollback_started
    return f"eucora:{started.to_intent if started else ''}:{target.artifact}"


TASKS = {
    "check_rehearsal": check_rehearsal,
    "check_rollback": check_rollback,
    "restore": restore,
    "observe_restored": observe_restored,
}
