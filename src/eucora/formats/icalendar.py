"""iCalendar (RFC 5545), written: what calendar programs subscribe to."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

LINE_MAX: Final = 75  # octets of a line, without its end (RFC 5545, 3.1)
MEDIA_TYPE: Final = "text/calendar"


@dataclass(frozen=True, slots=True)
class CalendarEvent:
    """One VEVENT. ``uid`` is unique in the world and stays the same; ``stamp``: when it was last changed (UTC)."""

    uid: str
    summary: str
    description: str
    category: str
    start: datetime
    end: datetime
    stamp: datetime


def calendar(name: str, events: Iterable[CalendarEvent]) -> bytes:
    """A VCALENDAR in UTF-8. Times are written in UTC, so that no reader needs our time zones to be right."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//EUCORA//Change calendar//EN",
        "CALSCALE:GREGORIAN",
        f"X-WR-CALNAME:{_text(name)}",
        # Occurrences are written out one by one, so a subscriber has to come back for those that follow.
        "REFRESH-INTERVAL;VALUE=DURATION:PT1H",
    ]
    for event in events:
        lines += [
            "BEGIN:VEVENT",
            f"UID:{_text(event.uid)}",
            f"DTSTAMP:{_time(event.stamp)}",
            f"DTSTART:{_time(event.start)}",
            f"DTEND:{_time(event.end)}",
            f"SUMMARY:{_text(event.summary)}",
            f"DESCRIPTION:{_text(event.description)}",
            f"CATEGORIES:{_text(event.category)}",
            "TRANSP:TRANSPARENT",  # nobody is busy because of a freeze
            "END:VEVENT",
        ]
    lines.append("END:VCALENDAR")
    return b"".join(_folded(line) for line in lines)


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _text(value: str) -> str:
    """A TEXT value (RFC 5545, 3.3.11): escaped, and without the control characters that it may not hold."""
    value = value.replace("\r\n", "\n").replace("\r", "\n")
    kept = "".join(sign for sign in value if sign in "\n\t" or (ord(sign) >= 32 and ord(sign) != 127))
    for sign in ("\\", ";", ","):
        kept = kept.replace(sign, f"\\{sign}")
    return kept.replace("\n", "\\n")


def _folded(line: str) -> bytes:
    """The line with its end, folded where it is too long, and never inside a character."""
    folded, width = [], 0
    for sign in line:
        octets = len(sign.encode())
        if width + octets > LINE_MAX:
            folded.append("\r\n ")
            width = 1
        folded.append(sign)
        width += octets
    return ("".join(folded) + "\r\n").encode()
