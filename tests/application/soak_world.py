"""Half an hour of virtual time in which everything goes wrong, and the people who keep at it."""

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

from rollout_world import HIGH, LOW, OPERATOR, PACKAGER, PLANES, POLICY, PUBLISHER, RETAIL, Rollouts
from soak_lab import Witness

from eucora.application import deployment_intents, incidents
from eucora.application.deployment_intents import IntentRequest, RollbackTo, TargetRequest
from eucora.application.explain import explain
from eucora.application.incidents import IncidentRequest
from eucora.domain.deployment_intent.state import ENDED, DeploymentIntent, IntentStatus, Rehearsal, next_ring
from eucora.domain.errors import DomainError
from eucora.domain.gate_types import Verdict
from eucora.domain.incident import Attributable, IncidentKind, IncidentSeverity
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring
from eucora.domain.risk_types import DeclaredRisk
from eucora.lab.fault_rates import APPLIES, FaultKind, FaultRate
from eucora.lab.inputs.application import EDGE_TUNNEL, FIELD_NOTES, Application
from eucora.lab.inputs.story import build_release
from eucora.workers.effects import EffectsWorker

RINGS: Final = (Ring.LAB, Ring.CANARY, Ring.PILOT)
STEP_S: Final = 30.0
# Everybody waits on the one clock, one after the other, so waits are as short as they can be.
_DELAY_S: Final = {FaultKind.TIMEOUT: 31.0, FaultKind.SLOW: 2.0}
# At pace 60 a minute is an hour of the devices' lives: a ring soaks for two of them.
BRISK: Final = replace(
    POLICY,
    version="brisk",
    rings=tuple(
        replace(rule, soak_s=120, success_min=Decimal("0.95" if rule.ring is Ring.LAB else "0.80"))
        for rule in POLICY.rings
    ),
    measure_every_s=60,
)


@dataclass(slots=True)
class Release:
    """One release, its intent, and how people treat it."""

    application: Application
    ends: IntentStatus
    declared: DeclaredRisk = LOW
    shares: bool = False  # half of the canary group only, kept in a group of our own
    fails: bool = False  # on nearly every device from the canary on
    incident: bool = False  # a P1 is reported from the canary
    id: str = ""
    reported: bool = False

    @property
    def name(self) -> str:
        return f"{self.application.name} {self.application.version}"


def releases() -> list[Release]:
    """Two that go well, one of them in a share; one that CAB decides on; one that fails; one that has an incident."""

    def named(name: str) -> Application:
        return replace(FIELD_NOTES, name=name, identifier=f"org.example.{name.lower().replace(' ', '-')}")

    return [
        Release(FIELD_NOTES, IntentStatus.COMPLETED),
        Release(named("Field Maps"), IntentStatus.COMPLETED, shares=True),
        Release(EDGE_TUNNEL, IntentStatus.COMPLETED, HIGH),
        Release(named("Field Radio"), IntentStatus.ROLLED_BACK, fails=True),
        Release(named("Field Camera"), IntentStatus.HALTED, incident=True),
    ]


def everything(probability: float) -> list[FaultRate]:
    """Every fault there is, wherever it can happen."""
    return [
        FaultRate(upstream, kind, probability, delay_s=_DELAY_S.get(kind, 60.0))
        for kind, upstreams in APPLIES.items()
        for upstream in sorted(upstreams)
    ]


class Soak:
    """The people of one house, and their releases."""

    def __init__(self, house: Rollouts, witness: Witness, worker: EffectsWorker) -> None:
        self.house, self.witness, self._worker = house, witness, worker
        self.releases = releases()

    async def begin(self, folder: Path) -> None:
        """Propose everything; files go to ``folder``."""
        for release in self.releases:
            inputs = build_release(release.application, folder / release.application.stem)
            pack = await self.house.assemble(inputs, release.declared)
            rings = tuple((ring, tuple(self._target(release, plane, ring) for plane in PLANES)) for ring in RINGS)
            request = IntentRequest(evidence_pack=pack, rings=rings, scope=RETAIL, gate_policy=BRISK.version)
            receipt = await deployment_intents.propose(self.house.world, self.house.as_(PACKAGER), request)
            release.id = receipt.id

    def _target(self, release: Release, plane: Plane, ring: Ring) -> TargetRequest:
        share = (0, 50) if release.shares and ring is Ring.CANARY else None
        return TargetRequest(plane, self.house.group(plane, ring), share=share)

    async def live(self, seconds: float) -> None:
        """People act at every step as far as they may; whatever waits for the clock moves it too."""
        ends = self.house.clock.now() + timedelta(seconds=seconds)
        while self.house.clock.now() < ends and not await self.over():
            await self._worker.settle()
            for release in self.releases:
                await self._act(release)
            await self._retry()
            self.witness.approve()
            self.witness.look()
            self.house.clock.advance(STEP_S)
        await self._worker.settle()
        self.witness.look()

    async def over(self) -> bool:
        """Everything ended as it should."""
        return all([(await self.house.state(one.id)).status is one.ends for one in self.releases])

    async def _act(self, release: Release) -> None:
        with suppress(DomainError):  # who is refused reads why, and tries again
            await self._next(release, await self.house.state(release.id))

    async def _next(self, release: Release, state: DeploymentIntent) -> None:
        world, publisher, ring = self.house.world, self.house.as_(PUBLISHER), state.ring
        if ring is None:
            await deployment_intents.start(world, publisher, release.id)
        elif state.status is IntentStatus.HALTED and release.fails:
            await deployment_intents.roll_back(world, publisher, release.id, "it fails", RollbackTo.NOTHING)
        elif release.incident and ring is Ring.CANARY and not release.reported:
            report = IncidentRequest(
                release.id,
                "field-camera",
                IncidentSeverity.P1,
                IncidentKind.STABILITY,
                Attributable.UNKNOWN,
                4,
                "hangs",
            )
            await incidents.report_incident(world, self.house.as_(OPERATOR), report)
            release.reported = True
        elif state.status is IntentStatus.ROLLING_OUT:
            await self._onwards(release, state, ring)

    async def _onwards(self, release: Release, state: DeploymentIntent, ring: Ring) -> None:
        world, publisher, run = self.house.world, self.house.as_(PUBLISHER), state.rings[ring].run
        if run is None:
            return
        unmet = {result.gate for result in run.results if not result.met}
        if ring is Ring.LAB and state.rehearsal is Rehearsal.NOT_DONE and "success_rate" not in unmet:
            await deployment_intents.rehearse(world, publisher, release.id)
        elif "approval" in unmet and state.open_review is None:
            assert state.proposed is not None
            await self.house.approve(release.id, voters=state.proposed.route.quorum)
        elif run.verdict is Verdict.PASSED and (following := next_ring(state)) is not None:
            await self._promote(release, following)

    async def _promote(self, release: Release, ring: Ring) -> None:
        if release.fails and ring is Ring.CANARY:
            self.house.lab.fleet.set_failure_rate(release.application.name, 0.9)
        await deployment_intents.promote(self.house.world, self.house.as_(PUBLISHER), release.id, ring, ())

    async def _retry(self) -> None:
        """Give dead letters their attempts back, as an operator does who has read them."""
        for job in await self._worker.queue.list(["dead"]):
            await self._worker.queue.revive(job.id, self.house.clock.now())

    async def explained(self, release: Release) -> str:
        """How the intent ended, or what it waits for. Where nothing is said to be in its way, it takes the next step.

        Raises DomainError: something was in its way all the same.
        """
        told = await explain(self.house.world, release.id)
        if told.state.status in ENDED:
            return told.state.status.value
        if told.blockers:
            return "; ".join(f"{one.condition}: {one.reason}" for one in told.blockers if one.reason)
        following = next_ring(told.state)
        if following is None:
            return "every gate has passed: it is complete at the next look"
        await self._promote(release, following)
        return f"promoted to ring {following:d}"
