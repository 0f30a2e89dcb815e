"""The entry that is stored, hashed and exported for an event: one canonical JSON object."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import orjson

from eucora.application.ports import Context, Recorded
from eucora.codec.canonical import canonical
from eucora.codec.registry import EVENTS

ENTRY_MAX = 65_535  # bytes; an entry must fit the tile format's 16-bit length (C2SP tlog-tiles)


class EntryTooLarge(ValueError):
    """The event does not fit an entry: large things go to the artifact store, and the event names their digest."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An event ready to be stored."""

    id: UUID
    stream: str
    version: int
    type: str
    schema: int
    at: datetime
    context: Context
    body: bytes


def seal(event: object, *, id: UUID, stream: str, version: int, at: datetime, context: Context) -> Entry:
    """The entry for an event.

    Raises:
        EntryTooLarge: its canonical form exceeds 65,535 bytes.
        NotCanonical: it holds a value without a canonical form.
    """
    name, schema, data = EVENTS.encode(event)
    # Written only where there is one: what is done in no session has the bytes that it always had.
    marked = {"break_glass": context.break_glass} if context.break_glass else {}
    body = canonical(
        marked
        | {
            "actor": context.actor,
            "at": at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "causation_id": str(context.causation_id) if context.causation_id else None,
            "correlation_id": context.correlation_id,
            "data": data,
            "id": str(id),
            "intent_id": context.intent_id,
            "schema": schema,
            "stream": stream,
            "type": name,
            "version": version,
        }
    )
    if len(body) > ENTRY_MAX:
        raise EntryTooLarge(f"{name} on {stream} takes {len(body)} bytes of at most {ENTRY_MAX}")
    return Entry(id, stream, version, name, schema, at, context, body)


def event_of(body: bytes) -> object:
    """The domain event inside an entry. Raises UnknownEvent."""
    entry = orjson.loads(body)
    return EVENTS.decode(entry["type"], entry["schema"], entry["data"])


def recorded(position: int, body: bytes) -> Recorded:
    """The entry at ``position``, read from its bytes alone. Raises UnknownEvent."""
    entry = orjson.loads(body)
    return Recorded(
        position=position,
        stream=entry["stream"],
        version=entry["version"],
        id=UUID(entry["id"]),
        type=entry["type"],
        at=datetime.fromisoformat(entry["at"]),
        event=EVENTS.decode(entry["type"], entry["schema"], entry["data"]),
        actor=entry["actor"],
        correlation_id=entry["correlation_id"],
        causation_id=UUID(entry["causation_id"]) if entry["causation_id"] else None,
        intent_id=entry["intent_id"],
        break_glass=entry.get("break_glass", ""),
    )
