"""The application over the real store and the real connectors, against the lab's own app, in virtual time.

Nothing sleeps: whoever waits moves the one clock that everybody shares, so days of soak pass in seconds and every run
is the same.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from eucora.application import artifacts, cab_reviews, deployment_intents, policies
from eucora.application.artifacts import InstallRequest, PackRequest
from eucora.application.deployment_intents import IntentRequest, TargetRequest
from eucora.application.execute import load
from eucora.application.world import Caller, World
from eucora.cli.simulation.house import Fleet, virtual_house
from eucora.connectors.http import BreakerState
from eucora.domain.cab_review import Urgency, Vote
from eucora.domain.conditions import Condition
from eucora.domain.deployment_intent.decide import DECIDER
from eucora.domain.deployment_intent.state import DeploymentIntent
from eucora.domain.evidence_pack import Detection
from eucora.domain.gate_types import GatePolicy
from eucora.domain.governance_types import GOVERNANCE_1_0, DriftRules
from eucora.domain.install_needs import ASKS_NOTHING, InstallNeeds, Restart
from eucora.domain.people import Grant, Person, Role, Scope
from eucora.domain.planes import Plane
from eucora.domain.policies import GATE_POLICY_1_0
from eucora.domain.rings import Ring
from eucora.domain.risk_types import (
    ApplicationProfile,
    Category,
    DataAccess,
    DeclaredRisk,
    Exploitability,
    OperationalComplexity,
    PrivilegeImpact,
    Provenance,
)
from eucora.lab.app import Lab
from eucora.lab.clock import ManualClock
from eucora.lab.inputs import ApplicationInputs, build_inputs
from eucora.store.database import Pool
from eucora.workers.effects import EffectsWorker

PLANES = (Plane.INTUNE, Plane.JAMF)  # of a release, unless a test names others
START = datetime(2026, 3, 2, 8, tzinfo=UTC)
BASE = "http://lab.test"
WEEK_S = 7 * 86_400
READ_EVERY_S = 3 * 3600  # every look costs the run its requests, and days pass here by the dozen
RETAIL = Scope("retail", "emea")
POLICY = replace(GATE_POLICY_1_0, version="three-hourly", measure_every_s=READ_EVERY_S)
CALM = replace(GOVERNANCE_1_0, version="calm", drift=DriftRules(every_s=WEEK_S, critical_every_s=WEEK_S))


def person(name: str, *roles: Role, scope: Scope | None = None) -> Person:
    return Person(f"https://issuer|{name}", name, tuple(Grant(role, scope or Scope()) for role in roles))


PACKAGER = person("piet", Role.PACKAGING_ENGINEER)
PUBLISHER = person("petra", Role.PUBLISHER, scope=RETAIL)
ADMIN = person("ada", Role.PLATFORM_ADMIN)
CAB = [person(name, Role.CAB_APPROVER) for name in ("carla", "chen", "cyrus")]
OPERATOR = person("oskar", Role.ENDPOINT_OPERATOR)

LOW = DeclaredRisk(
    PrivilegeImpact.USER, True, Provenance.CONSISTENT, Exploitability.NONE, DataAccess.OWN, OperationalComplexity.SHORT
)
HIGH = DeclaredRisk(
    PrivilegeImpact.SERVICE_OR_ELEVATED, False, Provenance.UNCERTAIN, Exploitability.PRIVILEGED_LISTENER,
    DataAccess.CREDENTIAL_STORES, OperationalComplexity.REBOOT,
)  # fmt: skip


class Rollouts:
    """One installation and its people."""

    def __init__(
        self,
        world: World,
        worker: EffectsWorker,
        lab: Lab,
        clock: ManualClock,
        inputs: Path,
        jamf_breaker: Sequence[BreakerState],
    ) -> None:
        self.world, self.worker, self.lab, self.clock = world, worker, lab, clock
        self.jamf_breaker = jamf_breaker  # every change of its state so far
        self.inputs = build_inputs(inputs)
        self._made = 0

    def as_(self, person: Person) -> Caller:
        return Caller(person, "correlation-of-the-test")

    def group(self, plane: Plane, ring: Ring) -> str:
        return next(g.id for g in self.lab.fleet.groups_on(plane) if g.name.startswith(f"ring-{ring:d}-"))

    async def activate(self, policy: GatePolicy, *, drift: bool = False) -> None:
        """Put the policy in force. Planes are compared with what was decided once a week, hourly where ``drift``."""
        await policies.propose_gate_policy(self.world, self.as_(ADMIN), policy, "readings every three hours")
        await policies.activate_gate_policy(self.world, self.as_(CAB[0]), policy.version)
        if not drift:
            await policies.propose_governance_policy(self.world, self.as_(ADMIN), CALM, "looks at planes are dear")
            await policies.activate_governance_policy(self.world, self.as_(CAB[0]), CALM.version)

    async def propose(
        self,
        inputs: ApplicationInputs,
        declared: DeclaredRisk = LOW,
        *,
        category: Category = Category.UTILITY,
        rings: tuple[Ring, ...] = (Ring.LAB, Ring.CANARY, Ring.PILOT),
        policy: str = POLICY.version,
    ) -> str:
        pack = await self.assemble(inputs, declared, category=category)
        request = IntentRequest(
            evidence_pack=pack,
            rings=tuple(
                (ring, tuple(TargetRequest(plane, self.group(plane, ring)) for plane in PLANES)) for ring in rings
            ),
            scope=RETAIL,
            gate_policy=policy,
        )
        return (await deployment_intents.propose(self.world, self.as_(PACKAGER), request)).id

    async def assemble(
        self,
        inputs: ApplicationInputs,
        declared: DeclaredRisk,
        *,
        category: Category = Category.UTILITY,
        needs: InstallNeeds = ASKS_NOTHING,
        restart: Restart = Restart.BY_RETURN_CODE,
    ) -> str:
        caller = self.as_(PACKAGER)
        assert inputs.windows is not None
        assert inputs.macos is not None
        exe = await artifacts.register_artifact(self.world, caller, chunks(inputs.windows), inputs.windows.name)
        pkg = await artifacts.register_artifact(self.world, caller, chunks(inputs.macos), inputs.macos.name)
        documents = []
        for kind in ("sbom", "scan", "test_evidence", "rollback_plan"):
            upload = await artifacts.upload_document(self.world, caller, chunks(getattr(inputs, kind)), kind)
            documents.append((kind, upload.sha256))
        slug = inputs.name.lower().replace(" ", "-")
        request = PackRequest(
            application=ApplicationProfile(slug, inputs.name, inputs.version, inputs.publisher, category),
            declared=declared,
            planes=PLANES,
            installs=(
                InstallRequest(
                    Plane.INTUNE, exe.id, f"{inputs.windows.name} /quiet", f"{inputs.windows.name} /remove",
                    Detection("file", r"C:\Program Files\Example", "app.exe", ""), ((0, "success"),), needs, restart,
                ),
                InstallRequest(
                    Plane.JAMF, pkg.id, "", "/usr/local/bin/remove-example",
                    Detection("receipt", name="com.example.app", value=inputs.version),
                ),
            ),
            documents=tuple(documents),
            rollout_plan="lab, canary, pilot",
        )  # fmt: skip
        return (await artifacts.assemble_pack(self.world, caller, request)).id

    async def state(self, intent_id: str) -> DeploymentIntent:
        return await load(self.world.store, DECIDER, intent_id)

    async def let_pass(self, hours: float, *, step_s: float = READ_EVERY_S) -> None:
        """Live through time: everything due is done, then the clock moves on."""
        await self.worker.settle()
        left_s = hours * 3600
        while left_s > 0:
            self.clock.advance(min(step_s, left_s))
            left_s -= step_s
            await self.worker.settle()

    async def through_the_lab(self, intent_id: str) -> None:
        """Start, install in the lab, rehearse the rollback, install again, and let the soak end."""
        publisher = self.as_(PUBLISHER)
        await deployment_intents.start(self.world, publisher, intent_id)
        await self.let_pass(24)
        await deployment_intents.rehearse(self.world, publisher, intent_id)
        await self.let_pass(24)
        await self.let_pass(24)

    async def promote(self, intent_id: str, ring: Ring, *acknowledged: str) -> None:
        await deployment_intents.promote(self.world, self.as_(PUBLISHER), intent_id, ring, acknowledged)

    async def submit(self, intent_id: str) -> str:
        receipt = await deployment_intents.submit_to_cab(
            self.world, self.as_(PACKAGER), intent_id, urgency=Urgency.STANDARD, justification=""
        )
        return receipt.id

    async def vote(self, review: str, voters: int, *conditions: Condition) -> None:
        """The first ``voters`` of the board approve."""
        for number, voter in enumerate(CAB[:voters], start=1):
            await cab_reviews.vote(
                self.world,
                self.as_(voter),
                review,
                vote=Vote.APPROVE,
                reason="evidence is complete",
                conditions=conditions,
                saw=number,
            )

    async def approve(self, intent_id: str, voters: int = 1, *conditions: Condition) -> str:
        review = await self.submit(intent_id)
        await self.vote(review, voters, *conditions)
        await self.worker.settle()
        return review


async def chunks(path: Path) -> AsyncIterator[bytes]:
    yield path.read_bytes()


@asynccontextmanager
async def rollouts(pool: Pool, folder: Path, *, pace: float = 1.0, intune_macs: int = 0) -> AsyncIterator[Rollouts]:
    fleet = Fleet(pace=pace, intune_macs=intune_macs)
    async with virtual_house(pool, folder, START, fleet, concurrency=8) as house:
        yield Rollouts(house.world, house.worker, house.lab, house.clock, folder / "inputs", house.jamf_breaker)
