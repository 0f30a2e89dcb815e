"""What Microsoft Graph and the storage behind Intune would say after the writes of a dry run.

Kept here is only what those writes change: apps, their content and assignments, groups and their members. The vendor
answers everything else, and what it holds is shown with our changes laid over it.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

import httpx

from eucora.connectors.dry_run.sent import Body, Names
from eucora.connectors.dry_run.transport import Ask, Json, Unforeseen, altered

_Act: TypeAlias = Callable[[str, Json], tuple[int, Json | None]]

STORAGE: Final = "storage.invalid"  # a name that no machine has (RFC 2606)
_APPS: Final = "/deviceAppManagement/mobileApps"
_APP: Final = rf"{_APPS}/(?P<app>[^/]+)"
_VERSIONS: Final = rf"{_APP}/microsoft\.graph\.\w+/contentVersions"
_FILES: Final = rf"{_VERSIONS}/(?P<version>[^/]+)/files"
_FILE: Final = rf"{_FILES}/(?P<file>[^/]+)"
_GROUP: Final = r"/groups/(?P<group>[^/]+)"
_MEMBER: Final = rf"{_GROUP}/members(?:/(?P<member>[^/]+))?/\$ref"
_REPORT: Final = "/deviceManagement/reports/retrieveDeviceAppInstallationStatusReport"
_COLUMNS: Final = ("DeviceId", "DeviceName", "InstallState", "LastModifiedDateTime")
_ADDRESS_S: Final = 24 * 3600.0


@dataclass(slots=True)
class _Members:
    """Who joins and leaves a group, over those whom the vendor names."""

    joined: dict[str, None] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)

    def join(self, member: str) -> None:
        self.joined[member] = None
        self.left.discard(member)

    def leave(self, member: str) -> None:
        self.joined.pop(member, None)
        self.left.add(member)


class GraphStandIn:
    """``now`` is UTC. Objects that a dry run makes have ids of its own, shown as ``<new app>``, ``<new group>``, …"""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.names = Names()
        self._now, self._made = now, 0
        self._new: dict[str, Json] = {}  # objects that exist only here, by path
        self._changed: dict[str, Json] = {}  # changes of the vendor's objects, by path
        self._gone: set[str] = set()
        self._without_versions: set[str] = set()  # lists of content versions that the vendor showed empty
        self._assigned: dict[str, list[Json]] = {}  # by path of the app
        self._members: dict[str, _Members] = {}  # by path of the group
        self._writes: Final[tuple[tuple[str, str, _Act], ...]] = (
            ("POST", _APPS, self._create_app),
            ("POST", f"{_APP}/assign", self._assign),
            ("POST", _VERSIONS, self._create_version),
            ("POST", _FILES, self._create_file),
            ("POST", f"{_FILE}/commit", self._commit),
            ("POST", f"{_FILE}/renewUpload", self._renew),
            ("PATCH", _APP, self._change_app),
            ("DELETE", _APP, self._delete),
            ("DELETE", _FILE, self._delete),
            ("POST", "/groups", self._create_group),
            ("PATCH", _GROUP, self._add_members),
            ("POST", _MEMBER, self._add_member),
            ("DELETE", _MEMBER, self._remove_member),
            ("POST", r"/\$batch", self._batch),
        )

    async def read(self, request: httpx.Request, body: Body, ask: Ask) -> httpx.Response:
        path, query = _below_version(request.url.path), request.url.params
        if path == _REPORT:
            return self._report(body) or await ask(request)
        if path in self._gone:
            return _answer(404, {"error": {"code": "NotFound", "message": "deleted in this dry run"}})
        if path in self._new:
            return _answer(200, self._new[path])
        if path.endswith("/assignments") and (app := path.removesuffix("/assignments")) in self._assigned:
            return _answer(200, {"value": self._assigned[app]})
        children = [one for at, one in self._new.items() if at.rpartition("/")[0] == path]
        if self._is_ours(path):
            group = path.removesuffix("/members")
            return _answer(200, {"value": self._ids_in(group, ()) if path.endswith("/members") else children})
        answer = await ask(request)
        if not answer.is_success:
            return answer
        if path.endswith("/contentVersions") and _is_empty(answer):
            self._without_versions.add(path)
        if path in self._changed:
            return altered(answer, lambda object_: object_ | self._changed[path])
        if path.endswith("/members") and (group := path.removesuffix("/members")) in self._members:
            return _with_rows(answer, lambda rows: self._ids_in(group, rows))
        if path in {at.rpartition("/")[0] for at in (*self._new, *self._changed, *self._gone)}:
            first = "$skiptoken" not in query
            wanted = [one for one in children if first and _passes(query.get("$filter"), one)]
            return _with_rows(answer, lambda rows: [*self._still(path, rows), *wanted])
        return answer

    def write(self, request: httpx.Request, body: Body) -> httpx.Response:
        if request.url.params.get("comp") in ("block", "blocklist") and request.method == "PUT":
            return httpx.Response(201)
        said: Json = {}
        if body.size:
            if body.content is None:
                raise Unforeseen(request.method, request.url.path)
            said = json.loads(body.content)
        path = _below_version(request.url.path)
        status, told = self._written(request.method, path, said)
        return _answer(status, told) if told is not None else httpx.Response(status)

    def _written(self, method: str, path: str, said: Json) -> tuple[int, Json | None]:
        for known, pattern, act in self._writes:
            if method == known and re.fullmatch(pattern, path):
                return act(path, said)
        raise Unforeseen(method, path)

    # apps and their content

    def _create_app(self, path: str, said: Json) -> tuple[int, Json]:
        at = {"createdDateTime": _written_at(self._now()), "publishingState": "notPublished"}
        return 201, self._make(path, "new app", {**said, **at, "committedContentVersion": None})

    def _change_app(self, path: str, said: Json) -> tuple[int, None]:
        if said.get("committedContentVersion"):
            said = {**said, "publishingState": "published"}
        self._change(path, said)
        return 204, None

    def _assign(self, path: str, said: Json) -> tuple[int, None]:
        rows = said.get("mobileAppAssignments", [])
        self._assigned[path.removesuffix("/assign")] = [
            {**row, "id": f"assignment-{at}"} for at, row in enumerate(rows)
        ]
        return 204, None

    def _create_version(self, path: str, said: Json) -> tuple[int, Json]:
        if not self._is_ours(path) and path not in self._without_versions:
            return 201, self._make(path, "new content version", said)
        version = {**said, "id": "1"}  # the first one of an app has this number
        self._new[f"{path}/1"] = version
        return 201, version

    def _create_file(self, path: str, said: Json) -> tuple[int, Json]:
        return 201, self._make(path, "new file", {**said, "isCommitted": False, **self._address("Request")})

    def _commit(self, path: str, said: Json) -> tuple[int, None]:
        self._change(path.removesuffix("/commit"), {"uploadState": "commitFileSuccess", "isCommitted": True})
        return 204, None

    def _renew(self, path: str, said: Json) -> tuple[int, None]:
        self._change(path.removesuffix("/renewUpload"), self._address("Renewal"))
        return 204, None

    def _address(self, step: str) -> Json:
        self._made += 1
        address = f"https://{STORAGE}/{self._made}"
        self.names.give(address, "upload address")
        return {
            "uploadState": f"azureStorageUri{step}Success",
            "azureStorageUri": f"{address}?by=eucora",
            "azureStorageUriExpirationDateTime": _written_at(self._now() + timedelta(seconds=_ADDRESS_S)),
        }

    def _delete(self, path: str, said: Json) -> tuple[int, None]:
        self._new.pop(path, None)
        self._gone.add(path)
        return 204, None

    # groups

    def _create_group(self, path: str, said: Json) -> tuple[int, Json]:
        return 201, self._make(path, "new group", {**said, "createdDateTime": _written_at(self._now())})

    def _add_members(self, path: str, said: Json) -> tuple[int, None]:
        if said.keys() != {"members@odata.bind"}:
            raise Unforeseen("PATCH", path)
        for reference in said["members@odata.bind"]:
            self._members_of(path).join(reference.rpartition("/")[2])
        return 204, None

    def _add_member(self, path: str, said: Json) -> tuple[int, None]:
        self._members_of(path.partition("/members")[0]).join(str(said["@odata.id"]).rpartition("/")[2])
        return 204, None

    def _remove_member(self, path: str, said: Json) -> tuple[int, None]:
        group, _, rest = path.partition("/members/")
        self._members_of(group).leave(rest.removesuffix("/$ref"))
        return 204, None

    def _batch(self, path: str, said: Json) -> tuple[int, Json]:
        answers = []
        for part in said["requests"]:
            status, told = self._written(part["method"], part["url"], part.get("body") or {})
            answers.append({"id": part["id"], "status": status, "headers": {}, "body": told})
        return 200, {"responses": answers}

    # what is kept

    def _make(self, collection: str, what: str, object_: Json) -> Json:
        self._made += 1
        id = self.names.give(f"00000000-d0d0-4000-8000-{self._made:012d}", what)
        self._new[f"{collection}/{id}"] = made = {**object_, "id": id}
        return made

    def _change(self, path: str, changes: Json) -> None:
        changed = self._new if path in self._new else self._changed
        changed[path] = changed.get(path, {}) | changes

    def _is_ours(self, path: str) -> bool:
        """Whether the path lies below an object that exists only here, so that the vendor knows nothing of it."""
        return any(path.startswith(f"{made}/") for made in self._new)

    def _still(self, path: str, rows: Iterable[Json]) -> list[Json]:
        return [row | self._changed.get(f"{path}/{row.get('id')}", {}) for row in rows
                if f"{path}/{row.get('id')}" not in self._gone]  # fmt: skip

    def _members_of(self, group: str) -> _Members:
        return self._members.setdefault(group, _Members())

    def _ids_in(self, group: str, rows: Iterable[Json]) -> list[Json]:
        moves = self._members_of(group)
        stay = [row for row in rows if str(row.get("id")).lower() not in {*moves.left, *moves.joined}]
        return [*stay, *({"id": member} for member in moves.joined)]

    def _report(self, body: Body) -> httpx.Response | None:
        """No rows about an app that no device has heard of; None: the vendor knows the app."""
        asked = str(json.loads(body.content or b"{}").get("filter", ""))
        if not any(f"'{path.rpartition('/')[2]}'" in asked for path in self._new):
            return None
        schema = [{"Column": column, "PropertyType": "String"} for column in _COLUMNS]
        return _answer(200, {"TotalRowCount": 0, "Schema": schema, "Values": []})


def _below_version(path: str) -> str:
    _, version, rest = path.partition("/v1.0/")
    return f"/{rest}" if version else path


def _answer(status: int, said: Json) -> httpx.Response:
    return httpx.Response(status, json=said)


def _with_rows(answer: httpx.Response, rows: Callable[[list[Json]], list[Json]]) -> httpx.Response:
    """The page with other rows."""
    return altered(answer, lambda page: {**page, "value": rows(page["value"])})


def _is_empty(answer: httpx.Response) -> bool:
    try:
        return bool(json.loads(answer.content)["value"] == [])
    except (ValueError, RecursionError, KeyError, TypeError):
        return False


def _passes(condition: str | None, object_: Json) -> bool:
    """Whether the object is one that the filter asks for; of the two forms that the connector sends."""
    if condition is None:
        return True
    named = f"displayName eq '{str(object_.get('displayName')).replace(chr(39), chr(39) * 2)}'"
    begins = re.fullmatch(r"startswith\(description,'(.*)'\)", condition)
    if begins is not None:
        return str(object_.get("description")).startswith(begins[1].replace("''", "'"))
    return condition == named


def _written_at(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
