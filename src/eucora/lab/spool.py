"""Writes what is said on the lab's wire into a folder, every kind of exchange once, for as many labs as there are.

The folder is named by ``LAB_RECORD_DIR`` in the environment, so that a lab in another process writes there too. A
whole test run can then be held to the vendors' descriptions; without the variable nothing is kept.
"""

import base64
import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from eucora.lab.recorder import Exchange, RecorderMiddleware

VARIABLE: Final = "LAB_RECORD_DIR"
_KEPT: Final = "eucora.lab.spooled"  # in the scope of a request that a lab further out writes down
_SEGMENT: Final = re.compile(r"[A-Za-z$][A-Za-z.$()_-]*|v\d+(?:\.\d+)?")  # what is no id and no person's name
_WORD: Final = re.compile(r"[#A-Za-z][#A-Za-z.]{0,59}")
_WORDS_MAX: Final = 40  # words told apart in one place; an enumeration has fewer
_TASTE: Final = 64  # bytes
_SPOKEN: Final = ("application/x-www-form-urlencoded", "json", "xml")  # types whose bodies a description speaks of


class Novelty:
    """Tells an exchange that has something new: a path, a status, a field, a type in a field, a word in a field."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, ...]] = set()
        self._words: dict[tuple[str, ...], set[str]] = {}

    def adds(self, exchange: Exchange) -> bool:
        """Whether the exchange has something that none before it had; from now on it is known."""
        names = sorted({part.partition("=")[0] for part in exchange.query.split("&")})
        ours = "ours" if exchange.agent.startswith("eucora/") else ""
        types = exchange.request_type.partition(";")[0], exchange.response_type.partition(";")[0]
        kind = (ours, exchange.method, _template(exchange.path), str(exchange.status), *types)
        atoms = {(*kind, "query", *names)}
        for side, media_type, body in (
            ("request", types[0], exchange.request_body),
            ("answer", types[1], exchange.response_body),
        ):
            atoms |= {self._atom((*kind, side, *atom)) for atom in _atoms(media_type, body)}
        new = atoms - self._seen
        self._seen |= new
        return bool(new)

    def _atom(self, atom: tuple[str, ...]) -> tuple[str, ...]:
        *place, what = atom
        if not what.startswith("="):
            return atom
        words = self._words.setdefault(tuple(place), set())
        if len(words) < _WORDS_MAX:
            words.add(what)
        return atom if what in words else (*place, "text")


class Spool:
    """The file of this process in ``folder``: one exchange a line, as ``read`` gives it back."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / f"{os.getpid()}.jsonl"
        self._novelty = Novelty()

    def keep(self, exchange: Exchange) -> None:
        """Write the exchange down if it has something new; of content that nobody reads as text, a taste."""
        if not self._novelty.adds(exchange):
            return
        row = asdict(exchange)
        for side in ("request", "response"):
            body = row[f"{side}_body"]
            if body is not None:
                told = row[f"{side}_type"].partition(";")[0].lower().endswith(_SPOKEN)
                row[f"{side}_body"] = base64.b64encode(body if told else body[:_TASTE]).decode()
        with self._file.open("ab", buffering=0) as file:
            file.write(json.dumps(row).encode() + b"\n")  # in one write, which a kill leaves whole or out


def read(folder: Path) -> Iterator[Exchange]:
    """What the processes wrote into ``folder``, without what several of them saw."""
    novelty = Novelty()
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_bytes().splitlines():
            row = json.loads(line)
            for side in ("request_body", "response_body"):
                row[side] = None if row[side] is None else base64.b64decode(row[side])
            exchange = Exchange(**row)
            if novelty.adds(exchange):
                yield exchange


def spooling() -> list[Middleware]:
    """The layer that writes down what passes, outermost in a lab; none without a folder to write to."""
    folder = os.environ.get(VARIABLE)
    return [Middleware(_SpoolMiddleware, spool=_spool(folder))] if folder else []


class _SpoolMiddleware:
    """Writes a request down unless a lab further out does."""

    def __init__(self, app: ASGIApp, *, spool: Spool) -> None:
        self._app, self._recording = app, RecorderMiddleware(app, recorder=spool)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get(_KEPT):
            await self._app(scope, receive, send)
        else:
            scope[_KEPT] = True
            await self._recording(scope, receive, send)


@lru_cache(maxsize=1)
def _spool(folder: str) -> Spool:
    return Spool(Path(folder))


def _template(path: str) -> str:
    return "/".join(part if not part or _SEGMENT.fullmatch(part) else "{}" for part in path.split("/"))


def _atoms(media_type: str, body: bytes | None) -> Iterator[tuple[str, ...]]:
    """(place, what is there) for every place of the body."""
    yield ("", "cut" if body is None else "body" if body else "none")
    try:
        if body and media_type.lower().endswith("json"):
            yield from _of_json(json.loads(body), "")
        elif body and media_type.lower().endswith("xml"):
            yield from _of_xml(fromstring(body), "")
    except (ValueError, ParseError, DefusedXmlException):
        yield ("", "unreadable")


def _of_json(value: Any, place: str) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict):
        yield (place, *sorted(value), "object")
        for name, part in value.items():
            yield from _of_json(part, f"{place}.{name}")
    elif isinstance(value, list):
        yield (place, "list" if value else "empty list")
        for part in value:
            yield from _of_json(part, f"{place}[]")
    else:
        yield (place, _what(value) if isinstance(value, str) else type(value).__name__)


def _of_xml(element: Element, place: str) -> Iterator[tuple[str, ...]]:
    here = f"{place}/{element.tag}"
    yield (here, *sorted({child.tag for child in element}), "element")
    if not len(element):
        yield (here, _what(element.text or ""))
    for child in element:
        yield from _of_xml(child, here)


def _what(text: str) -> str:
    if text.startswith("/"):
        return f"={_template(text.partition('?')[0])}"  # a part of a batch
    if _WORD.fullmatch(text):
        return f"={text}"
    return "digits" if text.removeprefix("-").isdecimal() else "text" if text else "no text"
