"""What a risk assessment is made of; the rubric itself is in :mod:`eucora.domain.risk`."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class PrivilegeImpact(StrEnum):
    """What the software may do on a device once installed."""

    USER = "user"
    USER_WITH_ADMIN_FEATURES = "user_with_admin_features"
    ADMIN_INSTALL = "admin_install"
    SERVICE_OR_ELEVATED = "service_or_elevated"
    DRIVER_OR_KERNEL = "driver_or_kernel"


class Provenance(StrEnum):
    """How well the path from the vendor to the artifact is known."""

    CONSISTENT = "consistent"
    WEAK = "weak"
    UNCERTAIN = "uncertain"


class Exploitability(StrEnum):
    """What an attacker finds to talk to."""

    NONE = "none"
    USER_LISTENER = "user_listener"
    SCRIPTING = "scripting"
    LISTENER_AND_SCRIPTING = "listener_and_scripting"
    PRIVILEGED_LISTENER = "privileged_listener"


class DataAccess(StrEnum):
    """What data the software can reach."""

    OWN = "own"
    READS_DOCUMENTS = "reads_documents"
    PROFILE = "profile"
    CREDENTIAL_STORES = "credential_stores"
    WIDE_AND_CREDENTIALS = "wide_and_credentials"


class OperationalComplexity(StrEnum):
    """How hard the install is on a device and on its user."""

    SHORT = "short"  # online, no reboot, under 5 minutes
    MEDIUM = "medium"  # 5 to 15 minutes
    REBOOT = "reboot"
    REBOOT_AND_SEQUENCING = "reboot_and_sequencing"
    OFFLINE_IMPORT = "offline_import"


class Category(StrEnum):
    """What kind of software it is; decides the blast-radius class where no CMDB tier does."""

    SECURITY_AGENT = "security_agent"
    VPN = "vpn"
    IDENTITY = "identity"
    OS_UPDATE = "os_update"
    ERP = "erp"
    TRADING = "trading"
    CUSTOMER_FACING = "customer_facing"
    OFFICE = "office"
    COLLABORATION = "collaboration"
    UTILITY = "utility"
    OTHER = "other"


class BlastRadiusClass(StrEnum):
    """What is hit when the application fails everywhere at once."""

    CRITICAL_INFRASTRUCTURE = "critical_infrastructure"
    BUSINESS_CRITICAL = "business_critical"
    PRODUCTIVITY_TOOLS = "productivity_tools"
    NON_CRITICAL = "non_critical"


@dataclass(frozen=True, slots=True)
class DeclaredRisk:
    """What nobody can compute and the packaging engineer therefore declares. Shown as declared."""

    privilege: PrivilegeImpact
    vendor_known: bool
    provenance: Provenance
    exploitability: Exploitability
    data_access: DataAccess
    operational_complexity: OperationalComplexity


@dataclass(frozen=True, slots=True)
class ApplicationProfile:
    """The application that a release belongs to, as declared in its evidence pack."""

    application_id: str  # stable slug: "edge-tunnel"
    name: str
    version: str
    publisher: str
    category: Category
    privileged_tooling: bool = False
    cmdb_tier: int | None = None  # 0 or 1: critical infrastructure


@dataclass(frozen=True, slots=True)
class History:
    """What our own event log says of earlier releases of the application."""

    releases: int = 0  # 0: a new application
    devices_finished: int = 0  # installed + failed, over all earlier rollouts
    devices_failed: int = 0
    incidents: int = 0
    security_incidents: int = 0


@dataclass(frozen=True, slots=True)
class FindingCounts:
    """Vulnerability findings of a pack by severity; ``excepted`` are the critical ones with an approved exception."""

    critical: int = 0
    high: int = 0
    medium: int = 0
    low: int = 0
    unknown: int = 0
    excepted: int = 0


@dataclass(frozen=True, slots=True)
class RiskFactor:
    """One factor with everything that explains it: contribution = weight × value."""

    name: str
    value: Decimal  # 0..1
    weight: int
    contribution: Decimal
    rule: str  # the rubric's line that gave the value
    provenance: str  # "computed" | "declared"


@dataclass(frozen=True, slots=True)
class RiskAssessment:
    """A score with its factors. ``blocked``: a critical vulnerability without an approved exception."""

    model: str  # version of the risk model, "1.0"
    score: Decimal  # 0..100, one decimal
    factors: tuple[RiskFactor, ...]
    blast_radius_class: BlastRadiusClass
    class_reason: str
    blocked: bool


@dataclass(frozen=True, slots=True)
class ApprovalRoute:
    """Who must approve. ``cab_from_ring`` is the first ring that needs CAB; None: automated approval suffices.

    ``per_ring``: each of these rings needs an approval of its own. ``mode``: the governance mode that gave the route.
    """

    cab_from_ring: int | None
    quorum: int
    reasons: tuple[str, ...]
    per_ring: bool = False
    mode: str = "risk_threshold"
