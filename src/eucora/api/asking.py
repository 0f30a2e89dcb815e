"""What routes ask FastAPI for: the house, the caller, the version he saw, the page he wants, how fresh it must be."""

import re
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Header, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict

from eucora.api.house import House, house_of
from eucora.api.idempotency import once
from eucora.api.problems import Problem, Refused, Row, correlation_id
from eucora.api.routes import BREAK_GLASS
from eucora.application.world import Caller, Receipt
from eucora.domain.people import Person

T = TypeVar("T")
NOT_A_VERSION: Final = Row(412, "version-mismatch", "The resource changed since the caller looked")
NO_VERSION: Final = Row(428, "if-match-missing", "The request does not say what the caller saw")
WAIT_S: Final = 2.0
LIMIT_MAX: Final = 1_000
_ETAG: Final = re.compile(r'"(\d{1,9})"')


class Asked(BaseModel):
    """A request body: no field that is not declared."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Told(BaseModel):
    """An answer: read off a view, every field always there."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class ReceiptBody(Told):
    """What was written: its id and the version that it stands at, which is also its ETag."""

    id: str
    version: int


class Listing(Told, Generic[T]):
    """One page; ``next_cursor`` null: the last one. A page may hold fewer items than were asked for."""

    items: Sequence[T]
    next_cursor: str | None


async def _house(request: Request) -> House:
    return house_of(request)


async def _person(request: Request) -> Person:
    person = request.state.person
    if not isinstance(person, Person):
        raise TypeError("the route admitted nobody")
    return person


HouseDep = Annotated[House, Depends(_house)]
PersonDep = Annotated[Person, Depends(_person)]
Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        description="1 to 255 printable ASCII characters of your own: the same for a repeat, new for a new wish. "
        "A repeat gets the first answer again; the key with another request is refused.",
        examples=["3f1c2a8e-promote-ring-1"],
    ),
]
_SAW = "The version that you saw, as the ETag of the resource: a number in double quotes."
IfMatch = Annotated[str | None, Header(alias="If-Match", description=_SAW, examples=['"4"'])]
Saw = Annotated[str, Header(alias="If-Match", description=_SAW, examples=['"4"'])]
Session = Annotated[
    str | None,
    Header(
        alias=BREAK_GLASS,
        description="The open break-glass session that you act in: its two activators may then do what a publisher and "
        "a platform admin may, inside its scope, and every event carries its mark. Refused (403) unless it is yours "
        "and open now, and with a service token always.",
        examples=["0199e5a4-6f00-7000-8000-000000000001"],
    ),
]
Id = Annotated[UUID, Path(examples=["0199e5a4-6f00-7000-8000-000000000001"])]
Sha256 = Annotated[str, Path(pattern="^[0-9a-f]{64}$", examples=["9f86d081884c7d65" * 4])]


async def _acting(request: Request, person: PersonDep, session: Session = None) -> Caller:
    # The route looked at the same header, and let him in with what the session lends.
    return Caller(person, correlation_id(request), break_glass=session or "")


ActingDep = Annotated[Caller, Depends(_acting)]


async def _caller(request: Request, acting: ActingDep, key: Key) -> Caller:
    asked = await once(request, acting.person.actor, key, with_body=True)
    return replace(acting, reply=asked.reply)


async def _uploader(request: Request, acting: ActingDep, key: Key) -> Caller:
    asked = await once(request, acting.person.actor, key, with_body=False)
    return replace(acting, reply=asked.reply)


async def _mover(caller: Annotated[Caller, Depends(_caller)], if_match: IfMatch = None) -> Caller:
    return caller if if_match in (None, "*") else replace(caller, expected_version=version_of(str(if_match)))


CallerDep = Annotated[Caller, Depends(_caller)]
UploaderDep = Annotated[Caller, Depends(_uploader)]
"""As CallerDep, but the key is held against method, path and query only: the body streams by."""
MoverDep = Annotated[Caller, Depends(_mover)]
"""As CallerDep, with the version that the caller saw where he names one."""
RepeatableDep = ActingDep
"""For what needs no Idempotency-Key, or must not keep its answer."""


def version_of(etag: str) -> int:
    """The version in a strong ETag. Raises Refused: what is no ETag of ours matches nothing."""
    found = _ETAG.fullmatch(etag.strip())
    if found is None:
        detail = f'If-Match must be the ETag of the resource, such as "4", and not {etag[:40]!r}; read it again.'
        raise Refused(Problem(NOT_A_VERSION, detail))
    return int(found[1])


def version_seen(etag: str) -> int:
    """The same where a version must be named. Raises Refused."""
    if etag.strip() == "*":
        raise Refused(Problem(NO_VERSION, "Name the version that you saw: a vote on any version is no vote."))
    return version_of(etag)


async def receipt(house: House, response: Response, written: Receipt) -> ReceiptBody:
    """The answer to a command; its position goes into ``Eucora-Position``."""
    # What was on record before lies at or before the head.
    position = await house.deps.feed.head() if written.position is None else written.position
    response.headers["Eucora-Position"] = str(position)
    response.headers["ETag"] = f'"{written.version}"'
    return ReceiptBody(id=written.id, version=written.version)


@dataclass(frozen=True, slots=True)
class Paging:
    """``after``: the read model's own cursor. :meth:`next` signs the one that follows."""

    after: str | None
    limit: int
    of: str
    house: House

    def next(self, inner: str | None) -> str | None:
        return None if inner is None else self.house.cursors.seal(inner, self.of)


async def _paging(
    request: Request,
    house: HouseDep,
    cursor: Annotated[str | None, Query(max_length=1_000, description="next_cursor of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = 100,
) -> Paging:
    filters = sorted(pair for pair in request.query_params.multi_items() if pair[0] not in ("cursor", "limit"))
    of = f"{request.url.path}?{filters!r}"
    return Paging(None if cursor is None else house.cursors.open(cursor, of), limit, of, house)


PagingDep = Annotated[Paging, Depends(_paging)]


def fresh(*projections: str) -> Any:
    """A dependency: waits up to two seconds until the projections hold what ``Eucora-Min-Position`` names."""

    async def wait(
        house: HouseDep,
        position: Annotated[
            int | None,
            Header(
                alias="Eucora-Min-Position",
                ge=0,
                le=2**53,
                description="The Eucora-Position of a write that the answer must show; waits up to 2 s, then 503.",
            ),
        ] = None,
    ) -> None:
        if position is not None:
            for name in projections:
                await house.deps.runner.wait_for(name, position, WAIT_S)

    waiter: Callable[..., Coroutine[Any, Any, None]] = wait
    return Depends(waiter)
