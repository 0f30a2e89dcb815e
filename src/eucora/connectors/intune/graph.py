"""Requests to Microsoft Graph and what can be said of every answer: JSON, an object, in pages."""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import httpx

from eucora.application.planes import PlaneRejected
from eucora.connectors.errors import redact, report
from eucora.connectors.http import Response, send
from eucora.domain.planes import Plane

JsonObject: TypeAlias = dict[str, Any]

APPS: Final = "/deviceAppManagement/mobileApps"
DEVICES: Final = "/deviceManagement/managedDevices"
PAGES_MAX: Final = 2_000  # of up to about 1,000 records each
# What neither Postgres nor UTF-8 can hold: NUL, and half of a surrogate pair. JSON may say both, escaped.
_UNSTORABLE: Final = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


class Graph:
    """Graph under one tenant. Operations name the verb of the port that a request belongs to.

    ``is_asked`` tells whether a request like this one is on record as queued, or as asked without a known answer.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        pages_max: int = PAGES_MAX,
        is_asked: Callable[[httpx.Request], Awaitable[bool]] | None = None,
    ) -> None:
        self._client, self._pages_max, self._is_asked = client, pages_max, is_asked

    @property
    def url(self) -> str:
        """Where Graph is, without a slash at the end; references in bodies begin with it."""
        return str(self._client.base_url).rstrip("/")

    @property
    def is_https(self) -> bool:
        return self._client.base_url.scheme == "https"

    async def get(
        self, operation: str, path: str, *, also: frozenset[int] = frozenset(), **params: str
    ) -> JsonObject | None:
        """The object at ``path``; None for a status in ``also``. ``params`` are OData's, written without ``$``."""
        answer = await self._send(operation, "GET", path, also=also, params=_odata(params))
        return object_of(operation, answer) if answer.is_success else None

    async def must_get(self, operation: str, path: str, **params: str) -> JsonObject:
        """The object at ``path``. Raises PlaneRejected when there is none."""
        return object_of(operation, await self._send(operation, "GET", path, params=_odata(params)))

    async def post(self, operation: str, path: str, body: JsonObject | None = None) -> None:
        """An action; its answer, if any, says nothing more."""
        await self._send(operation, "POST", path, json=body)

    async def is_asked(self, path: str, body: JsonObject) -> bool:
        """Whether this very ``post`` was begun before, and it is not known to have taken effect. Nothing is sent."""
        if self._is_asked is None:
            return False
        return await self._is_asked(self._client.build_request("POST", path, json=body))

    async def create(self, operation: str, path: str, body: JsonObject) -> JsonObject:
        """The object as Graph made it. Never repeated here: whoever calls looks for it before calling again."""
        return object_of(operation, await self._send(operation, "POST", path, json=body))

    async def read_by_post(self, operation: str, path: str, body: JsonObject) -> JsonObject:
        """A POST that changes nothing, so it may be sent again."""
        answer = await self._send(operation, "POST", path, json=body, reads=True)
        return object_of(operation, answer)

    async def patch(self, operation: str, path: str, body: JsonObject) -> None:
        """A PATCH that says the same thing however often it is sent."""
        await self._send(operation, "PATCH", path, json=body, repeatable=True)

    async def delete(self, operation: str, path: str, *, also: frozenset[int] = frozenset()) -> bool:
        """Whether the object at ``path`` was there to be deleted; False for a status in ``also``."""
        return (await self._send(operation, "DELETE", path, also=also)).is_success

    async def batch(self, operation: str, requests: Sequence[JsonObject]) -> list[JsonObject]:
        """The answers to up to 20 requests in one, each by its ``id`` and in any order; the whole may be sent twice."""
        body = {"requests": list(requests)}
        answer = await self._send(
            operation,
            "POST",
            "/$batch",
            json=body,
            repeatable=True,
            parts=len(requests),
            throttled_parts=_throttled_parts,
        )
        return objects_in(operation, object_of(operation, answer), "responses")

    async def pages(
        self,
        operation: str,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[list[JsonObject]]:
        """The collection at ``path``, what each page holds; see ``whole_pages``."""
        async for page in self.whole_pages(operation, path, params, headers=headers):
            yield objects_in(operation, page, "value")

    async def whole_pages(
        self,
        operation: str,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[JsonObject]:
        """The collection at ``path`` page by page; ``@odata.nextLink`` is followed as it stands.

        A link to another origin is refused: it would take our token there. So is one that was followed before, and the
        number of pages is bounded. ``path`` may itself be such a link.
        """
        if "://" in path and not self._is_ours(path):
            raise off_schema(operation, "the link leads to another origin")
        followed: set[str] = set()
        answer = await self._send(operation, "GET", path, params=_odata(params or {}), headers=headers)
        for _ in range(self._pages_max):
            page = object_of(operation, answer)
            yield page
            link = page.get("@odata.nextLink")
            if not link:
                return
            if not isinstance(link, str) or not self._is_ours(link):
                raise off_schema(operation, "nextLink leads to another origin")
            if link in followed:
                raise off_schema(operation, "nextLink leads in a circle")
            followed.add(link)
            answer = await self._send(operation, "GET", link, headers=headers)
        raise off_schema(operation, f"more than {self._pages_max} pages")

    async def _send(self, operation: str, method: str, path: str, **request: Any) -> Response:
        return await send(self._client, Plane.INTUNE, operation, method, path, **request)

    def _is_ours(self, link: str) -> bool:
        try:
            url, base = httpx.URL(link), self._client.base_url
        except httpx.InvalidURL:
            return False
        return (url.scheme, url.host, url.port) == (base.scheme, base.host, base.port)


def header_of(part: JsonObject, wanted: str) -> str | None:
    """A header of one answer in a batch, whatever its case."""
    headers = part.get("headers")
    named = headers.items() if isinstance(headers, dict) else ()
    return next((str(value) for name, value in named if str(name).lower() == wanted), None)


def _throttled_parts(answer: Response) -> list[str]:
    """Never fails: what is off its schema is told to whoever reads the answer for itself."""
    try:
        body = json.loads(answer.content)
    except (ValueError, RecursionError):
        return []
    parts = body.get("responses") if isinstance(body, dict) else None
    throttled = (
        [part for part in parts if isinstance(part, dict) and part.get("status") == 429]
        if isinstance(parts, list)
        else []
    )
    return [header_of(part, "retry-after") or "" for part in throttled]


def off_schema(operation: str, what: str) -> PlaneRejected:
    """The error for an answer that is not what Graph describes; logged."""
    return report(PlaneRejected(Plane.INTUNE, operation, f"answer off its schema: {what}"))


def object_of(operation: str, answer: Response) -> JsonObject:
    """The JSON object in an answer, whatever content type it carries: a report is an octet stream, some with a BOM.

    Raises PlaneRejected, with the beginning of what came instead: no JSON, no object, a name twice in one object, a
    number that is none (NaN), or nesting without end.
    """
    text = answer.content.decode("utf-8-sig", "replace")
    try:
        body = json.loads(text, object_pairs_hook=_once_each, parse_constant=_no_number)
        body = _storable(body) if _UNSTORABLE.search(text) else body
    except (ValueError, RecursionError) as error:
        what = str(error) if isinstance(error, _TwiceNamed) else "no JSON"
        raise off_schema(operation, f"{what}: {redact(text)}") from None
    if not isinstance(body, dict):
        raise off_schema(operation, f"no JSON object: {redact(text)}")
    return body


class _TwiceNamed(ValueError):
    """One object names a property twice; readers differ in which of the two they take."""


def _once_each(pairs: list[tuple[str, Any]]) -> JsonObject:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _TwiceNamed("a property is there twice")
    return made


def _no_number(word: str) -> Any:
    raise ValueError(word)


def _storable(value: Any) -> Any:
    """``value`` with U+FFFD for each character that nothing can store."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\x00", "\ufffd")
    if isinstance(value, dict):
        return {_storable(name): _storable(item) for name, item in value.items()}
    return [_storable(item) for item in value] if isinstance(value, list) else value


def objects_in(operation: str, body: JsonObject, name: str) -> list[JsonObject]:
    """The list of objects under ``name``. Raises PlaneRejected."""
    items = body.get(name)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise off_schema(operation, f"{name} is no list of objects")
    return items


def text_in(operation: str, body: JsonObject, name: str) -> str:
    """The non-empty text under ``name``. Raises PlaneRejected."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise off_schema(operation, f"{name} is no text")
    return value


def _odata(params: Mapping[str, str]) -> dict[str, str] | None:
    # None and not {}: an empty mapping would strip the query that a nextLink carries
    return {f"${name}": value for name, value in params.items()} or None


def quoted(text: str) -> str:
    """``text`` as an OData string literal."""
    return "'" + text.replace("'", "''") + "'"
