"""Points in time as documents write them."""

from datetime import UTC, datetime

from eucora.formats.json_document import JsonObject, Reader


def utc_of(text: str) -> datetime | None:
    """The UTC time that an RFC 3339 text names; None where it is none, or has no offset from UTC."""
    try:
        time = datetime.fromisoformat(text)
        return None if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def time_of(parent: JsonObject, key: str, reader: Reader, place: str) -> datetime | None:
    """The UTC time under ``key``; None where it is absent or null. Raises UnreadableEvidence for one that is none."""
    told = reader.text(parent, key, place)
    if told and utc_of(told) is None:
        at = reader.at(place, key)
        raise reader.refuse(at, "is not a time with an offset from UTC, such as 2026-01-31T08:00:00Z")
    return utc_of(told)
