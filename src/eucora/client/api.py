"""One address of the API: sends, and sends again where that may help."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx

from eucora.client.problems import Away, Failed, Problem

API: Final = "/api/v1"
TIMEOUT_S: Final = 30.0
TRIES_MAX: Final = 5
WAIT_MAX_S: Final = 30.0  # for one answer, all Retry-After taken together; whoever asks decides about longer ones
SILENCE_S: Final = 45.0  # an open stream says every 15 s that it is alive


class Api:
    """The API at ``url``. ``position`` is that of the latest write seen; every read asks to be at least as new."""

    def __init__(
        self, url: str, http: httpx.AsyncClient, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        # The address of the API's own root is what many have at hand.
        self.url, self.http, self._sleep = url.rstrip("/").removesuffix(API), http, sleep
        self.position = -1

    async def wait(self, span_s: float) -> None:
        """Until it makes sense to ask again."""
        await self._sleep(span_s)

    @asynccontextmanager
    async def stream(self, path: str, headers: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
        """The answer to a GET, its body still on the way, however long that takes.

        Raises:
            Problem: the API refused.
            Failed: what answers is no stream of events.
            httpx.TransportError: the connection broke, or nobody answers.
        """
        timeout = httpx.Timeout(TIMEOUT_S, read=SILENCE_S)
        async with self.http.stream("GET", f"{self.url}{API}{path}", headers=headers, timeout=timeout) as answer:
            if not answer.is_success:
                await answer.aread()
                raise problem_of(answer)
            if not answer.headers.get("Content-Type", "").startswith("text/event-stream"):
                raise Failed(f"GET {path}: what answers at {self.url} is no stream of events")
            yield answer

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
            httpx.UnsupportedProtocol, httpx.InvalidURL: it is no address.
        """
        tries, patience_s = (TRIES_MAX if again else 1), WAIT_MAX_S
        for number in range(1, tries + 1):
            try:
                answer = self._noted(
                    await self.http.request(
                        method, f"{self.url}{API}{path}", headers=headers, timeout=TIMEOUT_S, **request
                    )
                )
            except httpx.UnsupportedProtocol:
                raise
            except httpx.TransportError as error:
                if number == tries:
                    raise Away(
                        "serve", f"{method} {path}: the API does not answer ({error or type(error).__name__})"
                    ) from error
                await self._sleep(0.2 * number)
                continue
            if answer.is_success:
                return answer
            # A quota, 503 and a lost race say of themselves that the same request may succeed in a moment.
            problem = problem_of(answer)
            wait_s = problem.retry_after_s
            if number == tries or wait_s is None or wait_s > patience_s:
                raise problem
            patience_s -= wait_s
            await self._sleep(wait_s)
        raise AssertionError("the loop returns or raises")


def retry_after_s(answer: httpx.Response) -> float | None:
    """In how many seconds the same request may succeed; None: the answer says nothing of it (RFC 9110, 10.2.3)."""
    told = answer.headers.get("Retry-After", "")
    return float(told) if told.isascii() and told.isdecimal() else None


def problem_of(answer: httpx.Response) -> Problem:
    """The refusal that an answer is, whatever its body holds."""
    try:
        document = answer.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        elsewhere = answer.headers.get("Location", "")[:200]
        told = f"the API is elsewhere: {elsewhere}" if answer.is_redirect else " ".join(answer.text[:200].split())
        document = {"type": "not-of-the-api", "detail": told or "an answer without a body"}
    return Problem(answer.status_code, document, retry_after_s(answer))


def document_of(answer: httpx.Response) -> dict[str, Any]:
    """The JSON object that an answer of the API is. Raises Failed: it is none, so something else answered."""
    try:
        document = json.loads(answer.content)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        at = answer.request.url.copy_with(query=None)
        raise Failed(f"{answer.request.method} {at}: the answer is no JSON object; is this the address of the API?")
    return document
