"""The network of a dry run: what reads goes to the vendor, what writes ends here and is answered by a stand-in.

Two layers, so that one mistake writes nothing: ``DryRunTransport`` decides, and ``ReadsOnly`` under it carries nothing
but reads and sign-ins, whoever asks.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, TypeAlias

import httpx

from eucora.connectors.dry_run.sent import Body, Kind, Names, Sent, read_body, shown_body, shown_headers, shown_url
from eucora.connectors.transports import READS, BoundedBodyTransport

ANSWER_MAX: Final = 64 * 1024 * 1024  # bytes; the client above has a smaller limit of its own
REAL: Final = "eucora.dry_run.real"  # answer extension: the vendor gave it, though we may have added to it
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
# A token is a sign-in and no change; the last two keep and end the token of a Jamf account.
_SIGN_INS: Final = (
    "/oauth2/v2.0/token",
    "/api/v1/oauth/token",
    "/api/oauth/token",
    "/api/v1/auth/token",
    "/api/v1/auth/keep-alive",
    "/api/v1/auth/invalidate-token",
)
_REPORT: Final = "/deviceManagement/reports/retrieveDeviceAppInstallationStatusReport"

Json: TypeAlias = dict[str, Any]
Ask: TypeAlias = Callable[[httpx.Request], Awaitable[httpx.Response]]


class Unforeseen(Exception):
    """A write whose answer only the vendor can give: what the rollout would send next is not known."""

    def __init__(self, method: str, path: str) -> None:
        super().__init__(f"{method} {path}: what follows depends on the vendor's answer")


class WouldWrite(Exception):
    """Something was about to leave that is no read. Nothing did."""


class StandIn(Protocol):
    """Plays the vendor for what a dry run would have changed there. ``names`` stand for the ids that it makes up."""

    names: Names

    async def read(self, request: httpx.Request, body: Body, ask: Ask) -> httpx.Response:
        """The vendor's answer (``ask``) as it would be after the writes so far."""
        ...

    def write(self, request: httpx.Request, body: Body) -> httpx.Response:
        """What the vendor answers to a write that it takes. Raises Unforeseen."""
        ...


class DryRunTransport(httpx.AsyncBaseTransport):
    """``sent`` has every request so far, in order."""

    def __init__(self, network: httpx.AsyncBaseTransport, stand_in: StandIn) -> None:
        self._reads, self._stand_in = ReadsOnly(network), stand_in
        self.sent: list[Sent] = []

    @property
    def names(self) -> Names:
        """What is shown for ids that only the vendor, or a proposal, can give."""
        return self._stand_in.names

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        kind = kind_of(request)
        body = await read_body(request)
        try:
            if kind is Kind.WRITE:
                answer = self._stand_in.write(request, body)
            elif kind is Kind.SIGN_IN:
                answer = await self._reads.handle_async_request(request)
            else:
                answer = await self._stand_in.read(request, body, self._reads.handle_async_request)
        except Exception:
            self._note(kind, request, body, real=kind is not Kind.WRITE, status=0)
            raise
        self._note(kind, request, body, real=bool(answer.extensions.get(REAL)), status=answer.status_code)
        return answer

    def _note(self, kind: Kind, request: httpx.Request, body: Body, *, real: bool, status: int) -> None:
        names, content_type = self._stand_in.names, str(request.headers.get("content-type", ""))
        told = "" if kind is Kind.SIGN_IN else shown_body(body, content_type, names)
        self.sent.append(
            Sent(
                kind=kind,
                method=request.method,
                url=shown_url(request.url, names),
                path=names.over(request.url.path),
                headers=shown_headers(request, names),
                body=told,
                size=0 if kind is Kind.SIGN_IN else body.size,
                sha256="" if kind is Kind.SIGN_IN else body.sha256,
                real=real,
                status=status,
            )
        )

    async def aclose(self) -> None:
        await self._reads.aclose()


class ReadsOnly(httpx.AsyncBaseTransport):
    """Carries reads and sign-ins. Raises WouldWrite for anything else, before a byte of it has left."""

    def __init__(self, network: httpx.AsyncBaseTransport) -> None:
        self._network = BoundedBodyTransport(network, ANSWER_MAX)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if kind_of(request) is Kind.WRITE:
            raise WouldWrite(f"{request.method} {request.url.path}")
        answer = await self._network.handle_async_request(request)
        answer.extensions[REAL] = True
        return answer

    async def aclose(self) -> None:
        await self._network.aclose()


def kind_of(request: httpx.Request) -> Kind:
    """A POST reads when the connector marked it so and it asks for the one report that we know; nothing else does."""
    if request.method in _SAFE:
        return Kind.READ
    if request.method == "POST" and request.url.path.endswith(_SIGN_INS):
        return Kind.SIGN_IN
    if request.method == "POST" and request.extensions.get(READS) and request.url.path.endswith(_REPORT):
        return Kind.READ
    return Kind.WRITE


def with_content(answer: httpx.Response, content: bytes) -> httpx.Response:
    """The vendor's answer with other content."""
    headers = [(name, value) for name, value in answer.headers.multi_items() if name.lower() != "content-length"]
    return httpx.Response(answer.status_code, headers=headers, content=content, extensions=dict(answer.extensions))


def altered(answer: httpx.Response, alter: Callable[[Json], Json]) -> httpx.Response:
    """The answer with another object; one that is off its schema stays as it is, for the connector to judge."""
    try:
        return with_content(answer, json.dumps(alter(json.loads(answer.content))).encode())
    except (ValueError, RecursionError, KeyError, TypeError):
        return answer
