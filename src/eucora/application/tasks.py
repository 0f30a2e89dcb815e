"""A job about one intent: what it is given, and what it leads to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from eucora.application.execute import PerTry, load
from eucora.application.planes import Offer, PlanePort
from eucora.application.world import World
from eucora.domain import evidence_pack
from eucora.domain.deployment_intent import commands
from eucora.domain.deployment_intent.decide import DECIDER
from eucora.domain.deployment_intent.events import DeploymentIntentProposed, ReleaseArtifact
from eucora.domain.deployment_intent.offered import group_of
from eucora.domain.deployment_intent.state import DeploymentIntent
from eucora.domain.planes import Plane
from eucora.domain.rings import OfferAs, Ring, RingTarget


@dataclass(frozen=True, slots=True)
class Work:
    """What a job led to: ``facts`` to put on record, in order, and when to come back (None: the job is over)."""

    facts: Sequence[commands.Command | PerTry[DeploymentIntent, commands.Command]] = ()
    again_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A job about one intent, with the intent as it stands."""

    world: World
    payload: Mapping[str, Any]
    correlation_id: str
    state: DeploymentIntent
    proposed: DeploymentIntentProposed

    @property
    def intent_id(self) -> str:
        return self.proposed.intent_id

    @property
    def ring(self) -> Ring:
        return Ring(self.payload["ring"])

    @property
    def plane(self) -> Plane:
        return Plane(self.payload["plane"])

    @property
    def offer(self) -> Offer:
        return Offer(self.payload["offer"])

    @property
    def port(self) -> PlanePort:
        return self.world.planes[self.plane]

    @property
    def targets(self) -> Sequence[RingTarget]:
        spec = self.proposed.ring_plan.of(self.ring)
        return [target for target in spec.targets if target.plane is self.plane] if spec else []

    @property
    def places(self) -> Sequence[tuple[RingTarget, str]]:
        """The ring's targets on the job's plane, each with the group that stands for it there."""
        standing = [(target, group_of(self.state, self.ring, target)) for target in self.targets]
        return [(target, group) for target, group in standing if group is not None]

    def offer_to(self, target: RingTarget) -> Offer:
        """What the job's offer is to a target: to one whose people are free to choose, an install is only available."""
        free = target.offer_as is OfferAs.AVAILABLE
        return Offer.AVAILABLE if free and self.offer is Offer.INSTALL else self.offer

    @property
    def file(self) -> ReleaseArtifact:
        return next(file for file in self.proposed.release.artifacts if file.plane is self.plane)

    @property
    def key(self) -> str:
        """Written into the vendor's object: the same release of the same intent is the same object."""
        return f"eucora:{self.intent_id}:{self.file.artifact}"

    @property
    def name(self) -> str:
        return self.proposed.release.application.name

    @property
    def version(self) -> str:
        return self.proposed.release.application.version

    def soon(self, times: int = 1) -> datetime:
        return self.world.clock.now() + timedelta(seconds=self.proposed.policy.measure_every_s * times)


async def task_for(world: World, payload: Mapping[str, Any], correlation_id: str) -> Task:
    """Raises KeyError when the intent was never proposed."""
    state = await load(world.store, DECIDER, payload["intent_id"])
    if state.proposed is None:
        raise KeyError(payload["intent_id"])
    return Task(world, payload, correlation_id, state, state.proposed)


async def removal_command(task: Task) -> str:
    """What removes the release on the job's plane, by its evidence; empty when nothing does."""
    pack = (await load(task.world.store, evidence_pack.DECIDER, task.proposed.release.evidence_pack)).assembled
    plans = pack.installs if pack else ()
    return next((plan.uninstall_command for plan in plans if plan.plane is task.plane), "")
