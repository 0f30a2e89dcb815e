"""Routes of evidence: documents as they came, and the packs that they are put together to."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import ConfigDict, Field

from eucora.api.artifacts import OCTETS
from eucora.api.asking import (
    Asked,
    CallerDep,
    HouseDep,
    Listing,
    PagingDep,
    ReceiptBody,
    RepeatableDep,
    Sha256,
    TagDep,
    Told,
    fresh,
    receipt,
)
from eucora.api.bodies import octets
from eucora.api.preconditions import UNCHANGED
from eucora.api.problems import problem_responses
from eucora.api.routes import Where, noun, permits, readers
from eucora.api.words import Digest, Line, Prose
from eucora.application.evidence import InstallRequest, PackRequest, assemble_pack, upload_document
from eucora.domain.evidence_pack import Detection, Document, EvidenceRescanned, InstallPlan, PackNotAssembled
from eucora.domain.install_needs import (
    ARCHITECTURES,
    NUMBER_MAX,
    RULES_MAX,
    WINDOWS_RELEASES,
    InstallNeeds,
    NeedRule,
    Restart,
)
from eucora.domain.people import Role
from eucora.domain.planes import Plane
from eucora.domain.risk_types import (
    ApplicationProfile,
    Category,
    DataAccess,
    DeclaredRisk,
    Exploitability,
    FindingCounts,
    OperationalComplexity,
    PrivilegeImpact,
    Provenance,
)
from eucora.projections.artifacts import EvidencePackView

documents = noun("evidence-documents")
packs = noun("evidence-packs")
KIND_PATTERN: Final = "^[a-z][a-z0-9_]{0,49}$"


class DocumentBody(Told):
    """A stored document. ``summary`` says in a few words what is in it."""

    sha256: str
    size: int
    kind: str
    summary: str


class ApplicationAsked(Asked):
    """The application that the release belongs to. ``cmdb_tier`` 0 or 1: critical infrastructure."""

    application_id: Annotated[str, Field(max_length=200, examples=["edge-tunnel"])]
    name: Line
    version: Line
    publisher: Line
    category: Category
    privileged_tooling: bool = False
    cmdb_tier: Annotated[int | None, Field(ge=0, le=9)] = None


class DeclaredAsked(Asked):
    """What nobody can compute; shown as declared."""

    privilege: PrivilegeImpact
    vendor_known: bool
    provenance: Provenance
    exploitability: Exploitability
    data_access: DataAccess
    operational_complexity: OperationalComplexity


class DetectionAsked(Asked):
    """How a device tells that the release is there.

    file: ``path`` folder, ``name`` file, ``value`` version or empty. registry: ``path`` key, ``name`` value name,
    ``value`` expected or empty. msi: ``name`` product code, ``value`` version. script: ``name`` what it is called,
    ``value`` the PowerShell, which ends with 0 and writes something where the release is there. receipt: ``name``
    package id, ``value`` version. bundle (intune_macos): ``name`` bundle id of the app, ``value`` its version.
    """

    kind: Literal["file", "registry", "msi", "script", "receipt", "bundle"]
    path: Prose = ""
    name: Prose = ""
    value: Prose = ""


class ReturnCodeAsked(Asked):
    """What an exit code of the installer means."""

    code: Annotated[int, Field(ge=-(2**31), lt=2**32)]
    meaning: Literal["success", "soft_reboot", "hard_reboot", "retry", "failed"]


class NeedRuleAsked(Asked):
    """Something that must be on the device already.

    file: ``path`` folder, ``name`` file, ``value`` least version or empty. registry: ``path`` key, ``name`` value name,
    ``value`` expected or empty. script: ``name`` what it is called, ``value`` the PowerShell, which must write exactly
    ``output``.
    """

    kind: Literal["file", "registry", "script"]
    path: Prose = ""
    name: Prose = ""
    value: Prose = ""
    output: Prose = ""


Amount = Annotated[int, Field(gt=0, le=NUMBER_MAX)]


class NeedsAsked(Asked):
    """What a Windows device must have; the release is not for the others. What is left out is not asked for."""

    release: Annotated[str, Field(max_length=40, description=f"The oldest Windows: {', '.join(WINDOWS_RELEASES)}")] = ""
    architectures: Annotated[
        tuple[Line, ...], Field(max_length=4, description=f"Of {', '.join(ARCHITECTURES)}; empty: x64 and x86")
    ] = ()
    free_disk_mb: Amount | None = None
    memory_mb: Amount | None = None
    processors: Amount | None = None
    cpu_mhz: Amount | None = None
    rules: Annotated[tuple[NeedRuleAsked, ...], Field(max_length=RULES_MAX, description="All of them must hold")] = ()

    def to_needs(self) -> InstallNeeds:
        rules = tuple(NeedRule(**rule.model_dump()) for rule in self.rules)
        return InstallNeeds(**self.model_dump(exclude={"rules"}), rules=rules)


class InstallWayAsked(Asked):
    """How one plane installs, removes and detects a release. ``needs`` and ``restart``: of Windows apps only."""

    plane: Plane
    install_command: Prose = ""
    uninstall_command: Prose = ""
    detection: DetectionAsked
    return_codes: Annotated[tuple[ReturnCodeAsked, ...], Field(max_length=100)] = ()
    needs: NeedsAsked = NeedsAsked()
    restart: Restart = Restart.BY_RETURN_CODE


class InstallAsked(InstallWayAsked):
    """How one plane installs a registered artifact."""

    artifact: Digest


class DocumentAsked(Asked):
    """An uploaded document and what it is in this pack."""

    kind: Annotated[str, Field(pattern=KIND_PATTERN, max_length=50, examples=["sbom"])]
    sha256: Digest


EXAMPLE: dict[str, Any] = {
    "application": {
        "application_id": "edge-tunnel",
        "name": "Edge Tunnel",
        "version": "4.2.0",
        "publisher": "Acme",
        "category": "vpn",
    },
    "declared": {
        "privilege": "admin_install",
        "vendor_known": True,
        "provenance": "consistent",
        "exploitability": "none",
        "data_access": "own",
        "operational_complexity": "short",
    },
    "planes": ["jamf"],
    "installs": [
        {
            "plane": "jamf",
            "artifact": "9f86d081884c7d65" * 4,
            "uninstall_command": "/usr/local/bin/edge-tunnel-uninstall",
            "detection": {"kind": "receipt", "name": "com.acme.edge-tunnel", "value": "4.2.0"},
        }
    ],
    "documents": [{"kind": "sbom", "sha256": "60303ae22b998861" * 4}],
    "rollout_plan": "Lab first, then canary in one office.",
}


class PackAsked(Asked):
    """Everything that a pack is assembled from."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    application: ApplicationAsked
    declared: DeclaredAsked
    planes: Annotated[list[Plane], Field(max_length=10)]
    installs: Annotated[list[InstallAsked], Field(max_length=10)]
    documents: Annotated[list[DocumentAsked], Field(max_length=100)]
    rollout_plan: Prose
    exceptions: Annotated[
        tuple[UUID, ...], Field(max_length=100, description="Ids of policy exceptions that the release rests on")
    ] = ()

    def to_request(self) -> PackRequest:
        return PackRequest(
            application=ApplicationProfile(**self.application.model_dump()),
            declared=DeclaredRisk(**self.declared.model_dump()),
            planes=tuple(self.planes),
            installs=tuple(_install(one) for one in self.installs),
            documents=tuple((one.kind, one.sha256) for one in self.documents),
            rollout_plan=self.rollout_plan,
            exceptions=tuple(str(one) for one in self.exceptions),
        )


def _install(asked: InstallAsked) -> InstallRequest:
    return InstallRequest(
        plane=asked.plane,
        artifact=asked.artifact,
        install_command=asked.install_command,
        uninstall_command=asked.uninstall_command,
        detection=Detection(**asked.detection.model_dump()),
        return_codes=tuple((one.code, one.meaning) for one in asked.return_codes),
        needs=asked.needs.to_needs(),
        restart=asked.restart,
    )


class PackBody(Told):
    """An evidence pack. ``missing``: what is required and not there; empty: it may be proposed.

    ``findings``: one for each vulnerability and component over all scans. ``critical``: ids of the critical ones, 200
    at most. ``suppressed``: findings that VEX statements say not affected or fixed of. ``components`` null: the pack is
    older than this count. ``rescan``: the newest scan since, of ``rescans``.
    """

    id: str
    application: ApplicationProfile
    declared: DeclaredRisk
    installs: tuple[InstallPlan, ...]
    documents: tuple[Document, ...]
    components: int | None
    findings: FindingCounts
    critical: tuple[str, ...]
    suppressed: int
    exceptions: tuple[str, ...]
    rollout_plan: str
    missing: tuple[str, ...]
    packagers: tuple[str, ...]
    assembled_by: str
    assembled_at: datetime
    rescans: int
    rescan: EvidenceRescanned | None


def _body(view: EvidencePackView) -> PackBody:
    pack = view.pack
    return PackBody(
        id=pack.pack,
        application=pack.application,
        declared=pack.declared,
        installs=pack.installs,
        documents=pack.documents,
        components=pack.components,
        findings=pack.findings,
        critical=pack.critical,
        suppressed=pack.suppressed,
        exceptions=pack.exceptions,
        rollout_plan=pack.rollout_plan,
        missing=pack.missing,
        packagers=pack.packagers,
        assembled_by=pack.assembled_by,
        assembled_at=pack.at,
        rescans=view.rescans,
        rescan=view.rescan,
    )


@documents.post("", status_code=201, responses=problem_responses(400, 413, 415), openapi_extra=OCTETS)
@permits(Role.PACKAGING_ENGINEER, Role.SECURITY_REVIEWER, where=Where.ANYWHERE)
async def upload_evidence_document(
    request: Request,
    house: HouseDep,
    caller: RepeatableDep,
    kind: Annotated[
        str,
        Query(
            pattern=KIND_PATTERN,
            max_length=50,
            description="sbom, scan and vex are read at once; test_evidence, rollback_plan and others are kept as is",
            examples=["sbom"],
        ),
    ],
) -> DocumentBody:
    """Hand in an evidence file: the body is the file itself, 256 MiB at the most.

    It is known by its digest, so a repeat changes nothing and no Idempotency-Key is needed. A security reviewer hands
    in scans and VEX documents.
    """
    kept = await upload_document(house.deps.world, caller, octets(request), kind)
    return DocumentBody.model_validate(kept)


@packs.post("", status_code=201, responses=problem_responses(400, 409, 413, 415))
@permits(Role.PACKAGING_ENGINEER, where=Where.ANYWHERE)
async def assemble_evidence_pack(
    body: PackAsked, response: Response, house: HouseDep, caller: CallerDep
) -> ReceiptBody:
    """Assemble an evidence pack. A pack with gaps is recorded, and cannot be proposed."""
    return await receipt(house, response, await assemble_pack(house.deps.world, caller, body.to_request()))


@packs.get("", dependencies=[fresh("evidence_packs")])
@readers()
async def list_evidence_packs(
    house: HouseDep, page: PagingDep, application: Line | None = None, complete: bool | None = None
) -> Listing[PackBody]:
    """Evidence packs, newest first."""
    found = await house.reads.evidence_packs.page(
        application=application, complete=complete, after=page.after, limit=page.limit
    )
    return Listing(items=[_body(view) for view in found.items], next_cursor=page.next(found.next))


@packs.get("/{pack}", dependencies=[fresh("evidence_packs")], responses=problem_responses(404) | UNCHANGED)
@readers()
async def get_evidence_pack(house: HouseDep, tag: TagDep, pack: Sha256) -> PackBody:
    """One evidence pack by its digest, with what is missing in it; its ETag moves with each newer scan."""
    view = await house.reads.evidence_packs.get(pack)
    if view is None:
        raise PackNotAssembled
    tag.of(1 + view.rescans)
    return _body(view)
