"""Requests to Microsoft Graph and what can be said of every answer: JSON, an object, in pages."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, TypeAlias

import httpx

from eucora.application.planes import PlaneRejected
from eucora.connectors.errors import report
from eucora.connectors.http import Response, send
from eucora.domain.planes import Plane

JsonObject: TypeAlias = dict[str, Any]

APPS: Final = "/deviceAppManagement/mobileApps"
DEVICES: Final = "/deviceManagement/managedDevices"
PAGES_MAX: Final = 2_000  # of up to about 1,000 records each; beyond that somebody is paging in circles


class Graph:
    """Graph under one tenant. Operations name the verb of the port that a request belongs to."""

    def __init__(self, client: httpx.AsyncClient, *, pages_max: int = PAGES_MAX) -> None:
        self._client, self._pages_max = client, pages_max

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

    async def pages(
        self,
        operation: str,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[list[JsonObject]]:
        """The collection at ``path`` page by page; ``@odata.nextLink`` is followed as it stands.

        A link to another origin is refused: it would take our token there. The number of pages is bounded.
        """
        answer = await self._send(operation, "GET", path, params=_odata(params or {}), headers=headers)
        for _ in range(self._pages_max):
            page = object_of(operation, answer)
            yield objects_in(operation, page, "value")
            link = page.get("@odata.nextLink")
            if not link:
                return
            if not isinstance(link, str) or not self._is_ours(link):
                raise off_schema(operation, "nextLink leads to another origin")
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


def off_schema(operation: str, what: str) -> PlaneRejected:
    """The error for an answer that is not what Graph describes; logged."""
    return report(PlaneRejected(Plane.INTUNE, operation, f"answer off its schema: {what}"))


def object_of(operation: str, answer: Response) -> JsonObject:
    """The JSON object in an answer, whatever content type it carries: a report is an octet stream, some with a BOM.

    Raises PlaneRejected.
    """
    try:
        body = json.loads(answer.content.decode("utf-8-sig"))
    except ValueError:
        raise off_schema(operation, "no JSON") from None
    if not isinstance(body, dict):
        raise off_schema(operation, "no JSON object")
    return body


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
