"""The install report as an export job: asked for, waited for, fetched as a zip with a CSV, read a batch at a time.

The way to take when the report that answers at once does not. Source: Microsoft's Intune documentation, "Export Intune
reports using Graph APIs" and its list of reports (MicrosoftDocs/memdocs, reports-export-graph-apis.md and
reports-export-graph-available-reports.md), and Graph v1.0's deviceManagementExportJob.
"""

import asyncio
import csv
import io
import zipfile
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import islice
from typing import Any, Final
from urllib.parse import quote

import httpx

from eucora.application.planes import PlaneRejected, PlaneUnavailable
from eucora.connectors.errors import report
from eucora.connectors.http import send
from eucora.connectors.intune.content import Patience
from eucora.connectors.intune.graph import Graph, off_schema, text_in
from eucora.domain.planes import Plane

_OPERATION: Final = "observe"
_JOBS: Final = "/deviceManagement/reports/exportJobs"
_REPORT: Final = "DeviceInstallStatusByApp"
# Named one by one: Microsoft says not to rely on a report's default columns.
_COLUMNS: Final = ("DeviceId", "DeviceName", "AppInstallState", "AppInstallStateDetails", "HexErrorCode",
                   "LastModifiedDateTime")  # fmt: skip
BATCH: Final = 5_000  # rows read at once
ROWS_MAX: Final = 5_000_000
CSV_BYTES_MAX: Final = 1 << 30


class ReportExports:
    """``storage`` is a client without credentials: the address of a finished export is the credential."""

    def __init__(
        self,
        graph: Graph,
        storage: httpx.AsyncClient,
        *,
        sleep: Callable[[float], Awaitable[None]],
        patience: Patience,
        csv_bytes_max: int = CSV_BYTES_MAX,
    ) -> None:
        """``csv_bytes_max``: how much of a table is read, unpacked; the zip itself is bounded by the HTTP stack."""
        self._graph, self._storage, self._sleep, self._patience = graph, storage, sleep, patience
        self._csv_bytes_max = csv_bytes_max

    async def rows(self, app: str) -> AsyncIterator[list[dict[str, Any]]]:
        """What devices said about ``app``, by column, a batch at a time.

        Raises:
            PlaneRejected: Intune refuses or fails the job, or what it made is no such report.
            PlaneUnavailable: the job is not done in time.
        """
        asked = {
            "reportName": _REPORT,
            "filter": f"(ApplicationId eq '{app}')",
            "select": list(_COLUMNS),
            "format": "csv",
            # words of a state in a column of their own, so that the states themselves are the same in every language
            "localizationType": "localizedValuesAsAdditionalColumn",
        }
        job = text_in(_OPERATION, await self._graph.create(_OPERATION, _JOBS, asked), "id")
        packed = await self._fetch(await self._finished(job))
        batches = _batches(packed, self._csv_bytes_max)
        while batch := await asyncio.to_thread(next, batches, None):
            yield batch

    async def _finished(self, job: str) -> str:
        """Where the job's result is."""
        for _ in range(self._patience.polls_max):
            found = await self._graph.must_get(_OPERATION, f"{_JOBS}/{quote(job, safe='')}")
            match found.get("status"):
                case "completed":
                    return text_in(_OPERATION, found, "url")
                case "failed":
                    raise report(PlaneRejected(Plane.INTUNE, _OPERATION, f"Intune could not export {_REPORT}"))
            await self._sleep(self._patience.poll_s)
        raise report(PlaneUnavailable(Plane.INTUNE, _OPERATION, f"the export is still {found.get('status')}"))

    async def _fetch(self, url: str) -> bytes:
        if self._graph.is_https and not url.startswith("https://"):
            raise off_schema(_OPERATION, "the address of the export is not https")
        return (await send(self._storage, Plane.INTUNE, _OPERATION, "GET", url)).content


def _batches(packed: bytes, bytes_max: int) -> Iterator[list[dict[str, Any]]]:
    """Rows of the one CSV in the zip. Raises PlaneRejected for anything else, and for more than the bounds."""
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            tables = [entry for entry in archive.infolist() if entry.filename.lower().endswith(".csv")]
            if len(tables) != 1:
                raise off_schema(_OPERATION, f"an export with {len(tables)} tables")
            with archive.open(tables[0]) as raw:
                lines = io.TextIOWrapper(io.BufferedReader(_Bounded(raw, bytes_max)), encoding="utf-8-sig", newline="")
                yield from _rows(csv.reader(lines, strict=True))
    # a member that is locked, or packed in a way unknown here, is a RuntimeError
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError, csv.Error, RuntimeError) as error:
        raise off_schema(_OPERATION, f"an export that cannot be read: {error}") from error


def _rows(table: Any) -> Iterator[list[dict[str, Any]]]:
    columns: list[str] = next(table, [])
    if "DeviceId" not in columns or len(set(columns)) < len(columns):
        raise off_schema(_OPERATION, "an export without DeviceId, or with a column twice")
    read = 0
    while batch := list(islice(table, BATCH)):
        read += len(batch)
        if read > ROWS_MAX:
            raise off_schema(_OPERATION, f"an export of more than {ROWS_MAX} rows")
        if any(len(row) != len(columns) for row in batch):
            raise off_schema(_OPERATION, "a row that does not fit the export's columns")
        yield [dict(zip(columns, row, strict=True)) for row in batch]


class _Bounded(io.RawIOBase):
    """Reads ``raw`` up to ``limit`` bytes. Raises ValueError beyond: a small zip may hold an endless table."""

    def __init__(self, raw: Any, limit: int) -> None:
        self._raw, self._left = raw, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._raw.read(len(buffer))
        self._left -= len(piece)
        if self._left < 0:
            raise ValueError("it is too large")
        buffer[: len(piece)] = piece
        return len(piece)
