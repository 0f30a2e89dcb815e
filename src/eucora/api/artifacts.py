"""Routes of artifacts: the installers, known by their digest."""

from datetime import datetime
from typing import Annotated

from fastapi import Query, Request, Response

from eucora.api.asking import (
    HouseDep,
    Listing,
    PagingDep,
    ReceiptBody,
    Sha256,
    TagDep,
    Told,
    UploaderDep,
    fresh,
    receipt,
)
from eucora.api.bodies import octets
from eucora.api.idempotency import passing
from eucora.api.preconditions import UNCHANGED
from eucora.api.problems import Problem, Refused, Row, problem_responses
from eucora.api.routes import Where, noun, permits, readers
from eucora.api.words import PersonId
from eucora.application.artifacts import register_artifact as register
from eucora.domain.findings import ArtifactFacts
from eucora.domain.people import Role
from eucora.domain.planes import Platform
from eucora.projections.artifacts import ArtifactView

router = noun("artifacts")
UNKNOWN = Row(404, "artifact-not-registered", "No artifact of this digest is registered")
OCTETS = {"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string"}}}}}


class ArtifactBody(Told):
    """``content``: SHA-256 of the file that the plane uploads: the artifact itself, or its package. Sizes in bytes."""

    sha256: str
    size: int
    file_name: str
    platform: Platform
    facts: ArtifactFacts
    content: str
    content_size: int
    content_file_name: str
    registered_by: str
    registered_at: datetime


def _body(view: ArtifactView) -> ArtifactBody:
    known = view.artifact
    return ArtifactBody(
        sha256=known.artifact,
        size=known.size,
        file_name=known.file_name,
        platform=known.platform,
        facts=known.facts,
        content=known.content,
        content_size=known.content_size,
        content_file_name=known.content_file_name,
        registered_by=known.registered_by,
        registered_at=known.at,
    )


@router.post("", status_code=201, responses=problem_responses(400, 409, 413, 415), openapi_extra=OCTETS)
@permits(Role.PACKAGING_ENGINEER, where=Where.ANYWHERE)
async def register_artifact(
    request: Request,
    response: Response,
    house: HouseDep,
    caller: UploaderDep,
    file_name: Annotated[
        str,
        Query(
            description="The installer's own name",
            examples=["edge-tunnel-4.2.0.msi"],
            json_schema_extra={"minLength": 1, "maxLength": 255},  # the use case says what a wrong one is
        ),
    ],
) -> ReceiptBody:
    """Register an installer: the body is the file itself. The id is its SHA-256.

    The same bytes are registered once whatever the Idempotency-Key. A key that was used for another file is refused
    when the file has come in, and nothing of it is kept.
    """
    written = await register(house.deps.world, caller, passing(request, octets(request)), file_name)
    return await receipt(house, response, written)


@router.get("", dependencies=[fresh("artifacts")])
@readers()
async def list_artifacts(
    house: HouseDep, page: PagingDep, platform: Platform | None = None, registered_by: PersonId | None = None
) -> Listing[ArtifactBody]:
    """Registered artifacts, newest first."""
    found = await house.reads.artifacts.page(
        platform=platform, registered_by=registered_by, after=page.after, limit=page.limit
    )
    return Listing(items=[_body(view) for view in found.items], next_cursor=page.next(found.next))


@router.get("/{sha256}", dependencies=[fresh("artifacts")], responses=problem_responses(404) | UNCHANGED)
@readers()
async def get_artifact(house: HouseDep, tag: TagDep, sha256: Sha256) -> ArtifactBody:
    """One artifact by its digest. What was registered stays as it is, so its ETag does, too."""
    view = await house.reads.artifacts.get(sha256)
    if view is None:
        raise Refused(Problem(UNKNOWN, f"No artifact {sha256} is registered; register it first."))
    tag.of(1)
    return _body(view)
