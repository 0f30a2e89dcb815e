"""Kandji's devices: found by serial number, read in detail, and those heard of lately.

Documented, in the vendor's Postman collection and its example scripts (kandji-inc/support, api-tools/code-examples):
the list is a bare array; ``limit`` is 300 at most, ``offset`` counts devices, ``ordering`` names a field, and an empty
page is the end; ``serial_number`` is a filter. Not documented: whether that filter wants the whole number, and whether
a server may give fewer than ``limit`` before the end. So every row is held against what was asked, and only an empty
page ends a list. There is no filter by time: news are found by reading the whole list.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from eucora.connectors.correlation import correlation
from eucora.connectors.kandji.api import JsonObject, KandjiApi
from eucora.connectors.kandji.failures import off_schema
from eucora.connectors.kandji.records import (
    DEVICE_ID,
    KandjiDetails,
    KandjiDevice,
    KandjiFirewall,
    KandjiStatus,
    details_of,
    device_of,
    firewall_of,
    status_of,
)
from eucora.connectors.kandji.words import text

PAGE: Final = 300
FIREWALLS: Final = "/prism/application_firewall"  # of Kandji's Prism, whose lists are {data, cursor, …}
PAGES_MAX: Final = 1_100  # 330,000 devices
# A check-in is dated when it happens and listed when Kandji has digested it; a poll reaches back so far.
OVERLAP: Final = timedelta(minutes=15)


class KandjiDevices:
    """The devices of one tenant. Every call raises KandjiUnavailable, KandjiRejected or KandjiForbidden.

    ``now`` bounds the cursor: a device with its clock in the future must not hide the others.
    """

    def __init__(
        self,
        api: KandjiApi,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        pages_max: int = PAGES_MAX,
    ) -> None:
        self._api, self._now, self._pages_max = api, now, pages_max

    async def by_serial(self, serial: str, *, correlation_id: str) -> KandjiDevice | None:
        """The device with this serial number, whatever its case; None when there is none.

        Where a device was enrolled anew and left a record behind: the one that is still enrolled, and of those the one
        heard of last.
        """
        wanted = serial.strip()
        if not wanted:
            return None
        found: list[KandjiDevice] = []
        with correlation(correlation_id):
            async with aclosing(self._pages("find", {"serial_number": wanted})) as pages:
                async for page in pages:
                    fitting = [one for one in page if (one.serial_number or "").casefold() == wanted.casefold()]
                    found += fitting
                    # nothing but the device: the filter works, and there is no reason to ask for another page
                    if len(fitting) == len(page) < PAGE:
                        break
        return min(found, key=_liveliness, default=None)

    async def details(self, device_id: str, *, correlation_id: str) -> KandjiDetails | None:
        """What Kandji knows of the device; None when there is none of this id."""
        record = await self._of("details", device_id, correlation_id)
        if record is None:
            return None
        found = details_of("details", record)
        if found.device_id.lower() != device_id.lower():
            raise off_schema("details", "another device than the one asked for")
        return found

    async def status(self, device_id: str, *, correlation_id: str) -> KandjiStatus | None:
        """Library items and parameters of the device; None when there is none of this id."""
        record = await self._of("status", device_id, correlation_id)
        return None if record is None else status_of("status", record)

    async def firewalls(self, *, correlation_id: str) -> AsyncIterator[Sequence[KandjiFirewall]]:
        """The application firewall of every device that told of one, a page at a time: no device's record has it.

        A request for every 300 devices. Pages follow each other by the cursor that the one before names.
        """
        cursor, followed = "", set[str]()
        for _ in range(self._pages_max):
            params = {"limit": str(PAGE)} | ({"cursor": cursor} if cursor else {})
            with correlation(correlation_id):  # for each step and not over the yield: see ``correlation``
                body = await self._api.get("firewall", FIREWALLS, params)
            rows = body.get("data") if isinstance(body, dict) else None
            if not isinstance(rows, list):
                raise off_schema("firewall", "no list of firewalls")
            if rows:
                yield [firewall_of("firewall", row) for row in rows]
            cursor = text(body.get("cursor")) or ""
            if not rows or not cursor:
                return
            if cursor in followed:
                raise off_schema("firewall", "the cursor leads in a circle")
            followed.add(cursor)
        raise off_schema("firewall", f"more than {self._pages_max} pages")

    async def heard_since(
        self, cursor: datetime | None, *, correlation_id: str
    ) -> AsyncIterator[tuple[Sequence[KandjiDevice], datetime | None]]:
        """Pages of the devices that checked in after ``cursor`` (UTC; None: all devices), each with the cursor so far.

        Reads the whole list: one request for 300 devices. A cursor is good for the next poll once all pages are
        through. Devices come again harmlessly: each poll reaches back ``OVERLAP``.
        """
        least = None if cursor is None else cursor - OVERLAP
        latest = self._now()
        seen: set[str] = set()
        async with aclosing(self._pages("devices", {})) as pages:
            while True:
                with correlation(correlation_id):  # for each step and not over the yield: see ``correlation``
                    page = await anext(pages, None)
                if page is None:
                    return
                # a device enrolled while we read moves the others, and the last of a page comes again in the next
                fresh = [one for one in page if one.device_id not in seen]
                seen.update(one.device_id for one in fresh)
                if least is not None:
                    fresh = [one for one in fresh if one.last_check_in is not None and one.last_check_in > least]
                heard = [one.last_check_in for one in fresh if one.last_check_in and one.last_check_in <= latest]
                cursor = max([*heard, *([] if cursor is None else [cursor])], default=None)
                yield fresh, cursor

    async def _of(self, operation: str, device_id: str, correlation_id: str) -> JsonObject | None:
        if not DEVICE_ID.fullmatch(device_id):
            return None
        with correlation(correlation_id):
            return await self._api.get_object(operation, f"/devices/{device_id}/{operation}")

    async def _pages(self, operation: str, params: dict[str, str]) -> AsyncGenerator[list[KandjiDevice], None]:
        offset, before, again = 0, [""], 0
        for _ in range(self._pages_max):
            asked = params | {"ordering": "serial_number", "limit": str(PAGE), "offset": str(offset)}
            page = _rows(operation, await self._api.get(operation, "/devices", asked))
            if not page:
                return
            ids = [one.device_id for one in page]
            # once may be a device enrolled meanwhile, which moved the last one; twice is an offset that is ignored
            again = again + 1 if ids == before else 0
            if again > 1:
                raise off_schema(operation, "the list gives the same page for every offset")
            before = ids
            yield page
            offset += len(page)
        raise off_schema(operation, f"more than {self._pages_max} pages")


def _rows(operation: str, body: Any) -> list[KandjiDevice]:
    if not isinstance(body, list):
        raise off_schema(operation, "no list of devices")
    return [device_of(operation, row) for row in body]


def _liveliness(device: KandjiDevice) -> tuple[bool, float, str]:
    heard = -device.last_check_in.timestamp() if device.last_check_in else 0.0
    return (device.is_removed is True, heard, device.device_id)
