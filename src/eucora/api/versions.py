"""What the routes of policies and models share: versions that are listed, looked at and retired."""

from datetime import datetime
from typing import Annotated, Literal, TypeAlias, TypeVar

from fastapi import Path

from eucora.api.asking import Asked, Listing, Paging, Tag, Told
from eucora.api.words import Prose, Version
from eucora.projections.versions import Versions, VersionView

VersionPath = Annotated[Version, Path(examples=["1.1"])]
VersionStatus: TypeAlias = Literal["proposed", "active", "retired"]


class RetirementAsked(Asked):
    """Why no new intent may name the version any more."""

    reason: Prose


class VersionBody(Told):
    """What every version has, whatever it is a version of."""

    id: str
    version: int
    status: str
    reason: str
    proposed_by: str
    proposed_at: datetime | None
    activated_at: datetime | None
    retired_by: str
    retired_at: datetime | None
    retire_reason: str


V = TypeVar("V", bound=VersionView)
B = TypeVar("B", bound=VersionBody)


async def page_of(versions: Versions[V], body: type[B], page: Paging, status: VersionStatus | None) -> Listing[B]:
    """A page of versions, newest first. Raises BadCursor."""
    found = await versions.page(status=status, after=page.after, limit=page.limit)
    return Listing(items=[body.model_validate(view) for view in found.items], next_cursor=page.next(found.next))


async def one_of(versions: Versions[V], built_in: V, version: str) -> V | None:
    """A version as it stands; the one that comes with the product is known before any event speaks of it."""
    return await versions.get(version) or (built_in if version == built_in.id else None)


def told(body: type[B], view: VersionView, tag: Tag) -> B:
    """The view as an answer, with the version of its stream as ETag. Raises NotModified."""
    tag.of(view.version)
    return body.model_validate(view)
