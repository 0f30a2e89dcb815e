"""Routes of what follows from an evidence pack: its findings, its files, its derivation, newer scans, differences."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from fastapi import Path, Query, Request, Response

from eucora.api.asking import (
    ActingDep,
    Asked,
    CallerDep,
    HouseDep,
    Listing,
    PagingDep,
    ReceiptBody,
    Sha256,
    Told,
    receipt,
)
from eucora.api.heads import only_head
from eucora.api.kept_files import KeptFile
from eucora.api.problems import problem_responses
from eucora.api.routes import noun, permits, readers
from eucora.api.words import Digest
from eucora.application import evidence_answers as answers
from eucora.application.audit_access import record_evidence_read
from eucora.application.evidence import rescan_pack
from eucora.domain.evidence_diff import FieldChange, InstallChange, PackDiff
from eucora.domain.evidence_pack import Document
from eucora.domain.findings import FindingSeverity, VexStatus
from eucora.domain.people import Role
from eucora.projections.paging import BadCursor, decode_cursor, encode_cursor

router = noun("evidence-packs")
FINDINGS_MAX: Final = 500  # listed in a comparison; the totals say how many there are
ANSWERS = problem_responses(404, 409)
CONTENT: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The file, byte for byte as it was handed in",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class ComponentBody(Told):
    """What the vulnerability is in. ``purl`` is empty where neither scanner nor SBOM gives one."""

    name: str
    version: str
    purl: str


class CvssBody(Told):
    """One CVSS rating; ``score`` 0.0 to 10.0."""

    version: str
    vector: str
    score: Decimal


class FindingSourceBody(Told):
    """What one scanner said, under which id, and where it had that from."""

    tool: str
    id: str
    severity: FindingSeverity
    rule: str
    database: str


class VexMarkBody(Told):
    """The statement that holds for the finding: the latest that speaks of it."""

    status: VexStatus
    justification: str
    stated_at: datetime | None
    author: str


class FindingBody(Told):
    """One vulnerability in one component, over all scans.

    ``aliases``: the same under other ids; ``related``: ids that scanners name beside it and that may be another one.
    ``rule``: what gave the severity. ``counted`` false: below critical, and a VEX statement says not affected or fixed.
    """

    id: str
    aliases: tuple[str, ...]
    related: tuple[str, ...]
    component: ComponentBody
    severity: FindingSeverity
    rule: str
    counted: bool
    fixed_in: tuple[str, ...]
    cvss: tuple[CvssBody, ...]
    sources: tuple[FindingSourceBody, ...]
    vex: VexMarkBody | None


class DifferenceBody(Told):
    """A fact that is on record otherwise than it is derived now."""

    fact: str
    recorded: str
    derived: str


class DerivationBody(Told):
    """Whether the kept files still lead to what is on record; ``differences`` is empty when they do."""

    pack: str
    equal: bool
    differences: Sequence[DifferenceBody]


class RescanAsked(Asked):
    """SHA-256 of the newer scan, uploaded as a document of kind scan."""

    document: Digest


class FindingChangeBody(Told):
    """A finding that is in both packs, and not the same in both."""

    before: FindingBody
    after: FindingBody


class FindingsDiffBody(Told):
    """The first 500 of each; the totals count them all."""

    added: Sequence[FindingBody]
    added_total: int
    removed: Sequence[FindingBody]
    removed_total: int
    changed: Sequence[FindingChangeBody]
    changed_total: int


class PackDiffBody(Told):
    """What changed from the first pack to the second."""

    before: str
    after: str
    application: tuple[FieldChange, ...]
    declared: tuple[FieldChange, ...]
    rollout_plan: FieldChange | None
    installs: tuple[InstallChange, ...]
    documents_added: tuple[Document, ...]
    documents_removed: tuple[Document, ...]
    findings: FindingsDiffBody


Other = Annotated[str, Path(pattern="^[0-9a-f]{64}$", examples=["60303ae22b998861" * 4])]


@router.get("/{pack}/findings", responses=ANSWERS)
@readers()
async def list_evidence_findings(
    house: HouseDep,
    page: PagingDep,
    pack: Sha256,
    scans: Annotated[
        Literal["pack", "latest"],
        Query(description="pack: the scans it was assembled with; latest: those that hold now"),
    ] = "pack",
    severity: FindingSeverity | None = None,
    component: Annotated[str, Query(max_length=200, description="Part of a component's name or purl")] = "",
) -> Listing[FindingBody]:
    """Vulnerabilities of a pack, each once with all its sources, worst first; read anew from the kept files."""
    found = await answers.findings_of(
        house.deps.world, pack, latest=scans == "latest", severity=severity, component=component
    )
    start = 0 if page.after is None else _start(page.after)
    end = start + page.limit
    items = [FindingBody.model_validate(one) for one in found[start:end]]
    return Listing(items=items, next_cursor=page.next(encode_cursor(end) if end < len(found) else None))


def _start(cursor: str) -> int:
    (start,) = decode_cursor(cursor, int)
    if not isinstance(start, int) or start < 0:
        raise BadCursor(cursor)
    return start


@router.post("/{pack}/derivations", responses=ANSWERS)
@readers()
async def derive_evidence_pack(house: HouseDep, pack: Sha256) -> DerivationBody:
    """Read the kept files again and compare with what is on record. Nothing is stored, so no key is needed."""
    found = await answers.derive_again(house.deps.world, pack)
    told = [DifferenceBody.model_validate(one) for one in found]
    return DerivationBody(pack=pack, equal=not told, differences=told)


@router.post("/{pack}/rescans", status_code=201, responses=problem_responses(400, 404, 409, 413, 415))
@permits(Role.PACKAGING_ENGINEER, Role.SECURITY_REVIEWER)
async def rescan_evidence_pack(
    pack: Sha256, body: RescanAsked, response: Response, house: HouseDep, caller: CallerDep
) -> ReceiptBody:
    """Put a newer scan of the same SBOM on record: decisions from now on see what it found.

    It stands in place of the same scanner's earlier scans of that SBOM. The pack and its digest stay what they are.
    """
    return await receipt(house, response, await rescan_pack(house.deps.world, caller, pack, body.document))


@router.get("/{pack}/documents/{sha256}/content", response_class=Response, responses=ANSWERS | CONTENT)
@readers()
async def get_evidence_content(
    request: Request, house: HouseDep, caller: ActingDep, pack: Sha256, sha256: Sha256
) -> Response:
    """A document of the pack, or of a newer scan of it, as it was handed in. That an auditor fetched it is recorded."""
    document = await answers.document_of(house.deps.world, pack, sha256)
    if not only_head(request.scope):
        await record_evidence_read(house.deps.world, caller, pack, sha256)
    return KeptFile(house.deps.world.artifacts, sha256, f"{document.kind}-{sha256[:12]}")


@router.get("/{pack}/diff/{other}", responses=ANSWERS)
@readers()
async def diff_evidence_packs(house: HouseDep, pack: Sha256, other: Other) -> PackDiffBody:
    """What changed from the first pack to the second: documents, installs, findings, what is declared."""
    return _diff(pack, other, await answers.diff_packs(house.deps.world, pack, other))


def _diff(before: str, after: str, found: PackDiff) -> PackDiffBody:
    changed = found.findings_changed[:FINDINGS_MAX]
    return PackDiffBody(
        before=before,
        after=after,
        application=found.application,
        declared=found.declared,
        rollout_plan=found.rollout_plan,
        installs=found.installs,
        documents_added=found.documents_added,
        documents_removed=found.documents_removed,
        findings=FindingsDiffBody(
            added=[FindingBody.model_validate(one) for one in found.findings_added[:FINDINGS_MAX]],
            added_total=len(found.findings_added),
            removed=[FindingBody.model_validate(one) for one in found.findings_removed[:FINDINGS_MAX]],
            removed_total=len(found.findings_removed),
            changed=[
                FindingChangeBody(before=FindingBody.model_validate(was), after=FindingBody.model_validate(now))
                for was, now in changed
            ],
            changed_total=len(found.findings_changed),
        ),
    )
