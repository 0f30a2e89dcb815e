"""Shares of groups on a plane: which devices they hold, and the groups of our own that keep them."""

import hashlib
from collections.abc import Sequence

from eucora.application.planes import Device, Gathering, Group, GroupNotFound, PlanePort
from eucora.application.tasks import Task
from eucora.domain.assignment import Share, in_share
from eucora.domain.deployment_intent.offered import group_of
from eucora.domain.drift_compare import ActualGroup, Desired, DesiredGroup
from eucora.domain.planes import REACHED_OVER, Plane
from eucora.domain.rings import KeptGroup, Ring, RingTarget

GONE = "the plane knows no such group any more"
NAME_MAX, VERSION_MAX = 60, 40  # characters; the name of a group of ours stays under 200


def devices_in(group: Group, application: str, share: Share | None, excluded: Sequence[Group] = ()) -> Sequence[Device]:
    """The devices of the group that fall into the share, by their place for the application; None: all of them.

    Devices of an ``excluded`` group are none of them.
    """
    out = {device.id for other in excluded for device in other.devices}
    return [device for device in group.devices if device.id not in out and in_share(application, device.id, share)]


class Groups:
    """The groups of one plan: each is asked of its plane once, however many rings have a share of it."""

    def __init__(self, correlation_id: str) -> None:
        self._correlation_id = correlation_id
        self._found: dict[tuple[Plane, str], Group] = {}

    async def of(self, port: PlanePort, group: str) -> Group:
        """Raises GroupNotFound and its siblings of the plane."""
        place = (port.plane, group)
        if place not in self._found:
            self._found[place] = await port.resolve(group, correlation_id=self._correlation_id)
        return self._found[place]


class NotKept(Exception):
    """A share cannot be kept any more. ``reason``: a clause for the refusal of the cohort."""

    def __init__(self, target: RingTarget, reason: str) -> None:
        super().__init__(f"{target.group}: {reason}")
        self.target, self.reason = target, reason


async def keep(task: Task) -> Sequence[KeptGroup]:
    """Gather the frozen devices of each share in a group of our own; done again, the same groups.

    A device that two targets of the ring hold was frozen for one of them; a share of which none is left has no group,
    since the other target offers to all of its devices.

    Raises:
        NotKept; PlaneUnavailable and its siblings.
    """
    kept = []
    for target in task.targets:
        if target.share is None:
            continue
        frozen = await task.world.devices.frozen_of(task.intent_id, task.ring, task.plane, target.group)
        if not frozen:
            continue
        gathering = gathering_of(task, task.ring, target, frozen)
        try:
            gathered = await task.port.gather(gathering, correlation_id=task.correlation_id)
        except GroupNotFound as error:
            raise NotKept(target, GONE) from error
        if gathered.missing >= len(frozen):
            raise NotKept(target, "every device of its share left the group before it was kept")
        kept.append(KeptGroup(target.group, gathered.ref))
    return kept


async def gather_having(task: Task, target: RingTarget) -> str | None:
    """A group of our own with the target's devices that have had the release, by its id; None: none is known to.

    Who turns up with it later joins the same group when this is asked again. Raises GroupNotFound and its siblings.
    """
    having = await task.world.devices.having_had(task.intent_id, task.ring, task.plane, target.group)
    if not having:
        return None
    gathering = Gathering(
        key=f"eucora:{task.intent_id}:ring-{task.ring:d}:{_place(target)}:took",
        name=_named(task, task.ring, target, "took it"),
        source=group_of(task.state, task.ring, target) or target.group,
        devices=having,
    )
    return (await task.port.gather(gathering, correlation_id=task.correlation_id)).ref


async def look_into_kept(task: Task, desired: Desired) -> Sequence[ActualGroup]:
    """What the groups of our own hold to which the release is offered on the job's plane.

    Raises:
        PlaneUnavailable and its siblings.
    """
    asked = [(kept, gathering) for kept in desired.kept if (gathering := await _frozen_for(task, kept)) is not None]
    if not asked:
        return ()
    found = await task.port.holdings([(kept.ref, one) for kept, one in asked], correlation_id=task.correlation_id)
    return [
        ActualGroup(kept.ref, held.exists, len(gathering.devices), held.missing, held.foreign)
        for (kept, gathering), held in zip(asked, found, strict=True)
    ]


async def gather_again(task: Task, kept: DesiredGroup) -> str | None:
    """The group of our own that holds the frozen devices of the share, by its id; None: there is no such share.

    Raises:
        GroupNotFound: the share's own group is gone. PlaneUnavailable and its siblings.
    """
    gathering = await _frozen_for(task, kept)
    if gathering is None:
        return None
    return (await task.port.gather(gathering, correlation_id=task.correlation_id)).ref


async def _frozen_for(task: Task, kept: DesiredGroup) -> Gathering | None:
    spec = task.proposed.ring_plan.of(kept.ring)
    targets = spec.targets if spec else ()
    fitting = (one for one in targets if (one.plane, one.group) == (task.plane, kept.source) and one.share is not None)
    if (target := next(fitting, None)) is None:
        return None
    frozen = await task.world.devices.frozen_of(task.intent_id, kept.ring, task.plane, kept.source)
    return gathering_of(task, kept.ring, target, frozen) if frozen else None


def gathering_of(task: Task, ring: Ring, target: RingTarget, devices: Sequence[str]) -> Gathering:
    """The group of our own for the share that ``ring`` has of the target's group."""
    first, end = target.share or (0, 100)
    return Gathering(
        key=f"eucora:{task.intent_id}:ring-{ring:d}:{_place(target)}",
        name=_named(task, ring, target, f"share {first}-{end}"),
        source=target.group,
        devices=devices,
    )


def _named(task: Task, ring: Ring, target: RingTarget, what: str) -> str:
    """For people to find the rollout by, and for no other group of ours to have the same name."""
    mark = hashlib.sha256(_place(target).encode()).hexdigest()[:8]
    words = f"EUCORA {task.name[:NAME_MAX]} {task.version[:VERSION_MAX]} ring {ring:d} {what}"
    return " ".join(f"{words} {task.intent_id} {mark}".split())


def _place(target: RingTarget) -> str:
    """The target's group, told from the same group of the other plane that one connection serves."""
    return f"{target.group}:{target.plane}" if target.plane in REACHED_OVER else target.group
