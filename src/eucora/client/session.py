"""The API as one caller uses it: writes that are sent once, reads that see those writes."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias, TypeVar
from uuid import uuid4

import httpx
from pydantic import BaseModel, ValidationError

from eucora.client.api import API, TRIES_MAX, WAIT_MAX_S, Api, document_of
from eucora.client.events import Event, events_in
from eucora.client.problems import Away, Failed, Problem

MOVES_MAX: Final = 20  # a worker counts devices every few seconds, and each count moves the intent
CHUNK: Final = 1 << 20  # bytes

Json: TypeAlias = dict[str, Any]
Read = TypeVar("Read", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Written:
    """The answer to a write: what it is called now, its stream's version, and the whole answer."""

    id: str
    version: int
    body: Json


class Credentials(Protocol):
    """Who asks."""

    async def token(self) -> str: ...


@dataclass(frozen=True, slots=True)
class ServiceToken:
    """A token that was issued once and is good until it expires."""

    secret: str

    async def token(self) -> str:
        return self.secret


class _Page(BaseModel):
    items: list[Json]
    next_cursor: str | None


class _Receipt(BaseModel):
    id: str | int = ""  # a job has a number
    version: int = 0


class Session:
    """The API as one person uses it. Every method raises Problem and Failed."""

    def __init__(self, api: Api, sign_in: Credentials, name: str) -> None:
        self._api, self._sign_in, self.name = api, sign_in, name

    async def get(self, path: str, **params: Any) -> Json:
        """The answer. Raises Failed too when it is no JSON object."""
        return document_of(await self._get(path, params))

    async def read(self, shape: type[Read], path: str, **params: Any) -> Read:
        """The answer as ``shape``. Raises Failed too when it has another one."""
        return _shaped(shape, await self._get(path, params))

    async def items(self, path: str, **params: Any) -> AsyncIterator[Json]:
        """Every item of a list, page after page; ``limit`` says how many a page may hold."""
        cursor: str | None = None
        while True:
            page = await self.read(_Page, path, **params, cursor=cursor)
            for item in page.items:
                yield item
            if (cursor := page.next_cursor) is None:
                return

    async def events(self, path: str, after: int | None = None) -> AsyncIterator[Event]:
        """What a stream tells, for good: it comes back after every end, and misses and doubles nothing.

        ``after``: the id of the last event that is known. Raises Problem: refused, and not for a moment only; Failed:
        what answers tells something else; Away: nobody answers any more.
        """
        known, tries = after, 0
        trouble: Failed | None
        while True:
            headers = await self._headers() | {"Accept": "text/event-stream"}
            if known is not None:
                headers["Last-Event-ID"] = str(known)
            wait_s, trouble = 0.2, None
            heard = Heard()
            try:
                async with self._api.stream(path, headers) as answer:
                    async for event in events_in(heard.all_of(answer.aiter_bytes())):
                        known = event.id
                        yield event
                if not heard.anything:
                    trouble = Away("serve", f"GET {path}: the stream ends at once, without a word")
            except httpx.UnsupportedProtocol:
                raise
            except httpx.TransportError as error:
                trouble = Away("serve", f"GET {path}: the stream does not answer ({error or type(error).__name__})")
            except Problem as problem:
                told_s = problem.retry_after_s
                if told_s is None or told_s > WAIT_MAX_S:
                    raise
                wait_s, trouble = max(wait_s, told_s), problem
            if heard.anything:
                tries = 0
            if trouble is not None:
                tries += 1
                if tries >= TRIES_MAX:
                    raise trouble
                wait_s = max(wait_s, 0.2 * tries)
            await self._api.wait(wait_s)

    async def etag(self, path: str) -> str:
        """The strong ETag of a resource, for If-Match."""
        return str((await self._get(path, {})).headers.get("ETag", ""))

    async def post(
        self, path: str, body: Mapping[str, Any] | None = None, *, if_match: str = "", key: str = ""
    ) -> Written:
        """Write once, however often it has to be sent; ``key``: an idempotency key of the caller's own.

        A key has no meaning where the answer holds a new secret (``/service-tokens``, ``/token-exchanges``).
        """
        headers = await self._headers() | {"Idempotency-Key": key or str(uuid4())}
        if if_match:
            headers["If-Match"] = if_match
        answer = await self._api.send("POST", path, headers, json=dict(body or {}))
        return _written(answer)

    async def decide(self, of: str, deed: str, body: Mapping[str, Any] | None = None) -> Written:
        """Decide on what stands at ``of``, which is read for it; read again where it moved in that moment."""
        for _ in range(MOVES_MAX):
            try:
                return await self.post(f"{of}/{deed}", body, if_match=await self.etag(of))
            except Problem as problem:
                if problem.type != "version-mismatch":
                    raise
        return await self.post(f"{of}/{deed}", body, if_match=await self.etag(of))

    async def upload(self, path: str, file: Path, **params: str) -> Written:
        """Send a file as it is, as the body."""
        headers = await self._headers() | {
            "Idempotency-Key": str(uuid4()),
            "Content-Type": "application/octet-stream",
            "Content-Length": str(file.stat().st_size),
        }
        answer = await self._api.send("POST", path, headers, again=False, params=params, content=_chunks(file))
        return _written(answer)

    async def _get(self, path: str, params: Mapping[str, Any]) -> httpx.Response:
        headers = await self._headers()
        if self._api.position >= 0:
            headers["Eucora-Min-Position"] = str(self._api.position)
        given = {name: value for name, value in params.items() if value is not None}
        return await self._api.send("GET", path, headers, params=given)

    async def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {await self._sign_in.token()}"}


class Heard:
    """Whether a stream has said anything yet, if only that it is alive."""

    anything = False

    async def all_of(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            self.anything = True
            yield chunk


async def _chunks(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as opened:
        while chunk := opened.read(CHUNK):
            yield chunk


def _written(answer: httpx.Response) -> Written:
    body, receipt = document_of(answer), _shaped(_Receipt, answer)
    return Written(str(receipt.id), receipt.version, body)


def _shaped(shape: type[Read], answer: httpx.Response) -> Read:
    """Raises Failed: the answer has another shape."""
    try:
        return shape.model_validate_json(answer.content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place, asked = ".".join(str(part) for part in first["loc"]), answer.request
        told = f"{asked.method} {asked.url.path.removeprefix(API)}: the answer has no usable {place}: {first['msg']}"
        raise Failed(told) from error
