"""One question to a keeper of secrets, or to who vouches for us there: bounded in time and size, over no redirect."""

from collections.abc import Mapping
from typing import Any, Final

import httpx

TIMEOUT_S: Final = 10.0
_BODY_MAX: Final = 1 << 20


class NoAnswer(Exception):
    """Nothing came back that could be read. The text is the kind of failure, and nothing that anybody sent."""


def keeper_client(inner: httpx.AsyncBaseTransport | None = None, **more: Any) -> httpx.AsyncClient:
    """A client for ``ask``. ``inner`` stands for the network in tests."""
    # trust_env off: a proxy variable must not decide who sees our secrets, and metadata services allow no proxy.
    return httpx.AsyncClient(timeout=httpx.Timeout(TIMEOUT_S), trust_env=False, transport=inner, **more)


async def ask(http: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    """The answer with its whole body, at most a mebibyte, whatever its status. Raises NoAnswer."""
    body = bytearray()
    try:
        answer = await http.send(request, stream=True)
        try:
            async for piece in answer.aiter_bytes(64 * 1024):
                body += piece
                if len(body) > _BODY_MAX:
                    raise NoAnswer("the answer is too large")
        finally:
            await answer.aclose()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NoAnswer(type(error).__name__) from None
    return httpx.Response(answer.status_code, content=bytes(body))


def object_in(answer: httpx.Response) -> Mapping[str, Any]:
    """The JSON object of an answer; an empty one where there is none."""
    try:
        body = answer.json()
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}
