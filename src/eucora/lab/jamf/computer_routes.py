"""Computers and their groups on the Pro API."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from eucora.lab.jamf.errors import Cause, ProRefused
from eucora.lab.jamf.groups import ComputerGroup
from eucora.lab.jamf.packages import Package
from eucora.lab.jamf.paging import page_of, select
from eucora.lab.jamf.store import INVENTORIES, JamfStore
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
_ONLY_V4: Final = frozenset(("general.lastCheckIn", "general.lastContact"))
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
            "APPLICATIONS": ("applications", self._applications),
            "PACKAGE_RECEIPTS": ("packageReceipts", self._package_receipts),
            "GROUP_MEMBERSHIPS": ("groupMemberships", self._group_memberships),
        }

    def routes(self) -> Sequence[Route]:
        static = "/v3/computer-groups/static-groups"
        return (
            Route("/v1/computer-groups", self.list_groups, methods=["GET"]),
            Route(static, self.list_static_groups, methods=["GET"]),
            Route(f"{static}/{{id}}", self.read_static_group, methods=["GET"]),
            *(
                route
                for version in INVENTORIES
                for route in (
                    Route(f"/{version}/computers-inventory", self.list_computers, methods=["GET"]),
                    Route(f"/{version}/computers-inventory/{{id}}", self.read_computer, methods=["GET"]),
                )
            ),
        )

    async def list_groups(self, request: Request) -> Response:
        rows = [
            {"id": group.id, "name": group.name, "description": "", "smartGroup": group.smart}
            for group in self._store.groups
        ]
        return JSONResponse(rows)

    async def list_static_groups(self, request: Request) -> Response:
        static = (group for group in self._store.groups if not group.smart)
        rows = [_static_group(group) | {"count": len(group.members)} for group in static]
        total, page = select(request, rows, lambda row, field: row[field], _GROUP_FIELDS)
        return JSONResponse(page_of(total, page))

    async def read_static_group(self, request: Request) -> Response:
        group_id = request.path_params["id"]
        group = self._store.groups.find(group_id)
        if group is None or group.smart:
            raise ProRefused(404, Cause("INVALID_ID", "id", f"no group {group_id!r}", group_id))
        return JSONResponse(_static_group(group))

    async def list_computers(self, request: Request) -> Response:
        older, sections = self._older(request), _sections(request)
        fields = self._fields_of(older)
        total, page = select(
            request,
            self._store.computers.values(),
            lambda device, field: fields[field](device),
            fields.keys(),
            sort_default="general.name:asc",
        )
        return JSONResponse(page_of(total, [self._computer(device, sections, older) for device in page]))

    async def read_computer(self, request: Request) -> Response:
        older, sections = self._older(request), _sections(request)
        if (device := self._store.computers.get(request.path_params["id"])) is None:
            raise ProRefused(404)  # this call's 404 comes with an empty list of errors
        return JSONResponse(self._computer(device, sections, older))

    def _older(self, request: Request) -> bool:
        """Whether v3 was asked for. Raises ProRefused 404 for a version that the server does not know."""
        version = next(name for name in INVENTORIES if f"/{name}/computers-inventory" in request.url.path)
        if version not in self._store.inventories:
            raise ProRefused(404)
        return version == "v3"

    def _fields_of(self, older: bool) -> Mapping[str, Callable[[LabDevice], object]]:
        """v3 has one name for what v4 tells apart as the last check-in and the last contact."""
        if not older:
            return self._fields
        shared = {name: get for name, get in self._fields.items() if name not in _ONLY_V4}
        return shared | {"general.lastContactTime": self._last_check_in}

    def _computer(self, device: LabDevice, sections: frozenset[str], older: bool) -> dict[str, Any]:
        """The sections asked for, as far as a simulated computer has anything to say in them."""
        parts: dict[str, Any] = {
            name: build(device) for key, (name, build) in self._sections.items() if key in sections
        }
        if older and "general" in parts:
            heard = {"lastContactTime": parts["general"]["lastContact"]}
            parts["general"] = {
                name: value for name, value in parts["general"].items() if f"general.{name}" not in _ONLY_V4
            } | heard
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

    def _applications(self, device: LabDevice) -> list[dict[str, Any]]:
        """The browser that comes with the system, and an application of each release that is on the disk."""
        releases = (package.name.partition(" [")[0] for package in self._installed(device))
        return [_application("Safari", device.os_version), *(_application(*_split(name)) for name in releases)]

    def _package_receipts(self, device: LabDevice) -> dict[str, Any]:
        names = [package.fields["fileName"] for package in self._installed(device)]
        return {"installedByJamfPro": names, "installedByInstallerSwu": [], "cached": []}

    def _installed(self, device: LabDevice) -> list[Package]:
        installed = {package_id for history in self._store.histories(device) for package_id in history.installed}
        found = (self._store.packages.find(package_id) for package_id in sorted(installed, key=int))
        return [package for package in found if package is not None]

    def _group_memberships(self, device: LabDevice) -> list[dict[str, Any]]:
        ids = sorted(self._store.groups.groups_of(device), key=int)
        groups = (self._store.groups.get(group_id) for group_id in ids)
        return [{"groupId": group.id, "groupName": group.name, "smartGroup": group.smart} for group in groups]

    def _last_check_in(self, device: LabDevice) -> str:
        return instant(self._store.fleet.last_check_in(device, self._store.clock.now()))


def _split(release: str) -> tuple[str, str]:
    name, _, version = release.rpartition(" ")
    return name or release, version if name else ""


def _application(name: str, version: str) -> dict[str, Any]:
    """Source: ComputerApplicationV3 in the schema of the Jamf Pro 11.30.1 server."""
    return {
        "name": f"{name}.app",
        "path": f"/Applications/{name}.app",
        "version": version,
        "cfBundleShortVersionString": version,
        "cfBundleVersion": f"{version}.1",
        "macAppStore": False,
        "sizeMegabytes": 25,
        "bundleId": f"example.lab.{name.lower().replace(' ', '-')}",
        "updateAvailable": False,
        "externalVersionId": "0",
    }


def _static_group(group: ComputerGroup) -> dict[str, Any]:
    return {"id": group.id, "name": group.name, "description": "", "siteId": "-1"}


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
