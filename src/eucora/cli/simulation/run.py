"""Live through a rollout: who would be asked, what each gate would say and when, how it would end."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

from eucora.api.deployment_intents import RingAsked
from eucora.application import artifacts, cab_reviews, deployment_intents, policies
from eucora.application.artifacts import InstallRequest, PackRequest
from eucora.application.deployment_intents import IntentRequest, TargetRequest
from eucora.application.execute import load
from eucora.application.world import Caller
from eucora.cli.as_code.file import Intended
from eucora.cli.simulation.house import Fleet, VirtualHouse, virtual_house
from eucora.domain.cab_review import Urgency, Vote
from eucora.domain.conditions import ConditionKind
from eucora.domain.deployment_intent.decide import DECIDER
from eucora.domain.deployment_intent.state import ENDED, DeploymentIntent, IntentStatus, Rehearsal, next_ring
from eucora.domain.errors import DomainError
from eucora.domain.evidence_pack import Detection
from eucora.domain.gate_types import GatePolicy, GateRun, Verdict
from eucora.domain.people import Grant, Person, Role
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring
from eucora.domain.risk_types import ApplicationProfile, DeclaredRisk
from eucora.store.database import Pool

START: Final = datetime(2026, 1, 5, 8, tzinfo=UTC)  # a Monday morning; the same for every simulation
STEP: Final = timedelta(hours=1)
BOARD_MAX: Final = 15


def _person(name: str, role: Role) -> Person:
    return Person(f"simulation|{name}", name, (Grant(role),))


PACKAGER, PUBLISHER = _person("packager", Role.PACKAGING_ENGINEER), _person("publisher", Role.PUBLISHER)
ADMIN = _person("admin", Role.PLATFORM_ADMIN)


def _board(number: int) -> Person:
    return _person(f"board-{number}", Role.CAB_APPROVER)


@dataclass(frozen=True, slots=True)
class Wish:
    """What to live through. ``failing``: the share (0..1) of devices on which this release fails whatever they are."""

    intended: Intended
    fleet: Fleet = field(default_factory=Fleet)
    failing: Decimal = Decimal(0)
    days_max: int = 90
    policy: GatePolicy | None = None  # None: the version that the file names, which must come with the product


@dataclass(frozen=True, slots=True)
class Judged:
    """The gates of a ring changed their answer. ``hours`` since the start; ``unmet``: each gate in the way, and why."""

    hours: int
    verdict: Verdict
    unmet: tuple[tuple[str, Verdict, str], ...]


@dataclass(slots=True)
class RingTold:
    """What became of one ring; hours since the start, None: it never came to that."""

    ring: Ring
    devices: int
    opened: int
    judged: list[Judged] = field(default_factory=list)
    left: int | None = None
    installed: int = 0
    failed: int = 0


@dataclass(slots=True)
class Simulated:
    """How it went. ``refused``: the proposal was refused, and nothing else happened."""

    fleet: Fleet
    application: str
    refused: str = ""
    score: Decimal | None = None
    radius: str = ""
    reasons: tuple[str, ...] = ()
    votes: int = 0
    rings: list[RingTold] = field(default_factory=list)
    stops: list[tuple[int, str]] = field(default_factory=list)
    status: str = "not proposed"
    hours: int = 0


async def simulate(pool: Pool, folder: Path, wish: Wish) -> Simulated:
    """Run the intent of ``wish`` on an empty database until it ends, halts, or ``days_max`` are over.

    People are assumed to act at once: CAB approves as soon as it is asked, the publisher promotes as soon as he may.
    """
    application = wish.intended.file.application
    told = Simulated(wish.fleet, f"{application.name} {application.version}")
    async with virtual_house(pool, folder, START, wish.fleet) as house:
        live = _Live(house, wish, told)
        try:
            await live.propose()
        except DomainError as error:
            told.refused = error.message
            return told
        await live.go()
    return told


@dataclass(slots=True)
class _Live:
    house: VirtualHouse
    wish: Wish
    told: Simulated
    id: str = ""

    def as_(self, person: Person) -> Caller:
        return Caller(person, "simulation")

    @property
    def hours(self) -> int:
        return (self.house.clock.now() - START) // timedelta(hours=1)

    async def state(self) -> DeploymentIntent:
        return await load(self.house.world.store, DECIDER, self.id)

    async def propose(self) -> None:
        """Raises DomainError: what the service would refuse."""
        world, rollout = self.house.world, self.wish.intended.file.rollout
        version = rollout.gate_policy
        if self.wish.policy is not None:
            version = self.wish.policy.version
            await policies.propose_gate_policy(world, self.as_(ADMIN), self.wish.policy, "to be tried")
            await policies.activate_gate_policy(world, self.as_(_board(0)), version)
        pack, home = await self._pack(), rollout.application_scope
        rings = tuple((one.ring, self._targets(one.ring)) for one in rollout.rings)
        request = IntentRequest(
            evidence_pack=pack,
            rings=rings,
            scope=rollout.scope.to_scope(),
            gate_policy=version,
            change_kind=rollout.change_kind,
            purpose=rollout.purpose,
            risk_model=rollout.risk_model,
            governance_policy=rollout.governance_policy,
            application_scope=None if home is None else home.to_scope(),
        )
        self.id = (await deployment_intents.propose(world, self.as_(PACKAGER), request)).id
        proposed = (await self.state()).proposed
        if proposed is None:
            raise AssertionError("a proposal that was not refused is on record")
        self.told.score, self.told.radius = proposed.risk.score, proposed.risk.blast_radius_class
        self.told.reasons = proposed.route.reasons
        self.house.lab.fleet.set_failure_rate("", float(self.wish.failing))

    async def _pack(self) -> str:
        world, caller, file = self.house.world, self.as_(PACKAGER), self.wish.intended.file
        installs = []
        for one in file.installs:
            path = self.wish.intended.beside(one.file)
            registered = await artifacts.register_artifact(world, caller, _chunks(path), path.name)
            codes = tuple((code.code, code.meaning) for code in one.return_codes)
            detection = Detection(**one.detection.model_dump())
            installs.append(
                InstallRequest(one.plane, registered.id, one.install_command, one.uninstall_command, detection, codes)
            )
        documents = []
        for document in file.evidence:
            kept = await artifacts.upload_document(
                world, caller, _chunks(self.wish.intended.beside(document.file)), document.kind
            )
            documents.append((document.kind, kept.sha256))
        request = PackRequest(
            application=ApplicationProfile(**file.application.model_dump()),
            declared=DeclaredRisk(**file.declared.model_dump()),
            planes=tuple(sorted({one.plane for one in file.installs})),
            installs=tuple(installs),
            documents=tuple(documents),
            rollout_plan=file.rollout_plan,
        )
        return (await artifacts.assemble_pack(world, caller, request)).id

    def _targets(self, ring: Ring) -> tuple[TargetRequest, ...]:
        """The fleet's own group of the ring, on each plane that the file targets in it; site classes are kept.

        For a group that rings share, it is the group of the last ring that has a share of it. Of several targets on a
        plane a whole group is lived through, if there is one. The fleet has no groups to leave out.
        """
        standing = _standing(self.wish.intended.file.rollout.rings)
        wanted = []
        for (plane, of_ring), target in standing.items():
            if of_ring is ring:
                sharing = [at for (on, at), one in standing.items() if (on, one.group) == (plane, target.group)]
                group = self.house.group(plane, ring if target.share is None else max(sharing))
                wanted.append(replace(target, group=group, excluded=()))
        return tuple(wanted)

    async def go(self) -> None:
        world = self.house.world
        await deployment_intents.start(world, self.as_(PUBLISHER), self.id)
        for _ in range(self.wish.days_max * 24):
            await self.house.worker.settle()
            state = await self.state()
            self._note(state)
            if state.status in ENDED or state.status is IntentStatus.HALTED:
                break
            await self._act(state)
            self.house.clock.advance(STEP.total_seconds())
        self.told.status, self.told.hours = (await self.state()).status.value, self.hours

    def _note(self, state: DeploymentIntent) -> None:
        """What is new in each ring, and what stopped the rollout."""
        known = {ring.ring: ring for ring in self.told.rings}
        for ring, progress in state.rings.items():
            if ring not in known:
                known[ring] = RingTold(ring, 0, self.hours)
                self.told.rings.append(known[ring])
            told = known[ring]
            told.devices = sum(count.devices for one in progress.cohorts.values() for count in one.counts)
            if progress.measured is not None:
                told.installed = sum(count.installed for count in progress.measured.counts)
                told.failed = sum(count.failed for count in progress.measured.counts)
            if progress.run is not None:
                judged = _judged(self.hours, progress.run)
                if not told.judged or (told.judged[-1].verdict, _names(told.judged[-1])) != (
                    judged.verdict,
                    _names(judged),
                ):
                    told.judged.append(judged)
            over = state.status is IntentStatus.COMPLETED
            if told.left is None and (over or (state.ring is not None and state.ring > ring)):
                told.left = self.hours
        if state.stop is not None and state.stop.reason not in [reason for _, reason in self.told.stops]:
            self.told.stops.append((self.hours, state.stop.reason))

    async def _act(self, state: DeploymentIntent) -> None:
        """What people would do now: rehearse, ask CAB, vote, promote."""
        world, ring = self.house.world, state.ring
        progress = None if ring is None else state.rings[ring]
        if progress is None or progress.run is None:
            return
        unmet = {result.gate for result in progress.run.results if not result.met}
        if ring is Ring.LAB and state.rehearsal is Rehearsal.NOT_DONE and "success_rate" not in unmet:
            await deployment_intents.rehearse(world, self.as_(PUBLISHER), self.id)
            return
        if "approval" in unmet and state.open_review is None:
            await self._approve(state)
            return
        following = next_ring(state)
        if progress.run.verdict is Verdict.PASSED and following is not None:
            texts = state.approval.values(ConditionKind.TEXT) if state.approval else ()
            try:
                await deployment_intents.promote(world, self.as_(PUBLISHER), self.id, following, texts)
            except DomainError as error:  # what the gates do not show, such as a freshness check, is worth telling
                if error.message not in [reason for _, reason in self.told.stops]:
                    self.told.stops.append((self.hours, error.message))

    async def _approve(self, state: DeploymentIntent) -> None:
        world = self.house.world
        receipt = await deployment_intents.submit_to_cab(
            world, self.as_(PACKAGER), self.id, urgency=Urgency.STANDARD, justification="simulated"
        )
        quorum = state.proposed.route.quorum if state.proposed else 0
        for number in range(1, min(quorum, BOARD_MAX) + 1):
            voter = self.as_(_board(number))
            await cab_reviews.vote(
                world, voter, receipt.id, vote=Vote.APPROVE, reason="simulated", conditions=(), saw=number
            )
            self.told.votes += 1


def _standing(rings: Sequence[RingAsked]) -> Mapping[tuple[Plane, Ring], TargetRequest]:
    """The target that stands for all that a ring has on a plane; it is critical where one of them is."""
    standing: dict[tuple[Plane, Ring], TargetRequest] = {}
    for one in rings:
        for asked in one.targets:
            target, before = asked.to_request(), standing.get((asked.plane, one.ring))
            chosen = before if before is not None and target.share is not None else target
            critical = target.critical or (before is not None and before.critical)
            standing[asked.plane, one.ring] = replace(chosen, critical=critical)
    return standing


def _judged(hours: int, run: GateRun) -> Judged:
    unmet = tuple((result.gate, result.verdict, result.reason) for result in run.results if not result.met)
    return Judged(hours, run.verdict, unmet)


def _names(judged: Judged) -> Sequence[str]:
    return [gate for gate, _, _ in judged.unmet]


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            yield chunk
