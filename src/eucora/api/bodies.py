"""What may come in: JSON bodies of bounded size and depth, text without NUL, uploads as raw bytes."""

from collections.abc import AsyncIterator
from typing import Any, Final

import orjson
from starlette.requests import Request

from eucora.api.problems import Problem, Refused, Row

BODY_MAX: Final = 1_000_000  # bytes of JSON
DEPTH_MAX: Final = 32
LARGE: Final = Row(413, "body-too-large", "The body is too large")
MEDIA: Final = Row(415, "media-type-unsupported", "The body is of another media type")
MALFORMED: Final = Row(400, "json-malformed", "The body is not JSON")
INVALID: Final = Row(422, "request-invalid", "A field of the request is invalid")
_FORMS: Final = ("multipart/", "application/x-www-form-urlencoded")


class BoundedRequest(Request):
    """A request whose body is read once, and only up to ``BODY_MAX``; its JSON by :meth:`check_json`."""

    _read: bytes | None = None
    _value: Any = None

    async def body(self) -> bytes:
        """Raises Refused when it is too large, also when its size was not announced."""
        if self._read is None:
            self._read = await self._bounded()
        return self._read

    async def json(self) -> Any:
        return self._value

    async def check_json(self) -> None:
        """Raises Refused: too large, another media type, not JSON, too deep, or with a NUL in a text."""
        body = await self.body()
        if not body:
            return
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
            raise Refused(Problem(MEDIA, "Send the body as application/json, and say so in Content-Type."))
        try:
            self._value = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            if "depth limit" in error.msg:  # the parser has one of its own, far above ours
                raise Refused(_wrong("", f"nested deeper than {DEPTH_MAX} levels")) from error
            detail = f"The body is not JSON at line {error.lineno}, column {error.colno}; correct it and send it again."
            raise Refused(Problem(MALFORMED, detail)) from error
        _check(self._value)

    async def _bounded(self) -> bytes:
        detail = f"The body has {BODY_MAX:,} bytes at the most."
        # The rest of it is on its way: the connection ends with the answer.
        refused = Refused(Problem(LARGE, detail, {"limit": BODY_MAX}, headers={"Connection": "close"}))
        length = self.headers.get("content-length", "")
        if length.isdecimal() and int(length) > BODY_MAX:
            raise refused
        chunks, size = [], 0
        async for chunk in self.stream():
            size += len(chunk)
            if size > BODY_MAX:
                raise refused
            chunks.append(chunk)
        return b"".join(chunks)


def _check(value: Any) -> None:
    """Depth and NULs, without recursion: the body may be hostile."""
    waiting: list[tuple[str, int, Any]] = [("", 1, value)]
    while waiting:
        place, depth, item = waiting.pop()
        if isinstance(item, str):
            if "\x00" in item:
                raise Refused(_wrong(place, "a text holds the character NUL, which cannot be stored"))
        elif isinstance(item, dict | list):
            if depth > DEPTH_MAX:
                raise Refused(_wrong("", f"nested deeper than {DEPTH_MAX} levels"))
            pairs = item.items() if isinstance(item, dict) else enumerate(item)
            for key, inner in pairs:
                if isinstance(key, str) and "\x00" in key:
                    raise Refused(_wrong(place, "a name holds the character NUL, which cannot be stored"))
                waiting.append((f"{place}/{str(key).replace('~', '~0').replace('/', '~1')}", depth + 1, inner))


def _wrong(place: str, detail: str) -> Problem:
    return Problem(INVALID, f"#{place}: {detail}", errors=[{"pointer": f"#{place}", "detail": detail}])


def refuse_nul(request: Request) -> None:
    """Raises Refused when a path or query parameter holds a NUL: no database text can."""
    named = [*request.path_params.items(), *request.query_params.multi_items()]
    for name, value in named:
        if "\x00" in str(value) or "\x00" in name:
            errors = [{"parameter": name.replace("\x00", ""), "detail": "holds the character NUL"}]
            raise Refused(Problem(INVALID, "A parameter holds the character NUL, which cannot be stored.", {}, errors))


def octets(request: Request) -> AsyncIterator[bytes]:
    """The raw body, as it streams in. Raises Refused for a form: its framing would become part of the file."""
    kind = request.headers.get("content-type", "").strip().lower()
    if kind.startswith(_FORMS):
        detail = "Send the file itself as the body, with Content-Type: application/octet-stream, and not as a form."
        raise Refused(Problem(MEDIA, detail))
    return request.stream()
