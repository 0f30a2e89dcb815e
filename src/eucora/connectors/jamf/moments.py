"""Times as Jamf Pro writes them, and as it takes them."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx


def zoned(text: str) -> datetime | None:
    """An ISO 8601 time in UTC; None for anything else, and for a time without a zone, which names no instant."""
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError):  # the latter: no such moment in UTC, before year 1 or after 9999
        return None


def written(at: datetime) -> str:
    """``at`` as the Pro API's filters take it: UTC, milliseconds, Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def date_of(answer: httpx.Response) -> datetime | None:
    """The server's own time of the answer (UTC), to the second; None where it tells none."""
    try:
        at = parsedate_to_datetime(answer.headers.get("date", ""))
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError):
        return None
