"""Stored names of the events of a change window."""

from typing import Final

from eucora.domain import change_window

STORED_AS: Final[dict[type, tuple[str, int]]] = {
    change_window.ChangeWindowCreated: ("change_window.created", 1),
    change_window.ChangeWindowAmended: ("change_window.amended", 1),
    change_window.ChangeWindowCancelled: ("change_window.cancelled", 1),
}
