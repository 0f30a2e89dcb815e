"""Evidence files, read from the artifact store: what they say is derived from their bytes, whenever somebody asks."""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from eucora.application.ports import EvidenceReader
from eucora.application.world import World
from eucora.domain import vulnerabilities
from eucora.domain.errors import DomainError
from eucora.domain.evidence_pack import Document
from eucora.domain.findings import SbomFacts, ScanFacts, UnreadableEvidence, VexFacts
from eucora.domain.risk_types import FindingCounts
from eucora.domain.vulnerabilities import MergedFinding

T = TypeVar("T")
P = ParamSpec("P")
Facts = SbomFacts | ScanFacts | VexFacts
READ_KINDS: Final = ("sbom", "scan", "vex")
CLOCK_SKEW: Final = timedelta(minutes=5)
_DATED_WAY_OUT: Final = "Set the clock of the machine that wrote it right, and hand in a new one."
SUMMARY_MAX: Final = 200  # characters; versions and names in a summary come from the file
# One reading at a time in a process: files of 256 MB and 100,000 findings must not meet in memory, and whoever reads
# them leaves the other threads to uploads.
_IN_TURN: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="evidence")


class UnknownDocument(DomainError):
    """A pack names a document that nobody handed in."""

    def __init__(self, sha256: str) -> None:
        super().__init__(f"No document {sha256} was handed in; upload it first.", document=sha256)


class DocumentLost(DomainError):
    """A document that is on record is not in the artifact store any more."""

    def __init__(self, sha256: str) -> None:
        super().__init__(
            f"Document {sha256} is on record, and the artifact store does not have it; restore it from a backup or "
            "upload the same file again.",
            document=sha256,
        )


class DocumentAltered(DomainError):
    """The bytes that are stored under a digest are not those that were handed in."""

    def __init__(self, sha256: str, found: str) -> None:
        super().__init__(
            f"What is stored as document {sha256} hashes to {found}: it was altered. Restore it from a backup, and "
            "find out who could write to the artifact store.",
            document=sha256,
            found=found,
        )


class ScanOfAnotherArtifact(DomainError):
    """The scan reports on components that the SBOM does not hold."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The scan is of another artifact than the SBOM: {reason}", reason=reason)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Documents with what was read in them, by digest; the kinds that are not read have their document only."""

    documents: tuple[Document, ...]
    sboms: Mapping[str, SbomFacts]
    scans: Mapping[str, ScanFacts]
    statements: Mapping[str, VexFacts]

    def without_scans(self, digests: Iterable[str]) -> "Evidence":
        left = {sha256: scan for sha256, scan in self.scans.items() if sha256 not in set(digests)}
        return replace(self, scans=left)


@dataclass(frozen=True, slots=True)
class Derived:
    """What follows from a pack's documents; fields as in EvidencePackAssembled. ``merged``: every finding once."""

    documents: tuple[Document, ...]
    merged: Sequence[MergedFinding]
    components: int
    findings: FindingCounts
    critical: tuple[str, ...]
    suppressed: int


async def in_turn(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run the work in the one thread that reads evidence."""
    return await asyncio.get_running_loop().run_in_executor(_IN_TURN, partial(work, *args, **kwargs))


def latest_moment(world: World) -> datetime:
    """The latest time that a document may name now; clocks differ by as much as CLOCK_SKEW."""
    return world.clock.now() + CLOCK_SKEW


async def summary_of(world: World, kind: str, path: Path, size: int, *, up_to: datetime) -> str:
    """One line on a file of ``size`` bytes; the kinds that are read are read. Raises UnreadableEvidence."""
    if kind not in READ_KINDS:
        return _unread(kind, size)
    facts = await in_turn(_facts, world.evidence, kind, path)
    _refuse_future(facts, up_to)
    return _summary(facts)


async def read_evidence(
    world: World,
    documents: Iterable[tuple[str, str]],
    missing: Callable[[str], DomainError] = UnknownDocument,
    *,
    up_to: datetime | None = None,
) -> Evidence:
    """Read documents, given as (kind, SHA-256), from the store. ``up_to``: none may be dated later (None: any may).

    Raises:
        DocumentAltered, UnreadableEvidence; what ``missing`` makes of the digest of one that is not there.
    """
    told: list[Document] = []
    sboms: dict[str, SbomFacts] = {}
    scans: dict[str, ScanFacts] = {}
    statements: dict[str, VexFacts] = {}
    for kind, sha256 in documents:
        if kind not in READ_KINDS:
            told.append(Document(kind, sha256, _unread(kind, await _size(world, sha256, missing))))
            continue
        facts = await _read(world, kind, sha256, missing)
        if up_to is not None:
            _refuse_future(facts, up_to)
        told.append(Document(kind, sha256, _summary(facts)))
        match facts:
            case SbomFacts():
                sboms[sha256] = facts
            case ScanFacts():
                scans[sha256] = facts
            case VexFacts():
                statements[sha256] = facts
    return Evidence(tuple(told), sboms, scans, statements)


async def _size(world: World, sha256: str, missing: Callable[[str], DomainError]) -> int:
    try:
        size = await world.artifacts.size(sha256)
    except KeyError:
        size = None  # not even a digest
    if size is None:
        raise missing(sha256)
    return size


async def _read(world: World, kind: str, sha256: str, missing: Callable[[str], DomainError]) -> Facts:
    async with AsyncExitStack() as stack:
        try:
            path = await stack.enter_async_context(world.artifacts.local_copy(sha256))
        except KeyError:
            raise missing(sha256) from None
        return await in_turn(_checked, world.evidence, kind, path, sha256)


async def derive(world: World, evidence: Evidence) -> Derived:
    """What follows from the evidence; the same for the same bytes, whenever it is asked."""
    return await in_turn(_derived, evidence)


async def check_scans(world: World, evidence: Evidence) -> None:
    """Raises ScanOfAnotherArtifact for a scan that is of none of the SBOMs."""
    for scan in evidence.scans.values():
        if evidence.sboms and not await described(world, scan, evidence.sboms):
            first = next(iter(evidence.sboms.values()))
            reason = await in_turn(world.evidence.strangers, scan, first)
            raise ScanOfAnotherArtifact(str(reason))


async def described(world: World, scan: ScanFacts, sboms: Mapping[str, SbomFacts]) -> frozenset[str]:
    """Digests of the SBOMs that the scan is of."""
    found = [sha256 for sha256, sbom in sboms.items() if await in_turn(world.evidence.strangers, scan, sbom) is None]
    return frozenset(found)


def _derived(evidence: Evidence) -> Derived:
    merged = vulnerabilities.merge(
        evidence.scans.values(), evidence.statements.values(), [sbom.subject for sbom in evidence.sboms.values()]
    )
    return Derived(
        documents=evidence.documents,
        merged=merged,
        components=sum(len(sbom.components) for sbom in evidence.sboms.values()),
        findings=vulnerabilities.counts(merged),
        critical=vulnerabilities.critical_ids(merged),
        suppressed=vulnerabilities.suppressed(merged),
    )


def _checked(reader: EvidenceReader, kind: str, path: Path, sha256: str) -> Facts:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise DocumentAltered(sha256, found)
    return _facts(reader, kind, path)


def _facts(reader: EvidenceReader, kind: str, path: Path) -> Facts:
    match kind:
        case "sbom":
            return reader.sbom(path)
        case "scan":
            return reader.scan(path)
        case _:
            return reader.vex(path)


def _refuse_future(facts: Facts, up_to: datetime) -> None:
    """The latest statement holds, and a scan replaces older ones: a time to come would keep whatever is newer away."""
    later = "is dated later than now: {}"
    match facts:
        case VexFacts(statements=statements):
            for one in statements:
                if one.stated_at is not None and one.stated_at > up_to:
                    reason = later.format(one.stated_at.isoformat())
                    raise UnreadableEvidence("vex", one.place or one.vulnerability, reason, _DATED_WAY_OUT)
        case ScanFacts(scanned_at=at):
            if at is not None and at > up_to:
                raise UnreadableEvidence("scan", "the report", later.format(at.isoformat()), _DATED_WAY_OUT)


def _summary(facts: Facts) -> str:
    match facts:
        case SbomFacts():
            told = f"{facts.format} {facts.spec_version}, {len(facts.components)} components"
        case ScanFacts():
            told = f"{facts.tool} {facts.tool_version}, {len(facts.findings)} findings"
        case VexFacts():
            told = f"{facts.format}, {len(facts.statements)} statements"
    return told[:SUMMARY_MAX]


def _unread(kind: str, size: int) -> str:
    return f"{kind.replace('_', ' ')}, {size} bytes"
