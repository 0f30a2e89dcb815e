"""What the read models of versions share: each is proposed, taken into use by others, and one day retired."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, Protocol, TypedDict, TypeVar

from sqlalchemy import BigInteger, Text

from eucora.application.ports import Recorded
from eucora.projections.base import DocumentShape, stream_id
from eucora.projections.documents import Documents
from eucora.projections.paging import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionView:
    """``id`` is the version itself; ``activated`` the position of its activation, None while proposed."""

    id: str
    position: int
    created: int
    version: int  # of the stream
    reason: str
    proposed_by: str
    proposed_at: datetime | None  # None: it comes with the product
    activated: int | None = None
    activated_at: datetime | None = None
    retired_by: str = ""
    retired_at: datetime | None = None
    retire_reason: str = ""

    @property
    def status(self) -> str:
        """proposed, active or retired."""
        if self.retired_at is not None:
            return "retired"
        if self.activated is None and self.proposed_at is not None:
            return "proposed"
        return "active"


V = TypeVar("V", bound=VersionView)


class Origin(TypedDict):
    """The fields of a view that tell where its version comes from."""

    id: str
    position: int
    created: int
    version: int
    reason: str
    proposed_by: str
    proposed_at: datetime | None


class Given(Protocol):
    """An event that somebody gave a reason for."""

    @property
    def reason(self) -> str: ...

    @property
    def by(self) -> str: ...

    @property
    def at(self) -> datetime: ...


def from_proposal(id: str, recorded: Recorded, event: Given) -> Origin:
    """Of a version that its first event proposes."""
    return Origin(
        id=id,
        position=recorded.position,
        created=recorded.position,
        version=recorded.version,
        reason=event.reason,
        proposed_by=event.by,
        proposed_at=event.at,
    )


def from_product(id: str, position: int, version: int) -> Origin:
    """Of a version that comes with the product: nobody proposed it, and it holds until it is retired."""
    return Origin(
        id=id,
        position=position,
        created=position,
        version=version,
        reason="comes with the product",
        proposed_by="",
        proposed_at=None,
    )


def activated(view: V, recorded: Recorded, at: datetime) -> V:
    return replace(view, activated=recorded.position, activated_at=at)


def retired(view: V, event: Given) -> V:
    return replace(view, retired_by=event.by, retired_at=event.at, retire_reason=event.reason)


def after(view: V | None, recorded: Recorded) -> V | None:
    """The view, as of the event; None stays None: no version begins with it."""
    return view and replace(view, position=recorded.position, version=recorded.version)


def versions_shape(
    name: str, noun: str, version: int, view: type[V], evolve: Callable[[V | None, Recorded], V | None]
) -> DocumentShape[V]:
    """The shape of a read model over the streams ``<noun>-<version>``."""
    return DocumentShape(
        name=name,
        table=noun,
        version=version,
        view=view,
        key=lambda recorded: stream_id(recorded, noun),
        evolve=evolve,
        columns={"status": Text(), "activated": BigInteger()},
        values=lambda view: {"status": view.status, "activated": view.activated},
    )


class Versions(Generic[V]):
    """Queries on the versions of one thing. ``pool`` is an asyncpg pool."""

    def __init__(self, pool: Any, shape: DocumentShape[V]) -> None:
        self._documents = Documents(pool, shape)

    async def get(self, version: str) -> V | None:
        return await self._documents.get(version)

    async def page(self, *, status: str | None = None, after: str | None = None, limit: int = 50) -> Page[V]:
        """Newest first; ``status``: proposed, active or retired. Raises BadCursor."""
        return await self._documents.page({"status": status}, after, limit)
