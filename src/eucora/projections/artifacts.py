"""Read models ``artifacts`` and ``evidence_packs``: what was registered and assembled, by digest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ARRAY, Boolean, Text

from eucora.application.ports import Recorded
from eucora.domain.artifact import ArtifactRegistered
from eucora.domain.evidence_pack import EvidencePackAssembled, EvidenceRescanned
from eucora.domain.planes import Platform
from eucora.projections.base import DocumentShape, stream_id
from eucora.projections.documents import Documents
from eucora.projections.paging import Page


@dataclass(frozen=True, slots=True)
class ArtifactView:
    """``id`` is the SHA-256 of the artifact."""

    id: str
    position: int
    created: int
    artifact: ArtifactRegistered


@dataclass(frozen=True, slots=True)
class EvidencePackView:
    """``id`` is the SHA-256 of the pack's canonical form. ``rescan``: the newest of ``rescans`` newer scans."""

    id: str
    position: int
    created: int
    pack: EvidencePackAssembled
    rescan: EvidenceRescanned | None = None
    rescans: int = 0


def evolve_artifact(view: ArtifactView | None, recorded: Recorded) -> ArtifactView | None:
    if not isinstance(recorded.event, ArtifactRegistered):
        return view
    created = recorded.position if view is None else view.created
    return ArtifactView(recorded.event.artifact, recorded.position, created, recorded.event)


def evolve_pack(view: EvidencePackView | None, recorded: Recorded) -> EvidencePackView | None:
    match recorded.event:
        case EvidencePackAssembled() as pack:
            created = recorded.position if view is None else view.created
            return EvidencePackView(pack.pack, recorded.position, created, pack)
        case EvidenceRescanned() as rescan if view is not None:
            return replace(view, position=recorded.position, rescan=rescan, rescans=view.rescans + 1)
        case _:
            return view


ARTIFACTS = DocumentShape(
    name="artifacts",
    table="artifact",
    version=1,
    view=ArtifactView,
    key=lambda recorded: stream_id(recorded, "artifact"),
    evolve=evolve_artifact,
    columns={"platform": Text(), "content": Text(), "registered_by": Text()},
    values=lambda view: {
        "platform": view.artifact.platform,
        "content": view.artifact.content,
        "registered_by": view.artifact.registered_by,
    },
    indexes=(("content",),),
)

EVIDENCE_PACKS = DocumentShape(
    name="evidence_packs",
    table="evidence_pack",
    version=2,
    view=EvidencePackView,
    key=lambda recorded: stream_id(recorded, "evidence_pack"),
    evolve=evolve_pack,
    columns={"application_id": Text(), "complete": Boolean(), "assembled_by": Text(), "artifacts": ARRAY(Text)},
    values=lambda view: {
        "application_id": view.pack.application.application_id,
        "complete": not view.pack.missing,
        "assembled_by": view.pack.assembled_by,
        "artifacts": [install.artifact for install in view.pack.installs],
    },
    indexes=(("application_id", "created", "id"),),
)


class Artifacts:
    """Queries on registered artifacts."""

    def __init__(self, pool: Any) -> None:
        self._documents = Documents(pool, ARTIFACTS)

    async def get(self, sha256: str) -> ArtifactView | None:
        return await self._documents.get(sha256)

    async def get_many(self, digests: Sequence[str]) -> Mapping[str, ArtifactView]:
        """Those that are registered, by digest."""
        return await self._documents.get_many(digests)

    async def page(
        self,
        *,
        platform: Platform | None = None,
        content: str | None = None,
        registered_by: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[ArtifactView]:
        """Newest first; ``content`` is the digest of the file that a plane uploads. Raises BadCursor."""
        where = {"platform": platform, "content": content, "registered_by": registered_by}
        return await self._documents.page(where, after, limit)


class EvidencePacks:
    """Queries on evidence packs."""

    def __init__(self, pool: Any) -> None:
        self._documents = Documents(pool, EVIDENCE_PACKS)

    async def get(self, digest: str) -> EvidencePackView | None:
        return await self._documents.get(digest)

    async def page(
        self,
        *,
        application: str | None = None,
        complete: bool | None = None,
        artifact: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[EvidencePackView]:
        """Newest first; ``artifact``: packs that install this digest. Raises BadCursor."""
        where = {"application_id": application, "complete": complete, "artifacts": artifact}
        return await self._documents.page(where, after, limit)
