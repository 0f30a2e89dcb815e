"""Builds the wanted parts of a document out of parse events, and bounds depth, counts and what is held."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from eucora.domain.findings import UnreadableEvidence
from eucora.formats.json_document import DEPTH_MAX, JsonObject
from eucora.formats.json_events import TEXT_MAX, Event
from eucora.formats.shape import TEXT, Fields, Items, Shape, Stream

KEYS_MAX: Final = 2_000  # keys of one object
KEY_LENGTH_MAX: Final = 1_024  # characters
HELD_MAX: Final = 16 * 2**20  # characters and values of elements that are not handed out yet
_KEY_SHOWN_MAX: Final = 64

Step = tuple[str, int | None]
"""One step of a path: a key and None, or an XML tag (empty where there is none) and a position from 0."""


@dataclass(frozen=True, slots=True)
class Record:
    """One finished element. ``number``: how many of its label began before it; ``label`` is empty for the document."""

    label: str
    number: int
    place: str
    value: JsonObject


class Places(Protocol):
    """How places are written."""

    def path(self, steps: Sequence[Step]) -> str: ...

    def element(self, of: str, tag: str, index: int) -> str:
        """The element of the list whose place is ``of``, by its position from 0."""
        ...


class JsonPlaces:
    """Paths such as ``$.matches[3].artifact``."""

    def path(self, steps: Sequence[Step]) -> str:
        return "$" + "".join(f".{shown(key)}" if index is None else f"[{index}]" for key, index in steps)

    def element(self, of: str, tag: str, index: int) -> str:
        return f"{of}[{index}]"


def shown(key: str) -> str:
    """A key as a place may show it: short and printable."""
    return key if key.isprintable() and len(key) <= _KEY_SHOWN_MAX else ascii(key[:_KEY_SHOWN_MAX])


class _Frame:
    """An open container that is wanted. ``child``: the shape of the value that comes next; None: it is passed over."""

    __slots__ = (
        "child",
        "held",
        "index",
        "key",
        "keys",
        "list",
        "node",
        "number",
        "object",
        "others",
        "place",
        "wanted",
    )

    def __init__(self, node: Shape | None) -> None:
        self.node = node
        self.key, self.index, self.place = "", -1, ""
        self.keys: set[str] | None = None  # None: a list
        self.object: JsonObject = {}
        self.list: list[object] = []
        self.number, self.held = -1, 0  # of an element of a stream: its number, and what was held before it
        self.child: Shape | None = None
        if isinstance(node, Fields):
            self.keys, self.wanted, self.others = set(), node.wanted, node.others
        elif isinstance(node, Items | Stream):
            self.child = node.of


class Assembler:
    """Feed it events; finished records come out of ``taken``. ``root`` is the document's shape.

    Each method that takes events raises UnreadableEvidence.
    """

    def __init__(self, root: Fields | Stream, *, kind: str, way_out: str, places: Places) -> None:
        self._kind, self._way_out, self._places = kind, way_out, places
        self._counts: dict[str, int] = {}
        self._held = 0
        self._out: list[Record] = []
        holder = _Frame(None)
        holder.child = root
        self._frames = [holder]
        self._skipped: list[set[str] | None] = []  # the open containers that are passed over; None: a list

    def taken(self) -> Sequence[Record]:
        """The records that were finished since the last call."""
        out, self._out = self._out, []
        return out

    @property
    def node(self) -> Shape | None:
        """The shape of the innermost open container."""
        return self._frames[-1].node

    def place(self) -> str:
        """Where the document is being read."""
        steps: list[Step] = []
        for frame in self._frames[1:]:
            if frame.keys is None:
                tag = frame.node.tag if isinstance(frame.node, Items | Stream) else ""
                if frame.index >= 0:
                    steps.append((tag, frame.index))
            elif frame.key:
                steps.append((frame.key, None))
        return self._places.path(steps)

    def refuse(self, reason: str, way_out: str = "") -> UnreadableEvidence:
        """The error to raise for the current place."""
        return UnreadableEvidence(self._kind, self.place(), reason, way_out or self._way_out)

    def feed(self, events: Iterable[Event]) -> None:
        """Take the next events. The loop is long and flat because it runs once for each of millions of events."""
        frames, skipped = self._frames, self._skipped
        top = frames[-1]
        for event, value in events:
            if event == "map_key":
                keys = skipped[-1] if skipped else top.keys
                if keys is None or value in keys or len(keys) >= KEYS_MAX or len(value) > KEY_LENGTH_MAX:
                    raise self._bad_key(value)
                keys.add(value)
                if not skipped:
                    top.key = value
                    top.child = top.wanted.get(value, top.others)
            elif event == "string" and len(value) > TEXT_MAX:
                raise self.refuse(f"is a text of more than {TEXT_MAX} characters")
            elif skipped:
                if event == "start_map" or event == "start_array":
                    self._go_deeper(set() if event == "start_map" else None)
                elif event == "end_map" or event == "end_array":
                    skipped.pop()
            elif event == "end_map" or event == "end_array":
                self._end(top)
                top = frames[-1]
            else:
                if top.keys is None:
                    top.index += 1
                if event == "start_map" or event == "start_array":
                    top = self._start(top, is_map=event == "start_map")
                elif top.child is not None:
                    self._scalar(top, value)

    def _bad_key(self, key: str) -> UnreadableEvidence:
        if not self._skipped:
            self._frames[-1].key = key
        keys = self._skipped[-1] if self._skipped else self._frames[-1].keys
        if keys and key in keys:
            return self.refuse(f"has {shown(key)!r} twice; two readers may take different ones")
        return self.refuse(f"has more than {KEYS_MAX} keys, or one of more than {KEY_LENGTH_MAX} characters")

    def _scalar(self, top: _Frame, value: object) -> None:
        if top.child is not TEXT:  # the first test of all, because it nearly always is
            if isinstance(top.child, Stream) and value is not None:
                raise self.refuse("is not a list")
            if isinstance(top.node, Stream):
                raise self.refuse("is not an object")
            if len(self._frames) == 1:
                raise self._no_document()
        self._keep(top, value)

    def _keep(self, top: _Frame, value: object) -> None:
        if top.keys is None:
            top.list.append(value)
        else:
            top.object[top.key] = value
        self._held += 1 + (len(value) if isinstance(value, str) else 0)
        if self._held > HELD_MAX:
            raise self.refuse(f"one element holds more than {HELD_MAX} characters and values")

    def _start(self, top: _Frame, *, is_map: bool) -> _Frame:
        """Open a container; the innermost that is wanted, which the new one may be."""
        child = top.child
        if child is None:
            self._go_deeper(set() if is_map else None)
            return top
        if isinstance(child, Fields) is not is_map or child is TEXT:
            return self._start_of_wrong_kind(top, is_map=is_map)
        self._refuse_depth()
        frame = _Frame(child)
        if isinstance(top.node, Stream):
            frame.number, frame.held = self._count(top.node), self._held
        elif len(self._frames) > 1:
            self._keep(top, frame.object if is_map else frame.list)
        if isinstance(child, Stream):
            frame.place = self.place()
        self._frames.append(frame)
        return frame

    def _start_of_wrong_kind(self, top: _Frame, *, is_map: bool) -> _Frame:
        if len(self._frames) == 1:
            raise self._no_document()
        if isinstance(top.child, Stream):
            raise self.refuse("is not a list")
        if isinstance(top.node, Stream):
            raise self.refuse("is not an object")
        # An empty one stays, so that whoever reads it can say what is wrong.
        self._keep(top, {} if is_map else [])
        self._go_deeper(set() if is_map else None)
        return top

    def _go_deeper(self, keys: set[str] | None) -> None:
        self._refuse_depth()
        self._skipped.append(keys)

    def _refuse_depth(self) -> None:
        if len(self._frames) + len(self._skipped) > DEPTH_MAX:
            raise self.refuse(f"is nested deeper than {DEPTH_MAX} levels")

    def _count(self, stream: Stream) -> int:
        number = self._counts.get(stream.label, 0)
        if number >= stream.count_max:
            raise self.refuse(f"there are more than {stream.count_max:,} {stream.label}", stream.too_many)
        self._counts[stream.label] = number + 1
        return number

    def _end(self, top: _Frame) -> None:
        frames = self._frames
        frames.pop()
        if top.number >= 0:
            parent = frames[-1]
            if isinstance(parent.node, Stream):
                place = self._places.element(parent.place, parent.node.tag, parent.index)
                self._out.append(Record(parent.node.label, top.number, place, top.object))
            self._held = top.held
        elif len(frames) == 1 and top.keys is not None:
            self._out.append(Record("", 0, self._places.path(()), top.object))

    def _no_document(self) -> UnreadableEvidence:
        wanted = "list" if isinstance(self._frames[0].child, Stream) else "object"
        return UnreadableEvidence(self._kind, "the file", f"is not a JSON {wanted}", self._way_out)
