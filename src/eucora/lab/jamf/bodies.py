"""Request bodies, read up to a bound."""

import json
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from eucora.lab.jamf.errors import Cause, ProRefused

TEXT_BYTES_MAX = 1 << 20


class BodyTooLarge(Exception):
    """The body has more bytes than its bound."""


async def bounded(request: Request, bytes_max: int) -> AsyncGenerator[bytes, None]:
    """The body's chunks; raises BodyTooLarge once more than ``bytes_max`` came, whatever Content-Length said."""
    seen = 0
    async for chunk in request.stream():
        seen += len(chunk)
        if seen > bytes_max:
            raise BodyTooLarge
        yield chunk


async def read_bytes(request: Request) -> bytes:
    """The whole body, at most TEXT_BYTES_MAX bytes. Raises BodyTooLarge."""
    return b"".join([chunk async for chunk in bounded(request, TEXT_BYTES_MAX)])


async def read_json_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object.

    Raises:
        ProRefused: 413 too large, 415 not sent as JSON, 400 not a JSON object.
    """
    if _media_type(request) != "application/json":
        raise ProRefused(415, Cause("UNSUPPORTED_MEDIA_TYPE", "", "Content-Type must be application/json"))
    try:
        value = json.loads(await read_bytes(request))
    except BodyTooLarge as error:
        raise ProRefused(413, Cause("PAYLOAD_TOO_LARGE", "", "the body is too large")) from error
    except ValueError as error:
        raise ProRefused(400, Cause("BAD_REQUEST", "", "the body is not JSON")) from error
    if not isinstance(value, dict):
        raise ProRefused(400, Cause("BAD_REQUEST", "", "the body is not a JSON object"))
    return value


async def read_form(request: Request) -> dict[str, str] | None:
    """An urlencoded form, or None when it is not one, is too large, or names a field twice (RFC 6749 section 3.2)."""
    if _media_type(request) != "application/x-www-form-urlencoded":
        return None
    try:
        pairs = parse_qsl((await read_bytes(request)).decode(), keep_blank_values=True, max_num_fields=20)
    except (BodyTooLarge, ValueError):
        return None
    form = dict(pairs)
    return form if len(form) == len(pairs) else None


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
