"""iCalendar: lines, folding and escapes as RFC 5545 wants them."""

from datetime import UTC, datetime

from eucora.formats.icalendar import LINE_MAX, CalendarEvent, calendar

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
EVENT = CalendarEvent("w-1@eucora", "Freeze: Year end", "closed", "deny", AT, AT.replace(hour=18), AT)


def unfolded(data: bytes) -> list[str]:
    text = data.decode()
    assert text.endswith("\r\n")
    assert "\n" not in text.replace("\r\n", "")
    return text.replace("\r\n ", "").split("\r\n")[:-1]


def test_an_event_has_what_the_standard_asks_for() -> None:
    lines = unfolded(calendar("Changes", [EVENT]))
    assert lines[0] == "BEGIN:VCALENDAR"
    assert lines[-1] == "END:VCALENDAR"
    assert {"VERSION:2.0", "UID:w-1@eucora", "DTSTAMP:20260302T120000Z", "DTSTART:20260302T120000Z"} <= {*lines}
    assert {"DTEND:20260302T180000Z", "SUMMARY:Freeze: Year end", "CATEGORIES:deny"} <= {*lines}


def test_an_empty_calendar_is_a_calendar() -> None:
    assert unfolded(calendar("Changes", []))[-1] == "END:VCALENDAR"


def test_text_is_escaped_and_cannot_begin_a_line_of_its_own() -> None:
    hostile = CalendarEvent("w-1@eucora", "a;b,c\\d\r\nEND:VEVENT\rBEGIN:VEVENT\n\x00\x1b\x7f", "x", "deny", AT, AT, AT)
    lines = unfolded(calendar("Changes", [hostile]))
    assert "SUMMARY:a\\;b\\,c\\\\d\\nEND:VEVENT\\nBEGIN:VEVENT\\n" in lines
    assert lines.count("END:VEVENT") == lines.count("BEGIN:VEVENT") == 1


def test_long_lines_are_folded_between_characters() -> None:
    summary = "Jahresabschluß – 年末 🚀 " * 20
    data = calendar("Changes", [CalendarEvent("w-1@eucora", summary, "x", "deny", AT, AT, AT)])
    lines = data.split(b"\r\n")
    assert max(len(line) for line in lines) <= LINE_MAX
    assert len(lines) > 20
    for line in lines:
        line.decode()  # no character is cut
    assert f"SUMMARY:{summary}" in unfolded(data)
