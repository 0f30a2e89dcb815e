"""``retrieveDeviceAppInstallationStatusReport``: what devices have said about one application.

The shape of the stream (TotalRowCount, Schema, Values) and its columns are those seen in the field; Microsoft's own
description says only that there is a stream.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from eucora.domain.planes import Platform
from eucora.lab.fleet import DeviceState, Outcome
from eucora.lab.graph.answers import Body, bad_request, read_body, stamp
from eucora.lab.graph.odata import FilterInvalid, parse_filter
from eucora.lab.graph.state import App, Tenant
from eucora.lab.roster import LabDevice

_TOP: Final = 50
_TOP_MAX: Final = 1000
_KEPT: Final = 2  # reports; one of a large tenant takes much memory
_READ_WITHIN: Final = timedelta(minutes=5)
_WORDS: Final = {
    DeviceState.PENDING: "pendingInstall",
    DeviceState.INSTALLED: "installed",
    DeviceState.NOT_INSTALLED: "notInstalled",
}
_PLATFORMS: Final = {Platform.WINDOWS: "Windows", Platform.MACOS: "macOS"}
_COLUMNS: Final = {
    "ApplicationId": "String",
    "DeviceId": "String",
    "DeviceName": "String",
    "UserPrincipalName": "String",
    "UserName": "String",
    "Platform": "String",
    "AppVersion": "String",
    "InstallState": "String",
    "InstallStateDetail": "String",
    "AppInstallState": "String",
    "AppInstallStateDetails": "String",
    "ErrorCode": "Int32",
    "HexErrorCode": "String",
    "LastModifiedDateTime": "DateTime",
}

_EXPORTED: Final = (
    "DeviceId",
    "DeviceName",
    "UserPrincipalName",
    "UserName",
    "Platform",
    "AppVersion",
    "LastModifiedDateTime",
    "AppInstallState",
    "AppInstallState_loc",
    "AppInstallStateDetails",
    "HexErrorCode",
)


@dataclass(frozen=True, slots=True)
class _Made:
    """A report, what was asked for (filter, search and order), and how far it tells of devices."""

    asked: object
    until: datetime
    rows: Sequence[Body]


class ReportRoutes:
    """The handlers over one tenant.

    A report is made for its first page; the pages behind it show the same moment, as long as they come within minutes.
    """

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._made: list[_Made] = []

    def routes(self) -> list[Route]:
        """Paths below ``/v1.0``."""
        path = "/deviceManagement/reports/retrieveDeviceAppInstallationStatusReport"
        return [Route(path, self.device_install_status, methods=["POST"])]

    def export(self, body: Body) -> tuple[Sequence[str], Sequence[Body]]:
        """Columns and rows of ``DeviceInstallStatusByApp`` as an export job's ``select`` and ``filter`` want them."""
        columns = _texts(body, "select") or list(_EXPORTED)
        for column in columns:
            if column not in _EXPORTED:
                raise bad_request(f"The report has no column '{column}'.")
        return columns, [row | {"AppInstallState_loc": row["AppInstallState"]} for row in self._rows(body)]

    async def device_install_status(self, request: Request) -> Response:
        """A page of the report; only devices that have reported are in it."""
        body = await read_body(request)
        columns = _texts(body, "select") or list(_COLUMNS)
        _check_columns(columns)
        skip = _whole(body, "skip", 0)
        rows = self._rows(body, begun=skip > 0)
        top = min(_whole(body, "top", _TOP) or _TOP, _TOP_MAX)
        answer = {
            "TotalRowCount": len(rows),
            "Schema": [{"Column": column, "PropertyType": _COLUMNS[column]} for column in columns],
            "Values": [[row[column] for column in columns] for row in rows[skip : skip + top]],
            "SessionId": "",
        }
        return Response(orjson.dumps(answer), media_type="application/octet-stream")

    def _rows(self, body: Body, *, begun: bool = False) -> Sequence[Body]:
        """Every row that the filter and the search let through, in the order asked for. ``begun``: read in part."""
        text = str(body.get("filter") or "")
        until, orders = self._tenant.reported_until(), _texts(body, "orderBy")
        asked = (text, str(body.get("search") or ""), tuple(orders))
        lasts = _READ_WITHIN if begun else timedelta()
        for made in self._made:
            standing = bool(self._tenant.report_every_s) or begun
            if standing and made.asked == asked and timedelta() <= until - made.until <= lasts:
                return made.rows
        try:
            wanted = parse_filter(text)
        except FilterInvalid as error:
            raise bad_request(f"Invalid filter: {error}.") from error
        if ("ApplicationId", "eq") not in wanted.uses or any(name not in _COLUMNS for name, _ in wanted.uses):
            raise bad_request("The filter must name an ApplicationId, and columns of the report only.")
        named = [app for app in self._tenant.apps.values() if app.id in text.lower()]
        found = [row for app in named for row in self._reported(app, until)]
        search = str(body.get("search") or "").casefold()
        kept = [row for row in found if wanted.matches(row) and search in row["DeviceName"].casefold()]
        for order in reversed(orders):
            column, _, direction = order.partition(" ")
            _check_columns([column])
            kept.sort(key=itemgetter(column), reverse=direction.strip().lower() == "desc")
        self._made = [*(made for made in self._made if made.asked != asked), _Made(asked, until, kept)][-_KEPT:]
        return kept

    def _reported(self, app: App, heard_until: datetime) -> Iterator[Body]:
        key = app.package_key(self._tenant.clock.now())
        for device in self._tenant.devices:
            spans = self._tenant.spans(app, device)
            if spans:
                outcome = self._tenant.fleet.outcome(device, key, spans, heard_until)
                if outcome.reported_at is not None:
                    yield _row(app, device, outcome)


def _row(app: App, device: LabDevice, outcome: Outcome) -> Body:
    failed = outcome.state is DeviceState.FAILED
    # A failure with the application on the disk is the failure of a removal.
    state = ("uninstallFailed" if outcome.installed else "failed") if failed else _WORDS[outcome.state]
    code = int(outcome.error_code, 16) if outcome.error_code else 0
    assert outcome.reported_at is not None
    return {
        "ApplicationId": app.id,
        "DeviceId": device.managed_id,
        "DeviceName": device.name,
        "UserPrincipalName": device.user,
        "UserName": device.user.partition("@")[0],
        "Platform": _PLATFORMS[device.platform],
        "AppVersion": "",
        "InstallState": state,
        "InstallStateDetail": outcome.error_text,
        "AppInstallState": state,
        "AppInstallStateDetails": outcome.error_text,
        "ErrorCode": code - (1 << 32) if code >= 1 << 31 else code,
        "HexErrorCode": f"0x{code:08X}",
        "LastModifiedDateTime": stamp(outcome.reported_at),
    }


def _texts(body: Body, name: str) -> list[str]:
    value = body.get(name) or []
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise bad_request(f"{name} must be a collection of strings.")
    return value


def _check_columns(columns: Sequence[str]) -> None:
    for column in columns:
        if column not in _COLUMNS:
            raise bad_request(f"The report has no column '{column}'.")


def _whole(body: Body, name: str, default: int) -> int:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise bad_request(f"Invalid value '{value}' for {name}.")
    return value
