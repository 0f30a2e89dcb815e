"""The jobs of a rollout, one function a kind: what a worker does, and the commands that say how it went.

Each may be killed between any two lines and run again: planes find before they create, commands that are on record
already lead to no event.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from eucora.application import drift_jobs, rollback_tasks
from eucora.application.devices import CohortDevice, Removal
from eucora.application.execute import PerTry, load
from eucora.application.grounds import grounds_of
from eucora.application.held_requests import so_far
from eucora.application.install_ways import needs_of
from eucora.application.planes import (
    Assignment,
    BundleDetection,
    Detection,
    FileDetection,
    GroupNotFound,
    MsiDetection,
    Offer,
    PlaneError,
    Publication,
    ReceiptDetection,
    RegistryDetection,
    ReturnCode,
    ScriptDetection,
    Watch,
    Withdrawal,
)
from eucora.application.rollback_tasks import chosen_only, removal_of, remove_where_taken
from eucora.application.shares import GONE, Groups, NotKept, devices_in, keep
from eucora.application.tasks import Task as Task
from eucora.application.tasks import Work as Work
from eucora.application.tasks import removal_command
from eucora.application.tasks import task_for as task_for
from eucora.domain import artifact, evidence_pack
from eucora.domain.assignment import words
from eucora.domain.deployment_intent import commands
from eucora.domain.deployment_intent.offered import groups_reached, offered_in
from eucora.domain.deployment_intent.state import ENDED, DeploymentIntent, IntentStatus, Rehearsal
from eucora.domain.evidence_pack import InstallPlan
from eucora.domain.planes import Plane
from eucora.domain.rings import OfferAs, Ring, RingTarget
from eucora.domain.verification import since

OVER = ENDED | {IntentStatus.ROLLING_BACK}  # no device is to get the release any more
LOOKS, LOOKS_LAST = ((timedelta(days=1), 1), (timedelta(days=3), 2)), 4
SLOW = 10  # how many times more rarely a ring is looked at that the rollout has left, or that stands still


async def resolve_cohort(task: Task) -> Work:
    """Resolve the ring's groups on one plane, freeze the list of devices, and keep shares in groups of our own.

    What is kept is what was frozen, also where a worker was killed in between and the groups have changed since. A
    device that a required target and an available one hold is the former's.
    """
    progress = task.state.rings.get(task.ring)
    if progress is None or task.plane in progress.cohorts or task.state.status in OVER:
        return Work()
    devices: list[CohortDevice] = []
    groups, application = Groups(task.correlation_id), task.proposed.release.application.application_id
    for target in sorted(task.targets, key=lambda target: target.offer_as is OfferAs.AVAILABLE):
        try:
            group = await groups.of(task.port, target.group)
            excluded = [await groups.of(task.port, one) for one in target.excluded]
        except GroupNotFound as error:
            gone = GONE if error.group == target.group else f"it leaves out group {error.group}: {GONE}"
            return Work([_refused(task, target, gone)])
        chosen = devices_in(group, application, target.share, excluded)
        if not chosen:
            share = "" if target.share is None else f" in its share of {words(target.share)}"
            return Work([_refused(task, target, f"the group holds no enrolled device{share}")])
        devices += [
            CohortDevice(
                plane=target.plane,
                id=device.id,
                name=device.name,
                serial=device.serial,
                site_class=target.site_class,
                critical=target.critical,
                group=target.group,
                last_check_in=device.last_check_in,
            )
            for device in chosen
        ]
    frozen = await task.world.devices.freeze(task.intent_id, task.ring, task.plane, devices)
    try:
        kept = tuple(await keep(task))
    except NotKept as error:
        return Work([_refused(task, error.target, error.reason)])
    now = task.world.clock.now()
    return Work([commands.FreezeCohort(task.ring, task.plane, frozen.digest, frozen.counts, now, kept)])


def _refused(task: Task, target: RingTarget, reason: str) -> commands.RefuseCohort:
    return commands.RefuseCohort(task.ring, target.plane, target.group, reason, task.world.clock.now())


async def publish(task: Task) -> Work:
    """Hash the stored file once more, and make exactly it exist on the plane."""
    if task.state.status is not IntentStatus.ROLLING_OUT:
        return Work()  # resuming asks again
    world, file = task.world, task.file
    pack = (await load(world.store, evidence_pack.DECIDER, task.proposed.release.evidence_pack)).assembled
    registered = (await load(world.store, artifact.DECIDER, file.artifact)).registered
    if pack is None or registered is None:
        raise AssertionError("an intent is proposed only on a pack and artifacts that are on record")
    plan = next(plan for plan in pack.installs if plan.plane is task.plane)
    async with world.artifacts.local_copy(file.content) as path:
        found = await asyncio.to_thread(_sha256, path)
        if found != file.content:
            now = world.clock.now()
            return Work([commands.RecordContentMismatch(task.ring, task.plane, file.content, found, now)])
        published = await task.port.publish(
            Publication(
                key=task.key,
                name=task.name,
                version=task.version,
                publisher=task.proposed.release.application.publisher,
                content=path,
                content_sha256=file.content,
                content_size=registered.content_size,
                file_name=registered.content_file_name,
                install_command=plan.install_command,
                uninstall_command=plan.uninstall_command,
                detection=detection_of(plan),
                return_codes=[ReturnCode(code, meaning) for code, meaning in plan.return_codes],
                needs=needs_of(plan),
                restart=plan.restart,
            ),
            correlation_id=task.correlation_id,
        )
    now = world.clock.now()
    return Work(
        [commands.RecordPublished(task.ring, task.plane, published.ref, published.content_version, file.content, now)]
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def detection_of(plan: InstallPlan) -> Detection:
    """The evidence pack's detection as a plane wants it. Raises ValueError for a kind that does not exist."""
    rule = plan.detection
    match rule.kind:
        case "file":
            return FileDetection(rule.path, rule.name, rule.value or None)
        case "registry":
            return RegistryDetection(rule.path, rule.name, rule.value or None)
        case "msi":
            return MsiDetection(rule.name, rule.value or None)
        case "script":
            return ScriptDetection(rule.value, rule.name)
        case "receipt":
            return ReceiptDetection(rule.name, rule.value)
        case "bundle":
            return BundleDetection(rule.name, rule.value)
        case _:
            raise ValueError(f"no detection of kind {rule.kind!r}")


async def assign(task: Task) -> Work:
    """Offer the release, or its removal, to the ring's groups on one plane."""
    if not offer_stands(task.state, task.ring, task.offer):
        return Work()
    published = task.state.published.get((task.ring, task.plane))
    if published is None:
        return Work()
    started = task.state.rollback_started
    if task.offer is Offer.UNINSTALL and started is not None and task.plane in started.irremovable:
        return await _take_back(task)  # nothing removes it there; the previous release is installed over it
    done: list[commands.Command] = []
    uninstall = await removal_command(task)
    for target, group in task.places:
        offer = task.offer_to(target)
        wanted = Assignment(
            key=task.key,
            ref=published.ref,
            name=task.name,
            version=task.version,
            group=group,
            offer=offer,
            uninstall_command=uninstall,
            excluded=target.excluded,
        )
        with so_far(done):
            if chosen_only(task, target):
                await remove_where_taken(task, target, wanted)
            else:
                wanted = replace(wanted, ref=(await task.port.assign(wanted, correlation_id=task.correlation_id)).ref)
        done.append(
            commands.RecordAssigned(task.ring, task.plane, group, wanted.ref, offer.value, task.world.clock.now())
        )
    late = any(chosen_only(task, target) for target, _ in task.places)
    return Work(done, again_at=task.soon() if late else None)


def offer_stands(state: DeploymentIntent, ring: Ring, offer: Offer) -> bool:
    """Whether the offer is still wanted: a job may have waited while people decided otherwise."""
    rehearsing = state.rehearsal is Rehearsal.RUNNING and ring is Ring.LAB
    if offer is Offer.INSTALL:
        return state.status is IntentStatus.ROLLING_OUT and not rehearsing
    return (rehearsing and state.status is IntentStatus.ROLLING_OUT) or state.status is IntentStatus.ROLLING_BACK


async def withdraw(task: Task) -> Work:
    """Take our offers back on one plane: devices that did not install yet will not."""
    if task.state.status in (IntentStatus.ROLLING_OUT, IntentStatus.ROLLING_BACK):
        return Work()  # resumed meanwhile, or the removal is being offered
    return await _take_back(task)


async def _take_back(task: Task) -> Work:
    refs = [event.ref for (_, plane), event in task.state.published.items() if plane is task.plane]
    # Every group that may have been offered, not only those on record: an offer whose worker was killed before it could
    # say so stands on the plane all the same.
    groups = groups_reached(task.state, task.plane)
    if not refs or not groups:
        return Work()
    free = sorted(groups & groups_reached(task.state, task.plane, OfferAs.AVAILABLE))
    taken = await task.port.withdraw(
        Withdrawal(task.key, refs[-1], task.name, task.version, sorted(groups), free),
        correlation_id=task.correlation_id,
    )
    gone = tuple(sorted({*groups, *taken.groups}))
    return Work([commands.RecordWithdrawn(task.plane, gone, task.world.clock.now())])


async def observe(task: Task) -> Work:
    """Ask the plane how far the devices of a ring are."""
    if task.state.status in ENDED and task.offer is Offer.INSTALL:
        return Work()
    if task.offer is Offer.UNINSTALL and not offer_stands(task.state, task.ring, task.offer):
        return Work()
    stale_before = task.world.clock.now() - timedelta(seconds=task.proposed.policy.reachable_within_s / 2)
    offered, removal = offered_in(task.state, task.ring).get(task.plane), removal_of(task.state)
    if task.offer is Offer.UNINSTALL:
        offered = None if removal is None else since(removal.asked_at)
    devices = await task.world.devices.watched(
        task.intent_id, task.ring, task.plane, task.offer, stale_before=stale_before, offered=offered
    )
    published = task.state.published.get((task.ring, task.plane))
    rehearsing = task.state.rehearsal is Rehearsal.RUNNING and task.ring is Ring.LAB
    if published is None:
        return Work()
    if devices and not (rehearsing and task.offer is Offer.INSTALL):
        watch = Watch(task.key, published.ref, task.name, task.version, task.offer, devices)
        async for batch in task.port.observe(watch, correlation_id=task.correlation_id):
            await task.world.devices.record(task.intent_id, task.ring, task.plane, batch, now=task.world.clock.now())
    current = task.ring is task.state.ring and task.state.status is IntentStatus.ROLLING_OUT
    busy = current or task.offer is Offer.UNINSTALL
    return Work(again_at=task.soon(looks_apart(_age(task, removal)) if busy else SLOW))


def looks_apart(age: timedelta) -> int:
    """How many times the policy's interval to wait before the next look at devices that were asked ``age`` ago.

    Most devices answer within the first day. Those that are still out after three were off, and a look costs the same.
    """
    return next((times for limit, times in LOOKS if age < limit), LOOKS_LAST)


def _age(task: Task, removal: Removal | None) -> timedelta:
    progress = task.state.rings.get(task.ring)
    asked = [] if progress is None else [progress.opened_at]
    if removal is not None and task.offer is Offer.UNINSTALL:
        asked.append(removal.asked_at)
    now = task.world.clock.now()
    return now - max(asked, default=now)


async def measure(task: Task) -> Work:
    """Count a ring on the planes that have their devices; what follows, the domain decides.

    A ring that the rollout has left is counted as well, more rarely: what it shows there may still have to stop it.
    """
    progress = task.state.rings.get(task.ring)
    if task.state.status in ENDED or progress is None or not progress.cohorts:
        return Work()
    apart = 1 if task.ring is task.state.ring else SLOW
    if task.state.rehearsal is Rehearsal.RUNNING or task.state.status is IntentStatus.ROLLING_BACK:
        return Work(again_at=task.soon())  # the devices are being emptied on purpose; their counts would mislead
    now = task.world.clock.now()
    measurement = await task.world.devices.measure(
        task.intent_id,
        task.ring,
        started_at=progress.measured_from,
        now=now,
        reachable_within_s=task.proposed.policy.reachable_within_s,
        offered=offered_in(task.state, task.ring),
        available=_available(task),
    )

    async def judged(state: DeploymentIntent) -> commands.RecordMeasurement:
        return commands.RecordMeasurement(task.ring, measurement, await grounds_of(task.world, state, now), now)

    checked = commands.CheckHaltRule(task.ring, measurement, now)  # an append of its own: nothing may keep it back
    return Work([checked, PerTry(judged)], again_at=task.soon(apart))


def _available(task: Task) -> Sequence[tuple[Plane, str]]:
    """The groups of the ring whose people are free to install the release, as its cohorts know them."""
    spec = task.proposed.ring_plan.of(task.ring)
    targets = () if spec is None else spec.targets
    return [(target.plane, target.group) for target in targets if target.offer_as is OfferAs.AVAILABLE]


def failure_of(task: Task, operation: str, error: PlaneError, attempts: int) -> Work:
    """What is put on record when an operation gave up; on the job's plane, whose connection may serve two."""
    plane = Plane(task.payload.get("plane", error.plane))
    ring = Ring(task.payload.get("ring", task.state.ring or Ring.LAB))
    return Work(
        [
            commands.RecordOperationFailed(
                ring, plane, operation, error.kind, error.detail, attempts, task.world.clock.now()
            )
        ]
    )


TASKS = {
    "resolve_cohort": resolve_cohort,
    "publish": publish,
    "assign": assign,
    "withdraw": withdraw,
    "observe": observe,
    "measure": measure,
    **rollback_tasks.TASKS,
    **drift_jobs.TASKS,
}
