"""Where what was written can be read: the Location of a 201 (RFC 9110, section 10.2.2), and the link to a next page.

Both are references without a host (RFC 3986, section 4.2), so that they hold behind every proxy that keeps the path.
"""

import re
from collections.abc import Collection, Iterable
from typing import Final, Protocol
from urllib.parse import quote, urlencode

import orjson
from starlette.requests import Request

# What makes a thing of another noun than the one that the path stands under.
MADE_ELSEWHERE: Final = {
    "/api/v1/deployment-intents/{intent_id}/submissions": "/api/v1/cab-reviews/{review_id}",
}
CREATED: Final = 201
_LAST: Final = re.compile(r"\{\w+\}$")


class Placed(Protocol):
    """A route, with the path under which what it writes can be read; empty: nowhere by itself."""

    path: str
    status_code: int | None
    shown: str

    @property
    def reads(self) -> bool: ...


def tell_locations(routes: Iterable[Placed]) -> None:
    """Tell every route that answers 201 where that can be read."""
    routes = tuple(routes)
    readable = {route.path for route in routes if route.reads}
    for route in routes:
        if route.status_code == CREATED:
            route.shown = shown(route.path, readable)


def shown(path: str, readable: Collection[str]) -> str:
    """The path that shows what a write to ``path`` leaves behind: the new thing, or the one that was moved; or ""."""
    made = MADE_ELSEWHERE.get(path, "")
    if made in readable:
        return made
    for one in sorted(readable):
        if re.fullmatch(re.escape(path) + r"/\{\w+\}", one):
            return one
    moved = path.rpartition("/")[0]
    return moved if moved in readable else ""


def location(request: Request, body: bytes) -> str:
    """The Location of a 201 whose body is a receipt; empty where nothing shows what was written."""
    template = getattr(request.scope.get("route"), "shown", "")
    if not template:
        return ""
    path: str = request.scope["path"]
    if template == request.scope["route"].path.rpartition("/")[0]:
        return quote(path.rpartition("/")[0])
    return _LAST.sub(lambda _: quote(str(orjson.loads(body)["id"]), safe=""), template)


def next_page(request: Request, cursor: str) -> str:
    """A Link header (RFC 8288) to the page that follows, with the same filters."""
    kept = [pair for pair in request.query_params.multi_items() if pair[0] != "cursor"]
    return f'<{quote(request.scope["path"])}?{urlencode([*kept, ("cursor", cursor)])}>; rel="next"'
