"""Computer groups and computers of Jamf Pro.

Source: Jamf Pro API 11.30.1, computers-inventory v4 (v3 before it); Classic API, computergroups.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final
from xml.etree.ElementTree import Element

from eucora.application.planes import Device, GroupNotFound, PlaneRejected
from eucora.connectors.jamf.api import JamfApi, off_schema, segment
from eucora.connectors.jamf.history import zoned
from eucora.domain.planes import Plane

_PATHS: Final = ("/api/v4/computers-inventory", "/api/v3/computers-inventory")
_SECTIONS: Final = ("GENERAL", "HARDWARE", "OPERATING_SYSTEM")
_PAGE_SIZE: Final = 200
_PAGES_MAX: Final = 2_000  # 400,000 computers
_SWEEPS_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class ComputerGroup:
    """A static or smart group and the ids of the computers in it."""

    id: str
    name: str
    computers: Collection[str]


@dataclass(frozen=True, slots=True)
class Computer:
    """A computer of the inventory. ``managed`` False: it is on record, but takes no policy."""

    device: Device
    managed: bool


async def find_group(api: JamfApi, group: str) -> ComputerGroup:
    """The group of that id or, failing that, of that name. Raises GroupNotFound."""
    document: Element | None = None
    if group.isascii() and group.isdecimal():
        document = await api.get_xml(f"/JSSResource/computergroups/id/{group}", "computer_group")
    if document is None and group.strip():
        document = await api.get_xml(f"/JSSResource/computergroups/name/{segment(group)}", "computer_group")
    if document is None:
        raise GroupNotFound(Plane.JAMF, group)
    group_id = (document.findtext("id") or "").strip()
    if not group_id.isdecimal():
        raise off_schema(api.operation, "a group without id")
    members = (computer.findtext("id") for computer in document.iterfind("computers/computer"))
    return ComputerGroup(
        id=group_id,
        name=(document.findtext("name") or "").strip(),
        computers=list(dict.fromkeys(member.strip() for member in members if member)),
    )


async def computers(api: JamfApi, wanted: Collection[str]) -> Mapping[str, Computer]:
    """The computers of the inventory whose id is ``wanted``, in one paged sweep over all of them.

    A computer that is deleted while we page moves another over a page's edge, out of our sight, and the total count
    shrinks; the sweep is then made again.
    """
    for number in range(1, _SWEEPS_MAX + 1):
        for path in _PATHS:
            swept = await _sweep(api, path, frozenset(wanted))
            if swept is not None:
                break
        else:
            raise PlaneRejected(Plane.JAMF, api.operation, "no known version of computers-inventory", status=404)
        found, shrank = swept
        if not shrank or len(found) == len(set(wanted)) or number == _SWEEPS_MAX:
            break
    return found


async def _sweep(api: JamfApi, path: str, wanted: Collection[str]) -> tuple[dict[str, Computer], bool] | None:
    """What was found, and whether the inventory shrank meanwhile; None when the server does not know ``path``."""
    found: dict[str, Computer] = {}
    seen, total_first = 0, 0
    for page in range(_PAGES_MAX):
        body = await api.get_json(
            path, {"section": list(_SECTIONS), "page": page, "page-size": _PAGE_SIZE, "sort": "id:asc"}
        )
        if body is None:
            if page:
                raise off_schema(api.operation, "an inventory that ends in the middle")
            return None
        results, total = body.get("results"), body.get("totalCount")
        if not isinstance(results, list) or not isinstance(total, int):
            raise off_schema(api.operation, "an inventory page without results or totalCount")
        total_first = total_first if page else total
        seen += len(results)
        for row in results:
            computer = _computer(api.operation, row)
            if computer.device.id in wanted:
                found[computer.device.id] = computer
        # a server may give fewer rows than asked for, so a short page is no end
        if not results or seen >= total:
            return found, total < total_first
    raise PlaneRejected(Plane.JAMF, api.operation, f"the inventory has more than {_PAGES_MAX} pages")


def _computer(operation: str, row: Any) -> Computer:
    if not isinstance(row, dict) or not row.get("id"):
        raise off_schema(operation, "a computer without id")
    general, hardware, system = (_section(row, name) for name in ("general", "hardware", "operatingSystem"))
    checked_in = general.get("lastCheckIn") or general.get("lastContactTime") or ""
    return Computer(
        device=Device(
            id=str(row["id"]),
            name=str(general.get("name") or ""),
            serial=str(hardware.get("serialNumber") or ""),
            os_version=str(system.get("version") or ""),
            last_check_in=zoned(str(checked_in)),
        ),
        managed=_section(general, "remoteManagement").get("managed") is not False,
    )


def _section(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = row.get(name)
    return section if isinstance(section, dict) else {}
