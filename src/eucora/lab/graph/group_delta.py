"""``/groups/delta``: what changed in the members of groups since the last time somebody asked.

Source: Microsoft's pages on delta queries and on ``group: delta``: the filter takes up to 50 ids, the first round tells
everything, each round ends in a link to the next, and a link of more than seven days is answered 410 with the address
to start from again.
"""

import base64
import binascii
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from eucora.lab.graph.answers import Body, GraphError, bad_request
from eucora.lab.graph.odata import FilterInvalid, parse_filter
from eucora.lab.graph.state import Tenant

_PAGE: Final = 40  # members on one page; a real page's size is the service's own secret
_IDS_MAX: Final = 50
_TOKEN_LIFE: Final = timedelta(days=7)


class GroupDelta:
    """The handlers over one tenant. Only members are tracked: ``$select`` has to name them."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant

    def routes(self) -> list[Route]:
        """Paths below ``/v1.0``; the function may be called with parentheses or without."""
        return [
            Route("/groups/delta", self.changes, methods=["GET"]),
            Route("/groups/delta()", self.changes, methods=["GET"]),
        ]

    async def changes(self, request: Request) -> Response:
        """One page of a round."""
        query = request.query_params
        token = query.get("$skiptoken") or query.get("$deltatoken")
        now = self._tenant.clock.now()
        if token is None:
            ids = _ids(query.get("$filter"), query.get("$select"))
            state: Body = {"ids": ids, "since": None, "until": self._seen(now), "from": 0}
        else:
            state = _read(token)
            issued = datetime.fromisoformat(state["issued"])
            if now - issued > _TOKEN_LIFE:
                return self._start_again(state["ids"])
            if "$deltatoken" in query:
                state |= {"since": state["until"], "until": self._seen(now), "from": 0}
        return self._page(state, now)

    def _seen(self, now: datetime) -> str:
        return (now - self._tenant.directory_lag).isoformat()

    def _page(self, state: Body, now: datetime) -> Response:
        rows = list(self._rows(state))
        start = state["from"]
        page = rows[start : start + _PAGE]
        by_group: dict[str, list[Body]] = {}
        for group, row in page:
            by_group.setdefault(group, []).append(row)
        if state["since"] is None and start == 0:  # a group without members is told as well
            by_group |= {id_: [] for id_ in state["ids"] if id_ in self._tenant.groups and id_ not in by_group}
        url = self._tenant.graph_url
        body: Body = {
            "@odata.context": f"{url}/$metadata#groups(members)",
            "value": [
                {"@odata.type": "#microsoft.graph.group", "id": group, "members@delta": members}
                for group, members in by_group.items()
            ],
        }
        more = start + _PAGE < len(rows)
        kept = {"ids": state["ids"], "since": state["since"], "until": state["until"], "issued": now.isoformat()}
        if more:
            body["@odata.nextLink"] = f"{url}/groups/delta()?$skiptoken={_token(kept | {'from': start + _PAGE})}"
        else:
            body["@odata.deltaLink"] = f"{url}/groups/delta()?$deltatoken={_token(kept | {'from': 0})}"
        return JSONResponse(body)

    def _rows(self, state: Body) -> Iterator[tuple[str, Body]]:
        memberships = self._tenant.memberships
        until = datetime.fromisoformat(state["until"])
        for id_ in state["ids"]:
            group = self._tenant.group(id_)
            if group is None:
                continue
            if state["since"] is None:
                for member in memberships.members(group, until):
                    yield id_, _row(member, removed=False)
                continue
            since = datetime.fromisoformat(state["since"])
            touched = {member for at, member in memberships.changed(id_) if since < at <= until}
            for member in sorted(touched):
                yield id_, _row(member, removed=not memberships.holds(id_, member, until))

    def _start_again(self, ids: list[str]) -> Response:
        wanted = " or ".join(f"id eq '{id_}'" for id_ in ids)
        error = {"code": "SyncStateNotFound", "message": "The sync state generation is not found."}
        url = f"{self._tenant.graph_url}/groups/delta()?$select=members&$filter={wanted}"
        return JSONResponse({"error": error}, 410, headers={"location": url})


def _ids(text: str | None, selected: str | None) -> list[str]:
    if selected is None or "members" not in [name.strip() for name in selected.split(",")]:
        raise bad_request("The lab tracks members only: $select has to name them.")
    try:
        uses = parse_filter(text or "").uses
    except FilterInvalid as error:
        raise bad_request(f"Invalid filter clause: {error}.") from error
    if any(use != ("id", "eq") for use in uses) or len(uses) > _IDS_MAX:
        raise GraphError(400, "Request_UnsupportedQuery", f"A delta filter names up to {_IDS_MAX} ids.")
    return [part.rpartition("'")[0].rpartition("'")[2] for part in (text or "").split(" or ")]


def _row(member: str, *, removed: bool) -> Body:
    row: Body = {"@odata.type": "#microsoft.graph.device", "id": member}
    return row | {"@removed": {"reason": "deleted"}} if removed else row


def _token(state: Body) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(state)).decode()


def _read(token: str) -> Body:
    try:
        state = orjson.loads(base64.urlsafe_b64decode(token))
        ids, _, _ = state["ids"], datetime.fromisoformat(state["until"]), datetime.fromisoformat(state["issued"])
        if not isinstance(ids, list) or not isinstance(state["from"], int):
            raise ValueError(token)
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise bad_request("Badly formed token.") from error
    found: Body = state
    return found
