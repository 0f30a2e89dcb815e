"""``/deviceManagement/managedDevices``: the enrolled Windows devices."""

from datetime import datetime, timedelta
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

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
            filterable=_FILTERABLE,
            page_size=_PAGE,
            page_max=_PAGE,
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

    def _render(self, device: LabDevice, now: datetime) -> Body:
        fleet = self._tenant.fleet
        enrolled = fleet.started_at - timedelta(days=300)
        return {
            "@odata.type": "#microsoft.graph.managedDevice",
            "id": device.managed_id,
            "azureADDeviceId": device.entra_device_id,
            "azureADRegistered": True,
            "deviceName": device.name,
            "managedDeviceName": f"{device.user}_Windows",
            "serialNumber": device.serial,
            "operatingSystem": "Windows",
            "osVersion": device.os_version,
            "manufacturer": "LENOVO",
            "model": "21HMS0AB00",
            "lastSyncDateTime": stamp(fleet.last_check_in(device, now)),
            "enrolledDateTime": stamp(enrolled),
            "complianceState": "noncompliant" if device.missing else "compliant",
            "complianceGracePeriodExpirationDateTime": stamp(enrolled),
            "deviceEnrollmentType": "windowsAzureADJoin",
            "deviceRegistrationState": "registered",
            "managedDeviceOwnerType": "company",
            "managementAgent": "mdm",
            "managementState": "managed",
            "isEncrypted": True,
            "isSupervised": False,
            "jailBroken": "Unknown",
            "emailAddress": device.user,
            "userPrincipalName": device.user,
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
