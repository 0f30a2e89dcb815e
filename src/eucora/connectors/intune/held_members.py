"""Whom the groups of our own hold by now, beside the devices that they were made for.

Reading Intune's records of all devices is what costs, so it is done once for all groups of a look. Members are read as
whatever they are: a person or a group that somebody put in gets what is offered, too.
"""

from collections.abc import Mapping, Sequence, Set
from typing import Final

from eucora.application.holdings import Holding
from eucora.application.planes import Gathering, GroupNotFound
from eucora.connectors.intune import wire
from eucora.connectors.intune.graph import DEVICES, Graph, text_in
from eucora.connectors.intune.groups import PAGE, directory_devices
from eucora.domain.planes import Platform

_OPERATION: Final = "inspect"


async def holdings(
    graph: Graph, groups: Sequence[tuple[str, Gathering]], held: Sequence[Set[str] | None], platform: Platform
) -> Sequence[Holding]:
    """In the order of ``groups``, whose direct members are ``held`` (directory ids); None: there is no such group.

    A device that Intune does not manage, or that runs another platform, gets nothing, and is neither missing nor
    foreign.
    """
    enrolled = await _entra_ids(graph, platform) if any(members is not None for members in held) else {}
    return [
        Holding(exists=False) if members is None else await _holding(graph, ref, gathering, members, enrolled)
        for (ref, gathering), members in zip(groups, held, strict=True)
    ]


async def _holding(
    graph: Graph, ref: str, gathering: Gathering, members: Set[str], enrolled: Mapping[str, str]
) -> Holding:
    """``enrolled``: Entra's device id of each managed device."""
    try:
        inside = await directory_devices(graph, ref)
    except GroupNotFound:
        return Holding(exists=False)
    wanted = {enrolled[device.lower()] for device in gathering.devices if device.lower() in enrolled}
    strangers = inside.keys() & ({*enrolled.values()} - wanted)
    foreign = [str(inside[one].get("displayName") or one) for one in strangers]
    objects = {str(device.get("id") or "").lower() for device in inside.values()}
    foreign += [f"member {member}" for member in members - objects]
    missing = wanted - inside.keys()
    if missing:
        try:
            missing &= (await directory_devices(graph, gathering.source)).keys()
        except GroupNotFound:
            missing = set()
    return Holding(True, len(missing), tuple(sorted(foreign)))


async def _entra_ids(graph: Graph, platform: Platform) -> dict[str, str]:
    """Those of the platform, and those whose platform nobody tells."""
    found: dict[str, str] = {}
    query = {"select": "id,azureADDeviceId,operatingSystem", "top": PAGE}
    async for page in graph.pages(_OPERATION, DEVICES, query):
        for record in page:
            entra_id = str(record.get("azureADDeviceId") or "").lower()
            if entra_id and wire.runs(record, platform) is not False:
                found[text_in(_OPERATION, record, "id").lower()] = entra_id
    return found
