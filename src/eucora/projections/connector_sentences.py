"""Sentences about the circuits of connectors."""

from eucora.domain import connector as c


def of_connector(event: object) -> str:
    """What happened to a circuit; empty for another event."""
    match event:
        case c.CircuitOpened(failures=failures):
            return f"Calls to {event.upstream} stopped after {failures} failures in a row: {event.error}"
        case c.CircuitClosed():
            away = int((event.at - event.opened_at).total_seconds())
            return f"{event.upstream} answers again after {away} s, and calls go out"
    return ""
