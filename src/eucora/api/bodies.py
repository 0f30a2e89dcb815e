"""What may come in: JSON bodies of bounded size, depth and number, text without NUL, uploads as raw bytes."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Final

import orjson
from starlette.requests import Request

from eucora.api.problems import Problem, Refused, Row
from eucora.api.rows import INVALID, LARGE_BODY, OTHER_MEDIA

BODY_MAX: Final = 1_000_000  # bytes of JSON
DEPTH_MAX: Final = 32
VALUES_MAX: Final = 20_000  # of all kinds, one in the other; the largest plan that a route reads has 15,031
NAME_MAX: Final = 200  # characters; the names that routes read have fewer than 40
MALFORMED: Final = Row(400, "json-malformed", "The body is not JSON")
_FORMS: Final = ("multipart/", "application/x-www-form-urlencoded")


class BoundedRequest(Request):
    """A request whose body is read once, and only up to ``BODY_MAX``; its JSON by :meth:`check_json`."""

    _read: bytes | None = None
    _value: object = None

    async def body(self) -> bytes:
        """Raises Refused when it is too large, also when its size was not announced."""
        if self._read is None:
            self._read = await self._bounded()
        return self._read

    async def json(self) -> Any:
        return self._value

    async def check_json(self) -> None:
        """Raises Refused: too large, another media type, not JSON, too deep, too many values, a long name or a NUL."""
        body = await self.body()
        if not body:
            return
        _refuse_coded(self)
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
            raise Refused(Problem(OTHER_MEDIA, "Send the body as application/json, and say so in Content-Type."))
        try:
            self._value = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            if "depth limit" in error.msg:  # the parser has one of its own, far above ours
                raise Refused(_wrong((), f"nested deeper than {DEPTH_MAX} levels")) from error
            detail = f"The body is not JSON at line {error.lineno}, column {error.colno}; correct it and send it again."
            raise Refused(Problem(MALFORMED, detail)) from error
        _check(self._value)

    async def _bounded(self) -> bytes:
        detail = f"The body has {BODY_MAX:,} bytes at the most."
        # The rest of it is on its way: the connection ends with the answer.
        refused = Refused(Problem(LARGE_BODY, detail, {"limit": BODY_MAX}, headers={"Connection": "close"}))
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


def _check(value: object) -> None:
    """Raises Refused. Where something stands is written down for a refusal alone: written for each of many values, one
    long name above them would take its length times their number, of anybody who may send a body.
    """
    way: list[str | int] = []  # to the innermost container that is open; its first step leads to the value itself
    inside: list[Iterator[tuple[str | int, object]]] = [iter([("", value)])]  # what is left of each open container
    count = 0
    while inside:
        for step, item in inside[-1]:
            count += 1
            if count > VALUES_MAX:
                raise Refused(_wrong((), f"more than {VALUES_MAX:,} values, one in the other"))
            if isinstance(step, str) and (fault := _fault_of_name(step)):
                raise Refused(_wrong(way[1:], fault))
            if isinstance(item, dict | list):
                if len(inside) > DEPTH_MAX:
                    raise Refused(_wrong((), f"nested deeper than {DEPTH_MAX} levels"))
                way.append(step)
                inside.append(_pairs(item))
                break
            if isinstance(item, str) and "\x00" in item:
                raise Refused(_wrong([*way, step][1:], "a text holds the character NUL, which cannot be stored"))
        else:
            inside.pop()
            del way[-1:]


def _pairs(item: dict[str, object] | list[object]) -> Iterator[tuple[str | int, object]]:
    return iter(item.items() if isinstance(item, dict) else enumerate(item))


def _fault_of_name(name: str) -> str:
    if len(name) > NAME_MAX:
        return f"a name has {len(name):,} characters; {NAME_MAX} are the most"
    return "a name holds the character NUL, which cannot be stored" if "\x00" in name else ""


def _wrong(steps: Sequence[str | int], detail: str) -> Problem:
    place = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)
    return Problem(INVALID, f"#{place}: {detail}", errors=[{"pointer": f"#{place}", "detail": detail}])


def refuse_nul(request: Request) -> None:
    """Raises Refused when a path or query parameter holds a NUL: no database text can."""
    named = [*request.path_params.items()]
    if request.scope["query_string"]:
        named += request.query_params.multi_items()
    for name, value in named:
        if "\x00" in str(value) or "\x00" in name:
            errors = [{"parameter": name.replace("\x00", ""), "detail": "holds the character NUL"}]
            raise Refused(Problem(INVALID, "A parameter holds the character NUL, which cannot be stored.", {}, errors))


def _refuse_coded(request: Request) -> None:
    """Raises Refused: the body is compressed, and whoever opened it would not know how much comes out."""
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        detail = "Send the body as it is, without Content-Encoding."
        raise Refused(Problem(OTHER_MEDIA, detail, headers={"Accept-Encoding": "identity"}))


def octets(request: Request) -> AsyncIterator[bytes]:
    """The raw body, as it streams in. Raises Refused for a form or a coded one: that would become part of the file."""
    _refuse_coded(request)
    kind = request.headers.get("content-type", "").strip().lower()
    if kind.startswith(_FORMS):
        detail = "Send the file itself as the body, with Content-Type: application/octet-stream, and not as a form."
        raise Refused(Problem(OTHER_MEDIA, detail))
    return request.stream()
