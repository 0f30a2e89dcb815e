"""The wanted elements of a large XML document, one by one: no DTD, no entity, no tree.

The same shapes as for JSON: an element with children is an object, its attributes are keys like its children, and a
list is an element whose children all have one name (``Stream.tag``, ``Items.tag``).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from xml.parsers import expat

from eucora.domain.findings import UnreadableEvidence
from eucora.formats.assembler import Assembler, Record, Step, shown
from eucora.formats.byte_source import CHUNK_SIZE, Source, chunks
from eucora.formats.json_document import DEPTH_MAX
from eucora.formats.json_events import TEXT_MAX
from eucora.formats.shape import Fields, Items, Scalar, Shape, Stream

# expat holds a tag, a comment or an instruction until its end; an honest one is short.
_SILENCE_MAX: Final = TEXT_MAX + 2 * CHUNK_SIZE  # bytes without an event
TAGS_MAX: Final = 15_000_000  # of one document: about twice what 200 MB of honest evidence has
_SEPARATOR: Final = "\n"  # between namespace and name; neither can hold one
_NO_DTD: Final = "Take the DOCTYPE and the entities out; this format needs none."


def xml_records(
    source: Source,
    shape: Fields,
    *,
    root: str,
    namespace: str,
    version_key: str,
    kind: str,
    way_out: str,
    tags_max: int = TAGS_MAX,
) -> Iterator[Record]:
    """Each streamed element when it ends; the document itself comes last, labelled ''.

    ``root``: the name of the root element, in a namespace that begins with ``namespace``; what follows there is handed
    out as the document's ``version_key``. Elements of other namespaces are passed over.

    Raises:
        UnreadableEvidence: as ``chunks``; or not well-formed UTF-8 XML, or another root, or it declares a document type
            or an entity; or nested too deep, more than ``tags_max`` elements, an element that is there twice, a text
            too long.
    """

    assembler = Assembler(shape, kind=kind, way_out=way_out, places=_XmlPlaces(root))
    driver = _Driver(assembler, root, namespace, version_key, tags_max)
    parser = _parser(driver)
    heard_at, end, mark = 0, 0, None
    for at, chunk in chunks(source, kind=kind, way_out=way_out):
        mark = at if mark is None else mark  # the byte order mark, which expat does not see
        driver.heard = False
        _parse(parser, chunk, last=False, mark=mark, kind=kind, way_out=way_out)
        end = at + len(chunk)
        if driver.heard:
            heard_at = at
        elif end - heard_at > _SILENCE_MAX:
            reason = f"there is a tag or a comment of more than {_SILENCE_MAX} bytes"
            raise UnreadableEvidence(kind, f"after byte {heard_at}", reason, way_out)
        yield from assembler.taken()
    _parse(parser, b"", last=True, mark=mark or 0, kind=kind, way_out=way_out)
    yield from assembler.taken()


class _XmlPlaces:
    """Paths such as ``/bom/components/component[3]/name``; positions count from 1."""

    def __init__(self, root: str) -> None:
        self._root = root

    def path(self, steps: Sequence[Step]) -> str:
        path = f"/{self._root}"
        for name, index in steps:
            path = f"{path}/{shown(name)}" if index is None else self.element(path, name, index)
        return path

    def element(self, of: str, tag: str, index: int) -> str:
        return f"{of}/{tag}[{index + 1}]"


def _parser(driver: "_Driver") -> expat.XMLParserType:
    parser = expat.ParserCreate("utf-8", _SEPARATOR)  # whatever the declaration says: one encoding, as for JSON
    parser.buffer_text = True
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    parser.StartDoctypeDeclHandler = driver.on_doctype
    parser.EntityDeclHandler = driver.on_entity
    parser.StartElementHandler = driver.on_start
    parser.EndElementHandler = driver.on_end
    parser.CharacterDataHandler = driver.on_text
    parser.CommentHandler = driver.on_nothing
    return parser


def _parse(parser: expat.XMLParserType, chunk: bytes, *, last: bool, mark: int, kind: str, way_out: str) -> None:
    try:
        parser.Parse(chunk, last)
    except expat.ExpatError as error:
        place = f"line {error.lineno} column {error.offset + 1} (byte {mark + max(parser.ErrorByteIndex, 0)})"
        reason = f"is not well-formed UTF-8 XML ({expat.ErrorString(error.code)})"
        raise UnreadableEvidence(kind, place, reason, way_out) from error


class _Driver:
    """Turns expat's calls into the assembler's events."""

    def __init__(self, assembler: Assembler, root: str, namespace: str, version_key: str, tags_max: int) -> None:
        self._assembler, self._root, self._namespace, self._version_key = assembler, root, namespace, version_key
        self._tags_max = tags_max
        self._own = ""  # the namespace of the root, once it is known
        self._depth = 0
        self._tags = 0
        self._passed_over = 0  # depth inside an element that no shape names
        self._leaf: list[str] | None = None  # the pieces of the text that is being taken
        self._length = 0  # characters of text since the last tag
        self.heard = False

    def on_doctype(self, *_: object) -> None:
        raise self._assembler.refuse("declares a document type (DTD)", _NO_DTD)

    def on_entity(self, *_: object) -> None:
        raise self._assembler.refuse("declares an entity", _NO_DTD)

    def on_nothing(self, _: str) -> None:
        self.heard = True

    def on_start(self, name: str, attributes: Mapping[str, str]) -> None:
        self.heard, self._length = True, 0
        self._depth += 1
        self._tags += 1
        if self._tags > self._tags_max:
            raise self._assembler.refuse(f"there are more than {self._tags_max:,} elements before this place")
        if self._depth > DEPTH_MAX:
            raise self._assembler.refuse(f"is nested deeper than {DEPTH_MAX} levels")
        if any(len(value) > TEXT_MAX for value in attributes.values()):
            raise self._assembler.refuse(f"has an attribute of more than {TEXT_MAX} characters")
        namespace, _, tag = name.rpartition(_SEPARATOR)
        if self._depth == 1:
            self._start_root(namespace, tag)
        elif self._passed_over:
            self._passed_over += 1
        elif self._leaf is not None:
            raise self._assembler.refuse("holds elements where a text belongs")
        elif namespace != self._own or (shape := self._shape_of(tag)) is None:
            self._passed_over = 1
        else:
            self._start(tag, shape, attributes)

    def on_text(self, text: str) -> None:
        self.heard = True
        self._length += len(text)
        if self._length > TEXT_MAX:
            raise self._assembler.refuse(f"is a text of more than {TEXT_MAX} characters")
        if self._leaf is not None:
            self._leaf.append(text)

    def on_end(self, _: str) -> None:
        self.heard, self._length = True, 0
        self._depth -= 1
        if self._passed_over:
            self._passed_over -= 1
        elif self._leaf is not None:
            text, self._leaf = "".join(self._leaf).strip(), None
            self._assembler.feed([("string", text)])
        else:
            self._assembler.feed([("end_map" if isinstance(self._assembler.node, Fields) else "end_array", None)])

    def _start_root(self, namespace: str, tag: str) -> None:
        if tag != self._root or not namespace.startswith(self._namespace):
            raise self._assembler.refuse(f"is not expected: the root is {shown(tag)!r} in {shown(namespace)!r}")
        self._own = namespace
        version = namespace.removeprefix(self._namespace)
        self._assembler.feed([("start_map", None), ("map_key", self._version_key), ("string", version)])

    def _shape_of(self, tag: str) -> Shape | None:
        node = self._assembler.node
        if isinstance(node, Fields):
            return node.wanted.get(tag)
        return node.of if isinstance(node, Items | Stream) and node.tag == tag else None

    def _start(self, tag: str, shape: Shape, attributes: Mapping[str, str]) -> None:
        if isinstance(self._assembler.node, Fields):
            self._assembler.feed([("map_key", tag)])
        match shape:
            case Scalar():
                self._leaf = []
            case Items() | Stream():
                self._assembler.feed([("start_array", None)])
            case Fields():
                self._assembler.feed([("start_map", None)])
                for key, value in attributes.items():
                    if isinstance(shape.wanted.get(key), Scalar):
                        self._assembler.feed([("map_key", key), ("string", value)])
