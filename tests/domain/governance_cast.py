"""Who plays in the governance machine, what is rolled out, and under which policies."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from governance_fleet import SITE
from intents import DARING, HARMLESS, LOW

from eucora.domain.deployment_intent.events import ChangeKind, Purpose
from eucora.domain.evidence_pack import EvidencePackAssembled
from eucora.domain.gate_types import GatePolicy, OverlapRule
from eucora.domain.governance_types import GOVERNANCE_1_0, GovernanceMode, GovernancePolicy, StandardChange
from eucora.domain.people import Scope
from eucora.domain.planes import Plane
from eucora.domain.policies import GATE_POLICY_1_0
from eucora.domain.rings import Ring, RingPlan, RingSpec, RingTarget
from eucora.domain.risk_types import ApplicationProfile, BlastRadiusClass, Category, DeclaredRisk, FindingCounts

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

ROSA, PAT, ERIK, EVE = "idp|rosa", "idp|pat", "idp|erik", "idp|eve"  # asks, assembles, registers; asks for exceptions
PAUL, PIA = "idp|paul", "idp|pia"  # publishers whose scope covers the target
ANN, BEN, CLEO, DAN = "idp|ann", "idp|ben", "idp|cleo", "idp|dan"  # CAB
SEC, SID, OWEN, OPS = "idp|sec", "idp|sid", "idp|owen", "idp|ops"  # security, the owner of controls, operations
CAB, PUBLISHERS, SECURITY = [ANN, BEN, CLEO, DAN], [PAUL, PIA], [SEC, SID]
EVERYBODY = [*PUBLISHERS, *CAB, *SECURITY, ROSA, PAT, ERIK, EVE, OWEN, OPS]
ACTIVATORS = [OPS, PAUL, SEC, ROSA]  # who tries to open break-glass; any two different persons may

APP, CVE, NEW_CVE = "the-app", "CVE-2026-1", "CVE-2026-9"
TARGET, HOME = Scope("emea"), Scope("apac")
TARGET_WORDS = "emea/*/*"
PLANNED = 40  # devices of each group; two failures fail canary without halting it


@dataclass(frozen=True)
class Subject:
    """What is rolled out. ``radius`` as governance classifies it."""

    name: str
    category: Category
    declared: DeclaredRisk
    radius: BlastRadiusClass
    privileged: bool = False
    vulnerable: bool = False
    crosses: bool = False


LOW_RISK = Subject("low risk", Category.UTILITY, HARMLESS, BlastRadiusClass.NON_CRITICAL)
RISKY = Subject("risky", Category.UTILITY, DARING, BlastRadiusClass.NON_CRITICAL)
OFFICE = Subject("office", Category.OFFICE, HARMLESS, BlastRadiusClass.PRODUCTIVITY_TOOLS)
BUSINESS = Subject("business critical", Category.ERP, HARMLESS, BlastRadiusClass.BUSINESS_CRITICAL)
AGENT = Subject("security agent", Category.SECURITY_AGENT, DARING, BlastRadiusClass.CRITICAL_INFRASTRUCTURE)
PRIVILEGED = Subject("privileged", Category.UTILITY, HARMLESS, BlastRadiusClass.NON_CRITICAL, privileged=True)
VULNERABLE = Subject("vulnerable", Category.UTILITY, HARMLESS, BlastRadiusClass.NON_CRITICAL, vulnerable=True)
CROSSING = Subject("crossing", Category.UTILITY, HARMLESS, BlastRadiusClass.NON_CRITICAL, crosses=True)
SUBJECTS = {one.name: one for one in (RISKY, LOW_RISK, AGENT, BUSINESS, PRIVILEGED, VULNERABLE, CROSSING, OFFICE)}

_GOVERNANCE = (
    GOVERNANCE_1_0,
    replace(GOVERNANCE_1_0, version="per-ring", approval_per_ring=True),
    replace(GOVERNANCE_1_0, version="listed", standard_changes=(StandardChange(APP, Decimal(70), "monthly"),)),
    replace(GOVERNANCE_1_0, version="earned", mode=GovernanceMode.TRUST_MATURITY),
)
GOVERNANCE = {policy.version: policy for policy in _GOVERNANCE}
MANUAL = replace(GATE_POLICY_1_0, version="manual", soak_needs_coverage=False)
COVERED = replace(GATE_POLICY_1_0, version="covered", per_plane=True, sample_min=20)
AUTOMATIC = replace(
    MANUAL,
    version="automatic",
    overlap=OverlapRule.BLOCK,
    rings=tuple(replace(rule, automatic=rule.ring is not Ring.LAB) for rule in MANUAL.rings),
)
POLICIES = {policy.version: policy for policy in (MANUAL, COVERED, AUTOMATIC)}


@dataclass(frozen=True)
class Setup:
    """One deployment to be proposed, with everything that policy needs to know of it."""

    subject: Subject
    governance: GovernancePolicy
    policy: GatePolicy
    planes: tuple[Plane, ...]
    last: Ring
    kind: ChangeKind
    purpose: Purpose
    maturity: int
    version: str = "1.0"

    @property
    def plan(self) -> RingPlan:
        return RingPlan(
            tuple(
                RingSpec(
                    ring,
                    tuple(RingTarget(plane, f"{plane}-{ring:d}", PLANNED, SITE[plane]) for plane in self.planes),
                )
                for ring in list(Ring)[: self.last + 1]
            )
        )

    @property
    def pack(self) -> EvidencePackAssembled:
        subject = self.subject
        return replace(
            LOW,
            pack=("c" if self.version == "1.0" else "d") * 64,
            application=ApplicationProfile(
                APP, "The App", self.version, "Example", subject.category, subject.privileged
            ),
            declared=subject.declared,
            findings=FindingCounts(critical=1) if subject.vulnerable else FindingCounts(low=1),
            critical=(CVE,) if subject.vulnerable else (),
            packagers=(ERIK, PAT),
            assembled_by=PAT,
        )
