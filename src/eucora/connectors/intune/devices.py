"""Intune's managed devices: one by its id, all that fit a serial number or an Entra device, and those heard of lately.

There is no delta query for them, so news is polled by ``lastSyncDateTime``. Intune may ignore a filter without a word
and send everything: every record is held against what was asked. Sources: Microsoft's type description of managedDevice
for what can be filtered (``azureADDeviceId`` neither with $count nor with others), msgraph-beta-sdk-dotnet issue 1156.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

from eucora.connectors.correlation import correlation
from eucora.connectors.intune import wire
from eucora.connectors.intune.graph import DEVICES, Graph, JsonObject, off_schema, quoted, text_in

PAGE: Final = "999"
# A device's sync is dated when it happens and listed when Intune has digested it; a poll reaches back so far.
OVERLAP: Final = timedelta(minutes=15)
_OPERATION: Final = "devices"
_FIELDS: Final = (
    "id,azureADDeviceId,deviceName,serialNumber,operatingSystem,osVersion,manufacturer,model,userPrincipalName,"
    "complianceState,isEncrypted,jailBroken,managementAgent,enrolledDateTime,lastSyncDateTime"
)
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"  # what Intune writes where there is no Entra device


@dataclass(frozen=True, slots=True)
class ManagedDevice:
    """One record of Intune. Texts that it leaves out are empty; ``compliance`` and ``jail_broken`` are its words."""

    id: str
    entra_device_id: str  # lower case; empty where the device is none of Entra's
    name: str
    serial: str
    os: str
    os_version: str
    manufacturer: str
    model: str
    user: str
    compliance: str
    encrypted: bool | None
    jail_broken: str
    agent: str
    enrolled_at: datetime | None  # UTC, as the next
    last_sync: datetime | None


class ManagedDevices:
    """The devices of one tenant. Every call raises PlaneUnavailable, PlaneRejected or PlaneForbidden.

    ``now`` bounds the cursor: a device with its clock in the future must not hide the others.
    """

    def __init__(self, graph: Graph, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._graph, self._now = graph, now

    async def get(self, device: str, *, correlation_id: str) -> ManagedDevice | None:
        """The record of that id; None when there is none."""
        if not device:
            return None
        with correlation(correlation_id):
            path = f"{DEVICES}/{quote(device, safe='')}"
            record = await self._graph.get(_OPERATION, path, also=frozenset({404}), select=_FIELDS)
        if record is None:
            return None
        found = _device(record)
        if found.id.lower() != device.lower():
            raise off_schema(_OPERATION, "another device than the one asked for")
        return found

    async def by_serial(self, serial: str, *, correlation_id: str) -> Sequence[ManagedDevice]:
        """The records with this serial number, the one heard of last first: a device enrolled anew leaves the old one.

        Serial numbers are not unique: makers of virtual and of cheap machines give the same one to many.
        """
        if not serial.strip():
            return ()
        condition = f"serialNumber eq {quoted(serial)}"
        return await self._all(condition, lambda found: _same(found.serial, serial), correlation_id)

    async def by_entra_device(self, entra_device_id: str, *, correlation_id: str) -> Sequence[ManagedDevice]:
        """The records of this Entra device (``deviceId``, not the object's id), the one heard of last first."""
        if not entra_device_id or entra_device_id == _NOBODY:
            return ()
        condition = f"azureADDeviceId eq {quoted(entra_device_id)}"
        return await self._all(condition, lambda found: _same(found.entra_device_id, entra_device_id), correlation_id)

    async def heard_since(
        self, cursor: datetime | None, *, correlation_id: str
    ) -> AsyncIterator[tuple[Sequence[ManagedDevice], datetime | None]]:
        """Pages of the devices that synced after ``cursor`` (UTC; None: all devices), each with the cursor so far.

        A cursor is good for the next poll once all pages are through, as they come in no order. Devices come again
        harmlessly: each poll reaches back ``OVERLAP``.
        """
        least = None if cursor is None else cursor - OVERLAP
        latest = self._now()
        params = {"select": _FIELDS, "top": PAGE}
        if least is not None:
            params["filter"] = f"lastSyncDateTime gt {least.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        pages = self._graph.pages(_OPERATION, DEVICES, params)
        while True:
            with correlation(correlation_id):  # for each step and not over the yield: see ``correlation``
                page = await anext(pages, None)
            if page is None:
                return
            found = [_device(record) for record in page]
            if least is not None:
                found = [one for one in found if one.last_sync is not None and one.last_sync > least]
            heard = [one.last_sync for one in found if one.last_sync is not None and one.last_sync <= latest]
            cursor = max([*heard, *([] if cursor is None else [cursor])], default=None)
            yield found, cursor

    async def _all(
        self, condition: str, fits: Callable[[ManagedDevice], bool], correlation_id: str
    ) -> Sequence[ManagedDevice]:
        params = {"filter": condition, "select": _FIELDS, "top": PAGE}
        with correlation(correlation_id):
            found = [
                device
                async for page in self._graph.pages(_OPERATION, DEVICES, params)
                for device in map(_device, page)
                if fits(device)
            ]
        return sorted(found, key=_freshness)


def _device(record: JsonObject) -> ManagedDevice:
    entra_device_id = _text(record, "azureADDeviceId").lower()
    encrypted = record.get("isEncrypted")
    return ManagedDevice(
        id=text_in(_OPERATION, record, "id"),
        entra_device_id="" if entra_device_id == _NOBODY else entra_device_id,
        name=_text(record, "deviceName"),
        serial=_text(record, "serialNumber"),
        os=_text(record, "operatingSystem"),
        os_version=_text(record, "osVersion"),
        manufacturer=_text(record, "manufacturer"),
        model=_text(record, "model"),
        user=_text(record, "userPrincipalName"),
        compliance=_text(record, "complianceState"),
        encrypted=encrypted if isinstance(encrypted, bool) else None,
        jail_broken=_text(record, "jailBroken"),
        agent=_text(record, "managementAgent"),
        enrolled_at=wire.moment(record.get("enrolledDateTime")),
        last_sync=wire.moment(record.get("lastSyncDateTime")),
    )


def _text(record: JsonObject, name: str) -> str:
    value = record.get(name)
    return value if isinstance(value, str) else ""


def _same(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


def _freshness(device: ManagedDevice) -> tuple[float, str]:
    return (-device.last_sync.timestamp() if device.last_sync else 0.0, device.id)
