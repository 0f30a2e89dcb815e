"""Cursors that callers cannot make up: the key of the last row, signed for one list with its filters."""

import hashlib
import hmac
from typing import Final

from eucora.projections.paging import BadCursor

_TAG_LENGTH: Final = 32  # hex characters, 128 bits


class Cursors:
    """``key``: at least 16 secret bytes, shared by all replicas."""

    def __init__(self, key: bytes) -> None:
        if len(key) < 16:
            raise ValueError("the key for cursors needs at least 16 bytes")
        self._key = key

    def seal(self, inner: str, of: str) -> str:
        """An opaque cursor for the list ``of``: its path and filters."""
        return f"{inner}.{self._tag(inner, of)}"

    def open(self, cursor: str, of: str) -> str:
        """What :meth:`seal` was given. Raises BadCursor."""
        inner, _, tag = cursor.rpartition(".")
        if not hmac.compare_digest(tag.encode("utf-8", "surrogatepass"), self._tag(inner, of).encode()):
            raise BadCursor(cursor)
        return inner

    def _tag(self, inner: str, of: str) -> str:
        signed = f"{of}\n{inner}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, signed, hashlib.sha256).hex()[:_TAG_LENGTH]
