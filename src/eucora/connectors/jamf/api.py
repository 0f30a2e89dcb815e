"""One request to a Jamf Pro server: token, XML and JSON, at most five at a time.

The client's cookie jar stays with it from its first token call on, so that every sequence of dependent calls of a
process (and of its replicas, see ``shared_node``) reaches one node of the cluster: nodes learn of each other's writes
only once a minute. Jamf asks for no more than five connections at once. Source: developer.jamf.com, "Jamf Pro API
Scalability Best Practices", read 2026-11-22.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import httpx
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from eucora.application.planes import PlaneError, PlaneRejected
from eucora.connectors.errors import FRESH_TOKEN, classify
from eucora.connectors.gate import Gate
from eucora.connectors.http import send
from eucora.connectors.jamf.auth import JamfTokens
from eucora.connectors.jamf.error_pages import readable
from eucora.domain.planes import Plane

CONNECTIONS_MAX: Final = 5
_NOT_FOUND: Final = frozenset({404})
_ANY: Final = frozenset(range(300, 600))  # every refusal is read here, for its words


def segment(text: str) -> str:
    """``text`` as one segment of a path."""
    return quote(text, safe="")


def off_schema(operation: str, what: str) -> PlaneRejected:
    """The error for an answer that is not what the vendor describes."""
    return PlaneRejected(Plane.JAMF, operation, f"answer off its schema: {what}")


class JamfApi:
    """Calls for one verb of the port (``operation``); errors are PlaneErrors, 404 is None where the caller says so."""

    def __init__(self, http: httpx.AsyncClient, tokens: JamfTokens, gate: Gate, operation: str) -> None:
        self._http, self._tokens, self._gate, self.operation = http, tokens, gate, operation

    async def call(
        self,
        method: str,
        path: str,
        *,
        also: frozenset[int] = frozenset(),
        accept: str = "application/json",
        **request: Any,
    ) -> httpx.Response:
        """The answer when it is 2xx or one of ``also``; a refused token is renewed once. Redirects are not followed."""
        headers = {**request.pop("headers", {}), "Accept": accept}
        for may_renew in (True, False):
            async with self._gate.place():  # around the token call too: it is a connection like any other
                token = await self._tokens.token(self.operation)
                headers["Authorization"] = f"Bearer {token.value}"
                answer = await send(
                    self._http,
                    Plane.JAMF,
                    self.operation,
                    method,
                    path,
                    also=_ANY,
                    headers=headers,
                    **request,
                )
            if answer.is_success or answer.status_code in also:
                return answer
            if answer.status_code != 401:
                break
            self._tokens.discard(token)
            if not may_renew:
                answer.request.extensions[FRESH_TOKEN] = True
                break
        raise self.refusal(answer)

    def refusal(self, answer: httpx.Response) -> PlaneError:
        """The error to raise for ``answer``, with the words of a page where it is one."""
        return classify(Plane.JAMF, self.operation, readable(answer))

    async def get_json(self, path: str, params: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """The object at ``path``; None when there is none."""
        answer = await self.call("GET", path, also=_NOT_FOUND, params=params)
        return None if answer.status_code == 404 else self.object_in(answer)

    def object_in(self, answer: httpx.Response) -> dict[str, Any]:
        """The JSON object in ``answer``."""
        try:
            body = answer.json()
        except (ValueError, RecursionError) as error:
            raise off_schema(self.operation, "no JSON") from error
        if not isinstance(body, dict):
            raise off_schema(self.operation, "no JSON object")
        return body

    async def get_xml(self, path: str, root: str) -> Element | None:
        """The Classic document at ``path``, whose root element must be ``root``; None when there is none."""
        answer = await self.call("GET", path, also=_NOT_FOUND, accept="application/xml")
        if answer.status_code == 404:
            return None
        try:
            document = fromstring(answer.content, forbid_dtd=True)
        except (ElementTree.ParseError, DefusedXmlException, ValueError) as error:
            raise off_schema(self.operation, "no XML") from error
        if document.tag != root:
            raise off_schema(self.operation, f"no {root}")
        return document

    async def write_xml(
        self, method: str, path: str, document: Element, *, also: frozenset[int] = frozenset()
    ) -> httpx.Response:
        """Send a Classic document."""
        content = ElementTree.tostring(document, encoding="utf-8", xml_declaration=True)
        return await self.call(
            method,
            path,
            also=also,
            accept="application/xml",
            content=content,
            headers={"Content-Type": "application/xml"},
        )
