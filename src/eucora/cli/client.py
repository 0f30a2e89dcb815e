"""A small client of the HTTP API: one session a person, writes that are sent once, reads that see those writes."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar
from uuid import uuid4

import httpx
from pydantic import BaseModel, ValidationError

API: Final = "/api/v1"
TIMEOUT_S: Final = 30.0
TRIES_MAX: Final = 5
CHUNK: Final = 1 << 20  # bytes
TOKEN_MARGIN_S: Final = 60.0  # a token this close to its end is not sent any more

Json = dict[str, Any]
Read = TypeVar("Read", bound=BaseModel)


class Failed(Exception):
    """What was wanted did not come about. The message is one line."""


class Away(Failed):
    """Nobody answers. ``process`` is the one whose log says why: ``serve`` or ``lab``."""

    def __init__(self, process: str, message: str) -> None:
        self.process = process
        super().__init__(message)


class Problem(Failed):
    """The API refused. ``type`` is the last part of the problem's URN, ``told`` the sentence that says what to do."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        self.status, self.document = status, document
        self.type = str(document.get("type", "")).rsplit(":", 1)[-1]
        self.told = str(document.get("detail") or document.get("title") or f"status {status}")
        super().__init__(f"{self.type} ({status}): {self.told}")


@dataclass(frozen=True, slots=True)
class Written:
    """The answer to a write: what it is called now, its stream's version, and the whole answer."""

    id: str
    version: int
    body: Json


class Api:
    """The API at ``url``. ``position`` is that of the latest write seen; every read asks to be at least as new."""

    def __init__(
        self, url: str, http: httpx.AsyncClient, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self.url, self.http, self._sleep = url.rstrip("/"), http, sleep
        self.position = -1

    def _noted(self, answer: httpx.Response) -> httpx.Response:
        told = answer.headers.get("Eucora-Position", "")
        if told.isdecimal():
            self.position = max(self.position, int(told))
        return answer

    async def send(
        self, method: str, path: str, headers: Mapping[str, str], *, again: bool = True, **request: Any
    ) -> httpx.Response:
        """The answer, after tries enough to outlast a moment's trouble. ``again`` False: the body streams, and cannot.

        Raises:
            Problem: the API refused.
            Away: nobody answers at that address.
        """
        tries = TRIES_MAX if again else 1
        for number in range(1, tries + 1):
            try:
                answer = self._noted(
                    await self.http.request(
                        method, f"{self.url}{API}{path}", headers=headers, timeout=TIMEOUT_S, **request
                    )
                )
            except httpx.TransportError as error:
                if number == tries:
                    raise Away("serve", f"{method} {path}: the API does not answer ({type(error).__name__})") from error
                await self._sleep(0.2 * number)
                continue
            # 503 and a lost race say of themselves that the same request may succeed in a moment.
            if number < tries and answer.headers.get("Retry-After", "").isdecimal():
                await self._sleep(min(2.0, float(answer.headers["Retry-After"])))
                continue
            if answer.is_error:
                raise _problem(answer)
            return answer
        raise AssertionError("the loop returns or raises")


def _problem(answer: httpx.Response) -> Problem:
    try:
        document = answer.json()
    except ValueError:
        document = None
    return Problem(answer.status_code, document if isinstance(document, dict) else {"detail": answer.text[:200]})


class SignIn:
    """One person's access token from the OpenID provider, asked for again before it runs out."""

    def __init__(self, http: httpx.AsyncClient, token_url: str, username: str, password: str) -> None:
        self._http, self._url, self._password = http, token_url, password
        self.username = username
        self._token, self._until = "", 0.0

    async def token(self) -> str:
        """Raises Failed when the provider does not sign the person in."""
        if time.monotonic() >= self._until:
            form = {
                "grant_type": "password",
                "client_id": "eucora-cli",
                "username": self.username,
                "password": self._password,
            }
            try:
                answer = await self._http.post(self._url, data=form, timeout=TIMEOUT_S)
            except httpx.TransportError as error:
                raise Away("lab", f"the identity provider does not answer ({type(error).__name__})") from error
            if answer.is_error:
                raise Failed(f"{self.username} could not sign in: {answer.text[:200]}")
            given = answer.json()
            self._token = str(given["access_token"])
            self._until = time.monotonic() + float(given["expires_in"]) - TOKEN_MARGIN_S
        return self._token


class Credentials(Protocol):
    """Who asks."""

    async def token(self) -> str: ...


@dataclass(frozen=True, slots=True)
class ServiceToken:
    """A token that was issued once and is good until it expires."""

    secret: str

    async def token(self) -> str:
        return self.secret


class Session:
    """The API as one person uses it. Every method raises Problem and Failed."""

    def __init__(self, api: Api, sign_in: Credentials, name: str) -> None:
        self._api, self._sign_in, self.name = api, sign_in, name

    async def get(self, path: str, **params: Any) -> Json:
        body: Json = (await self._get(path, params)).json()
        return body

    async def read(self, shape: type[Read], path: str, **params: Any) -> Read:
        """The answer as ``shape``. Raises Failed too when it has another one."""
        answer = await self._get(path, params)
        try:
            return shape.model_validate_json(answer.content)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise Failed(f"GET {path}: the answer has no usable {place}: {first['msg']}") from error

    async def etag(self, path: str) -> str:
        """The strong ETag of a resource, for If-Match."""
        return str((await self._get(path, {})).headers.get("ETag", ""))

    async def post(
        self, path: str, body: Mapping[str, Any] | None = None, *, if_match: str = "", key: str = ""
    ) -> Written:
        """Write once, however often it has to be sent; ``key``: an idempotency key of the caller's own."""
        headers = await self._headers() | {"Idempotency-Key": key or str(uuid4())}
        if if_match:
            headers["If-Match"] = if_match
        answer = await self._api.send("POST", path, headers, json=dict(body or {}))
        return _written(answer)

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


async def _chunks(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as opened:
        while chunk := opened.read(CHUNK):
            yield chunk


def _written(answer: httpx.Response) -> Written:
    body = answer.json()
    return Written(str(body.get("id", "")), int(body.get("version", 0)), body)
