"""Who is in a group, as managed devices of one platform: Entra's members joined with Intune's records.

Members of a group are Entra devices; installs are reported for Intune's managed devices. The two meet in
``azureADDeviceId`` = ``deviceId``. A filter over several of those returns one device only (msgraph-beta-sdk-dotnet
issue 1156), so all managed devices are read, page by page, and joined here.
"""

import re
from typing import Final
from urllib.parse import quote

from eucora.application.planes import Device, Group, GroupNotFound, PlaneRejected
from eucora.connectors.errors import report
from eucora.connectors.intune import wire
from eucora.connectors.intune.graph import DEVICES, Graph, JsonObject, off_schema, quoted, text_in
from eucora.domain.planes import Plane, Platform

_OPERATION: Final = "resolve"
_GUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DEVICE_FIELDS: Final = "id,deviceName,serialNumber,operatingSystem,osVersion,lastSyncDateTime,azureADDeviceId"
PAGE: Final = "999"
# The directory wants this, with $count, for a list cut down to one type (Graph: advanced query capabilities).
_ADVANCED: Final = {"ConsistencyLevel": "eventual"}


async def find_group(graph: Graph, group: str) -> tuple[str, str]:
    """Id and name of the group with this id or, when it is no GUID, with this name.

    Raises:
        GroupNotFound: there is none, or the name fits several: an offer to the wrong one would be worse than none.
    """
    if _GUID.fullmatch(group):
        found = await graph.get(_OPERATION, f"/groups/{group}", also=frozenset({404}), select="id,displayName")
        if found is None or str(found.get("id", "")).lower() != group.lower():
            raise report(GroupNotFound(Plane.INTUNE, group))
        return text_in(_OPERATION, found, "id"), str(found.get("displayName") or "")
    query = {"filter": f"displayName eq {quoted(group)}", "select": "id,displayName"}
    named = [
        text_in(_OPERATION, candidate, "id")
        async for page in graph.pages(_OPERATION, "/groups", query)
        for candidate in page
        if candidate.get("displayName") == group  # Graph compares without case; an offer must not
    ]
    if len(named) != 1:
        raise report(GroupNotFound(Plane.INTUNE, group))
    return named[0], group


async def resolve_group(graph: Graph, group: str, platform: Platform = Platform.WINDOWS) -> Group:
    """The group and its enrolled devices of ``platform``, ordered by id. Raises GroupNotFound.

    Members of other platforms are neither enrolled nor unenrolled. One whose platform neither Intune nor Entra tells is
    offered nothing, and counts as unenrolled on each.
    """
    ref, name = await find_group(graph, group)
    members = {
        entra_id: wire.runs(member, platform) for entra_id, member in (await directory_devices(graph, ref)).items()
    }
    newest: dict[str, JsonObject] = {}
    if members:
        async for page in graph.pages(_OPERATION, DEVICES, {"select": _DEVICE_FIELDS, "top": PAGE}):
            for record in page:
                entra_id = str(record.get("azureADDeviceId") or "").lower()
                if entra_id in members:
                    # a device enrolled again leaves its old record behind; the one that still checks in is the device
                    newest[entra_id] = max(newest.get(entra_id, record), record, key=_last_sync)
    for entra_id, record in newest.items():
        told = wire.runs(record, platform)
        members[entra_id] = members[entra_id] if told is None else told
    enrolled = [_device(record) for entra_id, record in newest.items() if members[entra_id]]
    devices = sorted(enrolled, key=lambda device: device.id)
    here = sum(runs is not False for runs in members.values())
    return Group(ref=ref, name=name, devices=tuple(devices), unenrolled=here - len(devices))


async def object_ids(graph: Graph, ref: str) -> dict[str, str]:
    """Managed device id to directory object id, for every enrolled device of the group ``ref``; both in lower case.

    A device enrolled again is there under each of its records. Raises GroupNotFound.
    """
    directory = await directory_devices(graph, ref)
    members = {entra_id: str(member.get("id") or "").lower() for entra_id, member in directory.items()}
    if "" in members.values():
        raise off_schema(_OPERATION, "a member without an id")
    found: dict[str, str] = {}
    if members:
        async for page in graph.pages(_OPERATION, DEVICES, {"select": "id,azureADDeviceId", "top": PAGE}):
            for record in page:
                object_id = members.get(str(record.get("azureADDeviceId") or "").lower())
                if object_id is not None:
                    found[text_in(_OPERATION, record, "id").lower()] = object_id
    return found


async def directory_devices(graph: Graph, ref: str) -> dict[str, JsonObject]:
    """Entra device id to directory object, of all devices in the group and in the groups inside it.

    Raises GroupNotFound.
    """
    path = f"/groups/{quote(ref, safe='')}/transitiveMembers/microsoft.graph.device"
    query = {"select": "id,deviceId,displayName,operatingSystem", "top": PAGE, "count": "true"}
    try:
        return {
            str(member.get("deviceId")).lower(): member
            async for page in graph.pages(_OPERATION, path, query, headers=_ADVANCED)
            for member in page
            if member.get("deviceId")
        }
    except PlaneRejected as error:
        if error.status == 404:  # deleted between the look for it and this one
            raise GroupNotFound(Plane.INTUNE, ref) from error
        raise


def _device(record: JsonObject) -> Device:
    return Device(
        id=text_in(_OPERATION, record, "id"),
        name=str(record.get("deviceName") or ""),
        serial=str(record.get("serialNumber") or ""),
        os_version=str(record.get("osVersion") or ""),
        last_check_in=wire.moment(record.get("lastSyncDateTime")),
    )


def _last_sync(record: JsonObject) -> float:
    at = wire.moment(record.get("lastSyncDateTime"))
    return at.timestamp() if at else 0.0
