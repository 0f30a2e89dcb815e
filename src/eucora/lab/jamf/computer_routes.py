"""Computers and their groups on the Pro API."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from eucora.lab.jamf.errors import Cause, ProRefused
from eucora.lab.jamf.paging import page_of, select
from eucora.lab.jamf.store import JamfStore
from eucora.lab.roster import LabDevice

# Source: parameter ``section`` of GET /v4/computers-inventory, Jamf Pro 11.30.1.
SECTIONS: Final = frozenset(
    (
        "GENERAL",
        "DISK_ENCRYPTION",
        "PURCHASING",
        "APPLICATIONS",
        "STORAGE",
        "USER_AND_LOCATION",
        "CONFIGURATION_PROFILES",
        "PRINTERS",
        "SERVICES",
        "HARDWARE",
        "LOCAL_USER_ACCOUNTS",
        "CERTIFICATES",
        "ATTACHMENTS",
        "PACKAGE_RECEIPTS",
        "SECURITY",
        "OPERATING_SYSTEM",
        "LICENSED_SOFTWARE",
        "IBEACONS",
        "SOFTWARE_UPDATES",
        "EXTENSION_ATTRIBUTES",
        "CONTENT_CACHING",
        "GROUP_MEMBERSHIPS",
    )
)
_GROUP_FIELDS: Final = frozenset(("id", "name", "siteId"))


class ComputerRoutes:
    """The handlers over one store."""

    def __init__(self, store: JamfStore) -> None:
        self._store = store
        self._fields: Mapping[str, Callable[[LabDevice], object]] = {
            "id": lambda device: device.jamf_id,
            "udid": lambda device: device.udid,
            "general.name": lambda device: device.name,
            "general.managementId": lambda device: device.udid.lower(),
            "general.platform": lambda _: "Mac",
            "general.remoteManagement.managed": lambda _: True,
            "general.lastCheckIn": self._last_check_in,
            "general.lastContact": self._last_check_in,
            "general.reportDate": self._last_check_in,
            "hardware.serialNumber": lambda device: device.serial,
            "operatingSystem.version": lambda device: device.os_version,
            "userAndLocation.username": lambda device: device.user,
            "userAndLocation.email": lambda device: device.user,
        }
        self._sections: Mapping[str, tuple[str, Callable[[LabDevice], object]]] = {
            "GENERAL": ("general", self._general),
            "HARDWARE": ("hardware", self._hardware),
            "OPERATING_SYSTEM": ("operatingSystem", self._operating_system),
            "USER_AND_LOCATION": ("userAndLocation", self._user_and_location),
            "PACKAGE_RECEIPTS": ("packageReceipts", self._package_receipts),
            "GROUP_MEMBERSHIPS": ("groupMemberships", self._group_memberships),
        }

    def routes(self) -> Sequence[Route]:
        static = "/v3/computer-groups/static-groups"
        return (
            Route("/v1/computer-groups", self.list_groups, methods=["GET"]),
            Route(static, self.list_static_groups, methods=["GET"]),
            Route(f"{static}/{{id}}", self.read_static_group, methods=["GET"]),
            Route("/v4/computers-inventory", self.list_computers, methods=["GET"]),
            Route("/v4/computers-inventory/{id}", self.read_computer, methods=["GET"]),
        )

    async def list_groups(self, request: Request) -> Response:
        groups = self._store.groups.values()
        rows = [{"id": group.id, "name": group.name, "description": "", "smartGroup": False} for group in groups]
        return JSONResponse(rows)

    async def list_static_groups(self, request: Request) -> Response:
        rows = [self._static_group(group_id) | {"count": len(group.devices)} for group_id, group in self._groups()]
        total, page = select(request, rows, lambda row, field: row[field], _GROUP_FIELDS)
        return JSONResponse(page_of(total, page))

    async def read_static_group(self, request: Request) -> Response:
        group_id = request.path_params["id"]
        if group_id not in self._store.groups:
            raise ProRefused(404, Cause("INVALID_ID", "id", f"no group {group_id!r}", group_id))
        return JSONResponse(self._static_group(group_id))

    async def list_computers(self, request: Request) -> Response:
        sections = _sections(request)
        total, page = select(
            request,
            self._store.computers.values(),
            lambda device, field: self._fields[field](device),
            self._fields.keys(),
            sort_default="general.name:asc",
        )
        return JSONResponse(page_of(total, [self._computer(device, sections) for device in page]))

    async def read_computer(self, request: Request) -> Response:
        sections = _sections(request)
        if (device := self._store.computers.get(request.path_params["id"])) is None:
            raise ProRefused(404)  # this call's 404 comes with an empty list of errors
        return JSONResponse(self._computer(device, sections))

    def _groups(self) -> Sequence[tuple[str, Any]]:
        return list(self._store.groups.items())

    def _static_group(self, group_id: str) -> dict[str, Any]:
        return {"id": group_id, "name": self._store.groups[group_id].name, "description": "", "siteId": "-1"}

    def _computer(self, device: LabDevice, sections: frozenset[str]) -> dict[str, Any]:
        """The sections asked for, as far as a simulated computer has anything to say in them."""
        parts = {name: build(device) for key, (name, build) in self._sections.items() if key in sections}
        return {"id": device.jamf_id, "udid": device.udid} | parts

    def _general(self, device: LabDevice) -> dict[str, Any]:
        heard = self._last_check_in(device)
        return {
            "name": device.name,
            "platform": "Mac",
            "managementId": device.udid.lower(),
            "remoteManagement": {"managed": True},
            "mdmCapable": {"capable": True},
            "supervised": True,
            "userApprovedMdm": True,
            "declarativeDeviceManagementEnabled": True,
            "reportDate": heard,
            "lastCheckIn": heard,
            "lastContact": heard,
            "site": {"id": "-1", "name": "None"},
        }

    def _hardware(self, device: LabDevice) -> dict[str, Any]:
        return {"make": "Apple", "serialNumber": device.serial, "appleSilicon": True}

    def _operating_system(self, device: LabDevice) -> dict[str, Any]:
        return {"name": "macOS", "version": device.os_version}

    def _user_and_location(self, device: LabDevice) -> dict[str, Any]:
        return {"username": device.user, "email": device.user}

    def _package_receipts(self, device: LabDevice) -> dict[str, Any]:
        installed = {package_id for history in self._store.histories(device) for package_id in history.installed}
        found = (self._store.packages.find(package_id) for package_id in sorted(installed, key=int))
        names = [package.fields["fileName"] for package in found if package is not None]
        return {"installedByJamfPro": names, "installedByInstallerSwu": [], "cached": []}

    def _group_memberships(self, device: LabDevice) -> list[dict[str, Any]]:
        groups = sorted(self._store.groups_of(device), key=int)
        return [{"groupId": key, "groupName": self._store.groups[key].name, "smartGroup": False} for key in groups]

    def _last_check_in(self, device: LabDevice) -> str:
        return instant(self._store.fleet.last_check_in(device, self._store.clock.now()))


def instant(moment: datetime) -> str:
    """A moment as the Pro API writes it: UTC, milliseconds, Z."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _sections(request: Request) -> frozenset[str]:
    """The sections asked for; the schema says that the parameter repeats, one widely used client sends a comma list."""
    asked = ",".join(request.query_params.getlist("section")) or "GENERAL"
    sections = frozenset(asked.split(","))
    if unknown := sections - SECTIONS:
        raise ProRefused(400, Cause("INVALID_FIELD", "section", f"no section {min(unknown)!r}"))
    return sections
