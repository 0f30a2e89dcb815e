"""``/deviceManagement/managedDevices``: the enrolled Windows devices and Macs."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from eucora.domain.planes import Platform
from eucora.lab.graph.answers import Body, collection, entity, not_found, select, stamp
from eucora.lab.graph.state import Tenant
from eucora.lab.roster import LabDevice

_PAGE: Final = 1000
_GB: Final = 1 << 30
# Operators per property, in the words of Microsoft's own type description.
_FILTERABLE: Final = {
    "serialNumber": ("eq",),
    "imei": ("eq",),
    "jailBroken": ("eq",),
    "complianceState": ("eq",),
    "manufacturer": ("eq",),
    "operatingSystem": ("eq",),
    "azureADDeviceId": ("eq",),
    "deviceName": ("eq", "contains"),
    "model": ("eq", "contains"),
    "userPrincipalName": ("eq", "ne"),
    "lastSyncDateTime": ("lt", "gt"),
    "enrolledDateTime": ("lt", "gt"),
    "complianceGracePeriodExpirationDateTime": ("lt", "gt"),
    "osVersion": ("contains",),
    "emailAddress": ("contains",),
    "phoneNumber": ("contains",),
}
# What a device's own traits answer; the rest is the same for all, or depends on the time.
_OWN: Final[Mapping[str, Callable[[LabDevice], str]]] = {
    "serialNumber": attrgetter("serial"),
    "azureADDeviceId": attrgetter("entra_device_id"),
    "deviceName": attrgetter("name"),
    "osVersion": attrgetter("os_version"),
    "emailAddress": attrgetter("user"),
    "userPrincipalName": attrgetter("user"),
}
# What depends on the platform alone.
_OF_PLATFORM: Final[Mapping[Platform, Body]] = {
    Platform.WINDOWS: {
        "operatingSystem": "Windows",
        "manufacturer": "LENOVO",
        "model": "21HMS0AB00",
        "deviceEnrollmentType": "windowsAzureADJoin",
        "isSupervised": False,
    },
    Platform.MACOS: {
        "operatingSystem": "macOS",
        "manufacturer": "Apple",
        "model": "MacBook Air",
        "deviceEnrollmentType": "appleBulkWithUser",
        "isSupervised": True,
    },
}

# Whether the request that is being answered meets an Intune that ignores them.
_IGNORED: Final[ContextVar[bool]] = ContextVar("eucora.lab.ignored_device_filters", default=False)


@contextmanager
def ignoring_device_filters() -> Iterator[None]:
    """Ignore every ``$filter`` on devices for the request that is answered inside."""
    token = _IGNORED.set(True)
    try:
        yield
    finally:
        _IGNORED.reset(token)


class ManagedDeviceRoutes:
    """The handlers over one tenant."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant

    def routes(self) -> list[Route]:
        """Paths below ``/v1.0``."""
        return [
            Route("/deviceManagement/managedDevices", self.list_devices, methods=["GET"]),
            Route("/deviceManagement/managedDevices/{device}", self.get_device, methods=["GET"]),
        ]

    async def list_devices(self, request: Request) -> Response:
        """The enrolled devices, in a stable order."""
        now = self._tenant.clock.now()
        return collection(
            request,
            self._tenant.graph_url,
            "deviceManagement/managedDevices",
            self._tenant.devices,
            lambda device: self._render(device, now),
            filterable={} if self._tenant.ignores_device_filters or _IGNORED.get() else _FILTERABLE,
            page_size=_PAGE,
            page_max=_PAGE,
            look_up=lambda device, name: self._look_up(device, name, now),
        )

    async def get_device(self, request: Request) -> Response:
        """One device; properties that lists leave empty are there when ``$select`` names them."""
        device = self._tenant.by_managed_id.get(request.path_params["device"])
        if device is None:
            raise not_found(f"managedDevice {request.path_params['device']}")
        body = self._render(device, self._tenant.clock.now())
        selected = request.query_params.get("$select")
        if selected:
            body |= {"udid": device.udid, "physicalMemoryInBytes": 16 * _GB}
        return entity(self._tenant.graph_url, "deviceManagement/managedDevices/$entity", select(body, selected))

    def _look_up(self, device: LabDevice, name: str, now: datetime) -> object:
        """One property, as ``_render`` has it."""
        if (get := _OWN.get(name)) is not None:
            return get(device)
        if name == "lastSyncDateTime":
            return stamp(self._tenant.fleet.last_check_in(device, now))
        return self._render(device, now).get(name)

    def _render(self, device: LabDevice, now: datetime) -> Body:
        fleet = self._tenant.fleet
        enrolled = fleet.started_at - timedelta(days=300)
        return {
            "@odata.type": "#microsoft.graph.managedDevice",
            "id": device.managed_id,
            **{name: get(device) for name, get in _OWN.items()},
            "azureADRegistered": True,
            **_OF_PLATFORM[device.platform],
            "managedDeviceName": f"{device.user}_{_OF_PLATFORM[device.platform]['operatingSystem']}",
            "lastSyncDateTime": stamp(fleet.last_check_in(device, now)),
            "enrolledDateTime": stamp(enrolled),
            "complianceState": "noncompliant" if device.missing else "compliant",
            "complianceGracePeriodExpirationDateTime": stamp(enrolled),
            "deviceRegistrationState": "registered",
            "managedDeviceOwnerType": "company",
            "managementAgent": "mdm",
            "managementState": "managed",
            "isEncrypted": True,
            "jailBroken": "Unknown",
            "userDisplayName": device.user.partition("@")[0],
            "phoneNumber": "",
            "imei": "",
            "totalStorageSpaceInBytes": 476 * _GB,
            "freeStorageSpaceInBytes": 203 * _GB,
            "physicalMemoryInBytes": 0,
            "udid": None,
            "notes": None,
            "ethernetMacAddress": None,
            "iccid": None,
            "activationLockBypassCode": None,
            "remoteAssistanceSessionUrl": None,
        }
