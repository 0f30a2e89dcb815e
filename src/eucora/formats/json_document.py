"""JSON documents from outside: bounded in size and depth, strict UTF-8, and every text that is taken is printable."""

from collections.abc import Sequence
from typing import Final, cast

import orjson

from eucora.domain.findings import UnreadableEvidence

JsonObject = dict[str, object]

SIZE_MAX: Final = 64 * 2**20  # bytes; the largest real SBOMs and reports seen are a few MiB
DEPTH_MAX: Final = 64  # levels of nesting; components inside components inside … are the deepest honest case
TEXT_MAX: Final = 4096  # characters of one text


def parse_json(data: bytes, *, kind: str, way_out: str) -> JsonObject:
    """The object that ``data`` is. A UTF-8 byte order mark, which Windows tools like to write, is passed over.

    Raises:
        UnreadableEvidence: empty, too big, not UTF-8 JSON, nested deeper than ``DEPTH_MAX``, or no object.
    """
    if len(data) > SIZE_MAX:
        raise UnreadableEvidence(kind, "the file", f"is larger than {SIZE_MAX} bytes", way_out)
    body = data.removeprefix(b"\xef\xbb\xbf")
    if not body.strip():
        raise UnreadableEvidence(kind, "the file", "is empty", way_out)
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise UnreadableEvidence(kind, "byte 0", "is UTF-16, not UTF-8", "Save the file as UTF-8 and hand it in again.")
    if (at := body.find(b"\x00")) >= 0:
        raise UnreadableEvidence(
            kind, f"byte {at}", "is a NUL byte", "Save the file as UTF-8 text and hand it in again."
        )
    if body.lstrip()[:1] == b"<":
        raise UnreadableEvidence(kind, "the file", "is XML or HTML, not JSON", way_out)
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise UnreadableEvidence(kind, place, f"is not JSON ({error.msg})", way_out) from error
    if not isinstance(document, dict):
        raise UnreadableEvidence(kind, "the file", "is not a JSON object", way_out)
    if _deeper_than(document, DEPTH_MAX):
        raise UnreadableEvidence(kind, "the file", f"is nested deeper than {DEPTH_MAX} levels", way_out)
    return cast("JsonObject", document)


def _deeper_than(document: object, depth_max: int) -> bool:
    # Level by level instead of recursively: depth is the attack here.
    level: list[object] = [document]
    for _ in range(depth_max):
        below: list[object] = []
        for node in level:
            if isinstance(node, dict):
                below.extend(value for value in node.values() if isinstance(value, dict | list))
            elif isinstance(node, list):
                below.extend(value for value in node if isinstance(value, dict | list))
        if not below:
            return False
        level = below
    return True


class Reader:
    """Takes typed values out of one parsed document and names the place of the first that does not fit."""

    def __init__(self, kind: str, way_out: str) -> None:
        self._kind, self._way_out = kind, way_out

    def refuse(self, place: str, reason: str) -> UnreadableEvidence:
        """The error to raise for ``place``."""
        return UnreadableEvidence(self._kind, place, reason, self._way_out)

    def text(self, parent: JsonObject, key: str, place: str, *, required: bool = False) -> str:
        """The text under ``key``; empty where it is absent or null and not required."""
        value = parent.get(key)
        if value is None or value == "":
            if required:
                raise self.refuse(f"{place}.{key}", "is missing")
            return ""
        if not isinstance(value, str):
            raise self.refuse(f"{place}.{key}", "is not a text")
        if len(value) > TEXT_MAX:
            raise self.refuse(f"{place}.{key}", f"is longer than {TEXT_MAX} characters")
        if any(ord(character) < 0x20 or ord(character) == 0x7F for character in value):
            raise self.refuse(f"{place}.{key}", "holds a control character")
        return value

    def object(self, parent: JsonObject, key: str, place: str) -> JsonObject:
        """The object under ``key``; empty where it is absent or null."""
        value = parent.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.refuse(f"{place}.{key}", "is not an object")
        return cast("JsonObject", value)

    def objects(self, parent: JsonObject, key: str, place: str) -> Sequence[JsonObject]:
        """The list of objects under ``key``; empty where it is absent or null."""
        value = parent.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.refuse(f"{place}.{key}", "is not a list")
        for index, item in enumerate(value):
            if not isinstance(item, dict):
                raise self.refuse(f"{place}.{key}[{index}]", "is not an object")
        return cast("list[JsonObject]", value)
