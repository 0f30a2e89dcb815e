"""How Graph words its answers: the error envelope, collections with pages, and times."""

import base64
import binascii
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from eucora.lab.graph.odata import Filter, FilterInvalid, parse_filter

Item = TypeVar("Item")
Body = dict[str, Any]
# Properties with the operators that a collection's $filter answers to.
Filterable = Mapping[str, Collection[str]]

_SKIP_TOKEN: Final = re.compile(rb"from=(\d{1,9})")


class GraphError(Exception):
    """A request that Graph refuses; rendered as its error envelope."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def bad_request(message: str) -> GraphError:
    """The refusal of a request for what it says."""
    return GraphError(400, "BadRequest", message)


def not_found(what: str) -> GraphError:
    """The refusal of an id that names nothing in Intune."""
    return GraphError(404, "ResourceNotFound", f"The requested {what} was not found.")


def error_body(code: str, message: str, *, request_id: str, client_request_id: str, at: datetime) -> Body:
    """The error envelope."""
    inner = {
        "date": at.strftime("%Y-%m-%dT%H:%M:%S"),
        "request-id": request_id,
        "client-request-id": client_request_id,
    }
    return {"error": {"code": code, "message": message, "innerError": inner}}


def stamp(moment: datetime) -> str:
    """A time as Graph writes it: UTC, seven digits after the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"


async def read_body(request: Request) -> Body:
    """The request's JSON object; an empty body is an empty object. Raises GraphError 400."""
    raw = await request.body()
    try:
        body = orjson.loads(raw) if raw else {}
    except orjson.JSONDecodeError as error:
        raise bad_request("Unable to read JSON request payload. Please ensure Content-Type header is set.") from error
    if not isinstance(body, dict):
        raise bad_request("The request body must be an object.")
    return body


def entity(graph_url: str, context: str, body: Body, *, status: int = 200) -> Response:
    """One object, under its ``@odata.context``."""
    return JSONResponse({"@odata.context": f"{graph_url}/$metadata#{context}"} | body, status)


def collection(
    request: Request,
    graph_url: str,
    context: str,
    items: Sequence[Item],
    render: Callable[[Item], Body],
    *,
    filterable: Filterable,
    page_size: int,
    page_max: int,
    strict: bool = False,
    look_up: Callable[[Item, str], Any] | None = None,
) -> Response:
    """One page of ``items``, filtered and cut to ``$select``, with ``@odata.nextLink`` while there is more.

    ``look_up`` gives one property of an item, so that a filter over very many of them needs no whole record of each.
    A filter on anything outside ``filterable`` is ignored, as Intune is seen to do; with ``strict`` it is refused, as
    the directory does.
    """
    query = request.query_params
    start = _start(query.get("$skiptoken"), query.get("$skip"))
    size = min(_whole(query.get("$top"), "$top", default=page_size) or page_size, page_max)
    wanted = _wanted(query.get("$filter"), filterable, strict=strict)
    # All of them only where they are counted; else as many as tell whether there is another page.
    enough = None if query.get("$count") == "true" else start + size + 1
    rows = items if wanted is None else _matching(items, look_up, render, wanted, enough)
    page = rows[start : start + size]
    body: Body = {"@odata.context": f"{graph_url}/$metadata#{context}"}
    if query.get("$count") == "true":
        body["@odata.count"] = len(rows)
    if start + size < len(rows):
        kept = {name: value for name, value in query.items() if name not in ("$skip", "$skiptoken")}
        token = base64.urlsafe_b64encode(b"from=%d" % (start + size)).decode()
        path = request.url.path.partition("/v1.0")[2]
        query_text = urlencode(kept | {"$skiptoken": token}, safe="$,()")
        body["@odata.nextLink"] = f"{graph_url}{path}?{query_text}"
    selected = query.get("$select")
    return JSONResponse(body | {"value": [select(render(item), selected) for item in page]})


def select(row: Body, selected: str | None) -> Body:
    """``row`` cut to the properties named in ``$select``, and what OData always keeps."""
    if not selected:
        return row
    names = {name.strip() for name in selected.split(",")} | {"@odata.type"}
    return {name: value for name, value in row.items() if name in names}


def _wanted(text: str | None, filterable: Filterable, *, strict: bool) -> Filter | None:
    """The filter that is applied; None: there is none, or it is ignored."""
    if not text:
        return None
    try:
        wanted = parse_filter(text)
    except FilterInvalid as error:
        raise bad_request(f"Invalid filter clause: {error}.") from error
    unsupported = [use for use in wanted.uses if use[1] not in filterable.get(use[0], ())]
    if unsupported and strict:
        raise GraphError(400, "Request_UnsupportedQuery", f"Unsupported Query: {unsupported[0][0]}.")
    return None if unsupported else wanted


def _matching(
    items: Sequence[Item],
    look_up: Callable[[Item, str], Any] | None,
    render: Callable[[Item], Body],
    wanted: Filter,
    enough: int | None,
) -> Sequence[Item]:
    """The first ``enough`` of the items that match; None: all of them."""
    names = {name for name, _ in wanted.uses}

    def row(item: Item) -> Mapping[str, Any]:
        return render(item) if look_up is None else {name: look_up(item, name) for name in names}

    found = list(islice((item for item in items if wanted.matches(row(item))), enough))
    # Several azureADDeviceIds joined by "or" are known to give back one device only.
    return found[:1] if sum(name == "azureADDeviceId" for name, _ in wanted.uses) > 1 else found


def _start(token: str | None, skip: str | None) -> int:
    if token is None:
        return _whole(skip, "$skip", default=0)
    try:
        match = _SKIP_TOKEN.fullmatch(base64.urlsafe_b64decode(token))
    except (binascii.Error, ValueError):
        match = None
    if match is None:
        raise bad_request("Invalid skip token.")
    return int(match[1])


def _whole(text: str | None, name: str, *, default: int) -> int:
    if text is None:
        return default
    if not text.isascii() or not text.isdigit():
        raise bad_request(f"Invalid value '{text}' for {name} query option.")
    return int(text)
