"""What Kandji writes into its records, read so that nothing is taken for known which is not.

Seen in the vendor's own samples (Postman collection "Kandji API", kept in MScottBlake/kandji-openapi; a details record
in Sumo Logic's documentation of its Kandji source): times as ``2024-07-23T14:26:49.166267Z``, as
``2024-07-23 12:43:15.675470+00:00``, as ``2024-05-13 20:09:23 +0000`` and as an empty text; booleans as such, as
``"True"``, and for volumes as ``"Yes"``.
"""

import re
from datetime import UTC, datetime
from typing import Any, Final

TEXT_MAX: Final = 1_000  # characters that are kept of a text
_OFFSET: Final = re.compile(r"\s+(?=(?:[+-]\d{2}:?\d{2}|Z)$)")
_WORDS: Final = {"true": True, "yes": True, "false": False, "no": False}
_SWITCH: Final = {"on": True, "enabled": True, "off": False, "disabled": False}


def text(value: Any) -> str | None:
    """A text without the space around it, and without what Postgres and UTF-8 cannot hold; None for an empty one."""
    if not isinstance(value, str):
        return None
    storable = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\x00", "\ufffd")
    return storable.strip()[:TEXT_MAX] or None


def yes(value: Any) -> bool | None:
    """A boolean, or a word for one; None for anything else, a number included."""
    if isinstance(value, bool):
        return value
    return _WORDS.get(value.strip().lower()) if isinstance(value, str) else None


def switched_on(value: Any) -> bool | None:
    """As ``yes``, and with the words for a switch: no sample shows in which of them a firewall's state is written."""
    said = _SWITCH.get(value.strip().lower()) if isinstance(value, str) else None
    return yes(value) if said is None else said


def moment(value: Any) -> datetime | None:
    """A time in UTC. None for none, for one without a zone, which names no instant, and for one before 2000."""
    if not isinstance(value, str):
        return None
    try:
        written = datetime.fromisoformat(_OFFSET.sub("", value.strip()))
        at = written.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter: no such moment in UTC, before year 1 or after 9999
        return None
    return None if written.tzinfo is None or at.year < 2000 else at
