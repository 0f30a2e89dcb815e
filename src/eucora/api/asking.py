"""What routes ask FastAPI for: the house, the caller, the version he saw, the page he wants, how fresh it must be."""

from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Final, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Header, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict

from eucora.api.given import made_of
from eucora.api.handlers import problem_of
from eucora.api.house import House, house_of
from eucora.api.idempotency import KEY_PATTERN, POSITION, Once, once
from eucora.api.locations import next_page
from eucora.api.places import away
from eucora.api.preconditions import TAGS_PATTERN, etag, require_modified, version_named, version_seen
from eucora.api.problems import correlation_id
from eucora.api.routes import BREAK_GLASS, still_admitted
from eucora.application.ports import Reply
from eucora.application.world import Caller, Receipt
from eucora.domain.errors import RefusedOnRecord
from eucora.domain.people import Person, Scope

T = TypeVar("T")
WAIT_S: Final = 2.0
LIMIT_MAX: Final = 1_000


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

    items: list[T]  # not a Sequence: that is written out by a function in Python
    next_cursor: str | None


def _admitted(request: Request) -> Person:
    person = request.state.person
    if not isinstance(person, Person):
        raise TypeError("the route admitted nobody")
    return person


# Each dependency that depends on another costs as much again, so what every command asks for asks the request itself.
HouseDep = Annotated[House, Depends(made_of(house_of))]
PersonDep = Annotated[Person, Depends(made_of(_admitted))]
Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        description="1 to 255 printable ASCII characters of your own, bare or in double quotes: the same for a repeat, "
        "new for a new wish. A repeat gets the first answer again, for 24 hours; the key with another request is "
        "refused (422), and one whose request is still being answered too (409).",
        examples=["3f1c2a8e-promote-ring-1"],
        json_schema_extra={"pattern": KEY_PATTERN},
    ),
]
_SAW = (
    "The version that you saw, as the ETag of the resource: a number in double quotes. Of a list the greatest counts; "
    "a weak tag never matches."
)
_TAGS: Final = {"pattern": TAGS_PATTERN}
IfMatch = Annotated[str | None, Header(alias="If-Match", description=_SAW, examples=['"4"'], json_schema_extra=_TAGS)]
Saw = Annotated[str, Header(alias="If-Match", description=_SAW, examples=['"4"'], json_schema_extra=_TAGS)]
IfNoneMatch = Annotated[
    str | None,
    Header(alias="If-None-Match", description="The ETag that you have: 304 while it stands.", examples=['"4"']),
]
Session = Annotated[
    str | None,
    Header(
        alias=BREAK_GLASS,
        description="The open break-glass session that you act in: its two activators may then do what a publisher and "
        "a platform admin may, inside its scope, and every event carries its mark. Refused (403) unless it is yours "
        "and open now, and with a service token always.",
        examples=["0199e5a4-6f00-7000-8000-000000000001"],
        json_schema_extra={"maxLength": 36},
    ),
]
Id = Annotated[UUID, Path(examples=["0199e5a4-6f00-7000-8000-000000000001"])]
Sha256 = Annotated[str, Path(pattern="^[0-9a-f]{64}$", examples=["9f86d081884c7d65" * 4])]


def _named(request: Request, session: str | None) -> Caller:
    # The route looked at the same header, and let him in with what the session lends.
    still = partial(still_admitted, request)
    return Caller(_admitted(request), correlation_id(request), break_glass=session or "", still=still)


async def _acting(request: Request, session: Session = None) -> Caller:
    return _named(request, session)


ActingDep = Annotated[Caller, Depends(_acting)]


async def _caller(request: Request, key: Key, session: Session = None) -> AsyncIterator[Caller]:
    acting = _named(request, session)
    async with once(request, acting.person.actor, key, with_body=True) as asked:
        yield _remembered(request, acting, asked)


async def _uploader(request: Request, key: Key, session: Session = None) -> AsyncIterator[Caller]:
    acting = _named(request, session)
    async with once(request, acting.person.actor, key, with_body=False) as asked:
        yield _remembered(request, acting, asked)


def _remembered(request: Request, acting: Caller, asked: Once) -> Caller:
    def refusal(error: RefusedOnRecord) -> Reply:
        return asked.refusal(problem_of(error), request)

    return replace(acting, reply=asked.reply, refusal=refusal)


CallerDep = Annotated[Caller, Depends(_caller)]
UploaderDep = Annotated[Caller, Depends(_uploader)]
"""As CallerDep, for an upload: the body streams by, and the route hands it through ``idempotency.passing``."""
RepeatableDep = ActingDep
"""For what needs no Idempotency-Key, or must not keep its answer."""


def _lines(request: Request, name: str) -> list[str]:
    return request.headers.getlist(name)


async def _mover(
    request: Request, *, if_match: IfMatch = None, key: Key, session: Session = None
) -> AsyncIterator[Caller]:
    acting = _named(request, session)
    async with once(request, acting.person.actor, key, with_body=True) as asked:
        saw = None if if_match is None else version_named(_lines(request, "If-Match"))
        yield replace(_remembered(request, acting, asked), expected_version=saw)


async def _seen(request: Request, if_match: Saw) -> int:
    return version_seen(_lines(request, "If-Match"))


SeenDep = Annotated[int, Depends(_seen)]
"""The version that the caller saw; he has to name one."""


async def _decider(caller: CallerDep, saw: SeenDep) -> Caller:
    return replace(caller, expected_version=saw)


MoverDep = Annotated[Caller, Depends(_mover)]
"""As CallerDep, with the version that the caller saw where he names one."""
DeciderDep = Annotated[Caller, Depends(_decider)]
"""As CallerDep, for what is decided on what the caller saw: he has to name its version."""


@dataclass(frozen=True, slots=True)
class Tag:
    """Where an answer gets its ETag. Only for what follows from the version alone, without the time of reading."""

    request: Request
    response: Response

    def of(self, version: int) -> None:
        """The ETag of the version. Raises NotModified: the caller has this version already."""
        require_modified(_lines(self.request, "If-None-Match"), version)
        self.response.headers["ETag"] = etag(version)


async def _tag(request: Request, response: Response, if_none_match: IfNoneMatch = None) -> Tag:
    return Tag(request, response)


TagDep = Annotated[Tag, Depends(_tag)]


async def receipt(house: House, response: Response, written: Receipt) -> ReceiptBody:
    """The answer to a command; its position goes into ``Eucora-Position``."""
    # What was on record before lies at or before the head.
    position = await house.deps.feed.head() if written.position is None else written.position
    response.headers[POSITION] = str(position)
    response.headers["ETag"] = etag(written.version)
    return ReceiptBody(id=written.id, version=written.version)


@dataclass(frozen=True, slots=True)
class Paging:
    """``after``: the read model's own cursor. :meth:`next` signs the one that follows.

    ``within``: the scopes that the caller may look into, for whatever stands in a scope; None: all.
    """

    after: str | None
    limit: int
    of: str
    house: House
    within: tuple[Scope, ...] | None
    request: Request
    response: Response

    def next(self, inner: str | None) -> str | None:
        """The cursor of the page that follows, which the answer names as a link, too; None: this is the last one."""
        if inner is None:
            return None
        cursor = self.house.cursors.seal(inner, self.of)
        self.response.headers["Link"] = next_page(self.request, cursor)
        return cursor


async def _paging(
    request: Request,
    response: Response,
    cursor: Annotated[str | None, Query(max_length=1_000, description="next_cursor of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = 100,
) -> Paging:
    filters = sorted(pair for pair in request.query_params.multi_items() if pair[0] not in ("cursor", "limit"))
    of = f"{request.url.path}?{filters!r}"
    house = house_of(request)
    after = None if cursor is None else house.cursors.open(cursor, of)
    return Paging(after, limit, of, house, _admitted(request).reach, request, response)


PagingDep = Annotated[Paging, Depends(_paging)]


def fresh(*projections: str) -> Any:
    """A dependency: waits up to two seconds until the projections hold what ``Eucora-Min-Position`` names."""

    async def wait(
        request: Request,
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
            # Which rows a scope covers is read off the intents.
            all_shown = _admitted(request).reach is None
            runner = house_of(request).deps.runner
            for name in projections if all_shown else dict.fromkeys((*projections, "intents")):
                if not await runner.holds(name, position):
                    async with away(request):
                        await runner.wait_for(name, position, WAIT_S)

    waiter: Callable[..., Coroutine[Any, Any, None]] = wait
    return Depends(waiter)
