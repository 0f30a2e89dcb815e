"""Server-sent events, as far as the API writes them: an id and one line of JSON each."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """``id``: its position in the log, which says where to go on. ``data``: what it tells."""

    id: int
    data: dict[str, Any]


async def events_in(lines: AsyncIterator[str]) -> AsyncIterator[Event]:
    """The events of a stream, read line by line; one that was cut off is none (WHATWG HTML, section 9.2.6)."""
    place, data = "", ""
    async for line in lines:
        if not line:
            if place and data:
                yield Event(int(place), json.loads(data))
            place, data = "", ""
            continue
        name, _, value = line.partition(":")
        if name == "id":
            place = value.strip()
        elif name == "data":
            data += value.removeprefix(" ")
