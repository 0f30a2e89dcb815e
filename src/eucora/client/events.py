"""Server-sent events, as far as the API writes them: an id and one line of JSON each."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from eucora.client.problems import Failed


@dataclass(frozen=True, slots=True)
class Event:
    """``id``: its position in the log, which says where to go on. ``data``: what it tells."""

    id: int
    data: dict[str, Any]


async def lines_in(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """The lines of a stream, cut at line feeds alone.

    ``str.splitlines`` cuts at U+2028 and its like too. These stand in JSON as they are (RFC 8259, section 7), so one
    reason with such a character in it would end every follower at that event.
    """
    rest = b""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.removesuffix(b"\r").decode(errors="replace")


async def events_in(chunks: AsyncIterator[bytes]) -> AsyncIterator[Event]:
    """The events of a stream; one that was cut off is none (WHATWG HTML, section 9.2.6). Raises Failed: no JSON."""
    place, data = "", ""
    async for line in lines_in(chunks):
        if not line:
            if place and data:
                yield _event(place, data)
            place, data = "", ""
            continue
        name, _, value = line.partition(":")
        if name == "id":
            place = value.strip()
        elif name == "data":
            data += value.removeprefix(" ")


def _event(place: str, data: str) -> Event:
    try:
        told = json.loads(data)
        return Event(int(place), told if isinstance(told, dict) else {"value": told})
    except ValueError as error:
        raise Failed(f"event {place[:40]} of the stream is no JSON: {error}") from error
