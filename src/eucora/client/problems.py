"""What a call may come to instead of an answer."""

from collections.abc import Mapping
from typing import Any


class Failed(Exception):
    """What was wanted did not come about. The message is one line."""


class Away(Failed):
    """Nobody answers. ``process`` is the one whose log says why: ``serve`` or ``lab``."""

    def __init__(self, process: str, message: str) -> None:
        self.process = process
        super().__init__(message)


class Problem(Failed):
    """The API refused. ``type`` is the last part of the problem's URN, ``told`` the sentence that says what to do.

    ``retry_after_s``: in how many seconds the same request may succeed; None: it says nothing of it.
    """

    def __init__(self, status: int, document: Mapping[str, Any], retry_after_s: float | None = None) -> None:
        self.status, self.document, self.retry_after_s = status, document, retry_after_s
        self.type = str(document.get("type", "")).rsplit(":", 1)[-1]
        self.told = str(document.get("detail") or document.get("title") or f"status {status}")
        super().__init__(f"{self.type} ({status}): {self.told}")
