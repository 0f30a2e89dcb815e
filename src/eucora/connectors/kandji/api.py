"""One read from Kandji's API: the token, JSON, and nothing else. Nothing is ever written there."""

import json
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import httpx

from eucora.application.budgets import BudgetPaused
from eucora.connectors.breaker import CircuitOpen
from eucora.connectors.errors import redact
from eucora.connectors.kandji.failures import failed, off_schema
from eucora.connectors.secrets.kept import KeptSecret

JsonObject: TypeAlias = dict[str, Any]

# A page of 300 devices takes some 300 KB; the largest single record is a status with the logs of its library items.
BODY_MAX_BYTES: Final = 8 * 1024 * 1024


class KandjiApi:
    """Reads over one tenant; ``operation`` names what they are for. Errors are KandjiErrors."""

    def __init__(self, client: httpx.AsyncClient, token: str | KeptSecret) -> None:
        self._client = client
        self._kept = KeptSecret("KANDJI_API_TOKEN", token) if isinstance(token, str) else token

    async def get(self, operation: str, path: str, params: Mapping[str, str] | None = None) -> Any:
        """The JSON at ``path``; None where there is no such thing (404). A refused token is read again, once."""
        token = self._kept.value
        answer = await self._answer(operation, path, params, token)
        if answer.status_code == 401 and await self._kept.another_than(token):
            token = self._kept.value
            answer = await self._answer(operation, path, params, token)
        if answer.status_code == 404:
            return None
        if answer.status_code != 200:
            raise failed(operation, answer, secret=token)
        return _json(operation, answer, token)

    async def _answer(self, operation: str, path: str, params: Mapping[str, str] | None, token: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        try:
            return await self._client.get(path, params=params, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL, CircuitOpen, BudgetPaused) as error:
            raise failed(operation, error, secret=token) from error

    async def get_object(self, operation: str, path: str) -> JsonObject | None:
        """The JSON object at ``path``; None where there is none."""
        body = await self.get(operation, path)
        if body is not None and not isinstance(body, dict):
            raise off_schema(operation, "no JSON object")
        return body


def _json(operation: str, answer: httpx.Response, token: str) -> Any:
    shown = answer.content.decode("utf-8-sig", "replace")
    try:
        body = json.loads(shown, object_pairs_hook=_once_each, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        what = str(error) if isinstance(error, _TwiceNamed) else "no JSON"
        shown = redact(shown[:10_000].replace(token, "[redacted]"))
        raise off_schema(operation, f"{what}: {shown}") from None
    if body is None:
        raise off_schema(operation, "null")
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
