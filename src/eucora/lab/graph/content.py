"""Content versions and files of an application: the upload protocol."""

from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from eucora.lab.graph.answers import Body, bad_request, collection, entity, not_found, read_body
from eucora.lab.graph.app_types import render_file
from eucora.lab.graph.apps import CASTS, AppRoutes
from eucora.lab.graph.state import App, ContentFile, Tenant
from eucora.lab.sealed import EncryptionInfo

_MAY_RENEW: Final = ("azureStorageUriRequestSuccess", "azureStorageUriRenewalSuccess")
_MAY_COMMIT: Final = (*_MAY_RENEW, "commitFileFailed")
_PAGE: Final = 100


class ContentRoutes:
    """The handlers over one tenant."""

    def __init__(self, tenant: Tenant, apps: AppRoutes) -> None:
        self._tenant, self._apps = tenant, apps

    def routes(self) -> list[Route]:
        """Paths below ``/v1.0``, under both spellings of each type cast."""
        found = []
        for cast in CASTS:
            versions = f"/deviceAppManagement/mobileApps/{{app}}/{cast}/contentVersions"
            files = f"{versions}/{{version}}/files"
            found += [
                Route(versions, self.list_versions, methods=["GET"]),
                Route(versions, self.create_version, methods=["POST"]),
                Route(f"{versions}/{{version}}", self.get_version, methods=["GET"]),
                Route(f"{versions}/{{version}}", self.delete_version, methods=["DELETE"]),
                Route(files, self.list_files, methods=["GET"]),
                Route(files, self.create_file, methods=["POST"]),
                Route(f"{files}/{{file}}", self.get_file, methods=["GET"]),
                Route(f"{files}/{{file}}", self.delete_file, methods=["DELETE"]),
                Route(f"{files}/{{file}}/renewUpload", self.renew, methods=["POST"]),
                Route(f"{files}/{{file}}/commit", self.commit, methods=["POST"]),
            ]
        return found

    async def list_versions(self, request: Request) -> Response:
        """Every content version."""
        app = self._apps.find(request)
        return self._collection(request, app, list(app.versions), _version)

    async def create_version(self, request: Request) -> Response:
        """A new version; it stays the same one until it has been committed."""
        app = self._apps.find(request)
        await read_body(request)
        latest = max((int(version) for version in app.versions), default=0)
        if latest == 0 or str(latest) == app.committed_version:
            latest = max(latest, int(app.committed_version or 0)) + 1
            app.versions[str(latest)] = {}
        return entity(self._tenant.graph_url, _context(app, "$entity"), _version(str(latest)), status=201)

    async def get_version(self, request: Request) -> Response:
        """One version."""
        app, version = self._version(request)
        return entity(self._tenant.graph_url, _context(app, "$entity"), _version(version))

    async def delete_version(self, request: Request) -> Response:
        """Remove a version and its files; not the one that devices get."""
        app, version = self._version(request)
        if version == app.committed_version:
            raise bad_request("The committed content version cannot be deleted.")
        for file in app.versions.pop(version).values():
            self._tenant.blobs.forget(file.path)
        return Response(status_code=204)

    async def list_files(self, request: Request) -> Response:
        """The files of a version."""
        app, version = self._version(request)
        now = self._tenant.clock.now()
        files = list(app.versions[version].values())
        return self._collection(request, app, files, lambda file: render_file(now, file))

    async def create_file(self, request: Request) -> Response:
        """Register a file of declared sizes; its upload URL comes later."""
        app, version = self._version(request)
        body = await read_body(request)
        sizes = [body.get("size"), body.get("sizeEncrypted")]
        if not all(isinstance(size, int) and not isinstance(size, bool) and size > 0 for size in sizes):
            raise bad_request("size and sizeEncrypted must be above 0.")
        if not isinstance(body.get("name"), str) or not body["name"]:
            raise bad_request("A file needs a name.")
        file = self._tenant.open_file(
            app,
            version,
            body["name"],
            body["size"],
            body["sizeEncrypted"],
            body.get("manifest"),
            is_dependency=bool(body.get("isDependency", False)),
        )
        return self._answer(app, file, status=201)

    async def get_file(self, request: Request) -> Response:
        """One file and where its upload stands."""
        app, file = self._file(request)
        return self._answer(app, file)

    async def delete_file(self, request: Request) -> Response:
        """Remove a file that was not taken."""
        app, file = self._file(request)
        if file.committed(self._tenant.clock.now()):
            raise bad_request("A committed file cannot be deleted.")
        del app.versions[request.path_params["version"]][file.id]
        self._tenant.blobs.forget(file.path)
        return Response(status_code=204)

    async def renew(self, request: Request) -> Response:
        """Ask for a fresh upload URL."""
        _, file = self._file(request)
        state = file.upload_state(self._tenant.clock.now())
        if state not in _MAY_RENEW:
            raise bad_request(f"The upload cannot be renewed while it is {state}.")
        self._tenant.renew(file)
        return Response(status_code=204)

    async def commit(self, request: Request) -> Response:
        """Hand over the keys and have the file checked."""
        app, file = self._file(request)
        state = file.upload_state(self._tenant.clock.now())
        if state not in _MAY_COMMIT:
            raise bad_request(f"The file cannot be committed while it is {state}.")
        given = (await read_body(request)).get("fileEncryptionInfo")
        if not isinstance(given, dict):
            raise bad_request("fileEncryptionInfo is missing.")
        try:
            info = EncryptionInfo.parse(given)
        except ValueError as error:
            raise bad_request(f"{error}.") from error
        await run_in_threadpool(self._tenant.commit, app, file, info)
        return Response(status_code=204)

    def _version(self, request: Request) -> tuple[App, str]:
        app, version = self._apps.find(request), request.path_params["version"]
        if version not in app.versions:
            raise not_found(f"contentVersion {version}")
        return app, version

    def _file(self, request: Request) -> tuple[App, ContentFile]:
        app, version = self._version(request)
        file = app.versions[version].get(request.path_params["file"])
        if file is None:
            raise not_found(f"file {request.path_params['file']}")
        return app, file

    def _answer(self, app: App, file: ContentFile, *, status: int = 200) -> Response:
        body = render_file(self._tenant.clock.now(), file)
        return entity(self._tenant.graph_url, _context(app, "$entity"), body, status=status)

    def _collection(self, request: Request, app: App, items: list[Any], render: Any) -> Response:
        return collection(
            request,
            self._tenant.graph_url,
            _context(app, ""),
            items,
            render,
            filterable={},
            page_size=_PAGE,
            page_max=_PAGE,
        )


def _version(version: str) -> Body:
    return {"@odata.type": "#microsoft.graph.mobileAppContent", "id": version}


def _context(app: App, end: str) -> str:
    root = f"deviceAppManagement/mobileApps('{app.id}')/{app.type.removeprefix('#')}/contentVersions"
    return f"{root}/{end}" if end else root
