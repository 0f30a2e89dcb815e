"""``deviceManagement/reports/exportJobs``: a report as a zip with one CSV, made in the background.

Only ``DeviceInstallStatusByApp`` is kept. Job ids are the report's name and a GUID; the file is fetched from blob
storage under a signed URL that lives for some hours (Microsoft's sample: six).
"""

import csv
import io
import zipfile
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from eucora.lab.graph.answers import Body, bad_request, collection, entity, not_found, read_body, stamp
from eucora.lab.graph.reports import ReportRoutes
from eucora.lab.graph.state import Tenant

_REPORT: Final = "DeviceInstallStatusByApp"
_LOCALIZATIONS: Final = ("localizedValuesAsAdditionalColumn", "replaceLocalizableValues")
_TEXT_MAX: Final = 2_000  # characters of reportName and of filter
_BUILD_S: Final = 10.0  # at pace 1
_FLOOR_S: Final = 0.05
_LIVES_S: Final = 6 * 3600.0
_KEPT_MAX: Final = 20  # jobs; the oldest is forgotten, so that memory stays flat
_CONTEXT: Final = "deviceManagement/reports/exportJobs"


@dataclass(frozen=True, slots=True)
class _Job:
    id: str
    asked: Body
    requested: datetime
    ready_at: datetime
    path: str  # in the blob store
    url: str
    expires: datetime


class ExportRoutes:
    """The handlers over one tenant."""

    def __init__(self, tenant: Tenant, reports: ReportRoutes) -> None:
        self._tenant, self._reports = tenant, reports
        self._jobs: OrderedDict[str, _Job] = OrderedDict()

    def routes(self) -> list[Route]:
        """Paths below ``/v1.0``."""
        jobs = "/deviceManagement/reports/exportJobs"
        return [
            Route(jobs, self.list_jobs, methods=["GET"]),
            Route(jobs, self.create, methods=["POST"]),
            Route(f"{jobs}/{{job}}", self.get, methods=["GET"]),
        ]

    async def list_jobs(self, request: Request) -> Response:
        """Every job that is still kept."""
        jobs = list(self._jobs.values())
        return collection(
            request, self._tenant.graph_url, _CONTEXT, jobs, self._render, filterable={}, page_size=100, page_max=100
        )

    async def create(self, request: Request) -> Response:
        """Begin an export; what devices have said by now is what will be in it."""
        body = await read_body(request)
        if body.get("reportName") != _REPORT:
            raise bad_request(f"The lab exports {_REPORT} only, not '{body.get('reportName')}'.")
        if body.get("format", "csv") != "csv":
            raise bad_request("The lab writes csv only.")
        if body.get("localizationType", _LOCALIZATIONS[0]) not in _LOCALIZATIONS:
            raise bad_request(f"Invalid value '{body.get('localizationType')}' for localizationType.")
        if len(str(body.get("filter") or "")) > _TEXT_MAX:
            raise bad_request(f"The filter is longer than {_TEXT_MAX} characters.")
        columns, rows = self._reports.export(body)
        packed = await run_in_threadpool(_packed, columns, rows)
        job = self._keep(body | {"select": list(columns)}, packed)
        return entity(self._tenant.graph_url, f"{_CONTEXT}/$entity", self._render(job), status=201)

    async def get(self, request: Request) -> Response:
        """One job and where it stands."""
        job = self._jobs.get(request.path_params["job"])
        if job is None:
            raise not_found(f"exportJob {request.path_params['job']}")
        return entity(self._tenant.graph_url, f"{_CONTEXT}/$entity", self._render(job))

    def _keep(self, asked: Body, packed: bytes) -> _Job:
        tenant, now = self._tenant, self._tenant.clock.now()
        job_id = f"{_REPORT}_{uuid4()}"
        path = f"reports/{job_id}.zip"
        url, expires = tenant.blobs.offer(path, packed, lifetime_s=_LIVES_S)
        wait = timedelta(seconds=max(_FLOOR_S, _BUILD_S / tenant.fleet.pace))
        self._jobs[job_id] = job = _Job(job_id, asked, now, now + wait, path, url, expires)
        while len(self._jobs) > _KEPT_MAX:
            tenant.blobs.forget(self._jobs.popitem(last=False)[1].path)
        return job

    def _render(self, job: _Job) -> Body:
        ready = self._tenant.clock.now() >= job.ready_at
        return {
            "id": job.id,
            "reportName": _REPORT,
            "filter": job.asked.get("filter"),
            "select": job.asked["select"],
            "format": "csv",
            "snapshotId": None,
            "localizationType": job.asked.get("localizationType", _LOCALIZATIONS[0]),
            "status": "completed" if ready else "inProgress",
            "url": job.url if ready else None,
            "requestDateTime": stamp(job.requested),
            "expirationDateTime": stamp(job.expires),
        }


def _packed(columns: Sequence[str], rows: Sequence[Body]) -> bytes:
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(columns)
    table.writerows([row[column] for column in columns] for row in rows)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(f"{_REPORT}.csv"), "\ufeff" + text.getvalue(), zipfile.ZIP_DEFLATED)
    return packed.getvalue()
