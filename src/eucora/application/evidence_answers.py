"""What can be asked of an evidence pack: all of it is derived anew from the kept files, and nothing is stored."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from eucora.application.evidence import in_force, pack_on_record
from eucora.application.evidence_files import Derived, DocumentLost, derive, in_turn, read_evidence
from eucora.application.together import Together
from eucora.application.world import World
from eucora.domain.errors import DomainError
from eucora.domain.evidence_diff import PackDiff, diff
from eucora.domain.evidence_pack import Document, EvidencePackAssembled
from eucora.domain.findings import FindingSeverity
from eucora.domain.vulnerabilities import MergedFinding

_UNDER_WAY: Final[Together[Derived]] = Together()


class DocumentNotInPack(DomainError):
    """The pack does not name a document of this digest."""

    def __init__(self, sha256: str) -> None:
        super().__init__(
            f"Document {sha256} is no part of this pack; its documents are listed with the pack.", document=sha256
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """A fact that is on record otherwise than it is derived now. Values as text."""

    fact: str
    recorded: str
    derived: str


async def findings_of(
    world: World, pack: str, *, latest: bool, severity: FindingSeverity | None = None, component: str = ""
) -> Sequence[MergedFinding]:
    """Every finding once, worst first; ``latest``: by the scans that hold now, else by the pack's own.

    ``component``: part of a component's name or purl, in any case.

    Raises:
        PackNotAssembled, DocumentLost, DocumentAltered, UnreadableEvidence.
    """
    state, assembled = await pack_on_record(world, pack)
    derived = await _derive(world, in_force(state) if latest else _own(assembled))
    wanted = _wanted(severity, component)
    return await in_turn(lambda: [one for one in derived.merged if wanted(one)])


def _wanted(severity: FindingSeverity | None, component: str) -> Callable[[MergedFinding], bool]:
    part = component.lower()

    def wanted(finding: MergedFinding) -> bool:
        named = finding.component
        return severity in (None, finding.severity) and (part in named.name.lower() or part in named.purl.lower())

    return wanted


async def derive_again(world: World, pack: str) -> Sequence[Difference]:
    """Read the kept files again and compare with what is on record; empty: the same came out.

    Raises:
        PackNotAssembled, DocumentLost, DocumentAltered, UnreadableEvidence.
    """
    _, assembled = await pack_on_record(world, pack)
    return differences(assembled, await _derive(world, _own(assembled)))


def differences(recorded: EvidencePackAssembled, derived: Derived) -> Sequence[Difference]:
    """Facts that differ; a fact that is not on record cannot."""
    found: list[Difference] = []
    for was, now in zip(recorded.documents, derived.documents, strict=True):
        if was.summary != now.summary:
            found.append(Difference(f"summary of {was.kind} {was.sha256}", was.summary, now.summary))
    counted = asdict(recorded.findings)
    found += [
        Difference(f"{severity} findings", str(counted[severity]), str(now))
        for severity, now in asdict(derived.findings).items()
        if counted[severity] != now
    ]
    if recorded.components is not None:
        listed = (
            ("components", str(recorded.components), str(derived.components)),
            ("suppressed findings", str(recorded.suppressed), str(derived.suppressed)),
            ("critical findings by id", ", ".join(recorded.critical), ", ".join(derived.critical)),
        )
        found += [Difference(*fact) for fact in listed if fact[1] != fact[2]]
    return found


async def diff_packs(world: World, before: str, after: str) -> PackDiff:
    """What changed from one pack to another.

    Raises:
        PackNotAssembled, DocumentLost, DocumentAltered, UnreadableEvidence.
    """
    was, now = [(await pack_on_record(world, pack))[1] for pack in (before, after)]
    found = [await _derive(world, _own(pack)) for pack in (was, now)]
    return await in_turn(diff, was, now, found[0].merged, found[1].merged)


async def document_of(world: World, pack: str, sha256: str) -> Document:
    """The document as the pack, or a newer scan of it, names it; it is in the artifact store at this moment.

    Raises:
        PackNotAssembled, DocumentNotInPack, DocumentLost.
    """
    state, _ = await pack_on_record(world, pack)
    document = next((one for one in state.documents if one.sha256 == sha256), None)
    if document is None:
        raise DocumentNotInPack(sha256)
    if await world.artifacts.size(sha256) is None:
        raise DocumentLost(sha256)
    return document


def _own(assembled: EvidencePackAssembled) -> Sequence[tuple[str, str]]:
    return [(one.kind, one.sha256) for one in assembled.documents]


async def _derive(world: World, documents: Sequence[tuple[str, str]]) -> Derived:
    """Of the same documents in the same store the same follows: who asks meanwhile waits for the same reading."""

    async def derived() -> Derived:
        return await derive(world, await read_evidence(world, documents, DocumentLost))

    return await _UNDER_WAY.of((id(world.artifacts), *documents), derived)
