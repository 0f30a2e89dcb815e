"""Values of the domain as plain JSON: to bind them by a digest, and to know how large they are before they are kept."""

import json
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import TypeAlias

from eucora.domain.statistics import ARITHMETIC

Plain: TypeAlias = "str | int | list[Plain] | dict[str, Plain] | None"


def size_of(value: object) -> int:
    """Bytes of the value as JSON in UTF-8 without spaces, about what it takes on record. Raises as :func:`plain`."""
    text = json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))
    return len(text.encode("utf-8", errors="surrogatepass"))


def plain(value: object) -> Plain:
    """The value as JSON knows it; decimals as plain strings without trailing zeros, times in ISO 8601.

    Every field of every dataclass, by reflection: a field added later cannot be left out of a binding by mistake.

    Raises:
        TypeError: a value that has no such form, a float above all.
    """
    match value:
        case Enum():
            return plain(value.value)
        case None | str() | int():
            return value
        case Decimal():
            return f"{ARITHMETIC.normalize(value):f}"
        case datetime():
            return value.isoformat()
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    raise TypeError(f"{type(value).__name__} has no canonical form")
