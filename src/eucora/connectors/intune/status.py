"""Install states from the one report of v1.0 that answers at once, with the last check-in beside each.

Where that report is refused, or is not what the field knows it to be, an export of the same facts takes its place.
Source: Graph v1.0 metadata, ``retrieveDeviceAppInstallationStatusReport`` (body and ``Edm.Stream``); content as seen in
the field: ``TotalRowCount``, ``Schema`` [{Column, PropertyType}], ``Values`` [[...]]. Per-device paths of the app
(``deviceStatuses``) were removed from the service in June 2023.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from eucora.application.planes import Observation, PlaneRejected, Watch
from eucora.connectors.intune import wire
from eucora.connectors.intune.causes import told
from eucora.connectors.intune.exports import ReportExports
from eucora.connectors.intune.graph import DEVICES, Graph, JsonObject, objects_in, off_schema
from eucora.domain.planes import InstallState

_OPERATION: Final = "observe"
_REPORT: Final = "/deviceManagement/reports/retrieveDeviceAppInstallationStatusReport"
# Named one by one: Microsoft says not to rely on a report's default columns.
_COLUMNS: Final = (
    "DeviceId",
    "DeviceName",
    "AppVersion",
    "InstallState",
    "AppInstallState",
    "AppInstallStateDetails",
    "ErrorCode",
    "HexErrorCode",
    "LastModifiedDateTime",
)
ROWS: Final = 500  # asked for at once; a server that gives fewer is believed
PAGES_MAX: Final = 5_000
_PLAIN: Final = frozenset({InstallState.INSTALLED, InstallState.NOT_INSTALLED})  # states that ask no why
SINGLY_MAX: Final = 20  # up to so many devices are looked up one by one instead of reading the whole fleet


async def observations(
    graph: Graph, watch: Watch, exports: ReportExports | None = None
) -> AsyncGenerator[list[Observation], None]:
    """States of the devices watched, a page of the report at a time; nothing for a device without a row.

    Raises PlaneRejected when neither the report nor, where there is one, the export can be read.
    """
    wanted = {device.lower(): device for device in watch.devices}
    if not wanted:
        return
    check_ins = await _check_ins(graph, wanted)
    async for rows in _rows_of_either(graph, watch.ref, exports):
        latest: dict[str, Observation] = {}
        for row in rows:
            device = wanted.get(str(row.get("DeviceId") or "").lower())
            # the filter is the service's word; a row of another app or device is not taken on it
            if device is None or str(row.get("ApplicationId", watch.ref)).lower() != watch.ref.lower():
                continue
            seen = _observation(device, row, watch, check_ins.get(device))
            if watch.since is not None and seen.observed_at is not None and seen.observed_at < watch.since:
                continue
            # a device with several users has a row for each: the newest stands
            if device not in latest or _later(seen, latest[device]):
                latest[device] = seen
        if latest:
            yield list(latest.values())


def _observation(device: str, row: Mapping[str, Any], watch: Watch, check_in: datetime | None) -> Observation:
    code = wire.error_code(row.get("ErrorCode"), row.get("HexErrorCode"))
    detail = row.get("AppInstallStateDetails")
    state = wire.install_state(watch.offer, row.get("AppInstallState"), row.get("InstallState"))
    return Observation(
        device_id=device,
        state=state,
        observed_at=wire.moment(row.get("LastModifiedDateTime")),
        last_check_in=check_in,
        code=code,
        detail=told(detail, code) if code or state not in _PLAIN else "",
    )


def _later(one: Observation, other: Observation) -> bool:
    return one.observed_at is not None and (other.observed_at is None or one.observed_at > other.observed_at)


async def _rows_of_either(graph: Graph, app: str, exports: ReportExports | None) -> AsyncIterator[list[dict[str, Any]]]:
    """Pages of the report; all of the export where its first page is refused or off its schema."""
    pages = _rows(graph, app)
    try:
        page = await anext(pages, None)
    except PlaneRejected as refused:
        if exports is None:
            raise
        try:
            async for batch in exports.rows(app):
                yield batch
        except PlaneRejected as again:
            raise refused from again
        return
    while page is not None:
        yield page
        page = await anext(pages, None)


async def _rows(graph: Graph, app: str) -> AsyncIterator[list[dict[str, Any]]]:
    """The report's rows as dicts by column, a page at a time."""
    skip, before = 0, None
    for _ in range(PAGES_MAX):
        body: JsonObject = {
            "select": list(_COLUMNS),
            "filter": f"(ApplicationId eq '{app}')",
            "orderBy": ["DeviceId"],  # paging by number needs an order
            "skip": skip,
            "top": ROWS,
        }
        report = await graph.read_by_post(_OPERATION, _REPORT, body)
        rows = list(_by_column(report))
        if rows:
            if rows == before:
                raise off_schema(_OPERATION, "a report that gives the same page again")
            yield rows
        before = rows
        skip += len(rows)
        total = report.get("TotalRowCount")
        if not rows or (isinstance(total, int) and not isinstance(total, bool) and skip >= total):
            return
    raise off_schema(_OPERATION, f"more than {PAGES_MAX} pages of a report")


def _by_column(report: JsonObject) -> Iterator[dict[str, Any]]:
    columns = [column.get("Column") for column in objects_in(_OPERATION, report, "Schema")]
    values = report.get("Values")
    if not isinstance(values, list) or "DeviceId" not in columns:
        raise off_schema(_OPERATION, "a report without values or without DeviceId")
    if len({str(column) for column in columns}) < len(columns):
        raise off_schema(_OPERATION, "a report with a column twice")
    for row in values:
        if not isinstance(row, list) or len(row) != len(columns):
            raise off_schema(_OPERATION, "a row that does not fit the report's columns")
        yield dict(zip((str(column) for column in columns), row, strict=True))


async def _check_ins(graph: Graph, wanted: Mapping[str, str]) -> dict[str, datetime | None]:
    """Last check-in (UTC) of each device watched, by the id it is watched under."""
    select = "id,lastSyncDateTime"
    if len(wanted) <= SINGLY_MAX:
        records = [
            await graph.get(_OPERATION, f"{DEVICES}/{quote(device, safe='')}", also=frozenset({404}), select=select)
            for device in wanted.values()
        ]
        return _by_device([record for record in records if record is not None], wanted)
    found: dict[str, datetime | None] = {}
    async for page in graph.pages(_OPERATION, DEVICES, {"select": select, "top": "999"}):
        found |= _by_device(page, wanted)
    return found


def _by_device(records: Collection[JsonObject], wanted: Mapping[str, str]) -> dict[str, datetime | None]:
    return {
        wanted[device]: wire.moment(record.get("lastSyncDateTime"))
        for record in records
        if (device := str(record.get("id")).lower()) in wanted
    }
