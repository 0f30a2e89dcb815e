"""``/api/v1/packages`` and ``/api/v1/categories``."""

from collections.abc import Sequence
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from eucora.lab.jamf.bodies import BodyTooLarge, bounded, read_json_object
from eucora.lab.jamf.errors import Cause, ProRefused
from eucora.lab.jamf.packages import FILTERS, Package
from eucora.lab.jamf.paging import page_of, select
from eucora.lab.jamf.store import JamfStore

_CATEGORY_FIELDS: Final = frozenset(("id", "name", "priority"))


class PackageRoutes:
    """The handlers over one store."""

    def __init__(self, store: JamfStore, *, upload_bytes_max: int) -> None:
        self._store, self._shelf, self._upload_bytes_max = store, store.packages, upload_bytes_max

    def routes(self) -> Sequence[Route]:
        one = "/v1/packages/{id}"
        return (
            Route("/v1/packages", self.list_packages, methods=["GET"]),
            Route("/v1/packages", self.create, methods=["POST"]),
            Route(one, self.read, methods=["GET"]),
            Route(one, self.update, methods=["PUT"]),
            Route(one, self.delete, methods=["DELETE"]),
            Route(f"{one}/upload", self.upload, methods=["POST"]),
            Route("/v1/categories", self.list_categories, methods=["GET"]),
        )

    async def list_packages(self, request: Request) -> Response:
        views = {package.id: self._shelf.view(package) for package in self._shelf}
        total, rows = select(request, self._shelf, lambda package, field: views[package.id][field], FILTERS)
        return JSONResponse(page_of(total, [views[package.id] for package in rows]))

    async def create(self, request: Request) -> Response:
        return _created(request, self._shelf.create(await read_json_object(request)))

    async def read(self, request: Request) -> Response:
        return JSONResponse(self._shelf.view(self._shelf.get(request.path_params["id"])))

    async def update(self, request: Request) -> Response:
        body = await read_json_object(request)
        return JSONResponse(self._shelf.view(self._shelf.update(request.path_params["id"], body)))

    async def delete(self, request: Request) -> Response:
        package_id = request.path_params["id"]
        self._shelf.delete(package_id)
        self._store.policies.forget_package(package_id)
        return Response(status_code=204)

    async def upload(self, request: Request) -> Response:
        package = self._shelf.get(request.path_params["id"])
        parser = MultiPartParser(request.headers, bounded(request, self._upload_bytes_max), max_files=1, max_fields=10)
        try:
            form = await parser.parse()
        except BodyTooLarge as error:
            raise ProRefused(413, Cause("PAYLOAD_TOO_LARGE", "file", "the file is too large")) from error
        except (MultiPartException, KeyError) as error:  # KeyError: the Content-Type names no boundary
            raise ProRefused(400, Cause("BAD_REQUEST", "file", "the body is not multipart/form-data")) from error
        try:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise ProRefused(400, Cause("REQUIRED", "file", "a part named file is required"))
            content = await run_in_threadpool(self._shelf.keep, file.file)
        finally:
            await form.close()
        self._shelf.attach(package.id, content)
        return _created(request, package)

    async def list_categories(self, request: Request) -> Response:
        rows = [{"id": key, "name": name, "priority": 9} for key, name in self._store.categories.items()]
        total, page = select(request, rows, lambda row, field: row[field], _CATEGORY_FIELDS)
        return JSONResponse(page_of(total, page))


def _created(request: Request, package: Package) -> Response:
    server = str(request.url).partition("/api/")[0]
    href = f"{server}/api/v1/packages/{package.id}"
    return JSONResponse({"id": package.id, "href": href}, 201)
