"""One address of the API: sends, and sends again where that may help."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx

from eucora.client.problems import Away, Problem

API: Final = "/api/v1"
TIMEOUT_S: Final = 30.0
TRIES_MAX: Final = 5
SILENCE_S: Final = 45.0  # an open stream says every 15 s that it is alive


class Api:
    """The API at ``url``. ``position`` is that of the latest write seen; every read asks to be at least as new."""

    def __init__(
        self, url: str, http: httpx.AsyncClient, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self.url, self.http, self._sleep = url.rstrip("/"), http, sleep
        self.position = -1

    async def wait(self, span_s: float) -> None:
        """Until it makes sense to ask again."""
        await self._sleep(span_s)

    @asynccontextmanager
    async def stream(self, path: str, headers: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
        """The answer to a GET, its body still on the way, however long that takes. Raises Problem: the API refused."""
        timeout = httpx.Timeout(TIMEOUT_S, read=SILENCE_S)
        async with self.http.stream("GET", f"{self.url}{API}{path}", headers=headers, timeout=timeout) as answer:
            if answer.is_error:
                await answer.aread()
                raise problem_of(answer)
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
                raise problem_of(answer)
            return answer
        raise AssertionError("the loop returns or raises")


def problem_of(answer: httpx.Response) -> Problem:
    """The refusal that an answer is, whatever its body holds."""
    try:
        document = answer.json()
    except ValueError:
        document = None
    return Problem(answer.status_code, document if isinstance(document, dict) else {"detail": answer.text[:200]})
