"""``/users``: the people of the story as Entra knows them, and the groups that they are in.

A person's object id is the subject of their tokens. Every group of theirs lies in one more, ``eucora-everybody``, so
that a list of direct memberships is not the whole truth. Sources: Microsoft's reference pages "Get a user"
(``accountEnabled`` comes only when it is asked for), "List a user's memberships (direct and transitive)" and "List
group transitive members" (400 for a list cut down to one type without ``$count`` and ``ConsistencyLevel: eventual``).
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from eucora.lab.graph.answers import Body, GraphError, collection, entity, select
from eucora.lab.graph.group_writes import no_resource
from eucora.lab.graph.state import Tenant
from eucora.lab.oidc.people import PEOPLE, Person
from eucora.lab.roster import draw_uuid

EVERYBODY: Final = "eucora-everybody"
_DOMAIN: Final = "lab.example"
_PAGE: Final = 100
_PAGE_MAX: Final = 999
_Render: TypeAlias = Callable[[str], Body]
_DEFAULT: Final = "id,displayName,userPrincipalName,mail,businessPhones"


class PeopleRoutes:
    """The handlers over one tenant."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._by_key: Final = {key.casefold(): one for one in PEOPLE for key in (one.subject, principal_name(one))}
        names = sorted({group for one in PEOPLE for group in one.groups} | {EVERYBODY})
        self._groups: Final = {group_id(tenant.fleet.seed, name): name for name in names}

    def routes(self) -> list[Route]:
        """Paths below ``/v1.0``."""
        found = [Route("/users/{user}", self.get_user, methods=["GET"])]
        for cast in ("microsoft.graph", "graph"):
            found.append(Route(f"/users/{{user}}/transitiveMemberOf/{cast}.group", self.groups_of, methods=["GET"]))
            found.append(Route(f"/groups/{{group}}/transitiveMembers/{cast}.user", self.members, methods=["GET"]))
        return found

    async def get_user(self, request: Request) -> Response:
        """One person by object id or user principal name."""
        body = select(_render(self._person(request)), request.query_params.get("$select", _DEFAULT))
        return entity(self._tenant.graph_url, "users/$entity", body)

    async def groups_of(self, request: Request) -> Response:
        """The groups of one person, and the one that those lie in."""
        person = self._person(request)
        held = [id_ for id_, name in self._groups.items() if name in person.groups or name == EVERYBODY]
        return self._page(request, "groups", held, self._render_group)

    async def members(self, request: Request) -> Response:
        """The people in a group and in those inside it; a group of devices has none."""
        wanted = request.path_params["group"].lower()
        name = self._groups.get(wanted)
        if name is None and self._tenant.group(wanted) is None:
            raise no_resource(wanted)
        people = [] if name is None else [one for one in PEOPLE if name in one.groups or name == EVERYBODY]
        return self._page(request, "users", [one.subject for one in people], self._render_person)

    def _page(self, request: Request, context: str, ids: list[str], render: _Render) -> Response:
        advanced = request.headers.get("consistencylevel", "").lower() == "eventual"
        if not advanced or request.query_params.get("$count") != "true":
            text = "Request with a cast is only supported with $count=true and ConsistencyLevel: eventual."
            raise GraphError(400, "Request_UnsupportedQuery", text)
        return collection(
            request,
            self._tenant.graph_url,
            context,
            ids,
            render,
            filterable={"displayName": ("eq", "startswith"), "id": ("eq",)},
            page_size=_PAGE,
            page_max=_PAGE_MAX,
            strict=True,
        )

    def _person(self, request: Request) -> Person:
        wanted = request.path_params["user"]
        person = self._by_key.get(wanted.casefold())
        if person is None:
            raise no_resource(wanted)
        return person

    def _render_group(self, id_: str) -> Body:
        return {
            "@odata.type": "#microsoft.graph.group",
            "id": id_,
            "displayName": self._groups[id_],
            "groupTypes": [],
            "mailEnabled": False,
            "securityEnabled": True,
        }

    def _render_person(self, id_: str) -> Body:
        return {"@odata.type": "#microsoft.graph.user", **_render(self._by_key[id_])}


def principal_name(person: Person) -> str:
    """The person's user principal name."""
    return f"{person.username}@{_DOMAIN}"


def group_id(seed: int, name: str) -> str:
    """The object id of the people's group of that name."""
    return draw_uuid(seed, "people-group", name)


def _render(person: Person) -> Body:
    return {
        "id": person.subject,
        "displayName": person.name,
        "userPrincipalName": principal_name(person),
        "mail": principal_name(person),
        "businessPhones": [],
        "accountEnabled": True,
    }
