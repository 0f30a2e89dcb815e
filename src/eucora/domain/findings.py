"""What is read out of evidence files: components of an SBOM, findings of a scan, signature facts of an artifact."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class FindingSeverity(StrEnum):
    """Severity of a vulnerability, in the scanners' common words; NEGLIGIBLE counts as low, UNKNOWN as unknown."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    NONE = "none"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Component:
    """One component of an SBOM. ``purl`` is empty where the SBOM gives none."""

    name: str
    version: str
    purl: str = ""


@dataclass(frozen=True, slots=True)
class SbomFacts:
    """What an SBOM says. ``subject`` is what it describes (name and version empty where it names none)."""

    format: str  # "cyclonedx" | "spdx"
    spec_version: str  # "1.5"
    subject: Component
    components: Sequence[Component]


@dataclass(frozen=True, slots=True)
class Cvss:
    """One CVSS rating of a vulnerability. ``version``: "2.0", "3.0", "3.1" or "4.0"; ``score``: 0.0..10.0."""

    version: str
    vector: str
    score: Decimal


@dataclass(frozen=True, slots=True)
class Finding:
    """One vulnerability in one component, as a scanner reported it. A component without version and purl is a file.

    ``severity_rule`` says what gave the severity: the scanner's own word, or a CVSS score and its version.
    """

    id: str  # CVE-…, GHSA-…, or the rule of a SARIF log
    severity: FindingSeverity
    component: Component
    fixed_in: str = ""
    source: str = ""  # the scanner's data source
    aliases: tuple[str, ...] = ()  # the same vulnerability under other ids
    severity_rule: str = ""
    cvss: tuple[Cvss, ...] = ()


class VexStatus(StrEnum):
    """Whether a product is affected, in the words of OpenVEX; CycloneDX's analysis states are mapped to them."""

    NOT_AFFECTED = "not_affected"
    AFFECTED = "affected"
    FIXED = "fixed"
    UNDER_INVESTIGATION = "under_investigation"


@dataclass(frozen=True, slots=True)
class VexStatement:
    """What somebody states about one vulnerability. ``products``: purls or component references; none: all of them.

    ``aliases``: the vulnerability under other ids. ``subcomponents``: the parts of the products that the statement is
    about, as purls or references; none: the products as a whole. ``place``: where in its document it stands.
    """

    vulnerability: str
    status: VexStatus
    products: tuple[str, ...] = ()
    justification: str = ""
    stated_at: datetime | None = None
    aliases: tuple[str, ...] = ()
    subcomponents: tuple[str, ...] = ()
    place: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class VexFacts:
    """What a VEX document says. ``format``: "openvex" or "cyclonedx"; ``author`` is empty where it names none."""

    format: str
    author: str
    statements: Sequence[VexStatement]


@dataclass(frozen=True, slots=True)
class ScanFacts:
    """What a vulnerability scan says. ``subject`` is what the scanner says that it looked at.

    ``scanned_at``: when, by the report itself (UTC); None: it says no time.
    """

    tool: str  # "grype" | "trivy" | "osv-scanner" | the name that a SARIF log gives
    tool_version: str
    subject: str
    findings: Sequence[Finding]
    scanned_at: datetime | None = None


class Signature(StrEnum):
    """What the artifact itself tells about its signature, without judging trust in the signer."""

    PRESENT = "present"  # a signer other than the file itself, over these very bytes as far as the file tells
    SELF_SIGNED = "self_signed"
    INVALID = "invalid"  # there is a signature, and it is not over these bytes
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SignatureFacts:
    """What the signature of an artifact tells, without judging trust in its root.

    ``kind``: "authenticode", "xar" or "codesign". ``chain``: subjects as RFC 4514 strings, the signer first.
    ``thumbprint``: the SHA-256 of the signer's certificate. ``digest_matches``: None where it could not be computed,
    ``problem`` says why.
    """

    kind: str
    chain: tuple[str, ...]
    thumbprint: str
    signed_at: datetime | None  # by the countersignature of a time-stamping authority, UTC
    digest_matches: bool | None
    problem: str = ""


class ArtifactFormat(StrEnum):
    """The file formats that an artifact may have."""

    EXE = "exe"
    MSI = "msi"
    INTUNEWIN = "intunewin"
    PKG = "pkg"
    DMG = "dmg"


@dataclass(frozen=True, slots=True)
class ArtifactFacts:
    """What the bytes of an artifact tell: format, signature, and what the format itself names."""

    format: ArtifactFormat
    signature: Signature
    architecture: str = ""  # "x64", "x86", "arm64"; empty where the format does not say
    package_id: str = ""  # macOS receipt id; MSI product code
    package_version: str = ""
    setup_file: str = ""  # .intunewin: the file inside that installs
    signed_by: SignatureFacts | None = None  # None: no signature


class UnreadableEvidence(ValueError):
    """An input is not what it claims to be. ``place`` says where, ``way_out`` what to do."""

    def __init__(self, kind: str, place: str, reason: str, way_out: str) -> None:
        super().__init__(f"{kind}: {place}: {reason}. {way_out}")
        self.kind, self.place, self.reason, self.way_out = kind, place, reason, way_out
