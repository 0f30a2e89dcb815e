"""What is refused by its head alone, and the kind that every request is from here on."""

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from eucora.api.layers import refuse
from eucora.api.limits import HEADER_COUNT_MAX, HEADERS_MAX, URL_MAX
from eucora.api.problems import Problem, Row
from eucora.api.rows import LARGE_HEAD, METHODS, NO_SUCH_METHOD
from eucora.api.traffic import Traffic

LONG_URL: Final = Row(414, "url-too-long", "The address is too long")


class Gate:
    """Refuses long addresses, large heads and unknown methods; notes the request's kind in ``state["kind"]``."""

    def __init__(self, app: ASGIApp, traffic: Traffic) -> None:
        self._app, self._traffic = app, traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if (problem := objection(scope)) is not None:
            await refuse(scope, send, problem, close=True)
            return
        scope["state"]["kind"] = self._traffic.kind(scope)
        await self._app(scope, receive, send)


def objection(scope: Scope) -> Problem | None:
    """What is wrong with the head; None when nothing is."""
    if scope["method"] not in METHODS:
        headers = {"Allow": ", ".join(METHODS)}
        return Problem(NO_SUCH_METHOD, "Use a method that the description of the API names.", {}, headers=headers)
    if len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"]) > URL_MAX:
        return Problem(LONG_URL, f"Path and query have {URL_MAX:,} bytes at the most.", {"limit": URL_MAX})
    headers = scope["headers"]
    if len(headers) > HEADER_COUNT_MAX or sum(len(name) + len(value) for name, value in headers) > HEADERS_MAX:
        detail = f"There are at most {HEADER_COUNT_MAX} headers, of {HEADERS_MAX:,} bytes in all."
        return Problem(LARGE_HEAD, detail, {"limit": HEADERS_MAX})
    return None
