"""The route that every operation is: nobody gets in who is not allowed to, and before that nothing is read.

A route without a declared permission cannot be built, so a forgotten one stops the start and not an auditor.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from eucora.api.bodies import BoundedRequest, refuse_nul
from eucora.api.house import house_of
from eucora.api.problems import problem_responses
from eucora.application.break_glass import effective
from eucora.application.world import RoleMissing
from eucora.domain.people import Person, Role

F = TypeVar("F", bound=Callable[..., Any])
_MARK: Final = "__eucora_permission__"
PREFIX: Final = "/api/v1"
BREAK_GLASS: Final = "Eucora-Break-Glass"


class PermissionUndeclared(TypeError):
    """A route says nothing about who may use it."""


@dataclass(frozen=True, slots=True)
class Permission:
    """``roles``: any of them suffices. Without roles: everybody who is signed in; ``public``: everybody."""

    roles: tuple[Role, ...] = ()
    public: bool = False


def permits(*roles: Role) -> Callable[[F], F]:
    """The route is for those who hold one of the roles."""
    if not roles:
        raise PermissionUndeclared("name the roles, or use signed_in or public")
    return _marked(Permission(roles))


def readers() -> Callable[[F], F]:
    """The route is for everybody who holds any role."""
    return _marked(Permission(tuple(Role)))


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
        self.permission = permission
        # A route that describes its body itself takes it raw, as it streams in, and sets its own bound.
        self.streams = "requestBody" in (options.get("openapi_extra") or {})
        told = (422, 500) if permission.public else (401, 403, 422, 500, 503)
        options["responses"] = problem_responses(*told) | (options.get("responses") or {})
        if not permission.public:
            extra = {"security": [{"bearer": []}], "x-roles": [role.value for role in permission.roles]}
            options["openapi_extra"] = extra | (options.get("openapi_extra") or {})
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle, takes_json = super().get_route_handler(), self.body_field is not None

        async def guarded(request: Request) -> Response:
            if not self.permission.public:
                request.state.person = await _admitted(request, self.permission, self.name)
            refuse_nul(request)
            if self.streams:
                return await handle(request)
            bounded = BoundedRequest(request.scope, request.receive)
            if takes_json:
                await bounded.check_json()
            return await handle(bounded)

        return guarded


async def _admitted(request: Request, permission: Permission, operation: str) -> Person:
    house = house_of(request)
    person = await house.authenticator.person(request.headers.get("authorization"))
    # Also who is refused for his roles stands in the access log.
    request.state.person = person
    if session_id := request.headers.get(BREAK_GLASS, ""):
        person = await effective(house.deps.world.store, house.deps.world.clock, person, session_id)
        request.state.person = person
    if permission.roles and not any(_admits(person, role) for role in permission.roles):
        raise RoleMissing(operation, permission.roles)
    return person


def _admits(person: Person, role: Role) -> bool:
    """A publisher has his role for a part of the installation, and each use case asks whether the target lies in it."""
    return person.holds_somewhere(role) if role is Role.PUBLISHER else person.holds(role)


def noun(path: str, tag: str | None = None) -> APIRouter:
    """The router of one noun; operation ids are the names of its functions."""
    return APIRouter(
        prefix=f"{PREFIX}/{path}" if path else PREFIX,
        tags=[tag or path],
        route_class=GuardedRoute,
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,
    )
