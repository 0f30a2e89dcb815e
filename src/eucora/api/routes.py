"""The route that every operation is: nobody gets in who is not allowed to, and before that nothing is read.

A route without a declared permission cannot be built, so a forgotten one stops the start and not an auditor.
"""

import re
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, TypeVar

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.datastructures import DefaultPlaceholder
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from eucora.api.accepting import refuse_unacceptable
from eucora.api.bodies import BoundedRequest, refuse_nul
from eucora.api.deprecation import ending_of
from eucora.api.given import hand_over
from eucora.api.house import house_of
from eucora.api.idempotency import keep_answer
from eucora.api.layers import adding
from eucora.api.locations import CREATED, location
from eucora.api.places import claim
from eucora.api.problems import Problem, Refused, Row, problem_responses
from eucora.api.queries import refuse_unread
from eucora.api.reach import INSTALLATION_WIDE, SCOPED, WHOLE, target_of
from eucora.api.traffic import Kind
from eucora.application.break_glass import effective
from eucora.application.world import RoleMissing
from eucora.domain.people import Person, Role

F = TypeVar("F", bound=Callable[..., Any])
_MARK: Final = "__eucora_permission__"
PREFIX: Final = "/api/v1"
BREAK_GLASS: Final = "Eucora-Break-Glass"
JUDGED_FOR: Final = timedelta(seconds=1)  # nothing is written on an older judgement of who asks
ROLES_CHANGED: Final = Row(403, "roles-changed", "The caller was given other roles meanwhile")
_PARAMETERS: Final = re.compile(r"\{(\w+)")


class PermissionUndeclared(TypeError):
    """A route says nothing about who may use it."""


class Where(StrEnum):
    """In which scope a role must be held.

    ``target``: in one that covers what the path names, and what nobody may show the caller does not exist for him.
    ``installation``: for everything. ``shown``: in any; the answer holds what his scopes cover, and what has no scope.
    ``anywhere``: in any, because it changes nothing that has a scope, or because the use case asks about the scope that
    the body names. ``seen``: as ``target``, and in any for what is shown to everybody: it adds only to what is told.
    """

    TARGET = "target"
    INSTALLATION = "installation"
    SHOWN = "shown"
    ANYWHERE = "anywhere"
    SEEN = "seen"


@dataclass(frozen=True, slots=True)
class Judged:
    """Who asked, with the grants that counted, when that was, and when it was for the first time in the request."""

    at: datetime
    person: Person
    first: datetime


@dataclass(frozen=True, slots=True)
class Permission:
    """``roles``: any of them suffices. Without roles: everybody who is signed in; ``public``: everybody.

    ``where`` None: the path says it, see :func:`_where`.
    """

    roles: tuple[Role, ...] = ()
    public: bool = False
    where: Where | None = None


def permits(*roles: Role, where: Where | None = None) -> Callable[[F], F]:
    """The route is for those who hold one of the roles: for what the path names, or else for the whole installation."""
    if not roles:
        raise PermissionUndeclared("name the roles, or use signed_in or public")
    return _marked(Permission(roles, where=where))


def readers(where: Where | None = None) -> Callable[[F], F]:
    """The route is for everybody who holds any role, and shows him what his scopes cover."""
    return _marked(Permission(tuple(Role), where=where))


def signed_in() -> Callable[[F], F]:
    """The route is for everybody who has a valid token, also one without a role."""
    return _marked(Permission())


def public() -> Callable[[F], F]:
    """The route tells nothing that needs protection."""
    return _marked(Permission(public=True))


def _marked(permission: Permission) -> Callable[[F], F]:
    def mark(endpoint: F) -> F:
        setattr(endpoint, _MARK, permission)
        return endpoint

    return mark


class GuardedRoute(APIRoute):
    """Checks the token and the role, then bounds of the body, then lets FastAPI parse."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        permission = getattr(endpoint, _MARK, None)
        if not isinstance(permission, Permission):
            raise PermissionUndeclared(f"{path}: {endpoint.__qualname__} declares no permission")
        self.permission, self.where = permission, _where(path, permission)
        # A route that describes its body itself takes it raw, as it streams in, and sets its own bound.
        self.streams = "requestBody" in (options.get("openapi_extra") or {})
        self.ending = ending_of(endpoint, options.get("deprecated"))
        options["deprecated"] = self.ending is not None or None
        self.shown = ""  # the path under which what it writes can be read, once the others are known
        told: tuple[int, ...] = (414, 422, 429, 431, 500, 503)
        told += () if permission.public else (401, 403, 406)
        told += () if {*(options.get("methods") or ("GET",))} <= {"GET", "HEAD"} else (408,)
        told += (404,) if self.where in (Where.TARGET, Where.SEEN) else ()
        options["responses"] = problem_responses(*told) | (options.get("responses") or {})
        if not permission.public:
            roles = [role.value for role in permission.roles]
            extra = {"security": [{"bearer": []}], "x-roles": roles, "x-scope": self.where.value}
            options["openapi_extra"] = extra | (options.get("openapi_extra") or {})
        super().__init__(path, endpoint, **options)
        self.query = frozenset(_queried(self.dependant))
        self.answers_in = _answers_in(self)
        self.begins = path.partition("{")[0]

    @property
    def reads(self) -> bool:
        """Whether it can be asked without changing anything."""
        return "GET" in (self.methods or ())

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        path: str = scope["path"]
        if not path.startswith(self.begins):
            return Match.NONE, {}  # most routes are not the one that is looked for, so this is asked first
        # What one route says literally is no id to another, or the path would answer to methods that it does not have.
        if self.param_convertors and path in literal_of(scope["app"]):
            return Match.NONE, {}
        return super().matches(scope)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        ending = self.ending
        await super().handle(scope, receive, send if ending is None else adding(send, lambda _: ending.headers))

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        hand_over(self.dependant)
        handle, takes_json = super().get_route_handler(), self.body_field is not None

        async def guarded(request: Request) -> Response:
            asked = request if self.streams else BoundedRequest(request.scope, request.receive)
            if not self.permission.public:
                asked.state.person = await _admitted(asked, self)
            refuse_nul(asked)
            if not self.permission.public:
                refuse_unread(asked, self.query)
                refuse_unacceptable(asked, self.answers_in)
            if takes_json and isinstance(asked, BoundedRequest):
                await asked.check_json()
            return _placed(asked, await keep_answer(asked, await handle(asked)))

        return guarded


def tell_literal(app: FastAPI, routes: Iterable[GuardedRoute]) -> None:
    """Tell the app which paths its routes say literally. A route does not know its app: several may hold it."""
    app.state.literal = frozenset(route.path for route in routes if "{" not in route.path)


def literal_of(app: Starlette) -> frozenset[str]:
    """The paths without a parameter, of all routes of the app."""
    known = getattr(app.state, "literal", None)
    return known if isinstance(known, frozenset) else frozenset()


def _queried(dependant: Dependant) -> Iterator[str]:
    """The names of all parameters of the query, also of what it depends on."""
    yield from (field.alias for field in dependant.query_params)
    for one in dependant.dependencies:
        yield from _queried(one)


def _answers_in(route: APIRoute) -> frozenset[str]:
    """The media types of what it answers when all goes well."""
    told = [answer for status, answer in route.responses.items() if str(status).startswith("2")]
    kinds = {kind for answer in told for kind in answer.get("content", ())}
    chosen = route.response_class
    usual = (chosen.value if isinstance(chosen, DefaultPlaceholder) else chosen).media_type
    return frozenset(kinds or {usual or "application/json"})


def _placed(request: Request, answer: Response) -> Response:
    if answer.status_code == CREATED and (at := location(request, bytes(answer.body))):
        answer.headers["Location"] = at
    return answer


def _where(path: str, permission: Permission) -> Where:
    """Raises PermissionUndeclared: the path names something, and nobody said whether that stands in a scope."""
    named = set(_PARAMETERS.findall(path))
    if strange := named - SCOPED.keys() - INSTALLATION_WIDE:
        raise PermissionUndeclared(f"{path}: say in eucora.api.reach what scope {', '.join(sorted(strange))} stands in")
    if permission.where is not None:
        return permission.where
    if named & SCOPED.keys():
        return Where.TARGET
    readable = not permission.roles or {*permission.roles} == {*Role}
    return Where.SHOWN if readable else Where.INSTALLATION


async def _admitted(request: Request, route: GuardedRoute) -> Person:
    house = house_of(request)
    state, shown = request.scope["state"], request.headers.get("authorization")
    person = await house.throttle.judged(state, lambda: house.authenticator.person(shown))
    # Also who is refused for his roles, or asks too often, stands in the access log.
    request.state.person = person
    house.throttle.admit(state, person.actor)
    judged_at = house.deps.world.clock.now()
    await claim(request, person.actor)
    person = await _permitted(request, route, person)
    request.state.judged = Judged(judged_at, person, judged_at)
    return person


async def still_admitted(request: Request) -> None:
    """Return when whoever asked was judged a moment ago; else when he may still do all that he could then.

    For what is about to be written after a long body, or long work. A token that only ran out meanwhile was good for
    the request that it began, as long as a request may last: a large file takes longer than a token of minutes lives.
    One that was revoked is void. Raises what a new request would be refused with, and Refused (403) where he was given
    other roles meanwhile: what was decided was decided with the old ones.
    """
    then: Judged = request.state.judged
    now = house_of(request).deps.world.clock.now()
    if abs(now - then.at) <= JUDGED_FOR:
        return
    person = await admitted_again(request, in_time_at=max(then.first, now - _lasts(request)))
    if (person.grants, person.lent) != (then.person.grants, then.person.lent):
        detail = "Your roles changed while this request was on its way, and nothing was done; send it again."
        raise Refused(Problem(ROLES_CHANGED, detail))
    request.state.judged = Judged(now, person, then.first)


def _lasts(request: Request) -> timedelta:
    """How long it may be under way (see :mod:`eucora.api.deadlines`)."""
    limits = house_of(request).deps.limits
    return timedelta(seconds=limits.upload_s if request.state.kind is Kind.UPLOAD else limits.request_s)


async def admitted_again(request: Request, *, in_time_at: datetime | None = None) -> Person:
    """Who asked, judged as if he asked now, for an answer that goes on for long. It counts towards no quota.

    ``in_time_at``: when his token must not have been over; None: now.

    Raises what a new request would be refused with: Refused, DomainError.
    """
    route = request.scope["route"]
    if not isinstance(route, GuardedRoute):
        raise TypeError("the request came to no route of ours")
    shown = request.headers.get("authorization")
    person = await house_of(request).authenticator.person(shown, in_time_at=in_time_at)
    return await _permitted(request, route, person)


async def _permitted(request: Request, route: GuardedRoute, person: Person) -> Person:
    house, roles = house_of(request), route.permission.roles
    if session_id := request.headers.get(BREAK_GLASS, ""):
        person = await effective(house.deps.world.store, house.deps.world.clock, person, session_id)
        request.state.person = person
    if not roles:
        return person
    if not any(person.holds_somewhere(role) for role in roles):
        raise RoleMissing(route.name, roles)
    return await _within(request, route, person)


async def _within(request: Request, route: GuardedRoute, person: Person) -> Person:
    """The person with the grants that count here, so that no use case can take one of another scope for enough.

    Raises RoleMissing; and the refusal of an unknown id where he may not see what the path names.
    """
    roles = route.permission.roles
    if all(grant.scope == WHOLE for grant in (*person.grants, *person.lent)):
        return person
    if route.where is Where.INSTALLATION:
        return _narrowed(route, person.inside(WHOLE))
    target = await target_of(house_of(request).deps.world.store, request.path_params)
    if route.where not in (Where.TARGET, Where.SEEN) or target is None:
        return person
    if not (target.shown_to_all or person.sees(target.scope)):
        raise target.unknown
    if {*roles} == {*Role} or (target.shown_to_all and route.where is Where.SEEN):
        return person
    if Role.PUBLISHER in roles and "intent_id" in request.path_params and person.holds_somewhere(Role.PUBLISHER):
        return person  # the intent itself refuses a publisher of another scope, and keeps that on record
    return _narrowed(route, person.inside(target.scope))


def _narrowed(route: GuardedRoute, inside: Person) -> Person:
    if not any(inside.holds_somewhere(role) for role in route.permission.roles):
        raise RoleMissing(route.name, route.permission.roles)
    return inside


def noun(path: str, tag: str | None = None) -> APIRouter:
    """The router of one noun; operation ids are the names of its functions."""
    return APIRouter(
        prefix=f"{PREFIX}/{path}" if path else PREFIX,
        tags=[tag or path],
        route_class=GuardedRoute,
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,
    )
