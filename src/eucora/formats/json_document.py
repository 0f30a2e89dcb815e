"""Typed values out of JSON documents from outside, as they were parsed. Every text that is taken is printable."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, cast

from eucora.domain.findings import UnreadableEvidence

JsonObject = dict[str, object]

DEPTH_MAX: Final = 64  # levels of nesting; components inside components inside … are the deepest honest case
TEXT_MAX: Final = 4096  # characters of one text that is taken
PROSE_MAX: Final = 1000  # characters of a text that is shortened
TAKEN_MAX: Final = 192 * 2**20  # bytes of all texts taken out of one document: 200,000 findings with 1,000 each
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
SCORE_MAX: Final = 10  # CVSS


class Reader:
    """Takes typed values out of one parsed document and names the place of the first that does not fit.

    ``separator`` stands between the steps of a place: ``.`` for JSON, ``/`` for XML.
    """

    def __init__(self, kind: str, way_out: str, separator: str = ".") -> None:
        self._kind, self._way_out, self._separator = kind, way_out, separator
        self._taken = 0

    def refuse(self, place: str, reason: str) -> UnreadableEvidence:
        """The error to raise for ``place``."""
        return UnreadableEvidence(self._kind, place, reason, self._way_out)

    def text(self, parent: JsonObject, key: str, place: str, *, required: bool = False) -> str:
        """The text under ``key``; empty where it is absent or null and not required."""
        value = parent.get(key)
        if value is None or value == "":
            if required:
                raise self.refuse(self.at(place, key), "is missing")
            return ""
        if not isinstance(value, str):
            raise self.refuse(self.at(place, key), "is not a text")
        return self._take(value, place, key)

    def prose(self, parent: JsonObject, key: str, place: str) -> str:
        """The text under ``key`` as one line of at most ``PROSE_MAX`` characters; people write paragraphs there."""
        value = parent.get(key)
        if isinstance(value, str):
            line = " ".join(_CONTROL.sub(" ", value).split())
            value = line if len(line) <= PROSE_MAX else f"{line[: PROSE_MAX - 1]}…"
        return self.text({key: value}, key, place)

    def texts(self, parent: JsonObject, key: str, place: str) -> Sequence[str]:
        """The list of texts under ``key``; empty where it is absent or null."""
        value = parent.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.refuse(self.at(place, key), "is not a list of texts")
        return tuple(self._take(item, place, key) for item in value)

    def object(self, parent: JsonObject, key: str, place: str) -> JsonObject:
        """The object under ``key``; empty where it is absent or null."""
        value = parent.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.refuse(self.at(place, key), "is not an object")
        return cast("JsonObject", value)

    def objects(self, parent: JsonObject, key: str, place: str) -> Sequence[JsonObject]:
        """The list of objects under ``key``; empty where it is absent or null."""
        value = parent.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.refuse(self.at(place, key), "is not a list")
        for index, item in enumerate(value):
            if not isinstance(item, dict):
                raise self.refuse(f"{self.at(place, key)}[{index}]", "is not an object")
        return cast("list[JsonObject]", value)

    def score(self, parent: JsonObject, key: str, place: str) -> Decimal | None:
        """The number 0.0..10.0 under ``key``, to one decimal; None where it is absent or null."""
        value = parent.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= SCORE_MAX:
            raise self.refuse(self.at(place, key), f"is not a score from 0 to {SCORE_MAX}")
        return Decimal(str(value)).quantize(Decimal("0.1"))

    def at(self, place: str, key: str) -> str:
        """The place of ``key`` inside ``place``."""
        return f"{place}{self._separator}{key}"

    def _take(self, value: str, place: str, key: str) -> str:
        if len(value) > TEXT_MAX:
            raise self.refuse(self.at(place, key), f"is longer than {TEXT_MAX} characters")
        if not value.isprintable() and _CONTROL.search(value):
            raise self.refuse(self.at(place, key), "holds a control character")
        self._taken += len(value) if value.isascii() else 4 * len(value)  # one wide character makes all wide
        if self._taken > TAKEN_MAX:
            raise self.refuse(self.at(place, key), f"is one text too many: together they exceed {TAKEN_MAX} bytes")
        return value
