"""``/deviceAppManagement/mobileApps``: applications and their assignments."""

from typing import Final
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from eucora.lab.graph.answers import Body, bad_request, collection, entity, not_found, read_body, select
from eucora.lab.graph.app_types import TYPES, check_change, check_new, render_app
from eucora.lab.graph.assignments import add_assignment, close_offers, remove_assignment, replace_assignments
from eucora.lab.graph.state import App, Tenant

_FILTERABLE: Final = {
    "displayName": ("eq", "ne", "contains", "startswith"),
    "publisher": ("eq", "contains", "startswith"),
    "@odata.type": ("isof",),
    "id": ("eq",),
}
# The reference pages and Microsoft's samples write the first form, the SDKs the second.
CASTS: Final = tuple(
    f"{prefix}graph.{app_type.rpartition('.')[2]}" for app_type in TYPES for prefix in ("microsoft.", "")
)
_PAGE: Final = 100
_PAGE_MAX: Final = 1000
_CONTEXT: Final = "deviceAppManagement/mobileApps"


class AppRoutes:
    """The handlers over one tenant."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant

    def routes(self) -> list[Route]:
        """Paths below ``/v1.0``."""
        apps = "/deviceAppManagement/mobileApps"
        one = f"{apps}/{{app}}"
        return [
            Route(apps, self.list_apps, methods=["GET"]),
            Route(apps, self.create, methods=["POST"]),
            Route(one, self.get, methods=["GET"]),
            Route(one, self.change, methods=["PATCH"]),
            Route(one, self.delete, methods=["DELETE"]),
            *(Route(f"{one}/{cast}", self.get, methods=["GET"]) for cast in CASTS),
            Route(f"{one}/assign", self.assign, methods=["POST"]),
            Route(f"{one}/assignments", self.assignments, methods=["GET"]),
            Route(f"{one}/assignments", self.add_assignment, methods=["POST"]),
            Route(f"{one}/assignments/{{assignment}}", self.assignment, methods=["GET"]),
            Route(f"{one}/assignments/{{assignment}}", self.delete_assignment, methods=["DELETE"]),
        ]

    async def list_apps(self, request: Request) -> Response:
        """Applications in the order of their making."""
        now = self._tenant.clock.now()
        return collection(
            request,
            self._tenant.graph_url,
            _CONTEXT,
            list(self._tenant.apps.values()),
            lambda app: render_app(now, app),
            filterable=_FILTERABLE,
            page_size=_PAGE,
            page_max=_PAGE_MAX,
        )

    async def create(self, request: Request) -> Response:
        """A new application; two may bear one name."""
        body = check_new(await read_body(request))
        now = self._tenant.clock.now()
        app = App(str(uuid4()), body, now, now)
        self._tenant.apps[app.id] = app
        return self._answer(app, status=201)

    async def get(self, request: Request) -> Response:
        """One application, its assignments beside it when ``$expand`` asks for them."""
        app = self.find(request)
        body = render_app(self._tenant.clock.now(), app)
        if "assignments" in request.query_params.get("$expand", "").split(","):
            body["assignments"] = app.assignments
        selected = request.query_params.get("$select")
        return entity(self._tenant.graph_url, f"{_CONTEXT}/$entity", select(body, selected))

    async def change(self, request: Request) -> Response:
        """Set properties; ``committedContentVersion`` publishes that version."""
        app = self.find(request)
        given = check_change(app.type, await read_body(request))
        version = given.pop("committedContentVersion", None)
        now = self._tenant.clock.now()
        if version is not None and version != app.committed_version:
            files = app.versions.get(str(version), {}).values()
            if not any(file.committed(now) for file in files):
                raise bad_request(f"Content version '{version}' has no committed file.")
            self._tenant.publish(app, str(version))
        app.body |= given
        app.modified = now
        return self._answer(app)

    async def delete(self, request: Request) -> Response:
        """Remove the application; devices keep what they installed."""
        app = self.find(request)
        close_offers(app, self._tenant.clock.now())
        del self._tenant.apps[app.id]
        return Response(status_code=204)

    async def assign(self, request: Request) -> Response:
        """Replace the whole set of assignments."""
        app = self.find(request)
        wanted = (await read_body(request)).get("mobileAppAssignments")
        if not isinstance(wanted, list):
            raise bad_request("mobileAppAssignments must be a collection.")
        replace_assignments(self._tenant, app, wanted)
        return Response(status_code=204)

    async def assignments(self, request: Request) -> Response:
        """The assignments that stand."""
        app = self.find(request)
        return collection(
            request,
            self._tenant.graph_url,
            f"{_CONTEXT}('{app.id}')/assignments",
            app.assignments,
            dict,
            filterable={},
            page_size=_PAGE,
            page_max=_PAGE_MAX,
        )

    async def add_assignment(self, request: Request) -> Response:
        """Add one assignment."""
        app = self.find(request)
        added = add_assignment(self._tenant, app, await read_body(request))
        context = f"{_CONTEXT}('{app.id}')/assignments/$entity"
        return entity(self._tenant.graph_url, context, added, status=201)

    async def assignment(self, request: Request) -> Response:
        """One assignment."""
        app = self.find(request)
        context = f"{_CONTEXT}('{app.id}')/assignments/$entity"
        return entity(self._tenant.graph_url, context, _assignment(app, request))

    async def delete_assignment(self, request: Request) -> Response:
        """Remove one assignment."""
        app = self.find(request)
        remove_assignment(self._tenant, app, _assignment(app, request)["id"])
        return Response(status_code=204)

    def find(self, request: Request) -> App:
        """The application named in the path. Raises GraphError 404."""
        app = self._tenant.apps.get(request.path_params["app"])
        if app is None:
            raise not_found(f"mobileApp {request.path_params['app']}")
        # a path that casts the app to a type which it is not names nothing
        cast = request.url.path.partition(f"/{app.id}/")[2].partition("/")[0]
        if cast in CASTS and cast.rpartition(".")[2] != app.type.rpartition(".")[2]:
            raise not_found(f"mobileApp {app.id} of type {cast}")
        return app

    def _answer(self, app: App, *, status: int = 200) -> Response:
        body = render_app(self._tenant.clock.now(), app)
        return entity(self._tenant.graph_url, f"{_CONTEXT}/$entity", body, status=status)


def _assignment(app: App, request: Request) -> Body:
    for assignment in app.assignments:
        if assignment["id"] == request.path_params["assignment"]:
            return assignment
    raise not_found(f"assignment {request.path_params['assignment']}")
