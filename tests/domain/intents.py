"""A deployment intent to tell stories with: people, times, evidence, plans, readings and the commands about them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from given import Given, given

from eucora.domain.cab_review.events import Outcome
from eucora.domain.conditions import Condition, ConditionKind
from eucora.domain.deployment_intent import DECIDER
from eucora.domain.deployment_intent import commands as c
from eucora.domain.deployment_intent.events import SERVICE, ChangeKind, Event
from eucora.domain.deployment_intent.state import DeploymentIntent
from eucora.domain.evidence_pack import Detection, Document, EvidencePackAssembled, InstallPlan
from eucora.domain.findings import Signature
from eucora.domain.gate_types import GatePolicy, IncidentFacts
from eucora.domain.grounds import Grounds
from eucora.domain.people import Scope
from eucora.domain.planes import Plane, SiteClass
from eucora.domain.policies import GATE_POLICY_1_0
from eucora.domain.rings import CohortCount, Counts, Measurement, Ring, RingPlan, RingSpec, RingTarget
from eucora.domain.risk_types import (
    ApplicationProfile,
    Category,
    DataAccess,
    DeclaredRisk,
    Exploitability,
    FindingCounts,
    History,
    OperationalComplexity,
    PrivilegeImpact,
    Provenance,
)

Story = Given[DeploymentIntent, c.Command, Event]

PAT, PAUL, ROSA, ERIK = "idp|pat", "idp|paul", "idp|rosa", "idp|erik"  # packager, publisher, requester, engineer
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SOAK = timedelta(seconds=60)
LATER = NOON + SOAK
EXPIRY = NOON + timedelta(days=30)
EXE, PKG = "a" * 64, "b" * 64
NOTHING = Grounds()  # nothing outside the intent speaks against it
P1 = Grounds(incidents=IncidentFacts(p1_p2=1))

# Soak is a minute in every ring: how long it is does not matter to these rules, that it is asked for does. It counts
# without readings before the one that decides; what counts as covered has tests of its own.
POLICY = replace(
    GATE_POLICY_1_0,
    version="test",
    soak_needs_coverage=False,
    rings=tuple(replace(rule, soak_s=60) for rule in GATE_POLICY_1_0.rings),
)


def automatic(policy: GatePolicy = POLICY) -> GatePolicy:
    """The policy, with every promotion left to the service."""
    return replace(policy, version="automatic", rings=tuple(replace(rule, automatic=True) for rule in policy.rings))


TEXT_EDITOR = ApplicationProfile("text-editor", "Text Editor", "2.1", "Example", Category.UTILITY)
VPN_CLIENT = ApplicationProfile("vpn-client", "VPN Client", "7.0", "Example", Category.VPN)
HARMLESS = DeclaredRisk(
    PrivilegeImpact.USER, True, Provenance.CONSISTENT, Exploitability.NONE, DataAccess.OWN, OperationalComplexity.SHORT
)
DARING = DeclaredRisk(
    PrivilegeImpact.SERVICE_OR_ELEVATED,
    False,
    Provenance.UNCERTAIN,
    Exploitability.PRIVILEGED_LISTENER,
    DataAccess.WIDE_AND_CREDENTIALS,
    OperationalComplexity.REBOOT,
)

LOW = EvidencePackAssembled(
    pack="c" * 64,
    application=TEXT_EDITOR,
    declared=HARMLESS,
    installs=(
        InstallPlan(Plane.INTUNE, EXE, EXE, Signature.PRESENT, "setup /q", "setup /x", Detection("msi", name="{1}")),
        InstallPlan(Plane.JAMF, PKG, PKG, Signature.PRESENT, "", "remove", Detection("receipt", name="org.example")),
    ),
    documents=(Document("sbom", "d" * 64, "CycloneDX 1.5"),),
    findings=FindingCounts(low=1),
    rollout_plan="ring by ring",
    missing=(),
    packagers=(ERIK, PAT),
    assembled_by=PAT,
    at=NOON,
)
RISKY = replace(LOW, declared=DARING)  # score above 50: CAB from pilot on
CRITICAL = replace(LOW, application=VPN_CLIENT)  # critical infrastructure: CAB from canary on


def plan(last: Ring = Ring.GLOBAL, plane: Plane = Plane.INTUNE, devices: int = 20) -> RingPlan:
    """One group for each ring up to ``last``."""
    rings = list(Ring)[: last + 1]
    return RingPlan(tuple(RingSpec(ring, (RingTarget(plane, f"group-{ring:d}", devices),)) for ring in rings))


def on_both(last: Ring = Ring.GLOBAL) -> RingPlan:
    """One group on each plane for each ring up to ``last``."""
    windows, macos = plan(last), plan(last, Plane.JAMF)
    pairs = zip(windows.rings, macos.rings, strict=True)
    return RingPlan(tuple(replace(one, targets=(*one.targets, *other.targets)) for one, other in pairs))


def propose(
    pack: EvidencePackAssembled = LOW, ring_plan: RingPlan | None = None, policy: GatePolicy = POLICY
) -> c.ProposeIntent:
    target = plan() if ring_plan is None else ring_plan
    return c.ProposeIntent("i-1", pack, target, Scope("emea"), ChangeKind.NORMAL, policy, History(), ROSA, NOON)


def reading(installed: int = 20, failed: int = 0, pending: int = 0) -> Measurement:
    """Devices of one ring on one plane, all of them reachable and reporting."""
    whole = installed + failed + pending
    p90_s = 30 if installed * 10 >= whole * 9 else None
    return Measurement(
        (
            Counts(
                plane=Plane.INTUNE,
                site_class=SiteClass.ONLINE,
                targeted=whole,
                exempt=0,
                installed=installed,
                failed=failed,
                pending=pending,
                not_installed=0,
                unknown=0,
                reachable=whole,
                reported=whole,
                compliance_p90_s=p90_s,
            ),
        )
    )


def start(by: str = PAUL, *, in_scope: bool = True) -> c.StartRollout:
    return c.StartRollout(by, in_scope, NOON)


def freeze(ring: Ring, at: datetime = NOON, plane: Plane = Plane.INTUNE) -> c.FreezeCohort:
    return c.FreezeCohort(ring, plane, "e" * 64, (CohortCount(plane, SiteClass.ONLINE, 20),), at)


def measure(
    ring: Ring, measurement: Measurement | None = None, grounds: Grounds = NOTHING, at: datetime = LATER
) -> c.RecordMeasurement:
    return c.RecordMeasurement(ring, measurement or reading(), grounds, at)


def promote(
    to_ring: Ring,
    by: str = PAUL,
    *,
    automatic: bool = False,
    in_scope: bool = True,
    measurement: Measurement | None = None,
    grounds: Grounds = NOTHING,
    acknowledged: tuple[str, ...] = (),
    at: datetime = LATER,
) -> c.PromoteRing:
    return c.PromoteRing(to_ring, by, automatic, in_scope, measurement or reading(), grounds, acknowledged, at)


def promote_by_service(to_ring: Ring) -> c.PromoteRing:
    return promote(to_ring, SERVICE, automatic=True)


def rehearse(reverted: int = 20) -> tuple[c.Command, ...]:
    return c.StartRehearsal(PAUL, NOON), c.RecordRehearsal(reverted, 20, NOON)


def halt(trigger: str = "operator", reason: str = "too many calls", at: datetime = LATER) -> c.HaltRollout:
    return c.HaltRollout(trigger, PAUL, reason, at)


def pause() -> c.PauseRollout:
    return c.PauseRollout(PAUL, "month end", LATER)


def resume(
    measurement: Measurement | None = None,
    grounds: Grounds = NOTHING,
    *,
    by: str = PAUL,
    in_scope: bool = True,
    at: datetime = LATER,
) -> c.ResumeRollout:
    return c.ResumeRollout(by, "repaired", measurement or reading(), grounds, in_scope, at)


def request(review: str = "r-1", at: datetime = NOON) -> c.RequestCabReview:
    return c.RequestCabReview(review, ROSA, at)


def proposed(pack: EvidencePackAssembled = LOW, last: Ring = Ring.GLOBAL, policy: GatePolicy = POLICY) -> Story:
    return given(DECIDER).and_when(propose(pack, plan(last), policy))


def decision(
    story: Story,
    outcome: Outcome = Outcome.APPROVED,
    *conditions: Condition,
    review: str = "r-1",
    at: datetime = NOON,
    expires_at: datetime | None = EXPIRY,
    voters: tuple[str, ...] = (),
) -> c.RecordCabDecision:
    return c.RecordCabDecision(review, outcome, story.state.binding, conditions, at, expires_at, voters)


def approved(story: Story, *conditions: Condition) -> Story:
    """The story, with CAB's yes."""
    asked = story.and_when(request())
    return asked.and_when(decision(asked, Outcome.APPROVED_WITH_CONDITIONS, *conditions))


def in_lab(story: Story) -> Story:
    """The lab is open and its rollback was rehearsed."""
    return story.and_when(start(), freeze(Ring.LAB), *rehearse())


def in_ring(story: Story, ring: Ring) -> Story:
    """From the lab to ``ring``, all of it open and frozen at noon."""
    story = in_lab(story)
    for reached in list(Ring)[1 : ring + 1]:
        story = story.and_when(promote(reached), freeze(reached))
    return story


def max_ring(ring: Ring) -> Condition:
    return Condition(ConditionKind.MAX_RING, f"{ring:d}")


def text(words: str) -> Condition:
    return Condition(ConditionKind.TEXT, words)
