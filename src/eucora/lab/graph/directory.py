"""``/groups`` and ``/devices``: the directory's side of the fleet."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from eucora.domain.planes import Platform
from eucora.lab.graph.answers import Body, Filterable, Item, collection, entity, select, stamp
from eucora.lab.graph.group_delta import GroupDelta
from eucora.lab.graph.group_writes import GroupWrites, no_resource, render_group
from eucora.lab.graph.state import Tenant
from eucora.lab.roster import LabDevice, LabGroup, draw_uuid

_PAGE: Final = 100
_PAGE_MAX: Final = 999
_GROUP_FILTERS: Final = {
    "displayName": ("eq", "startswith"),
    "description": ("eq", "startswith"),
    "id": ("eq",),
    "securityEnabled": ("eq",),
}
_DEVICE_FILTERS: Final = {
    "deviceId": ("eq",),
    "displayName": ("eq", "startswith"),
    "id": ("eq",),
    "operatingSystem": ("eq",),
    "accountEnabled": ("eq",),
}
_SYSTEMS: Final = {Platform.WINDOWS: "Windows", Platform.MACOS: "MacMDM"}  # as Entra writes them, unlike Intune
# A directory object: a managed device, or the id of a member that is not enrolled.
_Member = LabDevice | str


class DirectoryRoutes:
    """The handlers over one tenant."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._writes, self._delta = GroupWrites(tenant), GroupDelta(tenant)
        self._strangers: Final = {id_ for group in tenant.groups.values() for id_ in group.strangers}

    def routes(self) -> list[Route]:
        """Paths below ``/v1.0``."""
        found = [
            *self._delta.routes(),  # before the groups, of which "delta" is none
            *self._writes.routes(),
            Route("/groups", self.list_groups, methods=["GET"]),
            Route("/groups/{group}", self.get_group, methods=["GET"]),
            Route("/devices", self.list_devices, methods=["GET"]),
            Route("/devices(deviceId='{key}')", self.get_device_by_key, methods=["GET"]),
            Route("/devices/{device}", self.get_device, methods=["GET"]),
        ]
        for relation in ("members", "transitiveMembers"):
            for cast in ("", "/microsoft.graph.device", "/graph.device"):
                found.append(Route(f"/groups/{{group}}/{relation}{cast}", self.members, methods=["GET"]))
        return found

    async def list_groups(self, request: Request) -> Response:
        """Every group that has reached the replica asked."""
        groups = [group for group in self._tenant.groups.values() if self._writes.arrived(group)]
        return self._page(request, "groups", groups, self._render_group, _GROUP_FILTERS)

    async def get_group(self, request: Request) -> Response:
        """One group."""
        body = self._render_group(self._writes.group(request))
        return entity(self._tenant.graph_url, "groups/$entity", select(body, request.query_params.get("$select")))

    async def members(self, request: Request) -> Response:
        """The devices in a group, as of a moment ago; no group lies in another, so transitive members are members."""
        tenant, group = self._tenant, self._writes.group(request)
        then = tenant.clock.now() - tenant.directory_lag
        members: Sequence[_Member] = [
            tenant.by_object_id.get(object_id, object_id)
            for object_id in tenant.memberships.members(group, then)
            if object_id not in tenant.deleted_objects
        ]
        return self._page(request, "directoryObjects", members, self._render_device, _DEVICE_FILTERS)

    async def list_devices(self, request: Request) -> Response:
        """Every device the directory knows."""
        everyone: Sequence[_Member] = [*self._tenant.devices, *sorted(self._strangers)]
        gone = self._tenant.deleted_objects
        devices = [device for device in everyone if _object_id(device) not in gone] if gone else everyone
        return self._page(request, "devices", devices, self._render_device, _DEVICE_FILTERS)

    async def get_device(self, request: Request) -> Response:
        """One device by its object id."""
        wanted = request.path_params["device"]
        member: _Member | None = self._tenant.by_object_id.get(wanted)
        return self._device(request, member or (wanted if wanted in self._strangers else None), wanted)

    async def get_device_by_key(self, request: Request) -> Response:
        """One device by its alternate key."""
        wanted = request.path_params["key"]
        found = next((device for device in self._tenant.devices if device.entra_device_id == wanted), None)
        return self._device(request, found, wanted)

    def _device(self, request: Request, member: _Member | None, wanted: str) -> Response:
        if member is None or _object_id(member) in self._tenant.deleted_objects:
            raise no_resource(wanted)
        body = select(self._render_device(member), request.query_params.get("$select"))
        return entity(self._tenant.graph_url, "devices/$entity", body)

    def _page(
        self,
        request: Request,
        context: str,
        items: Sequence[Item],
        render: Callable[[Item], Body],
        filterable: Filterable,
    ) -> Response:
        return collection(
            request,
            self._tenant.graph_url,
            context,
            items,
            render,
            filterable=filterable,
            page_size=_PAGE,
            page_max=_PAGE_MAX,
            strict=True,
        )

    def _render_group(self, group: LabGroup) -> Body:
        return render_group(self._tenant, group)

    def _render_device(self, member: _Member) -> Body:
        started = self._tenant.fleet.started_at
        if isinstance(member, str):
            return {
                "@odata.type": "#microsoft.graph.device",
                "id": member,
                "deviceId": draw_uuid(self._tenant.fleet.seed, "stranger-device", member),
                "displayName": f"UNMANAGED-{member[:4].upper()}",
                "accountEnabled": True,
                "operatingSystem": "Windows",
                "operatingSystemVersion": "10.0.19045.6456",
                "isManaged": False,
                "isCompliant": None,
                "trustType": "AzureAd",
                "registrationDateTime": stamp(_before(started, 900)),
            }
        return {
            "@odata.type": "#microsoft.graph.device",
            "id": member.entra_object_id,
            "deviceId": member.entra_device_id,
            "displayName": member.name,
            "accountEnabled": True,
            "operatingSystem": _SYSTEMS[member.platform],
            "operatingSystemVersion": member.os_version,
            "isManaged": True,
            "isCompliant": not member.missing,
            "trustType": "AzureAd" if member.platform is Platform.WINDOWS else "Workplace",
            "registrationDateTime": stamp(_before(started, 300)),
        }


def _before(moment: datetime, days: float) -> datetime:
    return moment - timedelta(days=days)


def _object_id(member: _Member) -> str:
    return member if isinstance(member, str) else member.entra_object_id
