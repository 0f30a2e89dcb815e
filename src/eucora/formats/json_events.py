"""The parse events of a JSON document, one chunk of the file at a time.

ijson's push interface over yajl (C) does the lexing; this module adds what a hostile file needs: a bound on what yajl
buffers, one kind of error, and the line and byte of a mistake.
"""

from collections.abc import Generator, Iterable, Iterator
from itertools import pairwise
from typing import Any, Final, Protocol, cast

import ijson  # type: ignore[import-untyped]  # it ships no types
from ijson.backends import yajl2_c  # type: ignore[import-untyped]  # as above

from eucora.domain.findings import UnreadableEvidence
from eucora.formats.byte_source import CHUNK_SIZE, Source, chunks

Event = tuple[str, Any]
"""``start_map``, ``map_key``, ``end_map``, ``start_array``, ``end_array``, ``string``, ``number``, ``boolean``,
``null``, each with its value; an integer is 64 bits wide, any other number a float."""

TEXT_MAX: Final = 64 * 2**10  # characters of one text, read or passed over
EVENTS_MAX: Final = 50_000_000  # of one document: about three times what 200 MB of honest evidence has
# yajl holds a text until its end. Six bytes (\uXXXX) may stand for one character, and nothing honest is longer.
_SILENCE_MAX: Final = 6 * TEXT_MAX + 2 * CHUNK_SIZE  # bytes without an event


class _Parser(Protocol):
    def send(self, chunk: bytes, /) -> None: ...
    def close(self) -> None: ...


# What yajl and its binding raise for bytes that are not JSON. UnicodeDecodeError: code points that UTF-8 cannot hold.
_NOT_JSON: Final = (ijson.JSONError, UnicodeDecodeError)


def event_batches(
    source: Source, *, kind: str, way_out: str, events_max: int = EVENTS_MAX
) -> Iterator[Iterable[Event]]:
    """The events of the document, a batch for each chunk.

    Raises:
        UnreadableEvidence: as ``chunks``; or not JSON, with line and byte; or a text longer than any honest one; or
            more than ``events_max`` events, which would take minutes.
    """
    batch: list[Event] = ijson.sendable_list()
    parser = _parser(batch)
    silent_from, end, count = 0, 0, 0
    for at, chunk in chunks(source, kind=kind, way_out=way_out):
        try:
            parser.send(chunk)
        except _NOT_JSON as error:
            yield batch  # what comes before the mistake may be wrong in a way of its own
            place = _place_of_mistake(source, at, kind=kind, way_out=way_out)
            raise UnreadableEvidence(kind, place, _reason(error), way_out) from error
        end = at + len(chunk)
        count += len(batch)
        if count > events_max:
            reason = f"there are more than {events_max:,} values and brackets"
            raise UnreadableEvidence(kind, f"after byte {at}", reason, way_out)
        if batch:
            silent_from = at
            yield batch
            batch.clear()
        elif end - silent_from > _SILENCE_MAX:
            reason = f"there is a text of more than {TEXT_MAX} characters, or as much white space"
            raise UnreadableEvidence(kind, f"after byte {silent_from}", reason, way_out)
    try:
        parser.close()
    except _NOT_JSON as error:
        yield batch
        raise UnreadableEvidence(kind, f"byte {end}, the end of the file", _reason(error), way_out) from error
    yield batch


def _parser(target: object) -> _Parser:
    # Floats: Python's long integers take quadratic time, and past 4,300 digits break the binding's own list.
    return cast("_Parser", yajl2_c.basic_parse_coro(target, use_float=True))


def _reason(error: Exception) -> str:
    told = str(error).removeprefix("b'").replace("\\n", "\n").split("\n")[0].strip().rstrip(".")
    if isinstance(error, UnicodeDecodeError) or "UTF8" in told:
        return "is not UTF-8"
    if "premature EOF" in told:
        return "is not JSON: it is cut off here"
    if "overflow" in told:
        return "is a number that no reader can hold"
    return f"is not JSON ({told})"


def _place_of_mistake(source: Source, failed_at: int, *, kind: str, way_out: str) -> str:
    """Line, column and byte of the mistake that lies in the chunk at offset ``failed_at``.

    yajl's binding does not tell where it stopped, so a second parser goes there, the last chunk byte by byte.
    """
    parser, lines, line_starts = _parser(_sink()), 1, 0
    for at, chunk in chunks(source, kind=kind, way_out=way_out):
        if at < failed_at:
            parser.send(chunk)
            lines += chunk.count(b"\n")
            line_starts = at + chunk.rfind(b"\n") + 1 if b"\n" in chunk else line_starts
            continue
        for here, following in pairwise(range(len(chunk) + 1)):
            try:
                parser.send(chunk[here:following])
            except _NOT_JSON:
                before = chunk[:here]
                lines += before.count(b"\n")
                line_starts = at + before.rfind(b"\n") + 1 if b"\n" in before else line_starts
                return f"line {lines} column {at + here - line_starts + 1} (byte {at + here})"
        break
    return f"byte {failed_at}"  # the file has changed between the two looks


def _sink() -> Generator[None, Event, None]:
    """A started coroutine that takes events and keeps none."""
    sink = _taker()
    next(sink)
    return sink


def _taker() -> Generator[None, Event, None]:
    while True:
        yield
