"""The wanted elements of a document, one by one, in flat memory."""

from collections.abc import Iterator

from eucora.formats.assembler import Assembler, JsonPlaces, Record
from eucora.formats.byte_source import Source
from eucora.formats.json_events import event_batches
from eucora.formats.shape import Fields, Stream


def json_records(source: Source, root: Fields | Stream, *, kind: str, way_out: str) -> Iterator[Record]:
    """Each streamed element when it ends, what lies inside it first; the document itself comes last, labelled ''.

    A document that is a list has no such last record.

    Raises:
        UnreadableEvidence: as ``event_batches``; or nested too deep, too many elements, a key that is there twice, a
            text that is too long, or a list or an object where the shape has the other.
    """
    assembler = Assembler(root, kind=kind, way_out=way_out, places=JsonPlaces())
    for batch in event_batches(source, kind=kind, way_out=way_out):
        assembler.feed(batch)
        yield from assembler.taken()
