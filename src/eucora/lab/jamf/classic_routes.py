"""The Classic API: policies and their logs, computer groups and histories, in XML or (for reading) JSON."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from xml.etree.ElementTree import Element, SubElement

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from eucora.lab.jamf.bodies import BodyTooLarge, read_bytes
from eucora.lab.jamf.errors import ClassicRefused
from eucora.lab.jamf.groups import ComputerGroup
from eucora.lab.jamf.logflush import flush_order
from eucora.lab.jamf.policies import POLICY
from eucora.lab.jamf.shapes import Listing, Shape, ShapeError, document, fill_list, read, render
from eucora.lab.jamf.store import JamfStore
from eucora.lab.roster import LabDevice

_NOT_FOUND: Final = "The server has not found anything matching the request URI"
_XML_TYPES: Final = frozenset(("application/xml", "text/xml"))
_COMPUTER: Final = {"id": 0, "name": "", "mac_address": "", "alt_mac_address": "", "serial_number": ""}
_GROUP: Final = {
    "id": 0,
    "name": "",
    "is_smart": False,
    "site": {"id": -1, "name": "None"},
    "criteria": Listing("criterion", {}, sized=True),
    "computers": Listing("computer", _COMPUTER, sized=True),
}
_GROUPS: Final = Listing("computer_group", {"id": 0, "name": "", "is_smart": False}, sized=True)
_POLICIES: Final = Listing("policy", {"id": 0, "name": ""}, sized=True)
# The names of the dates are those that live servers send (tests of Jamf-Concepts/jamf-cli, read 2026-11-22); Jamf's
# description has date_time, date_time_epoch and date_time_utc in their place.
_POLICY_LOG: Final = {
    "policy_id": 0,
    "policy_name": "",
    "username": "",
    "date_completed": "",
    "date_completed_epoch": 0,
    "date_completed_utc": "",
    "status": "",
}
_HISTORY: Final[Mapping[str, Mapping[str, Any]]] = {
    "General": {"general": {"id": 0, "name": "", "udid": "", "serial_number": ""}},
    "PolicyLogs": {"policy_logs": Listing("policy_log", _POLICY_LOG)},
}


class ClassicRoutes:
    """The handlers over one store."""

    def __init__(self, store: JamfStore) -> None:
        self._store, self._book = store, store.policies

    def routes(self) -> Sequence[Route]:
        by_id, group_by_id = "/policies/id/{id:int}", "/computergroups/id/{id:int}"
        return (
            Route("/policies", self.list_policies, methods=["GET"]),
            Route(by_id, self.read_policy, methods=["GET"]),
            Route(by_id, self.create_policy, methods=["POST"]),
            Route(by_id, self.update_policy, methods=["PUT"]),
            Route(by_id, self.delete_policy, methods=["DELETE"]),
            Route("/policies/name/{name:path}", self.read_policy_by_name, methods=["GET"]),
            Route("/computergroups", self.list_groups, methods=["GET"]),
            Route(group_by_id, self.read_group, methods=["GET"]),
            Route(group_by_id, self.create_group, methods=["POST"]),
            Route(group_by_id, self.update_group, methods=["PUT"]),
            Route(group_by_id, self.delete_group, methods=["DELETE"]),
            Route("/computergroups/name/{name:path}", self.read_group_by_name, methods=["GET"]),
            Route("/computerhistory/id/{id:int}/subset/{subset}", self.read_history, methods=["GET"]),
            Route("/logflush", self.flush_logs, methods=["DELETE"]),
        )

    async def list_policies(self, request: Request) -> Response:
        rows = [{"id": int(policy.id), "name": policy.name} for policy in self._book]
        return _list(request, "policies", _POLICIES, rows)

    async def read_policy(self, request: Request) -> Response:
        return _one(request, "policy", POLICY, self._book.get(str(request.path_params["id"])).value)

    async def read_policy_by_name(self, request: Request) -> Response:
        return _one(request, "policy", POLICY, self._book.named(request.path_params["name"]).value)

    async def create_policy(self, request: Request) -> Response:
        if request.path_params["id"] != 0:
            raise ClassicRefused(409, "Error: Problem with id")  # 0 asks for the next free one
        return _written("policy", self._book.create(await _element(request, "policy")).id, 201)

    async def update_policy(self, request: Request) -> Response:
        element = await _element(request, "policy")
        return _written("policy", self._book.update(str(request.path_params["id"]), element).id, 201)

    async def delete_policy(self, request: Request) -> Response:
        return _written("policy", self._book.delete(str(request.path_params["id"])).id, 200)

    async def list_groups(self, request: Request) -> Response:
        rows = [{"id": int(group.id), "name": group.name, "is_smart": group.smart} for group in self._store.groups]
        return _list(request, "computer_groups", _GROUPS, rows)

    async def read_group(self, request: Request) -> Response:
        return self._group(request, self._store.groups.get(str(request.path_params["id"])))

    async def read_group_by_name(self, request: Request) -> Response:
        return self._group(request, self._store.groups.named(request.path_params["name"]))

    async def create_group(self, request: Request) -> Response:
        if request.path_params["id"] != 0:
            raise ClassicRefused(409, "Error: Problem with id")
        group = self._store.groups.create(await _element(request, "computer_group"))
        return _written("computer_group", group.id, 201)

    async def update_group(self, request: Request) -> Response:
        element = await _element(request, "computer_group")
        group = self._store.groups.update(str(request.path_params["id"]), element)
        return _written("computer_group", group.id, 201)

    async def delete_group(self, request: Request) -> Response:
        group_id = str(request.path_params["id"])
        if any(group_id in policy.group_ids for policy in self._book):
            raise ClassicRefused(409, "Error: The group is in use")
        return _written("computer_group", self._store.groups.delete(group_id).id, 200)

    async def read_history(self, request: Request) -> Response:
        subsets = request.path_params["subset"].split("&")
        device = self._store.computers.get(str(request.path_params["id"]))
        if device is None or not set(subsets) <= _HISTORY.keys():
            raise ClassicRefused(404, _NOT_FOUND)
        shape = {name: part for subset in subsets for name, part in _HISTORY[subset].items()}
        value = {"general": _general(device), "policy_logs": self._policy_logs(device)}
        return _one(request, "computer_history", shape, {name: value[name] for name in shape})

    async def flush_logs(self, request: Request) -> Response:
        self._store.flush(flush_order(await _xml_body(request)))
        return Response()

    def _group(self, request: Request, group: ComputerGroup) -> Response:
        computers = [
            {"id": int(device.jamf_id), "name": device.name, "serial_number": device.serial}
            for device in (self._store.computers[member] for member in group.members)
        ]
        value = {
            "id": int(group.id),
            "name": group.name,
            "is_smart": group.smart,
            "site": {"id": -1, "name": "None"},
            "criteria": [],
            "computers": computers,
        }
        return _one(request, "computer_group", _GROUP, value)

    def _policy_logs(self, device: LabDevice) -> list[dict[str, Any]]:
        """Runs of the policies that still stand, oldest first; the logs of a policy go with it, and by a flush."""
        runs = [run for history in self._store.histories(device) for run in history.runs if not run.policy.deleted]
        return [
            {
                "policy_id": int(run.policy.id),
                "policy_name": run.policy.name,
                "username": "",
                "date_completed": _spoken(run.ended_at),
                "date_completed_epoch": round(run.ended_at.timestamp() * 1000),
                "date_completed_utc": _utc(run.ended_at),
                "status": "Completed" if run.completed else "Failed",
            }
            for run in sorted(runs, key=lambda run: run.ended_at)
        ]


async def _xml_body(request: Request) -> bytes:
    """Raises ClassicRefused 413, 415."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in _XML_TYPES:
        raise ClassicRefused(415, "The content type must be XML")
    try:
        return await read_bytes(request)
    except BodyTooLarge as error:
        raise ClassicRefused(413, "The request is too large") from error


async def _element(request: Request, root: str) -> Element:
    """The resource in the body. Raises ClassicRefused 400, 413, 415."""
    data = await _xml_body(request)
    try:
        return read(data, root)
    except ShapeError as error:
        raise ClassicRefused(400, f"The request body is not a {root} in XML") from error


def _written(root: str, resource_id: str, status: int) -> Response:
    element = Element(root)
    SubElement(element, "id").text = resource_id
    return _xml(document(element), status)


def _one(request: Request, root: str, shape: Shape, value: Mapping[str, Any]) -> Response:
    return JSONResponse({root: value}) if _wants_json(request) else _xml(render(root, shape, value))


def _list(request: Request, root: str, listing: Listing, rows: list[dict[str, Any]]) -> Response:
    if _wants_json(request):
        return JSONResponse({root: rows})
    element = Element(root)
    fill_list(element, listing, rows)
    return _xml(document(element))


def _wants_json(request: Request) -> bool:
    """XML unless JSON is the first of the two that the caller accepts."""
    kinds = [kind.partition(";")[0].strip() for kind in request.headers.get("accept", "").lower().split(",")]
    known = [kind for kind in kinds if kind == "application/json" or kind in _XML_TYPES]
    return known[:1] == ["application/json"]


def _xml(data: bytes, status: int = 200) -> Response:
    return Response(data, status, media_type="application/xml")


def _general(device: LabDevice) -> dict[str, Any]:
    return {"id": int(device.jamf_id), "name": device.name, "udid": device.udid, "serial_number": device.serial}


def _spoken(moment: datetime) -> str:
    hour = moment.hour % 12 or 12
    return f"{moment:%Y/%m/%d} at {hour}:{moment:%M} {'AM' if moment.hour < 12 else 'PM'}"


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"
