"""A Kandji tenant over HTTP: the device list, one device, its details and its status, for a bearer token.

Its devices are the Macs of the fleet, as if they were enrolled there. Documented (the vendor's Postman collection and
its scripts): paths, ``limit`` up to 300 with 300 as the default, ``offset``, ``ordering``, the filter by serial number,
the statuses, and 10,000 requests an hour. Not documented, so chosen here: the body of a refusal (the envelope of the
framework whose traces Kandji's error texts bear), a filter that takes the whole serial number, 400 for a ``limit``
above 300, and a 429 without ``Retry-After``.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from eucora.domain.planes import Plane
from eucora.lab.clock import Clock
from eucora.lab.fleet import Fleet
from eucora.lab.kandji import shapes
from eucora.lab.roster import LabDevice

LIMIT_MAX: Final = 300
HOURLY_MAX: Final = 10_000
CALLS: Final = ("list", "device", "details", "status", "firewalls")
_HOUR: Final = timedelta(hours=1)
_ORDERINGS: Final = ("serial_number", "device_name", "device_id")

_Answer = Callable[[Request], Any]


@dataclass(slots=True)
class KandjiStore:
    """The tenant. ``permissions``: the calls that the token may make; ``removed``: serial numbers no longer enrolled.

    ``ignores_filters``: filters do nothing; ``page_max``: no page is larger, whatever is asked for.
    """

    fleet: Fleet
    clock: Clock
    token: str
    permissions: set[str] = field(default_factory=lambda: set(CALLS))
    removed: set[str] = field(default_factory=set)
    ignores_filters: bool = False
    page_max: int = LIMIT_MAX
    asked: deque[datetime] = field(default_factory=deque)

    def devices(self) -> list[LabDevice]:
        """Every Mac."""
        return list(self.fleet.on(Plane.JAMF))

    def admit(self) -> bool:
        """Whether the hour has room for one more request; it is counted either way."""
        now = self.clock.now()
        while self.asked and self.asked[0] <= now - _HOUR:
            self.asked.popleft()
        if len(self.asked) >= HOURLY_MAX:
            return False
        self.asked.append(now)
        return True


class _Refused(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


def create_kandji(fleet: Fleet, clock: Clock, *, token: str) -> Starlette:
    """The tenant whose one API token is ``token``; ``app.state.kandji`` is its KandjiStore."""
    store = KandjiStore(fleet, clock, token)
    calls: dict[str, tuple[str, _Answer]] = {
        "list": ("/devices", partial(_list, store)),
        "device": ("/devices/{device}", partial(_one, store)),
        "details": ("/devices/{device}/details", partial(_details, store)),
        "status": ("/devices/{device}/status", partial(_status, store)),
        "firewalls": ("/prism/application_firewall", partial(_firewalls, store)),
    }
    app = Starlette(
        routes=[
            Route(f"/api/v1{path}", _guarded(store, call, answer), methods=["GET"])
            for call, (path, answer) in calls.items()
        ]
    )
    app.state.kandji = store
    return app


def _guarded(store: KandjiStore, call: str, answer: _Answer) -> Callable[[Request], Awaitable[Response]]:
    """The handler of one call: the token, the limit of the hour and the permission come first."""

    async def handle(request: Request) -> Response:
        try:
            if request.headers.get("authorization") != f"Bearer {store.token}":
                raise _Refused(401, "Invalid token.")
            if not store.admit():
                raise _Refused(429, "Request was throttled.")
            if call not in store.permissions:
                raise _Refused(403, "You do not have permission to perform this action.")
            return JSONResponse(answer(request))
        except _Refused as refused:
            return JSONResponse({"detail": refused.detail}, refused.status)

    return handle


def _list(store: KandjiStore, request: Request) -> list[dict[str, Any]]:
    query = request.query_params
    limit, offset = _whole(query.get("limit"), LIMIT_MAX), _whole(query.get("offset"), 0)
    if limit > LIMIT_MAX:
        raise _Refused(400, f"limit must be {LIMIT_MAX} or less")
    devices = store.devices()
    if (serial := query.get("serial_number")) and not store.ignores_filters:
        devices = [device for device in devices if device.serial.casefold() == serial.casefold()]
    ordering = query.get("ordering", "device_id")
    if ordering.lstrip("-") not in _ORDERINGS:
        raise _Refused(400, "ordering names no field")
    rows = [_rendered(store, shapes.row, device) for device in devices]
    rows.sort(key=lambda row: str(row[ordering.lstrip("-")]), reverse=ordering.startswith("-"))
    return rows[offset : offset + min(limit, store.page_max)]


def _one(store: KandjiStore, request: Request) -> dict[str, Any]:
    return _rendered(store, shapes.row, _named(store, request))


def _details(store: KandjiStore, request: Request) -> dict[str, Any]:
    return _rendered(store, shapes.details, _named(store, request))


def _status(store: KandjiStore, request: Request) -> dict[str, Any]:
    device = _named(store, request)
    heard = store.fleet.last_check_in(device, store.clock.now())
    return shapes.status(store.fleet.seed, device, heard)


def _firewalls(store: KandjiStore, request: Request) -> dict[str, Any]:
    """A list of Kandji's Prism: pages by ``cursor``, which names the place of the next one."""
    limit = _whole(request.query_params.get("limit"), LIMIT_MAX)
    start = _whole(request.query_params.get("cursor"), 0)
    if limit > LIMIT_MAX:
        raise _Refused(400, f"limit must be {LIMIT_MAX} or less")
    devices = store.devices()
    page = devices[start : start + min(limit, store.page_max)]
    following = start + len(page)
    heard = [store.fleet.last_check_in(device, store.clock.now()) for device in page]
    return {
        "offset": start,
        "limit": limit,
        "total": len(devices),
        "data": [shapes.firewall(store.fleet.seed, device, at) for device, at in zip(page, heard, strict=True)],
        "cursor": str(following) if following < len(devices) else None,
    }


def _rendered(store: KandjiStore, shape: Callable[..., dict[str, Any]], device: LabDevice) -> dict[str, Any]:
    heard = store.fleet.last_check_in(device, store.clock.now())
    enrolled = store.fleet.started_at - timedelta(days=200)
    return shape(store.fleet.seed, device, heard, enrolled, removed=device.serial in store.removed)


def _named(store: KandjiStore, request: Request) -> LabDevice:
    wanted = request.path_params["device"]
    for device in store.devices():
        if shapes.device_id(store.fleet.seed, device) == wanted:
            return device
    raise _Refused(404, "Not found.")


def _whole(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()):
        raise _Refused(400, "a whole number is wanted")
    return int(text)
