"""Shares of groups on a plane: which devices they hold, and the groups of our own that keep them."""

import hashlib
from collections.abc import Sequence

from eucora.application.planes import Device, Gathering, Group, GroupNotFound, PlanePort
from eucora.application.tasks import Task
from eucora.domain.assignment import Share, in_share
from eucora.domain.planes import Plane
from eucora.domain.rings import KeptGroup, RingTarget

GONE = "the plane knows no such group any more"
NAME_MAX, VERSION_MAX = 60, 40  # characters; the name of a group of ours stays under 200


def devices_in(group: Group, application: str, share: Share | None) -> Sequence[Device]:
    """The devices of the group that fall into the share, by their place for the application; None: all of them."""
    return [device for device in group.devices if in_share(application, device.id, share)]


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
        gathering = _gathering(task, target, target.share, frozen)
        try:
            gathered = await task.port.gather(gathering, correlation_id=task.correlation_id)
        except GroupNotFound as error:
            raise NotKept(target, GONE) from error
        if gathered.missing >= len(frozen):
            raise NotKept(target, "every device of its share left the group before it was kept")
        kept.append(KeptGroup(target.group, gathered.ref))
    return kept


def _gathering(task: Task, target: RingTarget, share: Share, devices: Sequence[str]) -> Gathering:
    """Named for people to find the rollout by, and for no other group of ours to have the same name."""
    mark = hashlib.sha256(target.group.encode()).hexdigest()[:8]
    words = f"EUCORA {task.name[:NAME_MAX]} {task.version[:VERSION_MAX]} ring {task.ring:d} share {share[0]}-{share[1]}"
    return Gathering(
        key=f"eucora:{task.intent_id}:ring-{task.ring:d}:{target.group}",
        name=" ".join(f"{words} {task.intent_id} {mark}".split()),
        source=target.group,
        devices=devices,
    )
