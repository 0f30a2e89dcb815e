"""Stored names of the events of a connector."""

from typing import Final

from eucora.domain import connector

STORED_AS: Final[dict[type, tuple[str, int]]] = {
    connector.CircuitOpened: ("connector.circuit-opened", 1),
    connector.CircuitClosed: ("connector.circuit-closed", 1),
}
