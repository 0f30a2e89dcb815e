"""Pages of a list, and the opaque cursor that leads to the next one."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import orjson

T = TypeVar("T")


class BadCursor(ValueError):
    """The cursor was not made by this list."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """``next`` leads to the following page; None: this is the last one."""

    items: Sequence[T]
    next: str | None


def encode_cursor(*key: int | str) -> str:
    return urlsafe_b64encode(orjson.dumps(key)).rstrip(b"=").decode()


def decode_cursor(cursor: str, *types: type[int] | type[str]) -> tuple[object, ...]:
    """The key inside, checked against ``types``. Raises BadCursor."""
    try:
        key = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError as error:
        raise BadCursor(cursor) from error
    if not isinstance(key, list) or [type(part) for part in key] != list(types):
        raise BadCursor(cursor)
    return tuple(key)
