"""A rollout gone through without a rollout: the real tasks, over connectors whose writes end on this machine.

Nothing is decided here. The file is registered, packed and proposed by the use cases that the service has, on a log in
memory; then each ring is opened as if its gates had passed, and the workers' tasks do what follows from that.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Final

from eucora.api.deployment_intents import IntentAsked
from eucora.api.evidence import PackAsked
from eucora.application import plane_approvals
from eucora.application.artifacts import assemble_pack, register_artifact
from eucora.application.deployment_intents import TargetRequest, UnknownGroup, counted_ring
from eucora.application.execute import PerTry, load
from eucora.application.held_requests import on_behalf_of
from eucora.application.planes import PlaneError, PlanePort
from eucora.application.ports import Clock, Ids, NewJob
from eucora.application.react import react
from eucora.application.rollout import TASKS
from eucora.application.shares import Groups
from eucora.application.tasks import Task
from eucora.application.world import Caller, World
from eucora.cli.as_code.file import Intended
from eucora.cli.dry_run.steps import Log, Step, logged
from eucora.cli.dry_run.world import Cohorts, world_of
from eucora.connectors.dry_run.transport import DryRunTransport, Unforeseen
from eucora.connectors.jamf.names import short_key
from eucora.domain import evidence_pack
from eucora.domain.deployment_intent import events as intent
from eucora.domain.deployment_intent.commands import ProposeIntent
from eucora.domain.deployment_intent.decide import DECIDER
from eucora.domain.deployment_intent.proposal import propose
from eucora.domain.deployment_intent.state import DeploymentIntent
from eucora.domain.people import Grant, Person, Role, Scope
from eucora.domain.planes import Plane
from eucora.domain.policies import GATE_POLICY_1_0
from eucora.domain.rings import Ring, RingPlan, RingSpec, RingTarget
from eucora.domain.risk_types import History

NOBODY: Final = "dry run"
KINDS: Final = frozenset({"resolve_cohort", "publish", "assign", "observe", "withdraw"})
Connected = Mapping[Plane, tuple[PlanePort, DryRunTransport]]


@dataclass(slots=True)
class Told:
    """What a dry run found. ``problems``: what kept it from being complete, a line each. ``devices``: by plane."""

    steps: Sequence[Step]
    problems: list[str] = field(default_factory=list)
    devices: Mapping[Plane, int] = field(default_factory=dict)


async def dry_run(
    intended: Intended, connected: Connected, folder: Path, clock: Clock, ids: Ids, *, intent_id: str | None
) -> Told:
    """Go through the rollout of a file. ``folder`` takes files for as long as this runs.

    ``intent_id``: the intent on record whose objects are looked for on the planes; None: it is not proposed yet.

    Raises:
        DomainError: what the file asks for would be refused before any plane is written to.
        UnreadableEvidence: an installer is not what its name says.
    """
    log, cohorts = Log(), Cohorts()
    world = world_of(logged(connected, log), cohorts, folder, clock, ids)
    caller = Caller(Person(NOBODY, NOBODY, (Grant(Role.PACKAGING_ENGINEER, Scope()),)), str(ids.new()))
    id = intent_id or str(ids.new())
    _name(intended, connected, id, known=intent_id is not None)
    told = Told(log.steps)
    pack = await _pack(world, caller, intended)
    log.part = "when it is proposed"
    run = _Run(world, caller, log, told)
    await run.propose(intended, pack, id)
    await run.roll_out()
    told.devices = cohorts.counted()
    return told


def _name(intended: Intended, connected: Connected, intent_id: str, *, known: bool) -> None:
    """Show what only a proposal can give by a name, too."""
    if known:
        return
    for install, artifact in zip(intended.file.installs, intended.artifacts, strict=True):
        if install.plane in connected:
            names = connected[install.plane][1].names
            names.shown[intent_id] = "<intent>"
            if install.plane is Plane.JAMF:
                names.shown[short_key(f"eucora:{intent_id}:{artifact}")] = "<short key>"


async def _pack(world: World, caller: Caller, intended: Intended) -> str:
    """The evidence pack without its documents: no request to a plane depends on them."""
    for install in intended.file.installs:
        path = intended.beside(install.file)
        await register_artifact(world, caller, _chunks(path), path.name)
    asked = PackAsked.model_validate(intended.pack() | {"documents": []})
    return (await assemble_pack(world, caller, asked.to_request())).id


class _Run:
    """One rollout; ``stopped`` has the planes that it cannot go on with."""

    def __init__(self, world: World, caller: Caller, log: Log, told: Told) -> None:
        self._world, self._caller, self._log, self._told = world, caller, log, told
        self._stopped: set[Plane] = set()
        self._waiting: list[NewJob] = []
        self.state: DeploymentIntent = DECIDER.initial

    async def propose(self, intended: Intended, pack_id: str, intent_id: str) -> None:
        """Count the groups and propose the release to them. Raises DomainError."""
        request = IntentAsked.model_validate(intended.rollout() | {"evidence_pack": pack_id}).to_request()
        pack = (await load(self._world.store, evidence_pack.DECIDER, pack_id)).assembled
        if pack is None:
            raise AssertionError("a pack that was not refused is on record")
        groups, application = Groups(self._caller.correlation_id), pack.application.application_id
        rings = []
        for ring, targets in request.rings:
            counted = [await self._counted(groups, application, ring, target) for target in targets]
            rings.append(RingSpec(ring, tuple(counted)))
        asked = ProposeIntent(
            intent_id=intent_id,
            pack=replace(pack, missing=()),
            ring_plan=RingPlan(tuple(rings)),
            scope=request.scope,
            change_kind=request.change_kind,
            policy=GATE_POLICY_1_0,
            history=History(),
            by=NOBODY,
            at=self._now,
        )
        self.state = DECIDER.fold([propose(None, asked)[0]])  # without the approval: who gives it is nothing here

    async def _counted(self, groups: Groups, application: str, ring: Ring, target: TargetRequest) -> RingTarget:
        """The target as its plane knows it, or as the file names it where the plane does not tell."""
        plane = target.plane
        if plane not in self._world.planes and plane not in self._stopped:
            self._stop(plane, "not connected in this environment, so none of its requests are shown")
        if plane not in self._stopped:
            try:
                spec = await counted_ring(self._world, groups, application, ring, [target])
                return spec.targets[0]
            except (PlaneError, Unforeseen, UnknownGroup) as error:
                self._stop(plane, str(error))
        told = RingTarget(plane, target.group, 1, target.site_class, target.critical, target.share)
        return replace(told, offer_as=target.offer_as, excluded=tuple(sorted(target.excluded)))

    async def roll_out(self) -> None:
        """Each ring, the rehearsal of its removal in the lab, and what would happen if somebody stopped it."""
        rings = [spec.ring for spec in self._proposed.ring_plan.rings]
        await self._go("ring 0", intent.RolloutStarted(NOBODY, self._now))
        await self._go("ring 0, its removal rehearsed", intent.RollbackRehearsalStarted(NOBODY, self._now))
        await self._go("ring 0, installed again", intent.RollbackRehearsed(True, 0, 0, self._now))
        for before, ring in pairwise(rings):
            promoted = intent.RingPromoted(before, ring, NOBODY, automatic=False, at=self._now)
            await self._go(f"ring {ring:d}", promoted)
        await self._go("if it is stopped", intent.RolloutAborted(NOBODY, "to show it", self._now))

    async def _go(self, part: str, event: intent.Event) -> None:
        """What the event leads to, until nothing is left to do. One plane after the other, though workers do both."""
        self._log.part = part
        self._take([event])
        while self._waiting:
            await self._do(self._waiting.pop(0))

    async def _do(self, job: NewJob) -> None:
        """One job of the rollout, and what it puts on record."""
        plane = Plane(str(job.payload["plane"]))
        if plane in self._stopped:
            return
        task = Task(self._world, job.payload, self._caller.correlation_id, self.state, self._proposed)
        try:
            with on_behalf_of(plane_approvals.purpose_of(task, job.kind)):
                work = await TASKS[job.kind](task)
        except (PlaneError, Unforeseen) as error:
            self._stop(plane, str(error))
            return
        for fact in work.facts:
            if not isinstance(fact, PerTry):
                self._take(DECIDER.decide(self.state, fact))

    def _take(self, events: Sequence[intent.Event]) -> None:
        """Fold the events, and put the jobs that follow from them before those that wait."""
        self.state = DECIDER.fold(events, self.state)
        for event in events:
            if isinstance(event, intent.CohortRefused):
                self._stop(event.plane, f"group {event.group}: {event.reason}")
        known = {job.dedupe_key for job in self._waiting}
        following = [job for job in react(self.state, events, self._now) if job.kind in KINDS]
        self._waiting[:0] = [job for job in following if job.dedupe_key not in known]

    def _stop(self, plane: Plane, why: str) -> None:
        """This plane's rollout cannot be foreseen any further."""
        self._stopped.add(plane)
        where = f" ({self._log.part})" if self._log.part else ""
        self._told.problems.append(f"{plane}{where}: {why.removeprefix(f'{plane} ')}")

    @property
    def _proposed(self) -> intent.DeploymentIntentProposed:
        if self.state.proposed is None:
            raise AssertionError("nothing is rolled out before it is proposed")
        return self.state.proposed

    @property
    def _now(self) -> datetime:
        return self._world.clock.now()


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            yield chunk
